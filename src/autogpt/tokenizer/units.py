"""Texts as tokens that each belong to one unit, a word or a character that may get a tag.

Units are encoded one by one, each with the space before it, so that no token reaches over a
border: of a run of Han characters, which a tokenizer joins, each keeps tokens of its own. Words
between spaces get the tokens that they have in the whole text.

Not here: what the units are (``tasks.spans``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["UnitTokens", "encode_units", "unit_windows"]


@dataclass(frozen=True, slots=True)
class UnitTokens:
    """A text's tokens, and the unit that each is of, rising from 0; every unit has one or more."""

    token_ids: npt.NDArray[np.int64]
    unit_of_token: npt.NDArray[np.int64]


def encode_units(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    units: Sequence[Sequence[tuple[int, int]]],
) -> list[UnitTokens]:
    """Return the tokens of each text; what follows its last unit is left out.

    Args:
        tokenizer: Of the model.
        texts: Any Unicode.
        units: Of each text, (start, end) in characters, in order.
    """
    pieces = [
        [
            text[before:end]
            for before, (_, end) in zip([0, *(end for _, end in own[:-1])], own, strict=False)
        ]
        for text, own in zip(texts, units, strict=True)
    ]
    flat = tokenizer.encode_batch(list(chain.from_iterable(pieces)))
    counts = np.array([len(ids) for ids in flat], dtype=np.int64)
    found, first = [], 0
    for own in pieces:
        last = first + len(own)
        ids = np.concatenate(flat[first:last]) if own else np.zeros(0)
        of = np.repeat(np.arange(len(own)), counts[first:last])
        found.append(UnitTokens(ids.astype(np.int64), of))
        first = last
    return found


def unit_windows(tokens: UnitTokens, *, most: int, overlap: int) -> list[slice]:
    """Return parts of a long text, in tokens, that overlap; borders are between units.

    Args:
        tokens: The text.
        most: Tokens of a part; a unit that has more by itself is cut.
        overlap: Tokens that neighbors share, about.
    """
    count = len(tokens.token_ids)
    if count <= most:
        return [slice(0, count)]
    begins = np.flatnonzero(np.diff(tokens.unit_of_token, prepend=-1))
    windows, first = [], 0
    while True:
        if count - first <= most:
            windows.append(slice(first, count))
            return windows
        last = int(begins[np.searchsorted(begins, first + most, side="right") - 1])
        last = last if last > first else first + most
        windows.append(slice(first, last))
        back = int(begins[np.searchsorted(begins, last - overlap, side="right") - 1])
        first = back if first < back < last else last
