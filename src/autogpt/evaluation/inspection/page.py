"""The page of an inspection: one HTML file that needs nothing else and works from a disk.

What a token attends to lights up under the pointer, in any layer and head. The numbers of all
heads would be large as text; they travel as two bytes for a key and two for its weight, deflated
(RFC 1950), which browsers unpack themselves (DecompressionStream, 2023). Both languages are in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import numpy as np
from markupsafe import Markup

from autogpt.core.files import write_text
from autogpt.core.units import format_bytes, format_count
from autogpt.evaluation.inspection.attention import AttentionView
from autogpt.evaluation.inspection.inspection import Inspection
from autogpt.evaluation.inspection.view import shown_token
from autogpt.evaluation.inspection.wording import WORDS, Language
from autogpt.evaluation.report import page_style, page_template

__all__ = ["render_page", "write_page"]


def write_page(path: Path, found: Inspection, *, language: Language) -> None:
    """Write the page, atomically.

    Raises:
        ResourceError: If it cannot be written.
    """
    write_text(path, render_page(found, language=language))


def render_page(found: Inspection, *, language: Language) -> str:
    """Return the page as HTML.

    Args:
        found: What to show.
        language: Shown first; the page has a switch.
    """
    script = _own("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return page_template("inspection/page.html.j2").render(
        language=language,
        title=WORDS[language]["title"],
        model=found.model.name or found.model.family,
        no_script=[WORDS["en"]["no_script"], WORDS["zh"]["no_script"]],
        style=page_style() + Markup(_own("page.css")),
        script=Markup(script),
        script_sha256=digest,
        found=_embedded(_plain(found)),
        words=_embedded(WORDS),
        attention=_packed(found.attention),
    )


def _own(name: str) -> str:
    return files("autogpt.evaluation.inspection").joinpath(name).read_text(encoding="utf-8")


def _embedded(value: object) -> Markup:
    """Return JSON that cannot end the element it stands in."""
    return Markup(json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"))


def _packed(attention: AttentionView) -> str:
    keys = attention.keys.cpu().numpy().astype("<u2")
    weights = np.rint(attention.weights.cpu().numpy() * 65535).astype("<u2")
    data = np.stack((keys, weights), axis=-1).tobytes()
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _plain(found: Inspection) -> dict[str, object]:
    """Return what the script draws, but the attention weights."""
    facts = found.to_dict(attention=False)
    model, cache = found.model, found.cache
    texts = {token_id: shown_token(text) for token_id, text in found.vocabulary.items()}
    return {
        **facts,
        "shown": texts,
        "breaks": ["\n" in token.text for token in found.tokens],
        "attention": {
            "layers": model.layers,
            "heads": model.heads,
            "kept": found.attention.kept,
            "complete": found.attention.is_complete,
            "habits": [asdict(habit) for habit in found.attention.habits],
        },
        "sizes": {
            "parameters": format_count(model.parameters),
            "per_token": format_bytes(cache.bytes_per_token),
            "text": format_bytes(cache.text_bytes),
            "context": format_bytes(cache.context_bytes),
            "unshared": format_bytes(cache.without_sharing_bytes),
        },
    }
