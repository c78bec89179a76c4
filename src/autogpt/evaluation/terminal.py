"""The loss curve in characters, for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from autogpt.core.units import format_duration
from autogpt.evaluation.curves import Measurement

__all__ = ["text_curve"]

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def text_curve(measurements: Iterable[Measurement], *, width: int = 56, height: int = 7) -> str:
    """Return the training loss over time as lines of block characters; empty without two points.

    Args:
        measurements: A run's record, in order.
        width: Columns of the drawing; each shows the mean loss of its share of the time.
        height: Lines of the drawing, each of eight steps.
    """
    points = [(m.elapsed_s, m.loss) for m in measurements if m.kind == "train" and m.loss]
    if len(points) < 2:
        return ""
    begin, end = points[0][0], points[-1][0]
    columns: list[list[float]] = [[] for _ in range(width)]
    for seconds, loss in points:
        place = int((seconds - begin) / max(end - begin, 1e-9) * width)
        columns[min(place, width - 1)].append(loss)
    means, last = [], points[0][1]
    for column in columns:
        last = statistics.fmean(column) if column else last
        means.append(last)
    low, high = min(means), max(means)
    # The lowest loss still fills one step, so that the curve stands on a line.
    steps = [1 + (value - low) / max(high - low, 1e-9) * (8 * height - 1) for value in means]
    lines = []
    for row in reversed(range(height)):
        label = high if row == height - 1 else low if row == 0 else None
        drawn = "".join(_EIGHTHS[max(0, min(8, round(step - 8 * row)))] for step in steps)
        lines.append(f"{'' if label is None else f'{label:.2f}':>6} │{drawn.rstrip()}")
    left, right = format_duration(begin), format_duration(end)
    lines.append(f"{'loss':>6} └{left}{right:>{max(1, width - len(left))}}")
    return "\n".join(lines)
