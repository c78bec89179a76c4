"""How the model knows where a token stands: angles of rotary positions, or vectors that are added.

The numbers are read from the tables that the forward pass itself uses. Source: Su et al. 2021,
"RoFormer"; see ``autogpt.nn.positions``.

Letters in shapes: E head width, D hidden.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from autogpt.models.gpt import GPT
from autogpt.nn.positions import RotaryPositions, inverse_frequencies

__all__ = ["PositionView", "RotaryView", "view_positions"]


@dataclass(frozen=True, slots=True)
class RotaryView:
    """The turn of one token's queries and keys.

    Attributes:
        layers: The layers that use these angles; a window has its own in some families.
        theta: Base of the frequencies.
        radians_per_token: How far each pair of numbers turns with each token.
        wavelengths: Tokens to a full turn.
        angles: Of the token in focus, in radians: its position times the frequency.
        cos: As the model's table has them, stretching included.
        sin: Likewise.
    """

    layers: tuple[int, ...]
    theta: float
    radians_per_token: tuple[float, ...]
    wavelengths: tuple[float, ...]
    angles: tuple[float, ...]
    cos: tuple[float, ...]
    sin: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PositionView:
    """What the model knows of the place of the token in focus.

    Attributes:
        kind: "rotary", "learned" or "sinusoidal".
        position: The token's place, from 0.
        rotary: The turns; two where some layers have their own.
        vector: What is added to the token's embedding, of learned and sinusoidal positions.
    """

    kind: str
    position: int
    rotary: tuple[RotaryView, ...] = ()
    vector: tuple[float, ...] = ()


def view_positions(model: GPT, position: int) -> PositionView:
    """Return what the model knows of a place."""
    config = model.config
    if model.positions is not None:
        vector: Tensor = model.positions(position + 1, None)[position]
        return PositionView(config.positions, position, vector=tuple(vector.float().tolist()))
    near = [layer for layer, window in enumerate(config.windows) if window is not None]
    far = [layer for layer, window in enumerate(config.windows) if window is None]
    local = config.rope_local_base_freq
    tables = []
    if model.rotary is not None:
        layers = far if local is not None else [*range(config.num_hidden_layers)]
        frequencies = inverse_frequencies(
            config.head_dim, theta=config.rope_theta, scaling=config.rope_scaling
        )
        tables.append(_view(model.rotary, layers, config.rope_theta, frequencies, position))
    if model.local_rotary is not None and local is not None:
        frequencies = inverse_frequencies(config.head_dim, theta=local)
        tables.append(_view(model.local_rotary, near, local, frequencies, position))
    return PositionView(config.positions, position, rotary=tuple(tables))


def _view(
    rotary: RotaryPositions, layers: list[int], theta: float, frequencies: Tensor, position: int
) -> RotaryView:
    turn = rotary(position + 1)
    half = len(frequencies)
    return RotaryView(
        layers=tuple(layers),
        theta=theta,
        radians_per_token=tuple(frequencies.tolist()),
        wavelengths=tuple((2 * math.pi / frequencies).tolist()),
        angles=tuple((position * frequencies).tolist()),
        cos=tuple(turn.cos[position, :half].tolist()),
        sin=tuple(turn.sin[position, half:].tolist()),  # the first half has the minus sign
    )
