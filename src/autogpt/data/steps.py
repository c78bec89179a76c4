"""The steps of cleaning: which are on, with their thresholds, and what each of them did.

Plain values only; the work is in ``intake.py`` and ``clean.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from autogpt.core.errors import ConfigError
from autogpt.core.units import format_bytes

__all__ = ["CleanConfig", "CleanReport", "CleanStep", "Step"]


class Step(IntEnum):
    """The steps in their order; a row carries the number of the step that drops it, or 0."""

    NORMALIZED = 1
    CONTROLS = 2
    SHORT = 3
    REPETITIVE = 4
    DUPLICATE = 5
    NEAR = 6
    LEAK = 7

    @property
    def title(self) -> str:
        """The step's name in tables."""
        return _TITLES[self - 1]

    @property
    def changes(self) -> bool:
        """Whether it repairs documents rather than drop them."""
        return self <= Step.CONTROLS


_TITLES = (
    "unicode and line ends",
    "control characters",
    "too short",
    "repetitive",
    "duplicates",
    "near duplicates",
    "also in validation",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanConfig:
    """What is cleaned, and how much is held out.

    Attributes:
        normalize: Unicode form C, and one kind of line end.
        control: Drop control characters.
        short: Drop documents under ``min_bytes``.
        repetitive: Drop documents that mostly repeat themselves.
        exact_duplicates: Drop texts that differ from another in case and white space at most.
        near_duplicates: Drop texts that nearly equal another.
        min_bytes: 2 keeps every word and every Chinese character: chat rows are short.
        max_repeated: Share of repeated text, in lines or 48-byte windows, above which a document
            is repetitive; applies from ``min_compared_bytes``. Gopher's 0.10 to 0.20 (Rae et al.
            2021) is for web pages; of what must stay, a song with its refrains was measured at
            0.54 and Python's standard library at 0.38 and less.
        min_compared_bytes: Shorter documents are never repetitive or near duplicates: in a short
            row one word is the difference that matters.
        near_threshold: Least estimated Jaccard similarity of 8-byte windows of near duplicates;
            0.8 as in Lee et al. 2022, "Deduplicating Training Data".
        validation_fraction: Share of the text to hold out.
        validation_max_bytes: Hold out no more than this.
        seed: Of the hashes.
    """

    normalize: bool = True
    control: bool = True
    short: bool = True
    repetitive: bool = True
    exact_duplicates: bool = True
    near_duplicates: bool = True
    min_bytes: int = 2
    max_repeated: float = 0.6
    min_compared_bytes: int = 128
    near_threshold: float = 0.8
    validation_fraction: float = 0.1
    validation_max_bytes: int = 10_000_000
    seed: int = 0

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are on; that no text is on both sides of the split always is."""
        flags = {
            Step.NORMALIZED: self.normalize,
            Step.CONTROLS: self.control,
            Step.SHORT: self.short,
            Step.REPETITIVE: self.repetitive,
            Step.DUPLICATE: self.exact_duplicates,
            Step.NEAR: self.near_duplicates,
            Step.LEAK: True,
        }
        return tuple(step for step, on in flags.items() if on)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_repeated", 0.1, 1.0),
            ("near_threshold", 0.5, 1.0),
            ("validation_fraction", 0.001, 0.5),
            ("min_bytes", 0, 1 << 20),
            ("min_compared_bytes", 64, 1 << 20),
            ("validation_max_bytes", 1, 1 << 40),
            ("seed", 0, (1 << 63) - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value!r}; {low} to {high} was expected.")


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanStep:
    """What one step did.

    Attributes:
        step: Its name.
        documents: Documents or blocks it removed, or changed.
        bytes: Bytes it took away.
        changed: Whether it changes documents rather than remove them.
        examples: The beginnings of the first two.
    """

    step: str
    documents: int
    bytes: int
    changed: bool
    examples: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the step as plain values."""
        return {
            "step": self.step,
            "documents": self.documents,
            "bytes": self.bytes,
            "changed": self.changed,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanReport:
    """What cleaning did to a corpus.

    Attributes:
        steps: In the order in which they run; only those that are on.
        rows_in: Documents and blocks that came in.
        rows_out: Those that are left.
        bytes_in: UTF-8 bytes that came in.
        bytes_out: Those that are left, in train and validation.
    """

    steps: tuple[CleanStep, ...]
    rows_in: int
    rows_out: int
    bytes_in: int
    bytes_out: int

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }

    def table(self) -> list[tuple[str, str, str, str]]:
        """Return (step, documents, bytes, examples) as text, one row a step, and the total."""
        rows = [
            (
                step.step,
                f"{step.documents:,} {'changed' if step.changed else 'removed'}",
                format_bytes(step.bytes),
                " | ".join(step.examples),
            )
            for step in self.steps
        ]
        kept = f"{self.rows_out:,} of {self.rows_in:,} kept"
        size = f"{format_bytes(self.bytes_out)} of {format_bytes(self.bytes_in)}"
        return [*rows, ("total", kept, size, "")]
