"""Several runs in one picture: bits per byte against tokens, time or steps.

Bits per byte compare across tokenizers, which nats per token do not. The pale lines are the
training losses, turned into bits per byte by the ratio that the run's own validation points show;
the points are the validation split. Colors after Okabe and Ito (2008); from the ninth run on they
come again with dashes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from autogpt.core.files import open_atomic
from autogpt.core.units import format_count, format_duration
from autogpt.evaluation.curves import Measurement, smooth
from autogpt.evaluation.fonts import is_drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Axis", "Curve", "draw_comparison", "write_comparison"]

Axis = Literal["tokens", "time", "steps"]

_COLORS = (
    *("#0072b2", "#d55e00", "#00805f", "#8a5a9e", "#e69f00", "#56b4e9", "#b8860b", "#555555"),
)
_DASHES: tuple[object, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A run's name and its record, in the order it was measured."""

    name: str
    measurements: Sequence[Measurement]


def write_comparison(path: Path, curves: Sequence[Curve], *, by: Axis = "tokens") -> None:
    """Write the picture as PNG, atomically.

    Raises:
        ResourceError: If it cannot be written.
    """
    picture = draw_comparison(curves, by=by)
    with open_atomic(path) as file:
        file.write(picture)


def draw_comparison(curves: Sequence[Curve], *, by: Axis = "tokens") -> bytes:
    """Return the picture as PNG.

    Args:
        curves: The runs.
        by: What runs along the bottom.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(10.0, 5.6), dpi=160, facecolor="#ffffff", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    highest = [_draw(axes, curve, by, number) for number, curve in enumerate(curves)]
    known = [value for value in highest if value is not None]
    if known:
        low = min(float(np.nanmin(line.get_ydata())) for line in axes.get_lines())
        room = 0.05 * (max(known) - low) + 1e-3
        axes.set_ylim(low - room, max(known) + room)
        axes.legend(frameon=False, fontsize=10.5, labelcolor="#1b2733")
    axes.set_title(
        "Bits per byte: validation, and pale the training",
        loc="left",
        fontsize=11.5,
        color="#1b2733",
        pad=8,
    )
    axes.set_xlabel("elapsed" if by == "time" else f"training {by}", color="#5c6b7a")
    shown = format_duration if by == "time" else format_count
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value).replace(".0", "")))
    axes.set_xlim(left=0)
    axes.grid(visible=True, color="#e4e9ee", linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(colors="#5c6b7a", length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _draw(axes: Axes, curve: Curve, by: Axis, number: int) -> float | None:
    """Draw a run; return how high the axis must reach for it, None if nothing was measured.

    That is the first validation point, or where a third of the training is done: what lies above
    is the fall from knowing nothing, alike in all runs.
    """
    color, dashes = _COLORS[number % len(_COLORS)], _DASHES[number // len(_COLORS) % len(_DASHES)]
    points = [
        (_place(m, by), m.bits_per_byte, m.loss)
        for m in curve.measurements
        if m.kind == "validation" and m.bits_per_byte is not None
    ]
    train = [m for m in curve.measurements if m.kind == "train"]
    label, reach = curve.name if is_drawable(curve.name) else f"run {number + 1}", []
    if points:
        label += f"  {points[-1][1]:.3f}"
        reach.append(points[0][1])
        axes.plot(
            [place for place, _, _ in points], [bits for _, bits, _ in points], marker="o",
            markersize=5.5, color=color, linewidth=1.6, linestyle=dashes, zorder=4, label=label,
        )  # fmt: skip
    ratio = next((bits / loss for _, bits, loss in reversed(points) if loss), None)
    if train and ratio is not None:
        bits = smooth([m.loss for m in train]) * ratio
        places = [_place(m, by) for m in train]
        axes.plot(places, bits, color=color, alpha=0.45, linewidth=1.3, linestyle=dashes)
        third = bits[len(bits) // 3 :]
        reach.append(float(np.nanmax(third)) if np.isfinite(third).any() else math.nan)
    finite = [value for value in reach if math.isfinite(value)]
    return max(finite) if finite else None


def _place(measurement: Measurement, by: Axis) -> float:
    if by == "time":
        return measurement.elapsed_s
    return measurement.tokens if by == "tokens" else measurement.step
