"""Several models' figures on the same examples in one picture: a dot and its interval each.

Colors after Okabe and Ito (2008), as in the picture of runs.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogpt.core.files import open_atomic
from autogpt.evaluation.fonts import is_drawable
from autogpt.evaluation.metrics.metric import Figure

__all__ = ["draw_ranking", "write_ranking"]

_DOT = "#d55e00"
_LINE = "#0072b2"


def write_ranking(
    path: Path, models: Sequence[str], figures: Mapping[str, Sequence[Figure]]
) -> None:
    """Write the picture as PNG, atomically.

    Raises:
        ResourceError: If it cannot be written.
    """
    picture = draw_ranking(models, figures)
    with open_atomic(path) as file:
        file.write(picture)


def draw_ranking(models: Sequence[str], figures: Mapping[str, Sequence[Figure]]) -> bytes:
    """Return the picture as PNG.

    Args:
        models: Their names.
        figures: By metric, one figure a model, in the order of the models.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    names = [name if is_drawable(name) else f"model {n}" for n, name in enumerate(models, 1)]
    size = (3.0 + 3.2 * len(figures), 1.2 + 0.45 * len(models))
    picture = Picture(figsize=size, dpi=140, facecolor="#ffffff", layout="constrained")
    FigureCanvasAgg(picture)
    panels = picture.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for axes, (metric, own) in zip(panels, figures.items(), strict=True):
        rows = range(len(own))
        axes.hlines(rows, [f.low for f in own], [f.high for f in own], color=_LINE, linewidth=2.2)
        axes.plot([f.value for f in own], rows, "o", color=_DOT, markersize=7)
        for row, figure in enumerate(own):
            axes.annotate(
                f"{figure.value:.1f}" if abs(figure.value) >= 10 else f"{figure.value:.3f}",
                (figure.value, row), xytext=(0, 7), textcoords="offset points", ha="center",
                fontsize=9, color="#1b2733",
            )  # fmt: skip
        axes.set_title(metric.replace("_", " "), fontsize=11, color="#1b2733")
        axes.set_yticks(rows, names)
        axes.set_ylim(len(own) - 0.5, -0.7)
        axes.margins(x=0.15)
        axes.grid(visible=True, axis="x", color="#e4e9ee", linewidth=0.9)
        axes.set_axisbelow(True)
        axes.tick_params(colors="#5c6b7a", length=0)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
    drawn = io.BytesIO()
    picture.savefig(drawn, format="png")
    return drawn.getvalue()
