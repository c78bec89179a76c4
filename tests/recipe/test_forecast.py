from __future__ import annotations

from autogpt.recipe.forecast import usual_training
from autogpt.recipe.settings import FinetuneConfig, FinetuneRecipe


def test_pairs_and_tags_from_nothing_are_kept_from_being_learned_by_heart():
    for task, kept in (("translate", True), ("summarize", True), ("tag", True), ("chat", False)):
        usual = usual_training(FinetuneRecipe(finetune=FinetuneConfig(task=task, base="new")))
        finetune = usual.get("finetune", {})
        assert isinstance(finetune, dict)
        assert (finetune.get("dropout", 0) > 0) == kept
