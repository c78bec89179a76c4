"""A page of right and wrong examples that one can look at and listen to.

One HTML file that needs nothing else: pictures and sounds are inside it, small. Wrong ones come
first, the surest first; then right ones, the least sure first.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autogpt.core.errors import DataError
from autogpt.core.examples import Medium
from autogpt.core.files import write_text
from autogpt.data.media_store import MediaStore
from autogpt.evaluation.report import page_style

__all__ = ["EXAMPLES", "Shown", "render_media_page", "write_media_page"]

EXAMPLES = "examples.html"
_LARGEST = 256  # pixels of a side
_SMALLEST = 96
_RATE = 16_000
_LONGEST_S = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """An example and what was said of it.

    Attributes:
        source: Its file, or ``FILE.npz#ROW``.
        medium: What it is.
        expected: The right text.
        predicted: The model's.
        confidence: From 0 to 1; NaN where the model does not say.
        place: Where the example stands.
    """

    source: str
    medium: Medium
    expected: str
    predicted: str
    confidence: float = math.nan
    place: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the two texts are one, but for letter case and spaces around."""
        return self.expected.strip().casefold() == self.predicted.strip().casefold()


def write_media_page(path: Path, shown: Sequence[Shown], *, title: str, most: int = 48) -> None:
    """Write the page.

    Args:
        path: The file.
        shown: All examples.
        title: Of the page.
        most: Wrong ones, and half as many right ones.

    Raises:
        ResourceError: If the disk is full.
    """
    write_text(path, render_media_page(shown, title=title, most=most))


def render_media_page(shown: Sequence[Shown], *, title: str, most: int = 48) -> str:
    """Return the page as HTML."""

    def sure(one: Shown) -> float:
        return 0.0 if math.isnan(one.confidence) else one.confidence

    wrong = sorted((one for one in shown if not one.is_right), key=lambda one: -sure(one))
    right = sorted((one for one in shown if one.is_right), key=sure)
    store = MediaStore(sample_rate=_RATE, most_bytes=1)
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}: right and wrong</title>",
        f"<style>{page_style()}{_STYLE}</style>",
        f"</head><body><main><h1>{html.escape(title)}: right and wrong</h1>",
        f"<p>{len(shown)} examples that were not trained on: {len(right)} right, "
        f"{len(wrong)} wrong.</p>",
    ]
    for heading, some, count in (("Wrong", wrong, most), ("Right", right, max(1, most // 2))):
        if some:
            parts.append(f"<h2>{heading}</h2><div class='cards'>")
            parts += [card for one in some[:count] for card in _card(one, store)]
            parts.append("</div>")
            if len(some) > count:
                parts.append(f"<p>And {len(some) - count} more.</p>")
    return "\n".join([*parts, "</main></body></html>\n"])


def _card(one: Shown, store: MediaStore) -> Iterator[str]:
    sure = "" if math.isnan(one.confidence) else f" <small>{one.confidence:.0%}</small>"
    mark = "right" if one.is_right else "wrong"
    try:
        inner = _picture(one, store) if one.medium == "picture" else _sound(one, store)
    except DataError:  # it was moved since; the page is no less true for that
        inner = "<p>(the file is not there any more)</p>"
    yield (
        f"<figure class='{mark}'>{inner}<figcaption><b>{html.escape(one.predicted) or '(nothing)'}"
        f"</b>{sure}"
        + ("" if one.is_right else f"<br>expected <b>{html.escape(one.expected)}</b>")
        + f"<br><small>{html.escape(one.place)}</small></figcaption></figure>"
    )


def _picture(one: Shown, store: MediaStore) -> str:
    from PIL import Image

    pixels = store.picture(one.source)
    values = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    image = Image.fromarray(np.ascontiguousarray(values))
    largest = max(image.size)
    if largest > _LARGEST:
        image.thumbnail((_LARGEST, _LARGEST))
    elif largest < _SMALLEST:
        times = -(-_SMALLEST // largest)
        size = (image.size[0] * times, image.size[1] * times)
        image = image.resize(size, Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return f"<img alt='{html.escape(one.expected)}' src='{_inline('image/png', file)}'>"


def _sound(one: Shown, store: MediaStore) -> str:
    import soundfile

    samples = store.sound(one.source)[: int(_LONGEST_S * _RATE)]
    file = io.BytesIO()
    soundfile.write(file, samples, _RATE, format="FLAC", subtype="PCM_16")
    return f"<audio controls preload='none' src='{_inline('audio/flac', file)}'></audio>"


def _inline(kind: str, file: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


_STYLE = """
.cards { display: flex; flex-wrap: wrap; gap: 12px; }
.cards figure { margin: 0; padding: 8px; border: 1px solid #8886; border-radius: 8px; }
.cards figure.wrong { border-color: #c0392b; }
.cards img { display: block; max-width: 256px; }
.cards audio { width: 240px; }
.cards figcaption { margin-top: 6px; max-width: 256px; overflow-wrap: anywhere; }
"""
