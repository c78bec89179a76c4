"""The pipeline, end to end: prepare > train > evaluate > save > report."""

from autogpt.recipe.pipeline import QUICKSTART_SETTINGS, quickstart, train
from autogpt.recipe.planning import RunPlan, plan
from autogpt.recipe.result import TrainResult
from autogpt.recipe.settings import Recipe, read_recipe

__all__ = [
    "QUICKSTART_SETTINGS",
    "Recipe",
    "RunPlan",
    "TrainResult",
    "plan",
    "quickstart",
    "read_recipe",
    "train",
]
