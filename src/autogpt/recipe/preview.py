"""The first examples as the model will see them, with what it is to learn in color.

Where there is no color, double brackets stand around it. Only text is made here; printing it is up
to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from autogpt.core.examples import Example, Labeled, Observed, Pair, Tagged
from autogpt.data.checks import written
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson

__all__ = ["preview"]

_LEARNED = "bold green"
_READ = "dim"
_HEADING = "bold"
_MOST_CHARS = 400  # of a stretch of text; the middle of a longer one is left out
# What could move the cursor or turn the direction of writing around; not line ends and tabs.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def preview(
    shown: Sequence[Lesson | Example],
    tokenizer: Tokenizer | None,
    *,
    console: Console,
    total: int | None = None,
) -> Text:
    """Return the first examples as text for ``console``.

    Args:
        shown: Lessons; or texts with labels or entities, where a head of the model learns them.
        tokenizer: Made the ids of lessons; None where there are none.
        console: Says whether there is color.
        total: How many examples there are.
    """
    color = console.color_system is not None and not console.no_color
    text = Text()
    for number, item in enumerate(shown, 1):
        facts = [item.place] if item.place else []
        if isinstance(item, Lesson):
            facts.append(f"{len(item)} tokens, {int(item.learned.sum())} learned")
        about = f" ({', '.join(facts)})" if facts else ""
        text.append(f"Example {number} of {total or len(shown)}{about}\n", style=_HEADING)
        for part, learned in _stretches(item, tokenizer):
            _append(text, part, learned=learned, color=color)
        text.append("\n")
    return text


def _stretches(item: Lesson | Example, tokenizer: Tokenizer | None) -> Iterator[tuple[str, bool]]:
    """Yield stretches of text, and whether each is learned."""
    match item:
        case Lesson():
            assert tokenizer is not None  # it made the lesson
            marked = zip(item.token_ids.tolist(), item.learned.tolist(), strict=True)
            for learned, run in groupby(marked, key=lambda pair: pair[1]):
                data = b"".join(tokenizer.token_bytes(token_id) for token_id, _ in run)
                yield data.decode("utf-8", "replace"), learned
        case Labeled():
            yield f"{item.text} -> ", False
            yield ", ".join(item.labels) or "(no label)", True
        case Tagged():
            at = 0
            for entity in item.entities:
                yield item.text[at : entity.start], False
                yield f"{entity.text}: {entity.type}", True
                at = entity.end
            yield item.text[at:], False
        case Pair():
            yield f"{item.source}\n", False
            yield item.target, True
        case Observed():
            yield f"{item.medium} {item.source} -> ", False
            yield item.text, True
        case _:
            yield written(item), True


def _append(text: Text, part: str, *, learned: bool, color: bool) -> None:
    if len(part) > _MOST_CHARS:
        left_out = len(part) - _MOST_CHARS
        half = _MOST_CHARS // 2
        part = f"{part[:half]} … {left_out} characters … {part[-half:]}"
    part = _UNSEEN.sub(lambda found: f"\\x{ord(found[0]):02x}", part)
    if learned and not color:
        part = f"[[{part}]]"
    text.append(part, style=_LEARNED if learned else _READ)
