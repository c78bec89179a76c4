"""Texts with what a head is to say of them, in batches of like length.

Rows have an order that depends on seed and epoch only: shuffled, then sorted by length within
pools, then the pools' parts shuffled again. So neighbors are of like length and little is computed
for padding, while each epoch sees other neighbors. Batch ``i`` is a pure function of that order.

Source: bucketing by length, as in Ott et al. 2019, "fairseq".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.core.errors import DataError

__all__ = [
    "IGNORED",
    "TextBatch",
    "TextBatches",
    "TextRow",
    "longest_first",
    "texts_in_order",
]

IGNORED = -100  # what cross-entropy passes over
_PART = 32  # rows of like length that stay neighbors
_POOL = 32 * _PART  # rows that are sorted together


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text, and its label: a number; several, 0 or 1 each; or one for each token, or -100."""

    token_ids: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Rows padded on the right.

    Attributes:
        inputs: Token ids.
        lengths: Tokens of each row.
        targets: A label's number for each row; for each row 0 or 1 of each label; or a label's
            number for each token, -100 where none is learned.
        hidden: What the model's first blocks made of the rows, if that is known.
        blocks: How many blocks those are.
    """

    inputs: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]
    targets: Int[Tensor, " B"] | Float[Tensor, "B C"] | Int[Tensor, "B T"]
    hidden: Float[Tensor, "B T D"] | None = None
    blocks: int = 0

    @property
    def weight(self) -> float:
        """Rows, or tokens that have a label."""
        if self.targets.is_floating_point():
            return float(len(self.targets))
        return float((self.targets != IGNORED).sum())

    def to(self, device: torch.device) -> TextBatch:
        """Return it on ``device``."""
        if device.type == "cpu":
            return self
        return TextBatch(
            self.inputs.to(device),
            self.lengths.to(device),
            self.targets.to(device),
            None if self.hidden is None else self.hidden.to(device),
            self.blocks,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBatches:
    """Training batches of labeled texts; a ``BatchSource``.

    Args:
        rows: All texts, each with one token or more.
        batch_size: B.
        context_length: Tokens that a row takes on average, for rates.
        seed: Of the order.
        pad_id: What fills up rows.
        several: Whether a text may have several labels.
        lengths: Tokens of each row; found by itself.
        hidden: What blocks that do not learn made of all rows, one after the other.
        blocks: How many blocks those are.
    """

    rows: Sequence[TextRow] = field(repr=False)
    batch_size: int
    context_length: int
    seed: int
    pad_id: int
    several: bool = False
    lengths: tuple[int, ...] = field(default=(), repr=False)
    hidden: Float[Tensor, "N D"] | None = field(default=None, repr=False)
    blocks: int = 0

    def __post_init__(self) -> None:
        """Check that there is a text at all.

        Raises:
            DataError: If there is none.
        """
        if not self.rows:
            raise DataError("There is no text to learn from.")
        if not self.lengths:
            object.__setattr__(self, "lengths", tuple(len(row.token_ids) for row in self.rows))

    @classmethod
    def of(
        cls, rows: Sequence[TextRow], *, seed: int, pad_id: int, several: bool = False
    ) -> TextBatches:
        """Return batches of one row each."""
        tokens = sum(len(row.token_ids) for row in rows)
        mean = max(1, round(tokens / max(1, len(rows))))
        return cls(
            rows=rows, batch_size=1, context_length=mean, seed=seed, pad_id=pad_id, several=several
        )

    def __getitem__(self, index: int) -> TextBatch:
        """Return batch ``index``, counted from 0."""
        first = index * self.batch_size
        return self.gather([self._row(first + row) for row in range(self.batch_size)])

    def gather(self, places: Sequence[int]) -> TextBatch:
        """Return a batch of some rows."""
        some = [self.rows[place] for place in places]
        lengths = torch.tensor([len(row.token_ids) for row in some])
        longest = int(lengths.max())
        inputs = torch.full((len(some), longest), self.pad_id)
        for number, row in enumerate(some):
            inputs[number, : len(row.token_ids)] = torch.from_numpy(row.token_ids)
        if some[0].target.ndim == 0:
            targets = torch.tensor([int(row.target) for row in some])
        elif self.several:
            targets = torch.from_numpy(np.stack([row.target for row in some])).float()
        else:
            targets = torch.full((len(some), longest), IGNORED)
            for number, row in enumerate(some):
                targets[number, : len(row.target)] = torch.from_numpy(row.target)
        return TextBatch(inputs, lengths, targets, self._known(places, longest), self.blocks)

    def _known(self, places: Sequence[int], longest: int) -> Float[Tensor, "B T D"] | None:
        if self.hidden is None:
            return None
        starts = _starts(self.lengths)
        known = self.hidden.new_zeros(len(places), longest, self.hidden.shape[1])
        for row, place in enumerate(places):
            known[row, : self.lengths[place]] = self.hidden[starts[place] : starts[place + 1]]
        return known

    def fingerprint(self) -> str:
        """Return what changes with the texts or their labels."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(row.token_ids.tobytes() + b"|" + row.target.tobytes() + b"|")
        return digest.hexdigest()

    def _row(self, number: int) -> int:
        epoch, place = divmod(number, len(self.rows))
        return int(_epoch_order(self.seed, epoch, self.lengths)[place])


def longest_first(source: TextBatches) -> list[int]:
    """Return the places of all rows, the longest first."""
    places: list[int] = np.argsort([-length for length in source.lengths], kind="stable").tolist()
    return places


def texts_in_order(source: TextBatches, *, tokens_at_once: int) -> Iterator[TextBatch]:
    """Yield every row once, those of like length together, as :func:`longest_first`."""
    places = longest_first(source)
    while places:
        count = max(1, tokens_at_once // source.lengths[places[0]])
        some, places = places[:count], places[count:]
        yield source.gather(some)


@lru_cache(maxsize=4)
def _starts(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return where each row starts among the tokens of all, and where the last one ends."""
    return (0, *np.cumsum(lengths).tolist())


@lru_cache(maxsize=4)  # a batch may lie across two epochs
def _epoch_order(seed: int, epoch: int, lengths: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the order of an epoch's rows."""
    chance = np.random.default_rng([seed, epoch])
    sizes = np.array(lengths)
    order = chance.permutation(len(lengths))
    parts = []
    for first in range(0, len(order), _POOL):
        pool = order[first : first + _POOL]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        parts += [pool[at : at + _PART] for at in range(0, len(pool), _PART)]
    # The one part that is not full comes last, so that batches do not straddle the others.
    full = [part for part in parts if len(part) == _PART]
    rest = [part for part in parts if len(part) < _PART]
    return np.concatenate([*(full[at] for at in chance.permutation(len(full))), *rest])
