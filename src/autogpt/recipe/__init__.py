"""The pipeline, end to end: prepare > train > evaluate > save > report."""

from autogpt.recipe.finetune import finetune
from autogpt.recipe.finetune_report import FinetuneResult
from autogpt.recipe.pipeline import train
from autogpt.recipe.planning import RunPlan, plan, plans
from autogpt.recipe.quickstart import QUICKSTART_SETTINGS, quickstart
from autogpt.recipe.result import TrainResult
from autogpt.recipe.settings import FinetuneRecipe, Recipe, read_recipe

__all__ = [
    "QUICKSTART_SETTINGS",
    "FinetuneRecipe",
    "FinetuneResult",
    "Recipe",
    "RunPlan",
    "TrainResult",
    "finetune",
    "plan",
    "plans",
    "quickstart",
    "read_recipe",
    "train",
]
