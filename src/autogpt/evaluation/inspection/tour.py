"""A guided tour, "How a sentence becomes the next word", through the reader's own sentence.

The prose is in ``tour.en.md.j2`` and ``tour.zh.md.j2``; the numbers are those of an inspection, so
a tour can be made of any sentence with any model, and the ones in ``docs`` are made the same way.
Its pictures lie in a folder of the page's name beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from autogpt.core.files import explain_os_errors, write_text
from autogpt.core.units import format_bytes, format_count
from autogpt.evaluation.inspection.inspection import Inspection
from autogpt.evaluation.inspection.pictures import draw_pictures
from autogpt.evaluation.inspection.view import shown_token
from autogpt.evaluation.inspection.wording import Language

__all__ = ["render_tour", "write_tour"]

_LENS_ROWS = 6


def write_tour(path: Path, found: Inspection, *, language: Language) -> None:
    """Write the tour as Markdown and its pictures into a folder beside it, each atomically.

    Raises:
        ResourceError: If one cannot be written.
    """
    folder = path.with_suffix("") if path.suffix else path.with_name(f"{path.name}-pictures")
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, picture in draw_pictures(found, language).items():
        write_text(folder / f"{name}.svg", picture)
    write_text(path, render_tour(found, language=language, pictures=folder.name))


def render_tour(found: Inspection, *, language: Language, pictures: str) -> str:
    """Return the tour as Markdown.

    Args:
        found: What it tells of.
        language: To tell it in.
        pictures: The folder of the pictures, as seen from the page.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {
        "code": _code,
        "quoted": _quoted,
        "percent": _percent,
        "vector": _vector,
        "count": format_count,
        "size": format_bytes,
    }
    source = files("autogpt.evaluation.inspection").joinpath(f"tour.{language}.md.j2")
    lens = next((one for one in found.lens if one.token == found.focus), found.lens[-1])
    step = max(1, len(lens.layers) // _LENS_ROWS)
    shown = sorted({*range(0, len(lens.layers), step), len(lens.layers) - 1})
    losses = found.losses
    return environment.from_string(source.read_text(encoding="utf-8")).render(
        found=found,
        pictures=quote(pictures),
        model=found.model,
        worked=found.worked,
        asking=found.tokens[found.worked.token].text,
        lens=[(number, lens.layers[number]) for number in shown],
        rotary=found.positions.rotary[0] if found.positions.rotary else None,
        stages=found.next.stages,
        losses=losses,
        worst=max(range(len(losses)), key=losses.__getitem__) + 1 if losses else None,
        exp=lambda value: math.exp(min(value, 700.0)),
    )


def _code(text: str) -> str:
    """Return a token as Markdown code, in which spaces are seen."""
    shown = shown_token(text).replace("|", "∣")
    fence = "``" if "`" in shown else "`"
    padding = " " if "`" in shown else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def _quoted(text: str) -> str:
    """Return a text as a quotation, in which nothing is Markdown but its line breaks."""
    plain = re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)
    return "\n".join(f"> {line}" for line in plain.splitlines() or [""])


def _percent(share: float) -> str:
    if 0 < share < 0.0005:
        return "< 0.1%"
    return "—" if share == 0 else f"{share:.1%}"


def _vector(numbers: Sequence[float]) -> str:
    return f"({', '.join(f'{number:.3f}' for number in numbers)}, …)"
