from __future__ import annotations

import pytest

from autogpt.recipe.forecast import usual_training, with_looks, with_rate
from autogpt.recipe.settings import FinetuneConfig, FinetuneRecipe
from autogpt.training.settings import TrainingConfig


def test_pairs_and_tags_from_nothing_are_kept_from_being_learned_by_heart():
    for task, kept in (("translate", True), ("summarize", True), ("tag", True), ("chat", False)):
        usual = usual_training(FinetuneRecipe(finetune=FinetuneConfig(task=task, base="new")))
        finetune = usual.get("finetune", {})
        assert isinstance(finetune, dict)
        assert (finetune.get("dropout", 0) > 0) == kept


@pytest.mark.parametrize(
    ("budget", "look_s", "looks"),
    [("10m", 1.0, 10), ("10m", 30.0, 2), ("1m", 30.0, 1)],
)
def test_looks_take_a_tenth_of_the_budget_at_most(budget, look_s, looks):
    wanted = TrainingConfig(budget=budget, validations=10)
    assert with_looks(wanted, look_s=look_s).validations == looks


def test_a_run_of_so_many_steps_looks_as_often_as_it_is_told():
    wanted = TrainingConfig(max_steps=100, validations=10)
    assert with_looks(wanted, look_s=30.0).validations == 10


@pytest.mark.parametrize(("task", "rate"), [("chat", 1e-4), ("classify", 5e-5), ("tag", 5e-4)])
def test_a_tagger_that_learns_to_look_ahead_takes_larger_steps(task, rate):
    asked = FinetuneRecipe(finetune=FinetuneConfig(task=task, base="smollm2-135m-instruct"))
    assert usual_training(asked)["training"]["lr"] == rate


@pytest.mark.parametrize(
    ("task", "examples", "rate"),
    [
        ("classify", 100, 5e-5),
        ("classify", 1000, 2e-4),
        ("classify", 10_000, 5e-4),
        ("tag", 10_000, 5e-5),
    ],
)
def test_many_examples_of_a_class_hold_a_model_at_a_larger_rate(task, examples, rate):
    recipe = FinetuneRecipe(
        finetune=FinetuneConfig(task=task, base="smollm2-135m-instruct"),
        training=TrainingConfig(lr=5e-5),
    )
    assert with_rate(recipe, examples=examples).training.lr == pytest.approx(rate)


@pytest.mark.parametrize("task", ["chat", "classify"])
def test_labels_of_a_text_are_kept_from_being_learned_by_heart(task):
    asked = FinetuneRecipe(finetune=FinetuneConfig(task=task, base="smollm2-135m-instruct"))
    finetune = usual_training(asked)["finetune"]
    assert ("dropout" in finetune, "label_smoothing" in finetune) == (task == "classify",) * 2
