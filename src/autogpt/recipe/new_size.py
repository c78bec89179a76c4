"""How large a new model is that learns from examples: as large as can read them often enough.

What running text needs is forecast by a law (``training.scaling``); of pairs and of tagged texts
the law knows nothing. It chose 0.25 million weights for 27,000 pairs of sentences, be the budget 10
minutes or 90, where a word is learned from the few pairs it is in, and a sentence from all that it
is not; 1.3 million at twelve passes and 2.8 million at five translated alike (docs/log.md).
"""

from __future__ import annotations

from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import ModelConfig, build_config
from autogpt.recipe import planning
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.training import calibration, kernels
from autogpt.training.sizes import batch_sizes, candidates, preset, seconds_per_token

__all__ = ["sized_to_read"]

_PASSES = 10  # over the examples
_SPENT = 0.9  # of the time left, by training; looks at validation examples and saving take the rest
_LARGEST = 30_000_000  # weights: more are for those who say so


def sized_to_read(
    recipe: FinetuneRecipe, *, vocab_size: int, tokens: int, before_s: float
) -> ModelConfig:
    """Return the sizes of the largest model that the budget lets read all examples ten times.

    Args:
        recipe: With a context length; sizes that are set stay.
        vocab_size: Of the tokenizer.
        tokens: Of all examples.
        before_s: Seconds of the budget that are gone.
    """
    settings, seconds = recipe.model, planning.seconds_to_spend(recipe.training)
    if seconds is None:
        return preset(settings)
    left_s = max(1.0, seconds - before_s)
    length = settings.context_length
    use = kernels.choose(
        recipe.kernels,
        build_config(preset(settings), vocab_size),
        length=length,
        masked=True,
        budget_s=None,
    )
    costs = calibration.measure(
        dtype=use.dtype,
        length=length,
        masked=True,
        compiled=False,
        speedup=1.0,
        allowed_s=calibration.MEASURING * seconds,
    )

    def takes_s(config: GPTConfig) -> float:
        training = batch_sizes(recipe.training, config)
        return _PASSES * tokens * seconds_per_token(config, training, costs)

    sizes = [
        (parameter_count(config), takes_s(config), one)
        for one in candidates(settings)
        for config in [build_config(one, vocab_size)]
    ]
    fitting = [row for row in sizes if row[1] <= _SPENT * left_s and row[0] <= _LARGEST]
    if not fitting:
        return min(sizes, key=lambda row: row[0])[-1]
    return max(fitting, key=lambda row: row[0])[-1]
