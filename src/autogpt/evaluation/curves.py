"""The picture of a run: losses above, learning rate and speed below.

Drawn from plain measurements (whatever has the fields of ``Measurement``, such as the entries of
``metrics.jsonl``) onto a matplotlib ``Figure`` of its own: no pyplot, no window, no global state.

The loss axis is logarithmic when the loss falls a lot, because most of a run is spent near its
end. The pale line is each measurement, the strong one a centered mean that does not lag.
Colors after Okabe and Ito (2008), told apart by color-blind readers too.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from autogpt.core.files import open_atomic
from autogpt.core.units import format_count, format_duration
from autogpt.evaluation.fonts import is_drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Measurement", "Shape", "Theme", "draw_curves", "smooth", "write_curves"]

Theme = Literal["light", "dark"]
Shape = Literal["wide", "narrow"]

_Floats = NDArray[np.float64]

_STEPS = (1, 2, 2.5, 5, 10)  # distances between ticks, times a power of ten


class Measurement(Protocol):
    """What a curve is drawn from; None where a scalar was not measured."""

    @property
    def kind(self) -> Literal["train", "validation"]:
        """Whether the training batch or the validation split was measured."""

    @property
    def step(self) -> int:
        """Optimizer steps done."""

    @property
    def tokens(self) -> int:
        """Training tokens seen."""

    @property
    def elapsed_s(self) -> float:
        """Seconds of work so far."""

    @property
    def loss(self) -> float | None:
        """Nats per token."""

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of text."""

    @property
    def learning_rate(self) -> float | None:
        """After the schedule."""

    @property
    def tokens_per_s(self) -> float | None:
        """Since the measurement before."""


@dataclass(frozen=True, slots=True)
class _Colors:
    page: str
    ink: str
    soft: str
    grid: str
    train: str
    validation: str
    rate: str
    speed: str


_THEMES: dict[Theme, _Colors] = {
    "light": _Colors(
        page="#ffffff", ink="#1b2733", soft="#5c6b7a", grid="#e4e9ee",
        train="#0072b2", validation="#d55e00", rate="#8a5a9e", speed="#00805f",
    ),
    "dark": _Colors(
        page="#171d24", ink="#e8edf2", soft="#9aa8b6", grid="#2c3641",
        train="#56b4e9", validation="#ff9140", rate="#cc9be0", speed="#3ec9a0",
    ),
}  # fmt: skip


def write_curves(path: Path, measurements: Sequence[Measurement], *, title: str = "") -> None:
    """Write the picture as PNG, atomically; a run without measurements gets an empty one."""
    picture = draw_curves(measurements, title=title)
    with open_atomic(path) as file:
        file.write(picture)


def draw_curves(
    measurements: Sequence[Measurement],
    *,
    title: str = "",
    theme: Theme = "light",
    shape: Shape = "wide",
) -> bytes:
    """Return the picture as PNG.

    Args:
        measurements: In the order they were taken.
        title: Shown above; may be empty. Left out where the font lacks a letter of it.
        theme: Colors for a light or a dark page.
        shape: ``wide`` for a screen or paper, ``narrow`` for a phone.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colors = _THEMES[theme]
    title = title if is_drawable(title) else ""
    size, dpi = ((10.0, 6.6), 160) if shape == "wide" else ((4.5, 6.8), 180)
    figure = Figure(figsize=size, dpi=dpi, facecolor=colors.page)
    FigureCanvasAgg(figure)
    loss, rate, speed = _panels(figure, shape, top=0.84 if title else 0.91)
    train = [m for m in measurements if m.kind == "train"]
    validation = [m for m in measurements if m.kind == "validation"]
    _draw_loss(loss, train, validation, colors, shape)
    _draw_rate(rate, train, colors)
    _draw_speed(speed, train, colors)
    for axes in (loss, rate, speed):
        _tidy(axes, colors)
        axes.set_xlim(0, max([1, *(m.tokens for m in measurements)]) * 1.015)
    bottom = (speed,) if shape == "narrow" else (rate, speed)
    for axes in bottom:
        axes.set_xlabel("training tokens")
    _time_axis(loss, measurements, colors, ticks=8 if shape == "wide" else 4)
    if title:
        figure.suptitle(title, color=colors.ink, fontsize=14, fontweight="bold", x=0.025, ha="left")
    return _png(figure)


def smooth(values: Sequence[float | None]) -> _Floats:
    """Return the centered mean over about a twentieth of ``values``, in which None is a gap.

    The window shrinks towards the start, where a loss falls steeply, and is cut at the end.
    """
    raw = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    places = np.arange(len(raw))
    half = np.minimum(places, max(len(raw) // 40, 1))
    known = np.isfinite(raw)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, raw, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    low, high = places - half, np.minimum(places + half + 1, len(raw))
    number = count[high] - count[low]
    mean = (total[high] - total[low]) / np.maximum(number, 1)
    return np.where(number > 0, mean, math.nan)


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG of 96 colors: a third of the bytes, and no visible difference."""
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", facecolor=figure.get_facecolor())
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(96).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _panels(figure: Figure, shape: Shape, *, top: float) -> tuple[Axes, Axes, Axes]:
    if shape == "wide":
        grid = figure.add_gridspec(
            2, 2, height_ratios=(2.5, 1), left=0.062, right=0.978, bottom=0.085, top=top,
            hspace=0.33, wspace=0.14,
        )  # fmt: skip
        return (
            figure.add_subplot(grid[0, :]),
            figure.add_subplot(grid[1, 0]),
            figure.add_subplot(grid[1, 1]),
        )
    grid = figure.add_gridspec(
        3, 1, height_ratios=(2.4, 1, 1), left=0.135, right=0.965, bottom=0.075, top=top,
        hspace=0.42,
    )  # fmt: skip
    loss, rate, speed = (figure.add_subplot(grid[row, 0]) for row in range(3))
    return loss, rate, speed


def _draw_loss(
    axes: Axes,
    train: Sequence[Measurement],
    validation: Sequence[Measurement],
    colors: _Colors,
    shape: Shape,
) -> None:
    axes.set_title("Loss (nats per token)" if shape == "wide" else "Loss")
    tokens = [m.tokens for m in train]
    raw = np.array([math.nan if m.loss is None else m.loss for m in train], dtype=np.float64)
    mean = smooth([m.loss for m in train])
    if len(train) > 3:
        axes.plot(tokens, raw, color=colors.train, alpha=0.4, linewidth=0.9)
    if train:
        marker = "o" if len(train) <= 3 else ""
        axes.plot(tokens, mean, color=colors.train, linewidth=2.2, marker=marker, label="training")
    scored = [(m, m.loss) for m in validation if m.loss is not None]
    if scored:
        axes.plot(
            [m.tokens for m, _ in scored], [loss for _, loss in scored],
            color=colors.validation, linewidth=1.4, linestyle=(0, (4, 2)), marker="o",
            markersize=6.5, markeredgecolor=colors.page, markeredgewidth=1.2, zorder=4,
            label="validation",
        )  # fmt: skip
    _scale_loss(axes, np.concatenate([mean, [loss for _, loss in scored]]))
    _label_validation(axes, validation, colors, shape)
    if train or scored:
        legend = axes.legend(
            loc="lower right", bbox_to_anchor=(1.012, 1.055 if shape == "wide" else 1.07), ncols=2,
            frameon=False, fontsize=10.5, handlelength=2.2, columnspacing=1.4, borderpad=0,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_color(colors.ink)
    else:
        axes.text(
            0.5, 0.5, "nothing measured yet", color=colors.soft, ha="center", va="center",
            transform=axes.transAxes,
        )  # fmt: skip


def _scale_loss(axes: Axes, losses: _Floats) -> None:
    """Choose the axis from smoothed losses, so that one wild batch does not flatten the rest."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    finite = losses[np.isfinite(losses) & (losses > 0)]
    if not len(finite):
        return
    low, high = float(finite.min()), float(finite.max())
    if high / low < 1.8:
        room = max((high - low) * 0.15, 0.01 * high)
        axes.set_ylim(low - room, high + room)
        return
    axes.set_yscale("log")
    axes.set_ylim(low * 0.90, high * 1.08)
    axes.yaxis.set_major_locator(FixedLocator(_log_ticks(low * 0.90, high * 1.08)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from low to high, dense enough to read a value off."""
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), tuple(n / 4 for n in range(4, 40))):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [
            step * 10.0**decade for decade in decades for step in steps
            if low <= step * 10.0**decade <= high
        ]  # fmt: skip
        if len(ticks) >= 4:
            break
    return ticks


def _label_validation(
    axes: Axes, validation: Sequence[Measurement], colors: _Colors, shape: Shape
) -> None:
    """Write the value beside the last and the lowest point, and beside others where it fits."""
    scored = [(m, m.loss) for m in validation if m.loss is not None]
    if not scored:
        return
    last = len(scored) - 1
    best = min(range(len(scored)), key=lambda index: scored[index][1])
    places = [m.tokens / max(scored[last][0].tokens, 1) for m, _ in scored]
    for index in {last, best, *_fitting(places, best, width=0.08 if shape == "wide" else 0.18)}:
        point, loss = scored[index]
        text = f"{loss:.3f}"
        if index == last and point.bits_per_byte is not None:
            text += f"\n{point.bits_per_byte:.3f} bits/byte"
        # Above and to the right of a falling line is free; the lowest point has room below.
        offset, side = ((5, 5), "left") if index != last else ((3, 9), "right")
        below = index == best != last
        axes.annotate(
            text, (point.tokens, loss), xytext=(0, -10) if below else offset,
            textcoords="offset points", ha="center" if below else side,
            va="top" if below else "bottom", color=colors.validation, fontsize=10.5,
            fontweight="bold" if index in (last, best) else "normal", zorder=6,
            path_effects=_halo(colors.page),
        )  # fmt: skip


def _fitting(places: Sequence[float], best: int, *, width: float) -> list[int]:
    """Return which points can carry a label ``width`` wide without running into another.

    One before the first step has none: it stands in the upper corner, where the axis is named.
    """
    chosen: list[int] = []
    free_from = 0.01
    for index, place in enumerate(places[:-1]):
        clear_of_last = place + width < places[-1] - 2 * width
        clear_of_best = abs(place - places[best]) > 1.2 * width
        if place >= free_from and clear_of_last and clear_of_best:
            chosen.append(index)
            free_from = place + 1.4 * width
    return chosen


def _draw_rate(axes: Axes, train: Sequence[Measurement], colors: _Colors) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title("Learning rate")
    known = [(m.tokens, m.learning_rate) for m in train if m.learning_rate is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=colors.rate, linewidth=2.0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def _draw_speed(axes: Axes, train: Sequence[Measurement], colors: _Colors) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title("Speed (tokens/s)")
    known = [(m.tokens, m.tokens_per_s) for m in train if m.tokens_per_s is not None]
    if known:
        tokens, raw = zip(*known, strict=True)
        axes.plot(tokens, raw, color=colors.speed, alpha=0.4, linewidth=0.9)
        axes.plot(tokens, smooth(raw), color=colors.speed, linewidth=2.0)
        median = float(np.median(raw))
        axes.set_ylim(0, max(median * 1.35, float(np.percentile(raw, 98)) * 1.1))
        axes.annotate(
            f"median {format_count(median)}", (1, 0.06), xycoords="axes fraction", ha="right",
            color=colors.speed, fontsize=10.5, fontweight="bold", xytext=(-4, 0),
            textcoords="offset points", path_effects=_halo(colors.page),
        )  # fmt: skip
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_count(value).replace(".0", ""))
    )


def _tidy(axes: Axes, colors: _Colors) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_facecolor(colors.page)
    title = axes.get_title()
    axes.set_title("")
    axes.set_title(title, loc="left", color=colors.ink, fontsize=11.5, pad=8)
    axes.grid(visible=True, color=colors.grid, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(colors=colors.soft, labelsize=10, length=0, pad=6)
    axes.xaxis.label.set_color(colors.soft)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS, integer=True))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_count(value).replace(".0", ""))
    )
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colors.soft)


def _time_axis(
    axes: Axes, measurements: Sequence[Measurement], colors: _Colors, *, ticks: int
) -> None:
    """Mark along the top when each point was reached."""
    moments = sorted({(m.elapsed_s, m.tokens) for m in measurements})
    if not moments or moments[-1][0] <= 0:
        return
    seconds = np.array([0.0, *(moment[0] for moment in moments)])
    tokens = np.maximum.accumulate(np.array([0.0, *(moment[1] for moment in moments)]))
    marks: list[tuple[float, str]] = []
    nearest = (
        max(0.55 / ticks, 0.1) * tokens[-1]
    )  # what came before the first token has no width here
    for time in _round_times(float(seconds[-1]), ticks):
        place = float(np.interp(time, seconds, tokens))
        if place - (marks[-1][0] if marks else 0.0) >= nearest:
            marks.append((place, _clock(time)))
    top = axes.secondary_xaxis("top")
    top.set_xticks([place for place, _ in marks], [text for _, text in marks])
    top.tick_params(colors=colors.soft, labelsize=10, length=0, pad=3)
    top.spines["top"].set_visible(False)
    axes.annotate(
        "elapsed", (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points",
        color=colors.soft, fontsize=10, fontstyle="italic",
    )  # fmt: skip


def _round_times(end_s: float, most: int) -> list[float]:
    """Return at most ``most`` round moments after 0, up to ``end_s``."""
    units = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600)
    step = next((unit for unit in units if end_s / unit <= most), None)
    if step is None:
        step = 3600.0 * math.ceil(end_s / most / 3600)
    return [step * index for index in range(1, math.floor(end_s / step + 1e-9) + 1)]


def _clock(seconds: float) -> str:
    """Return ``0.5s``, ``30s``, ``2m``, ``2m 30s``, ``3h``."""
    if seconds < 60:
        return f"{seconds:g}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60 or rest:
        return format_duration(seconds).replace(" 00m", "").replace(" 00s", "")
    return f"{minutes}m"


def _halo(color: str) -> list[object]:
    """Return an outline in the page's color that keeps text readable over lines."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=3, foreground=color)]
