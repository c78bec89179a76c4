"""Several continuations of one text side by side in one row, read in a single pass.

::

    row        the text . . . . | first continuation | second one | padding
    position   0 1 2 3 4 5 6 7 8  9 10 11              9 10         ...

Each continuation sees the text and itself, and takes the positions that follow the text, so it gets
what it would get in a row of its own; the text's keys and values are computed once. A beginning
that all rows share may have been read before, and then goes before each of them.

This is a :class:`autogpt.nn.cache.Cache` that serves one pass and forgets. Source: the mask of
Cai et al. 2024, "Medusa" (tree attention), with the whole text as the trunk.

Letters in shapes: B batch, T tokens of a row, P tokens of the shared beginning, S = P + T,
K key/value heads, E head width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from autogpt.nn.attention import window_mask
from autogpt.nn.cache import WHOLE, Span

__all__ = ["Branches", "Trunk", "branch_mask"]


@dataclass(frozen=True, slots=True)
class Trunk:
    """Keys and values of a beginning that all rows share, for each layer ``[1, K, P, E]``."""

    keys: tuple[Float[Tensor, "1 K P E"], ...]
    values: tuple[Float[Tensor, "1 K P E"], ...]

    @property
    def length(self) -> int:
        """P."""
        return self.keys[0].shape[2]


class Branches:
    """Rows of texts and their continuations, for one pass through the model.

    Args:
        positions: Place of each token in its text, the shared beginning counted.
        branches: For each token 0 in the text, and the number of its continuation otherwise;
            None: rows of one text each, which only look back.
        trunk: The shared beginning, if there is one.
        keep: Keep the keys and values, for :meth:`trunk`.
    """

    def __init__(
        self,
        positions: Int[Tensor, "B T"],
        *,
        branches: Int[Tensor, "B T"] | None = None,
        trunk: Trunk | None = None,
        keep: bool = False,
    ) -> None:
        self._positions = positions
        self._trunk = trunk
        self.longest = 0 if trunk is None else trunk.length
        self._mask = None if branches is None else branch_mask(branches, before=self.longest)
        self._kept: dict[int, tuple[Tensor, Tensor]] | None = {} if keep else None
        self._last: tuple[Tensor, Tensor] | None = None

    def positions(self, count: int) -> Int[Tensor, "B T"]:
        """Return the positions of the ``count`` tokens of each row."""
        return self._positions[:, :count]

    def mask(self, count: int) -> Bool[Tensor, "B 1 T S"] | None:
        """Return where they may look; None is causal."""
        return None if self._mask is None else self._mask[:, :, :count]

    def append(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> tuple[Float[Tensor, "B K S E"], Float[Tensor, "B K S E"]]:
        """Return the shared beginning's keys and values before those of the rows."""
        if self._kept is not None:
            self._kept[layer] = (key.detach(), value.detach())
        if self._trunk is None:
            return key, value
        rows = key.shape[0]
        first_keys = self._trunk.keys[layer].expand(rows, -1, -1, -1)
        first_values = self._trunk.values[layer].expand(rows, -1, -1, -1)
        return torch.cat([first_keys, key], dim=2), torch.cat([first_values, value], dim=2)

    def store(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> None:
        """Take one layer's keys and values, for the call of :meth:`spans` that follows."""
        self._last = self.append(layer, key, value)

    def spans(self, layer: int, *, window: int | None = None) -> Iterator[Span]:  # noqa: ARG002 - the protocol's
        """Yield all rows together, with what they see."""
        if self._last is None:
            raise RuntimeError("spans follow store")
        (key, value), self._last = self._last, None
        mask, keys = self._mask, key.shape[2]
        if window is not None and keys > window:
            # Rows with branches are kept shorter than a window, so that slots are positions here.
            near = window_mask(self._positions, keys, window=window)
            mask = near if mask is None else near & mask
        yield Span(WHOLE, WHOLE, key, value, mask)

    def advance(self, count: int) -> None:
        """Do nothing: one pass is all."""

    def trunk(self) -> Trunk:
        """Return what was read, one row, as the beginning of other rows."""
        if not self._kept:
            raise RuntimeError("nothing was kept")
        pairs = [self._kept[layer] for layer in sorted(self._kept)]
        return Trunk(tuple(key for key, _ in pairs), tuple(value for _, value in pairs))


def branch_mask(branches: Int[Tensor, "B T"], *, before: int = 0) -> Bool[Tensor, "B 1 T S"]:
    """Return where each token may look: back, to the text and to its own continuation.

    Args:
        branches: As in :class:`Branches`.
        before: P, tokens of the shared beginning, which all see.
    """
    length = branches.shape[1]
    place = torch.arange(length, device=branches.device)
    back = place <= place[:, None]  # [T, T]
    own = branches[:, :, None] == branches[:, None, :]  # [B, T, T]
    mask = back & (own | (branches == 0)[:, None, :])
    if before:
        mask = torch.nn.functional.pad(mask, (before, 0), value=True)
    return mask[:, None]
