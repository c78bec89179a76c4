"""Pictures or sounds with the text to learn of each, in batches: features, chance, rows of tokens.

::

    inputs    pad ... pad  <begin>  7  <end>  pad      the first P places are the prefix
    targets   -100 ... -100    7  <end>  -100

Batch ``i`` is a pure function of (examples, seed, i), chance included, so a resumed run needs no
other state. Sounds of like length go together. Not here: where examples come from (``media``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.core.errors import DataError
from autogpt.data.augmentation import (
    AugmentConfig,
    augmented_mel,
    augmented_pictures,
    augmented_states,
)
from autogpt.data.media_store import MediaStore
from autogpt.data.preprocessing import (
    PictureConfig,
    SoundConfig,
    fitted,
    log_mel,
    normalized,
    standardized,
)

__all__ = ["IGNORED", "MediaBatch", "MediaBatches", "MediaRow", "features", "in_order", "rows_of"]

IGNORED = -100  # what cross-entropy passes over
_PART = 32  # rows of like length that stay neighbors

Places = Callable[[int], int]
"""From the frames of a sound to the places of its prefix; of a picture, whatever is given."""


@dataclass(frozen=True, slots=True)
class MediaRow:
    """One example: where its picture or sound is, how long, and the tokens of its text."""

    source: str
    frames: int
    token_ids: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MediaBatch:
    """Rows padded on the right.

    Attributes:
        inputs: Token ids; whatever where the prefix stands.
        values: Pictures [B, C, Y, X] or frames of sounds [B, M, F].
        lengths: Frames of each sound; 0 of pictures.
        targets: The token after each, -100 where none is learned.
    """

    inputs: Int[Tensor, "B T"]
    values: Float[Tensor, "B ..."]
    lengths: Int[Tensor, " B"]
    targets: Int[Tensor, "B T"]

    @property
    def weight(self) -> float:
        """Tokens that are learned."""
        return float((self.targets != IGNORED).sum())

    def to(self, device: torch.device) -> MediaBatch:
        """Return it on ``device``."""
        if device.type == "cpu":
            return self
        return MediaBatch(
            self.inputs.to(device),
            self.values.to(device),
            self.lengths.to(device),
            self.targets.to(device),
        )


def features(
    sources: Sequence[str | bytes],
    medium: PictureConfig | SoundConfig,
    store: MediaStore,
    *,
    augment: AugmentConfig | None = None,
    chance: np.random.Generator | None = None,
) -> tuple[Tensor, Int[Tensor, " B"]]:
    """Return what a model reads of pictures or sounds, and the frames of each sound.

    Args:
        sources: As in ``Observed``.
        medium: How they are read.
        store: Decodes them.
        augment: How much chance; None: none.
        chance: Where it comes from.
    """
    if isinstance(medium, PictureConfig):
        pixels = torch.from_numpy(np.stack([fitted(store.picture(one), medium) for one in sources]))
        values = pixels.float()
        if augment is not None and chance is not None:
            values = augmented_pictures(values, augment, chance)
        return normalized(values, medium), torch.zeros(len(sources), dtype=torch.long)
    longest = round(medium.seconds * medium.sample_rate)
    mels = []
    for source in sources:
        if medium.encoder is not None:
            states = torch.from_numpy(store.heard(source, longest=longest)).float().T  # [M, F]
            if augment is not None and chance is not None:
                states = augmented_states(states, augment, chance)
            mels.append(states)
            continue
        samples = store.sound(source)[:longest]
        if augment is None or chance is None:
            mels.append(standardized(log_mel(samples, medium)))
        else:
            mels.append(augmented_mel(samples, medium, augment, chance))
    return stacked(mels)


def stacked(
    mels: Sequence[Float[Tensor, "M F"]],
) -> tuple[Float[Tensor, "B M F"], Int[Tensor, " B"]]:
    """Return frames of several sounds as one tensor, padded with 0, and how many each has."""
    lengths = torch.tensor([mel.shape[1] for mel in mels])
    values = torch.zeros(len(mels), mels[0].shape[0], int(lengths.max()))
    for row, mel in enumerate(mels):
        values[row, :, : mel.shape[1]] = mel
    return values, lengths


def rows_of(
    prefixes: Sequence[int], texts: Sequence[npt.NDArray[np.int64]], *, begin_id: int, pad_id: int
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Return inputs and targets: a prefix, the token that begins a text, and the text.

    Args:
        prefixes: Places of each row's prefix.
        texts: Tokens of each, the one that ends it included.
        begin_id: Stands before each text.
        pad_id: Stands for the prefix and fills up rows.
    """
    sizes = [places + len(ids) for places, ids in zip(prefixes, texts, strict=True)]
    inputs = torch.full((len(sizes), max(sizes)), pad_id)
    targets = torch.full_like(inputs, IGNORED)
    for row, (places, ids) in enumerate(zip(prefixes, texts, strict=True)):
        end = places + len(ids)
        inputs[row, places] = begin_id
        inputs[row, places + 1 : end] = torch.from_numpy(ids[:-1])
        targets[row, places:end] = torch.from_numpy(ids)
    return inputs, targets


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaBatches:
    """Training batches; a ``BatchSource``.

    Attributes:
        rows: All examples.
        batch_size: B.
        context_length: Tokens that a row takes on average, its prefix included.
        seed: Of order and chance.
        medium: How pictures or sounds are read.
        store: Decodes them.
        places: How long prefixes are.
        begin_id: Stands before each text.
        pad_id: Fills up rows.
        augment: How much chance; None: none.
    """

    rows: Sequence[MediaRow] = field(repr=False)
    batch_size: int
    context_length: int
    seed: int
    medium: PictureConfig | SoundConfig
    store: MediaStore = field(repr=False)
    places: Places = field(repr=False)
    begin_id: int
    pad_id: int
    augment: AugmentConfig | None = None

    def __post_init__(self) -> None:
        """Check that there is something to learn.

        Raises:
            DataError: If there is nothing.
        """
        if not self.rows:
            raise DataError("There is no picture or sound to learn from.")

    def __getitem__(self, index: int) -> MediaBatch:
        """Return batch ``index``, counted from 0."""
        first = index * self.batch_size
        sizes = tuple(row.frames for row in self.rows)
        some: list[MediaRow] = []
        while len(some) < self.batch_size:
            epoch, place = divmod(first + len(some), len(sizes))
            order = _epoch_order(self.seed, epoch, sizes)
            wanted = self.batch_size - len(some)
            some += [self.rows[number] for number in order[place : place + wanted].tolist()]
        return self.gather(some, chance=np.random.default_rng([self.seed, 1, first]))

    def gather(
        self, some: Sequence[MediaRow], *, chance: np.random.Generator | None = None
    ) -> MediaBatch:
        """Return a batch of some rows, without chance where none is given."""
        values, lengths = features(
            [row.source for row in some],
            self.medium,
            self.store,
            augment=self.augment if chance is not None else None,
            chance=chance,
        )
        inputs, targets = rows_of(
            [self.places(int(length)) for length in lengths],
            [row.token_ids for row in some],
            begin_id=self.begin_id,
            pad_id=self.pad_id,
        )
        return MediaBatch(inputs, values, lengths, targets)

    def fingerprint(self, digests: Sequence[str]) -> str:
        """Return what changes with the examples; ``digests`` are those of their contents."""
        digest = hashlib.sha256()
        for row, content in zip(self.rows, digests, strict=True):
            digest.update(content.encode() + row.token_ids.tobytes() + b"|")
        return digest.hexdigest()


def in_order(source: MediaBatches, *, places_at_once: int) -> Iterator[MediaBatch]:
    """Yield every row once without chance, those of like length together, the longest first."""
    for some in in_groups(source, places_at_once=places_at_once):
        yield source.gather([source.rows[place] for place in some])


def in_groups(source: MediaBatches, *, places_at_once: int) -> Iterator[list[int]]:
    """Yield the numbers of rows that go together."""
    sizes = [source.places(row.frames) + len(row.token_ids) for row in source.rows]
    order = sorted(range(len(sizes)), key=lambda place: -sizes[place])
    while order:
        count = max(1, places_at_once // sizes[order[0]])
        some, order = order[:count], order[count:]
        yield some


@lru_cache(maxsize=4)  # a batch may lie across two epochs
def _epoch_order(seed: int, epoch: int, sizes: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the order of an epoch's rows: shuffled, then those of like length near each other."""
    chance = np.random.default_rng([seed, epoch])
    order = chance.permutation(len(sizes))
    if len(set(sizes)) == 1:
        return order
    lengths = np.array(sizes)
    pool = 32 * _PART
    parts = []
    for first in range(0, len(order), pool):
        some = order[first : first + pool]
        some = some[np.argsort(lengths[some], kind="stable")]
        parts += [some[at : at + _PART] for at in range(0, len(some), _PART)]
    full = [part for part in parts if len(part) == _PART]
    rest = [part for part in parts if len(part) < _PART]
    return np.concatenate([*(full[at] for at in chance.permutation(len(full))), *rest])
