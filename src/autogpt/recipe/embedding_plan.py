"""What a classifier on a sentence encoder may be told, and how much of it is read in time.

Reading is nearly all that takes time, so it is measured on some texts first. Where the budget does
not suffice for all examples, as many are read as it allows, of each label its share.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autogpt.core.config import flatten
from autogpt.core.errors import ConfigError, UsageError
from autogpt.core.examples import Labeled
from autogpt.core.refs import resolve
from autogpt.data.stratified import split_examples
from autogpt.interop.transformers import Encoder, is_encoder
from autogpt.recipe import planning
from autogpt.recipe.base_model import NEW
from autogpt.recipe.forecast import Forecast, seconds_to_spend
from autogpt.recipe.regression_path import EXPECTED_STEPS, seconds_of_a_step
from autogpt.recipe.result import peak_rss_bytes
from autogpt.recipe.settings import FinetuneRecipe

__all__ = ["FINISHING", "USUAL", "ReadingPlan", "check_settings", "plan_reading", "reads_first"]

USUAL: Mapping[str, object] = {"training": {"budget": "20m"}}
"""Settings where the user names none."""

FINISHING = "classify on an encoder"
"""What such runs are called in the memory of how long finishing takes."""

_PROBED = 32  # texts, to see how fast they are read
_LETTERS = 4  # of a token, about: a longer text is cut, and the ends of one take a token each
_SPARE = 0.9  # of the time there is for reading: what is planned for
_LEARNING = 0.3  # of the time left, at most: what is kept for learning
_LATER_BYTES = 160 << 20  # longer texts, plots, the report (138 MB on sentence-polarity)
_VECTOR_COPIES = 3  # as they come, together, and with a column for the bias
_SETTINGS = (
    *("seed", "finetune.task", "finetune.base", "finetune.method", "finetune.patience"),
    *("finetune.validation_share", "finetune.ngrams", "training.budget"),
    *("training.price_per_hour", "training.country", "training.max_steps"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingPlan:
    """What is read, and until when.

    Attributes:
        train: To learn from, in the order in which they are read.
        held_out: To measure with.
        forecast: What is expected.
        read_until: When reading has to end, by ``time.perf_counter``; None: never.
        learn_until: When learning has to.
    """

    train: Sequence[Labeled]
    held_out: Sequence[Labeled]
    forecast: Forecast
    read_until: float | None
    learn_until: float | None


def reads_first(reference: str, *, task: str, method: str) -> bool:
    """Whether a reference names a sentence encoder, which reads for a classifier.

    Raises:
        UsageError: If there is no such model, or it is asked for what it cannot be.
    """
    if reference == NEW or not is_encoder(resolve(reference)):
        return False
    if task != "classify":
        raise UsageError(
            f"{reference!r} turns texts into vectors and neither writes nor marks words: the task "
            f"{task!r} cannot be learned on it.",
            hint="Use --task classify, or a model that writes, as smollm2-135m-instruct; or 'new'.",
        )
    if method != "full":
        raise UsageError(
            f"{reference!r} stays as it is, so that there is nothing for --method {method} to "
            "change.",
            hint="Leave --method out.",
        )
    return True


def check_settings(given: Mapping[str, object]) -> None:
    """Refuse settings that mean nothing here.

    Raises:
        ConfigError: If there is one.
    """
    for name in flatten(given):
        if name not in _SETTINGS and not name.startswith("examples."):
            raise ConfigError(
                f"{name} means nothing for a classifier on a sentence encoder.",
                hint=f"What can be set: examples.*, {', '.join(_SETTINGS)}.",
            )


def plan_reading(
    recipe: FinetuneRecipe,
    encoder: Encoder,
    *,
    train: Sequence[Labeled],
    held_out: Sequence[Labeled],
    labels: int,
    begin: float,
) -> ReadingPlan:
    """Measure, and decide how many texts are read.

    Args:
        recipe: With the budget, or with steps.
        encoder: What reads.
        train: All examples to learn from.
        held_out: All examples to measure with.
        labels: How many there are.
        begin: When the budget began to run, by ``time.perf_counter``.

    Raises:
        ConfigError: If the budget is of tokens.
    """
    train = _shuffled(train, recipe.seed)
    size = sum(_size(one.text, encoder) for one in (*train, *held_out))
    read_s = _seconds_a_letter(encoder, train) * size
    steps = recipe.training.max_steps or EXPECTED_STEPS
    learn_s = steps * seconds_of_a_step(len(train), encoder.dimension, labels)
    after_s = planning.finishing_s(0, task=FINISHING)
    budget_s = seconds_to_spend(recipe.training)
    before_s = time.perf_counter() - begin
    share, read_until, learn_until = 1.0, None, None
    if budget_s is not None:
        left_s = max(0.0, budget_s - before_s - after_s)
        learn_s = min(learn_s, _LEARNING * left_s)
        learn_until = begin + budget_s - after_s
        read_until = learn_until - learn_s
        share = min(1.0, _SPARE * (left_s - learn_s) / read_s)
    if share < 1:
        train, held_out = (_some(side, share, recipe.seed) for side in (train, held_out))
    vectors = _VECTOR_COPIES * 4 * encoder.dimension * (len(train) + len(held_out))
    return ReadingPlan(
        train=train,
        held_out=held_out,
        forecast=Forecast(
            epochs=steps,
            steps=steps,
            step_s=learn_s / steps,
            wall_s=before_s + share * read_s + learn_s + after_s,
            peak_memory_bytes=peak_rss_bytes() + vectors + _LATER_BYTES,
            by_clock=share < 1,
        ),
        read_until=read_until,
        learn_until=learn_until,
    )


def _seconds_a_letter(encoder: Encoder, train: Sequence[Labeled]) -> float:
    some = [one.text for one in train[:_PROBED]]
    encoder.read(some[:4])  # the first pass is slower
    begin = time.perf_counter()
    encoder.read(some)
    passed = time.perf_counter() - begin
    return passed / sum(_size(text, encoder) for text in some)


def _size(text: str, encoder: Encoder) -> int:
    """Return about how much of a text is read, in letters."""
    return min(len(text), _LETTERS * encoder.max_tokens) + _LETTERS


def _some(examples: Sequence[Labeled], share: float, seed: int) -> Sequence[Labeled]:
    """Return a share of examples, and of each label's."""
    if len({one.text for one in examples}) < 2:
        return examples
    return split_examples(examples, fraction=max(share, 1e-6), most=len(examples), seed=seed)[1]


def _shuffled(examples: Sequence[Labeled], seed: int) -> list[Labeled]:
    order = np.random.default_rng(seed).permutation(len(examples))
    return [examples[place] for place in order]
