from __future__ import annotations

from dataclasses import replace

from autogpt.models.presets import ModelConfig, build_config
from autogpt.recipe.new_size import sized_to_read
from autogpt.recipe.settings import FinetuneConfig, FinetuneRecipe
from autogpt.training.plan import parameter_count
from autogpt.training.settings import TrainingConfig

PAIRS = FinetuneRecipe(
    finetune=FinetuneConfig(task="translate"), model=ModelConfig(context_length=64)
)


def weights(recipe: FinetuneRecipe, *, budget: str, tokens: int = 200_000) -> int:
    asked = replace(recipe, training=TrainingConfig(budget=budget))
    sizes = sized_to_read(asked, vocab_size=1024, tokens=tokens, before_s=10.0)
    return parameter_count(build_config(sizes, 1024))


def test_more_time_or_fewer_pairs_make_a_larger_model():
    short, long = weights(PAIRS, budget="2m"), weights(PAIRS, budget="1h")
    assert short < long
    assert weights(PAIRS, budget="1h", tokens=4_000_000) < long


def test_a_budget_that_is_gone_gives_the_smallest_model_there_is():
    assert weights(PAIRS, budget="11s", tokens=10**9) < 200_000


def test_sizes_that_are_set_stay():
    asked = replace(PAIRS, model=replace(PAIRS.model, hidden_size=128))
    sizes = sized_to_read(
        replace(asked, training=TrainingConfig(budget="20m")),
        vocab_size=1024,
        tokens=200_000,
        before_s=0.0,
    )
    assert sizes.hidden_size == 128
    assert sizes.num_hidden_layers is not None


def test_steps_in_place_of_a_budget_leave_the_usual_size():
    asked = replace(PAIRS, training=TrainingConfig(max_steps=3))
    sizes = sized_to_read(asked, vocab_size=1024, tokens=1000, before_s=0.0)
    assert sizes.preset == "tiny"
