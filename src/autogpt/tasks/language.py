"""In which language a text is, as far as its script says.

Chinese and English are told apart by their letters alone, which needs no model and does not fail on
short texts. Of the other scripts the most usual language is named.
"""

from __future__ import annotations

import re

__all__ = ["is_chinese"]

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LETTER = re.compile(r"[^\W\d_]")


def is_chinese(text: str) -> bool:
    """Whether a third of the letters are Han: a Chinese text may quote names and codes."""
    return 3 * len(_HAN.findall(text)) >= max(1, len(_LETTER.findall(text)))
