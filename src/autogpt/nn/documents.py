"""Texts packed side by side into rows, each attended to on its own.

A mask that keeps the texts of a row apart has T x T entries of which few are true: attention then
computes, for five texts in a row, five times what is needed. ``find_documents`` says where the
texts lie, and ``Documents.each`` goes through them one by one, wherever that is less work.

Not here: the mask (``attention.document_mask``), packing (``data.batches``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Documents", "find_documents"]

# Measured on a Zen 4, forward and backward in bf16 with 9 heads: the operations around a text cost
# as much as attention within 64 tokens.
_STARTING_TOKENS = 64

Part = Callable[
    [Float[Tensor, "1 H L E"], Float[Tensor, "1 K L E"], Float[Tensor, "1 K L E"]],
    Float[Tensor, "1 H L E"],
]


@dataclass(frozen=True, slots=True)
class Documents:
    """Where the texts of packed rows lie; tokens look back within their own.

    Attributes:
        lengths: Tokens of the texts of each row, from the left; a row's sum is T.
    """

    lengths: tuple[tuple[int, ...], ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return max(max(row) for row in self.lengths)

    def each(
        self,
        attend: Part,
        query: Float[Tensor, "B H T E"],
        key: Float[Tensor, "B K T E"],
        value: Float[Tensor, "B K T E"],
    ) -> Float[Tensor, "B H T E"]:
        """Return what ``attend`` makes of the query, key and value of each text.

        Rows and texts are unbound and split, never indexed: the gradient of a slice is as large as
        what it was cut from.
        """
        rows = []
        for lengths, *row in zip(
            self.lengths, query.unbind(), key.unbind(), value.unbind(), strict=True
        ):
            texts = zip(*(part[None].split_with_sizes(lengths, dim=2) for part in row), strict=True)
            rows.append(torch.cat([attend(*text) for text in texts], dim=2))
        return torch.cat(rows)


def find_documents(document_ids: Int[Tensor, "B T"]) -> Documents | None:
    """Return where texts lie; None where one mask for all is less work.

    That is so on a GPU, where many small operations wait for each other; in a program that is
    being compiled, which wants the same shapes every time; and for texts that are short or fill
    their rows.

    Args:
        document_ids: Any number for each token, equal within a text and different beside it.
    """
    if torch.compiler.is_compiling() or document_ids.device.type != "cpu":
        return None
    rows, width = document_ids.shape
    lengths = []
    for row in document_ids:
        borders = (row[1:] != row[:-1]).nonzero().flatten() + 1
        edges = [0, *borders.tolist(), width]
        lengths.append(tuple(end - begin for begin, end in itertools.pairwise(edges)))
    work = sum(length**2 + _STARTING_TOKENS**2 for row in lengths for length in row)
    return Documents(tuple(lengths)) if 2 * work < rows * width**2 else None
