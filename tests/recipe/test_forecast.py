from __future__ import annotations

import pytest

from autogpt.recipe.forecast import usual_training
from autogpt.recipe.settings import FinetuneConfig, FinetuneRecipe


def rate(task: str, width: int, *, method: str = "full") -> float:
    asked = FinetuneRecipe(finetune=FinetuneConfig(task=task, base="mine", method=method))
    training = usual_training(asked, width=width)["training"]
    assert isinstance(training, dict)
    return float(training["lr"])


@pytest.mark.parametrize(
    ("task", "method", "expected"),
    [("chat", "full", 1e-4), ("chat", "lora", 5e-4), ("preference", "full", 1e-5),
     ("classify", "full", 5e-5)],
)  # fmt: skip
def test_rates_go_with_the_inverse_of_the_width(task: str, method: str, expected: float):
    assert rate(task, 576, method=method) == pytest.approx(expected)
    assert rate(task, 192, method=method) == pytest.approx(3 * expected)
    assert rate(task, 1152, method=method) == pytest.approx(expected / 2)
    assert rate(task, 16, method=method) == pytest.approx(4 * expected)
    assert rate(task, 8192, method=method) == pytest.approx(expected / 4)


def test_pairs_and_tags_from_nothing_are_kept_from_being_learned_by_heart():
    for task, kept in (("translate", True), ("summarize", True), ("tag", True), ("chat", False)):
        usual = usual_training(FinetuneRecipe(finetune=FinetuneConfig(task=task, base="new")))
        finetune = usual.get("finetune", {})
        assert isinstance(finetune, dict)
        assert (finetune.get("dropout", 0) > 0) == kept
