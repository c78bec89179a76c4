"""The page of an evaluation: one HTML file that needs nothing else, in the style of ``report``.

Figures with their intervals beside the baselines, what is taken for what, whether the model is as
right as it is sure, and the worst answers. Drawn in HTML and SVG, so that it follows the reader's
light or dark setting and Chinese labels need no font of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autogpt.core.files import write_text
from autogpt.evaluation.judging import Row
from autogpt.evaluation.metrics.metric import Figure
from autogpt.evaluation.report import page_style, page_template
from autogpt.evaluation.results import Evaluation
from autogpt.evaluation.significance import Difference

__all__ = ["render_page", "write_page"]

_MOST_LABELS = 20
_MOST_PAIRS = 12
_WORST = 25
_HUNDREDS = ("bleu", "chrf", "rouge_l", "rouge_1", "rouge_2")
_NAMES = {
    "bleu": "BLEU", "chrf": "chrF2", "rouge_l": "ROUGE-L", "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2", "f1": "F1, strict", "macro_f1": "macro F1", "micro_f1": "micro F1",
    "crf": "CRF", "linear": "TF-IDF and logistic regression", "majority": "the commonest label",
    "lead": "first sentence", "copy": "source copied", "neighbor": "most similar example",
    "chance": "chance", "longest": "longest answer", "capitalized": "any capitalized word",
    "silence": "nothing at all", "word_error_rate": "word error rate",
    "character_error_rate": "character error rate", "acc": "accuracy",
    "acc_norm": "accuracy by length",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """A model or baseline in one metric; places in percent of the line."""

    name: str
    value: str
    interval: str
    left: float
    width: float
    dot: float
    difference: str
    is_model: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cell:
    count: int
    percent: int
    right: bool


def write_page(path: Path, evaluation: Evaluation) -> None:
    """Write the page, atomically.

    Raises:
        ResourceError: If it cannot be written.
    """
    write_text(path, render_page(evaluation))


def render_page(evaluation: Evaluation) -> str:
    """Return the page as HTML."""
    labels, matrix, left_out = _matrix(evaluation.judged.confusion)
    wrong = Counter({p: n for p, n in evaluation.judged.confusion.items() if p[0] != p[1]})
    return page_template("results.html.j2").render(
        style=page_style(),
        evaluation=evaluation,
        verdict=_number(evaluation.figures[0]),
        main=_NAMES.get(evaluation.figures[0].name, _plain(evaluation.figures[0].name)),
        meaning=list(_meaning(evaluation)),
        groups=[(_title(figure), _lines(evaluation, figure)) for figure in evaluation.figures],
        labels=labels,
        matrix=matrix,
        left_out=left_out,
        pairs=wrong.most_common(_MOST_PAIRS),
        classes=sorted(evaluation.judged.classes, key=lambda one: one.f1),
        bins=evaluation.judged.bins,
        largest=max((one.count for one in evaluation.judged.bins), default=1),
        worst=_worst(evaluation.judged.rows),
        signatures=[(m.name, m.signature) for m in evaluation.judged.metrics if m.signature],
    )


def _title(figure: Figure) -> str:
    return _NAMES.get(figure.name, _plain(figure.name))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _lines(evaluation: Evaluation, figure: Figure) -> list[_Line]:
    rows: list[tuple[str, Figure, Difference | None]] = [("this model", figure, None)]
    for name, figures in evaluation.baselines.items():
        differences = {one.metric: one for one in evaluation.against[name]}
        rows += [
            (_NAMES.get(name, _plain(name)), own, differences.get(own.name))
            for own in figures
            if own.name == figure.name
        ]
    low = min(min(own.low, own.value) for _, own, _ in rows)
    high = max(max(own.high, own.value) for _, own, _ in rows)
    room = 0.06 * (high - low) or 0.5
    low, span = low - room, high - low + 2 * room
    return [
        _Line(
            name=name,
            value=_number(own),
            interval=f"{_shown(own.low)} to {_shown(own.high)}",
            left=round(100 * (own.low - low) / span, 2),
            width=round(100 * (own.high - own.low) / span, 2),
            dot=round(100 * (own.value - low) / span, 2),
            difference=_difference(difference),
            is_model=difference is None and place == 0,
        )
        for place, (name, own, difference) in enumerate(rows)
    ]


def _difference(one: Difference | None) -> str:
    if one is None:
        return ""
    p = "p < 0.001" if one.p < 0.001 else f"p = {one.p:.3f}"
    return f"model {'+' if one.difference >= 0 else '−'}{_shown(abs(one.difference))}, {p}"


def _number(figure: Figure) -> str:
    return f"{figure.value:.1f}" if figure.name in _HUNDREDS else _shown(figure.value)


def _shown(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _matrix(
    confusion: Mapping[tuple[str, str], int],
) -> tuple[list[str], list[tuple[str, list[_Cell]]], int]:
    """Return the labels shown, the rows of expected ones, and how many labels are left out."""
    mistakes: Counter[str] = Counter()
    for (expected, predicted), count in confusion.items():
        mistakes[expected] += count * (expected != predicted)
        mistakes[predicted] += count * (expected != predicted)
    chosen = sorted(label for label, _ in mistakes.most_common(_MOST_LABELS))
    rows = []
    for expected in chosen:
        total = sum(count for (label, _), count in confusion.items() if label == expected)
        cells = []
        for predicted in chosen:
            count = confusion.get((expected, predicted), 0)
            share = round(100 * count / max(total, 1))
            cells.append(_Cell(count=count, percent=share, right=expected == predicted))
        if total:
            rows.append((expected, cells))
    return chosen, rows, len(mistakes) - len(chosen)


def _worst(rows: Sequence[Row]) -> list[Row]:
    """Return the worst answers: the most wrong, and of these the surest, first."""
    wrong = [row for row in rows if row.score < 1]
    return sorted(wrong, key=lambda row: (row.score, -(row.confidence or 0.0)))[:_WORST]


def _meaning(evaluation: Evaluation) -> Iterator[str]:
    """Yield, in whole sentences, what the figures mean."""
    main = evaluation.figures[0]
    for name, differences in evaluation.against.items():
        found = next((one for one in differences if one.metric == main.name), None)
        if found is None:
            continue
        called = _NAMES.get(name, _plain(name))
        if found.winner is None:
            yield f"It cannot be told from the baseline “{called}”: the difference may be chance."
        elif found.winner == 1:
            yield f"It is better than the baseline “{called}”, by more than chance explains."
        else:
            yield f"It is worse than the baseline “{called}”: the simple way is better here."
    yield from evaluation.judged.notes
