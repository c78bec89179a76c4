"""Sources to training and validation examples, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogpt.core.errors import DataError
from autogpt.core.examples import Example, Observed
from autogpt.core.progress import Progress
from autogpt.data.checks import Checks, check, written
from autogpt.data.examples import ExamplesReport, read_examples
from autogpt.data.stratified import split_examples
from autogpt.recipe.preview import preview
from autogpt.recipe.settings import HEADS, FinetuneRecipe
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson

__all__ = ["Gathered", "gather"]

SHOWN = 3
_HELD_OUT_MOST, _HELD_OUT_LEAST = 2000, 100  # examples
# Of what is written from text. A look at a tenth of 7,600 descriptions of packages, 0.6 MB, took a
# model of 135M weights four minutes, and a run takes three looks or more.
_HELD_OUT_BYTES = 1 << 17


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """Examples of a run.

    Attributes:
        train: To learn from.
        validation: To measure with.
        report: What was read.
        checks: What was found in it.
        sources: As the user named them.
    """

    train: Sequence[Example]
    validation: Sequence[Example]
    report: ExamplesReport
    checks: Checks
    sources: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        """All text of the training examples, for the tokenizer of a new model."""
        return [written(example) for example in self.train]

    def to_dict(self) -> dict[str, object]:
        """Return what was read and found, as plain values."""
        return {**self.report.to_dict(), "checks": self.checks.to_dict()}

    def tell(
        self, first: Sequence[Lesson | Example], tokenizer: Tokenizer | None, shown: Progress
    ) -> None:
        """Show the first examples as the model will see them, and say what may be wrong.

        Args:
            first: Lessons; or examples as they are, where a head learns them.
            tokenizer: Made the lessons.
            shown: Where to.
        """
        console = shown.console
        console.print(preview(first, tokenizer, console=console, total=len(self.train)))
        forms = ", ".join(self.report.formats)
        shown.say(
            f"{len(self.train)} examples to learn from, {len(self.validation)} to measure with"
            f"{f' ({forms})' if forms else ''}"
        )
        for reason in self.report.reading.skipped:
            shown.say(f"skipped: {reason}")
        for warning in self.checks.warnings():
            shown.say(warning)


def gather(names: Sequence[str], validation: str | None, recipe: FinetuneRecipe) -> Gathered:
    """Read examples, hold some out where no file is given for that, and look for mistakes.

    Raises:
        DataError: If there is nothing to learn from, or to measure with.
    """
    report = ExamplesReport()
    config = replace(recipe.examples, task=recipe.finetune.task)
    train = read_examples(names, config, report=report)
    if validation is not None:
        held_out = read_examples([validation], config)
    else:
        train, held_out = split_examples(
            train,
            fraction=recipe.finetune.validation_share,
            most=_held_out_at_most(train, recipe.finetune.task),
            seed=recipe.seed,
        )
    train, checks = check(train, held_out)
    if not train:
        raise DataError(
            "Every training example is in the validation examples too.",
            hint="Give another --validation file, or leave it out.",
        )
    return Gathered(
        train=train,
        validation=held_out,
        report=report,
        checks=checks,
        sources=tuple(names),
    )


def _held_out_at_most(examples: Sequence[Example], task: str) -> int:
    """Return how many examples to hold out, so that measuring is a small part of a run.

    A short text that gets a label costs little, and its confidence is calibrated with them.
    """
    if task in HEADS or isinstance(examples[0], Observed):
        return _HELD_OUT_MOST
    size = sum(len(written(example).encode("utf-8", "replace")) for example in examples)
    enough = _HELD_OUT_BYTES * len(examples) // max(1, size)
    return min(max(enough, _HELD_OUT_LEAST), _HELD_OUT_MOST)
