"""What the one font that comes with matplotlib can write: Latin, Greek, Cyrillic, no Chinese."""

from __future__ import annotations

from functools import cache

__all__ = ["is_drawable"]


def is_drawable(text: str) -> bool:
    """Whether the font has all of the characters; others would come out as boxes."""
    return all(ord(character) in _known() for character in text)


@cache
def _known() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
