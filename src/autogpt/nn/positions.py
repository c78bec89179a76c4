"""How a Transformer knows the order of its tokens: rotary, learned or sinusoidal positions.

Rotary positions turn queries and keys, so that their product depends on the distance between two
tokens only; learned and sinusoidal positions are vectors added to the embeddings. Which one a
model uses is a switch of its config; this module holds the three and nothing else.

Letters in shapes: B batch, T tokens, P positions the table covers, D hidden, H heads (query or
key), E head width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from autogpt.core.errors import ConfigError

__all__ = [
    "LearnedPositions",
    "LinearScaling",
    "Llama3Scaling",
    "PositionTable",
    "RopeScaling",
    "RotaryPositions",
    "Rotation",
    "SinusoidalPositions",
    "YarnScaling",
    "inverse_frequencies",
    "rotate",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearScaling:
    """Stretches rotary positions by slowing all waves down alike.

    Source: Chen et al. 2023, "Extending Context Window of Large Language Models via Positional
    Interpolation"; ``rope_type = "linear"``, field name as in Hugging Face.
    """

    factor: float

    def __post_init__(self) -> None:
        """Check the range.

        Raises:
            ConfigError: If the factor is below 1.
        """
        _check_factor(self.factor)

    @property
    def amplitude(self) -> float:
        """What sines and cosines are multiplied with."""
        return 1.0

    def frequencies(self, periods: Float[Tensor, " half"], theta: float) -> Float[Tensor, " half"]:
        """Return radians per position; see :func:`inverse_frequencies`."""
        del theta
        return 1.0 / periods / self.factor


@dataclass(frozen=True, kw_only=True, slots=True)
class Llama3Scaling:
    """Stretches rotary positions beyond the length a model was first trained on.

    Waves longer than the old context are slowed down by ``factor``, short ones are kept, those
    between are blended. Source: Llama 3.1 (Dubey et al. 2024, "The Llama 3 Herd of Models"),
    ``rope_type = "llama3"``; field names as in Hugging Face.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: If a factor is not positive, or the two bounds are not in order.
        """
        _check_factor(self.factor)
        _check_length(self.original_max_position_embeddings)
        if not 0 < self.low_freq_factor < self.high_freq_factor < math.inf:
            raise ConfigError(
                "Rotary scaling needs 0 < low_freq_factor < high_freq_factor, got "
                f"{self.low_freq_factor} and {self.high_freq_factor}."
            )

    @property
    def amplitude(self) -> float:
        """What sines and cosines are multiplied with."""
        return 1.0

    def frequencies(self, periods: Float[Tensor, " half"], theta: float) -> Float[Tensor, " half"]:
        """Return radians per position; see :func:`inverse_frequencies`."""
        del theta
        frequency = 1.0 / periods
        # Full turns within the original context; keep is 0 for long waves, 1 for short ones.
        turns = self.original_max_position_embeddings * frequency / (2 * math.pi)
        low, high = self.low_freq_factor, self.high_freq_factor
        keep = ((turns - low) / (high - low)).clamp(0.0, 1.0)
        return (1 - keep) * frequency / self.factor + keep * frequency


@dataclass(frozen=True, kw_only=True, slots=True)
class YarnScaling:
    """Stretches rotary positions as Llama 3 does, with a ramp over pairs rather than over waves.

    Source: Peng et al. 2023, "YaRN: Efficient Context Window Extension of Large Language Models",
    sections 3.2 and 3.4; ``rope_type = "yarn"``, field names as in Hugging Face.

    Attributes:
        factor: Long waves are slowed down by it.
        original_max_position_embeddings: The context before stretching.
        attention_factor: What sines and cosines are multiplied with, which sharpens the softmax.
        beta_fast: Waves with more full turns than this in the old context are kept.
        beta_slow: Those with fewer than this are slowed down; between is a ramp.
        truncate: Whether the ramp begins and ends at whole pairs.
    """

    factor: float
    original_max_position_embeddings: int
    attention_factor: float
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: If a factor is not positive, or the two bounds are not in order.
        """
        _check_factor(self.factor)
        _check_length(self.original_max_position_embeddings)
        if not 0 < self.attention_factor < math.inf:
            raise ConfigError(
                f"Rotary scaling needs attention_factor > 0, got {self.attention_factor}."
            )
        if not 0 < self.beta_slow < self.beta_fast < math.inf:
            raise ConfigError(
                "Rotary scaling needs 0 < beta_slow < beta_fast, got "
                f"{self.beta_slow} and {self.beta_fast}."
            )

    @property
    def amplitude(self) -> float:
        """What sines and cosines are multiplied with."""
        return self.attention_factor

    def frequencies(self, periods: Float[Tensor, " half"], theta: float) -> Float[Tensor, " half"]:
        """Return radians per position; see :func:`inverse_frequencies`."""
        width = 2 * len(periods)

        def pair(turns: float) -> float:
            """Which pair makes that many full turns within the old context."""
            waves = self.original_max_position_embeddings / (turns * 2 * math.pi)
            return width * math.log(waves) / (2 * math.log(theta))

        begin, end = pair(self.beta_fast), pair(self.beta_slow)
        if self.truncate:
            begin, end = math.floor(begin), math.ceil(end)
        begin, end = max(begin, 0), min(end, width - 1)
        if begin == end:
            end += 0.001  # a step rather than a division by zero, as in the published code
        slow = ((torch.arange(width // 2, dtype=torch.float32) - begin) / (end - begin)).clamp(0, 1)
        keep = 1 - slow
        return 1.0 / (self.factor * periods) * (1 - keep) + 1.0 / periods * keep


RopeScaling = LinearScaling | Llama3Scaling | YarnScaling


def _check_factor(factor: float) -> None:
    if not 1 <= factor < math.inf:
        raise ConfigError(f"Rotary scaling needs factor >= 1, got {factor}.")


def _check_length(length: int) -> None:
    if length < 1:
        raise ConfigError(
            f"Rotary scaling needs original_max_position_embeddings >= 1, got {length}."
        )


class Rotation(NamedTuple):
    """The turn of each token: cosines and signed sines, ready to broadcast over heads."""

    cos: Float[Tensor, "*#B T E"]
    sin: Float[Tensor, "*#B T E"]


def rotate(x: Float[Tensor, "B H T E"], rotation: Rotation) -> Float[Tensor, "B H T E"]:
    """Turn each pair (x[i], x[i + E/2]) by the angle of its position.

    ::

        first'  = first  * cos - second * sin
        second' = second * cos + first  * sin

    The table's sine carries the minus sign in its first half, so the whole is two products and a
    swap of halves. The angles stay fp32; bf16 queries and keys come back as bf16.

    Source: Su et al. 2021, "RoFormer"; halves rather than neighbors paired, as in GPT-NeoX and
    every family here.
    """
    first, second = x.chunk(2, dim=-1)
    swapped = torch.cat((second, first), dim=-1)
    return (x * rotation.cos + swapped * rotation.sin).to(x.dtype)


def inverse_frequencies(
    head_dim: int, *, theta: float, scaling: RopeScaling | None = None
) -> Float[Tensor, " half"]:
    """Return radians per position of each pair: theta ** (-2 i / E), i = 0 .. E/2 - 1, in fp32.

    Args:
        head_dim: E, even.
        theta: Base of the geometric series (``rope_theta``); 10,000 in Su et al. 2021.
        scaling: How they are stretched, or None.
    """
    # float32 like transformers: a more precise power would differ from theirs in the last digits.
    periods = theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    return 1.0 / periods if scaling is None else scaling.frequencies(periods, theta)


class PositionTable(nn.Module):
    """Values computed once for positions 0 .. P-1 and looked up afterwards; no parameters.

    The columns are fp32 whatever the model is cast to: an angle rounded to bf16 would be off by
    up to 0.4%. They are not saved, and recomputed whenever the module is cast or moved.
    """

    def __init__(self, compute: Callable[[], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self._compute = compute
        self._names: list[str] = []
        self.fill()

    def fill(self, device: torch.device | str | None = None) -> None:
        """Compute the table again, on ``device`` (default: torch's current one)."""
        columns = self._compute()
        self._names = [f"column_{index}" for index in range(len(columns))]
        for name, column in zip(self._names, columns, strict=True):
            self.register_buffer(name, column.to(device), persistent=False)

    def look_up(self, length: int, positions: Int[Tensor, "B T"] | None) -> list[Tensor]:
        """Return the columns at ``positions``, or at 0 .. ``length`` - 1 when that is None."""
        columns = [self.get_buffer(name) for name in self._names]
        if positions is None:
            return [column[:length] for column in columns]  # [T, ...]
        return [column[positions] for column in columns]  # [B, T, ...]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PositionTable:  # noqa: FBT001, FBT002 - signature of nn.Module, called by .to(), .float(), .cuda(), .to_empty()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call] # torch annotates it in part
        self.fill(self.get_buffer(self._names[0]).device)
        return self


class RotaryPositions(PositionTable):
    """Angles of rotary positions; see :func:`rotate`.

    Args:
        max_positions: P, positions the table covers.
        head_dim: E.
        theta: As in :func:`inverse_frequencies`.
        scaling: As in :func:`inverse_frequencies`.
    """

    def __init__(
        self, max_positions: int, head_dim: int, *, theta: float, scaling: RopeScaling | None
    ) -> None:
        def compute() -> tuple[Tensor, Tensor]:
            frequency = inverse_frequencies(head_dim, theta=theta, scaling=scaling)
            angle = torch.arange(max_positions, dtype=torch.float32)[:, None] * frequency
            amplitude = 1.0 if scaling is None else scaling.amplitude
            cos, sin = angle.cos() * amplitude, angle.sin() * amplitude  # [P, E/2]
            return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)

        super().__init__(compute)

    def forward(self, length: int, positions: Int[Tensor, "B T"] | None = None) -> Rotation:
        """Return the rotation of each token: ``[T, E]``, or ``[B, 1, T, E]`` with positions."""
        cos, sin = self.look_up(length, positions)
        if positions is None:
            return Rotation(cos, sin)
        return Rotation(cos[:, None], sin[:, None])


class LearnedPositions(nn.Embedding):
    """A trained vector for each position, as in GPT-2 (Radford et al. 2019).

    Args:
        max_positions: P, positions that exist.
        hidden_size: D.
    """

    def __init__(self, max_positions: int, hidden_size: int) -> None:
        super().__init__(max_positions, hidden_size)

    # A position is a length or a tensor here, an index tensor in the base class.
    def forward(  # type: ignore[override]
        self, length: int, positions: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "*#B T D"]:
        """Return the vector to add to each token: ``[T, D]``, or ``[B, T, D]`` with positions."""
        return self.weight[:length] if positions is None else super().forward(positions)


class SinusoidalPositions(PositionTable):
    """Sines and cosines of geometrically spaced frequencies, side by side.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5 (there interleaved; the
    order of the columns makes no difference to what can be learned).

    Args:
        max_positions: P, positions the table covers.
        hidden_size: D, even.
    """

    def __init__(self, max_positions: int, hidden_size: int) -> None:
        def compute() -> tuple[Tensor]:
            frequency = inverse_frequencies(hidden_size, theta=10_000.0)
            angle = torch.arange(max_positions, dtype=torch.float32)[:, None] * frequency
            return (torch.cat((angle.sin(), angle.cos()), dim=-1),)  # [P, D]

        super().__init__(compute)

    def forward(
        self, length: int, positions: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "*#B T D"]:
        """Return the vector to add to each token: ``[T, D]``, or ``[B, T, D]`` with positions."""
        (table,) = self.look_up(length, positions)
        return table
