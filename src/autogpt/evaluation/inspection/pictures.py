"""The pictures of a tour: what an inspection found, drawn as SVG (W3C 2018, "SVG 2").

Each is a file of a few kilobytes that follows the reader's light or dark setting and holds its
text as text. Not here: the page that answers to the pointer (``page``), the prose (``tour``).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from html import escape

from autogpt.evaluation.inspection.inspection import Inspection
from autogpt.evaluation.inspection.view import shown_token
from autogpt.evaluation.inspection.wording import WORDS, Language

__all__ = ["draw_pictures"]

_WIDTH = 760
_MARGIN = 12
_LETTER = 7.9  # of the monospaced font at 13 px; letters of Chinese take two
_MOST_TOKENS = 12  # beside each other
_LENS_ROWS = 11
_CLOCKS = 3  # pairs of numbers whose hands are drawn
_BARS = 8
_STYLE = """
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"Noto Sans CJK SC",monospace;fill:#1f2933}
.soft{fill:#667380;font-size:11px}.small{font-size:11px}.on{fill:#fff}
.line{stroke:#c9d1d8;fill:none}.own{fill:#00796b}.warm{fill:#d66000}
.arc{stroke:#00796b;fill:none;stroke-linecap:round}.hand{stroke:#d66000;stroke-width:2}
.mean{stroke:#d66000;stroke-dasharray:4 3}.odd{fill:#b2dfdb}.even{fill:#ffe0b2}.box{fill:#eceff1}
@media (prefers-color-scheme:dark){text{fill:#e4e9ee}.soft{fill:#93a0ac}.line{stroke:#47525d}
.odd{fill:#00564d}.even{fill:#7a4100}.box{fill:#2b343c}.own{fill:#26a69a}.arc{stroke:#4db6ac}}
"""


class _Drawing:
    """Shapes, and how far down they reach."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shapes: list[str] = []
        self.height = 0.0

    def shape(self, name: str, kind: str = "", **values: object) -> None:
        """Add a shape; ``stroke_width`` is the attribute ``stroke-width``."""
        rounded = {
            key.replace("_", "-"): round(value, 2) if isinstance(value, float) else value
            for key, value in values.items()
        }
        given = "".join(f' {key}="{value}"' for key, value in rounded.items())
        self._shapes.append(f'<{name} class="{kind}"{given}/>')

    def text(self, words: str, x: float, y: float, kind: str = "", anchor: str = "middle") -> None:
        """Write words; ``y`` is the line they stand on."""
        self._shapes.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )
        self.height = max(self.height, y + 6)

    def rect(
        self, kind: str, x: float, y: float, width: float, height: float, **more: object
    ) -> None:
        """Add a box."""
        self.shape("rect", kind, x=x, y=y, width=width, height=height, **more)
        self.height = max(self.height, y + height)

    def svg(self) -> str:
        """Return the file."""
        height = math.ceil(self.height + _MARGIN)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" role="img">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style>"
            + "".join(self._shapes)
            + "</svg>\n"
        )


def draw_pictures(found: Inspection, language: Language) -> dict[str, str]:
    """Return each picture as SVG, by its name.

    Args:
        found: What to draw; of a long text the tokens up to the one in focus.
        language: Of the few words in them.
    """
    drawn: dict[str, Callable[[Inspection, _Drawing, Mapping[str, str]], None]] = {
        "tokens": _tokens,
        "positions": _positions,
        "attention": _attention,
        "lens": _lens,
        "next": _next,
    }
    if found.losses:
        drawn["loss"] = _loss
    pictures = {}
    for name, draw in drawn.items():
        drawing = _Drawing(WORDS[language][name])
        draw(found, drawing, WORDS[language])
        pictures[name] = drawing.svg()
    return pictures


def _tokens(found: Inspection, drawing: _Drawing, words: Mapping[str, str]) -> None:
    """Draw each token as a box with its number below, in lines."""
    del words
    x, y = float(_MARGIN), float(_MARGIN)
    for place, token in enumerate(found.tokens):
        text = shown_token(token.text)
        width = max(_length(text), _length(str(token.token_id))) + 14
        if x + width > _WIDTH - _MARGIN:
            x, y = float(_MARGIN), y + 58
        drawing.rect("even" if place % 2 else "odd", x, y, width, 26, rx=4)
        drawing.text(text, x + width / 2, y + 18)
        drawing.text(str(token.token_id), x + width / 2, y + 41, "soft")
        x += width + 4


def _positions(found: Inspection, drawing: _Drawing, words: Mapping[str, str]) -> None:
    """Draw clocks of each token: the first, the middle and a late pair; or the vector of places."""
    if not found.positions.rotary:
        _strip(found.positions.vector, drawing)
        return
    turns = found.positions.rotary[0].radians_per_token
    pairs = [len(turns) * part // (2 * _CLOCKS) for part in range(_CLOCKS)]
    places = _window(found)
    left, cell = 96, (_WIDTH - 96 - _MARGIN) / len(places)
    radius = min(24.0, 0.42 * cell)
    for column, place in enumerate(places):
        middle = left + (column + 0.5) * cell
        text = shown_token(found.tokens[place].text)
        drawing.text(_fitting(text, cell), middle, 24)
        drawing.text(str(place), middle, 42, "soft")
        for row, pair in enumerate(pairs):
            height = 56 + radius + row * (2 * radius + 12)
            angle = place * turns[pair] - math.pi / 2
            drawing.shape("circle", "line", cx=middle, cy=height, r=radius)
            drawing.shape(
                "line", "hand", x1=middle, y1=height,
                x2=middle + 0.9 * radius * math.cos(angle),
                y2=height + 0.9 * radius * math.sin(angle),
            )  # fmt: skip
            drawing.height = max(drawing.height, height + radius)
    for row, pair in enumerate(pairs):
        height = 60 + radius + row * (2 * radius + 12)
        drawing.text(f"{words['pair']} {pair}", _MARGIN, height, "soft", "start")


def _strip(vector: Sequence[float], drawing: _Drawing) -> None:
    """Draw a vector as cells, dark for large numbers."""
    cell = (_WIDTH - 2 * _MARGIN) / max(1, len(vector))
    most = max((abs(number) for number in vector), default=1.0) or 1.0
    for place, number in enumerate(vector):
        kind = "own" if number >= 0 else "warm"
        share = abs(number) / most
        drawing.rect(kind, _MARGIN + place * cell, 12, cell, 40, fill_opacity=share)


def _attention(found: Inspection, drawing: _Drawing, words: Mapping[str, str]) -> None:
    """Draw arcs from the token that asks to those it takes from, as thick as its share of each."""
    worked = found.worked
    places = _window(found, worked.token)
    shares = dict(found.attention.row(worked.layer, worked.head, worked.token))
    cell = (_WIDTH - 2 * _MARGIN) / len(places)
    middles = {place: _MARGIN + (column + 0.5) * cell for column, place in enumerate(places)}
    base = 30 + min(200.0, 0.5 * cell * len(places))
    start = middles[worked.token]
    for place, share in sorted(shares.items(), key=lambda pair: pair[1]):
        if place not in middles or place == worked.token:
            continue
        end = middles[place]
        rise = base - 24 - max(24.0, (base - 48) * (start - end) / (start - _MARGIN))
        bend = f"{start:.1f} {rise:.1f} {end:.1f} {rise:.1f}"
        path = f"M{start:.1f} {base:.1f}C{bend} {end:.1f} {base:.1f}"
        drawing.shape(
            "path", "arc", d=path, stroke_width=max(0.6, 16 * share),
            stroke_opacity=0.35 + 0.5 * share,
        )  # fmt: skip
    for place, middle in middles.items():
        kind = "even" if place == worked.token else "box"
        drawing.rect(kind, middle - 0.47 * cell, base + 2, 0.94 * cell, 26, rx=4)
        drawing.text(
            _fitting(shown_token(found.tokens[place].text), 0.94 * cell), middle, base + 20
        )
        drawing.text(_percent(shares.get(place, 0.0)), middle, base + 46, "soft")
    told = f"{words['layer']} {worked.layer}, {words['head']} {worked.head}"
    drawing.text(told, _MARGIN, 20, "soft", "start")


def _lens(found: Inspection, drawing: _Drawing, words: Mapping[str, str]) -> None:
    """Draw what would be said after some of the layers, for each token: dark where it is sure."""
    known = {one.token: one.layers for one in found.lens}
    places = [place for place in _window(found) if place in known]
    count = len(next(iter(known.values())))
    step = max(1, math.ceil((count - 1) / (_LENS_ROWS - 1)))
    rows = sorted({*range(count - 1, -1, -step), 0}, reverse=True)
    left, cell = 64, (_WIDTH - 64 - _MARGIN) / len(places)
    for line, layer in enumerate(rows):
        top = 12 + line * 26
        drawing.text(f"{words['layer']} {layer}", left - 8, top + 17, "soft", "end")
        for column, place in enumerate(places):
            best = known[place][layer].top[0]
            x = left + column * cell
            drawing.rect("box", x + 1, top + 1, cell - 2, 24, rx=3)
            drawing.rect("own", x + 1, top + 1, cell - 2, 24, rx=3, fill_opacity=best.probability)
            text = _fitting(shown_token(found.spelled(best.token_id)), cell - 4)
            kind = "small on" if best.probability > 0.55 else "small"
            drawing.text(text, x + cell / 2, top + 17, kind)
    under = 12 + len(rows) * 26
    for column, place in enumerate(places):
        middle = left + (column + 0.5) * cell
        text = _fitting(shown_token(found.tokens[place].text), cell)
        drawing.text(text, middle, under + 24)
    drawing.shape("path", "line", d=f"M{left} {under + 6}H{_WIDTH - _MARGIN}")


def _next(found: Inspection, drawing: _Drawing, words: Mapping[str, str]) -> None:
    """Draw the likeliest next tokens as bars, once for each step of the choice."""
    stages = found.next.stages
    left, room = 110, (_WIDTH - 110 - _MARGIN) / len(stages)
    for column, stage in enumerate(stages):
        x = left + column * room
        value = "" if stage.value is None else f"{stage.value:g}"
        drawing.text(words[stage.name].format(value=value), x, 24, "soft", "start")
        for line, share in enumerate(stage.probabilities[:_BARS]):
            y = 36 + line * 26
            longest = room - 62
            drawing.rect("own", x, y + 3, max(1.0, longest * share) if share else 0, 16, rx=2)
            told = _percent(share)
            drawing.text(told, x + 5 + longest * share, y + 16, "soft", "start")
    for line, token_id in enumerate(found.next.token_ids[:_BARS]):
        text = _fitting(shown_token(found.spelled(token_id)), left - 24)
        drawing.text(text, left - 10, 52 + line * 26, "", "end")


def _loss(found: Inspection, drawing: _Drawing, words: Mapping[str, str]) -> None:
    """Draw what each token cost as bars, and their mean as a line."""
    del words
    places = [place for place in _window(found) if place > 0]
    losses, mean = found.losses, found.loss or 0.0
    cell = (_WIDTH - 2 * _MARGIN) / len(places)
    most = max(max(losses[place - 1] for place in places), mean, 1e-9)
    base = 190.0
    for column, place in enumerate(places):
        loss = losses[place - 1]
        height = 150 * loss / most
        middle = _MARGIN + (column + 0.5) * cell
        kind = "warm" if loss > mean else "own"
        drawing.rect(kind, middle - 0.35 * cell, base - height, 0.7 * cell, height, rx=3)
        drawing.text(f"{loss:.2f}", middle, base - height - 5, "soft")
        drawing.text(_fitting(shown_token(found.tokens[place].text), cell), middle, base + 20)
    line = base - 150 * mean / most
    drawing.shape("path", "mean", d=f"M{_MARGIN} {line:.1f}H{_WIDTH - _MARGIN}")
    drawing.text(f"{mean:.2f}", _WIDTH - _MARGIN, line - 5, "small", "end")


def _window(found: Inspection, last: int | None = None) -> range:
    """Return the places that are drawn: up to the token in focus, as many as fit."""
    stop = (found.focus if last is None else last) + 1
    return range(max(0, stop - _MOST_TOKENS), stop)


def _length(text: str) -> float:
    """Return about how wide a text is, in pixels."""
    wide = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)
    return _LETTER * wide


def _fitting(text: str, width: float) -> str:
    """Return a text, its end left out where it is too wide."""
    if _length(text) <= width:
        return text
    while text and _length(text) + _LETTER > width:
        text = text[:-1]
    return f"{text}…"


def _percent(share: float) -> str:
    if share == 0:
        return "—"
    return "<1%" if share < 0.005 else f"{share:.0%}"
