"""In which language a text is, as far as its script and its smallest words say.

Chinese and English, and all languages with a script of their own, are told apart by their letters,
which needs no model and does not fail on short texts. Languages in Latin letters are told by words
that they use often; where two of another are not there, ASCII letters count as English. What this
cannot tell (Latin letters of a language that is not listed) it does not name.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["NAMES", "UNSPACED", "is_chinese", "language_of", "named"]

NAMES: dict[str, tuple[str, str]] = {
    "ar": ("Arabic", "阿拉伯语"),
    "de": ("German", "德语"),
    "el": ("Greek", "希腊语"),
    "en": ("English", "英语"),
    "es": ("Spanish", "西班牙语"),
    "fr": ("French", "法语"),
    "he": ("Hebrew", "希伯来语"),
    "hi": ("Hindi", "印地语"),
    "it": ("Italian", "意大利语"),
    "ja": ("Japanese", "日语"),
    "ko": ("Korean", "韩语"),
    "nl": ("Dutch", "荷兰语"),
    "pl": ("Polish", "波兰语"),
    "pt": ("Portuguese", "葡萄牙语"),
    "ru": ("Russian", "俄语"),
    "sv": ("Swedish", "瑞典语"),
    "th": ("Thai", "泰语"),
    "tr": ("Turkish", "土耳其语"),
    "uk": ("Ukrainian", "乌克兰语"),
    "vi": ("Vietnamese", "越南语"),
    "zh": ("Chinese", "中文"),
}
"""ISO 639-1 code -> its name in English and in Chinese."""
UNSPACED = ("zh", "ja", "th")
"""Languages without spaces between words."""

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LETTER = re.compile(r"[^\W\d_]")
_SCRIPTS = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7a3\u1100-\u11ff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "hi": re.compile("[\u0900-\u097f]"),
}
_UKRAINIAN = re.compile("[іїєґІЇЄҐ]")
_SMALL_WORDS = {
    "en": "the and of is was were are that it he she they you with this have not for from what i "
    "am my me we our his her be do does did an or if so at by as but can will would how who yes",
    "de": "der die das und ist nicht ein eine ich zu mit sich auf für sind wir wird auch dem den",
    "fr": "le les des est et une dans que qui pas pour sur je nous vous ce cette sont avec du",
    "es": "el los las es y una que en por para con no se del como está son pero muy lo",
    "it": "il gli è e una che di per con non si della sono nel anche questo ma lo dei",
    "pt": "os as é e uma que em por para com não se do da como são mas muito na no",
    "nl": "de het een en is niet van dat ik op met voor zijn maar ook wij deze aan bij",
    "sv": "och är en ett att det som på inte jag med för av vi den till var men har",
    "pl": "i w nie na się jest to że z do jak ale co po czy za był są przez",
    "tr": "ve bir bu için ile de da ben çok ne var mı değil olarak gibi daha kadar",
    "vi": "là của và có không được cho này một tôi với người trong các những để",
}
_WORDS = {code: frozenset(words.split()) for code, words in _SMALL_WORDS.items()}


def is_chinese(text: str) -> bool:
    """Whether a third of the letters are Han: a Chinese text may quote names and codes."""
    return 3 * len(_HAN.findall(text)) >= max(1, len(_LETTER.findall(text)))


def language_of(text: str) -> str:
    """Return the code of a text's language, "" where it has no letters or cannot be told."""
    letters = len(_LETTER.findall(text))
    if not letters:
        return ""
    counts = {code: len(script.findall(text)) for code, script in _SCRIPTS.items()}
    if 5 * counts["ja"] >= letters:  # kana among Han
        return "ja"
    if is_chinese(text):
        return "zh"
    code = max(counts, key=lambda code: counts[code])
    if 3 * counts[code] >= letters:
        return "uk" if code == "ru" and _UKRAINIAN.search(text) else code
    return _latin(text)


def _latin(text: str) -> str:
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    hits = {
        code: sum(words[word] for word in own) + 0.1 * (code == "en")
        for code, own in _WORDS.items()
    }
    best = max(hits, key=lambda code: hits[code])
    if text.isascii() and hits[best] < 2:
        return "en"
    return best if hits[best] >= 1 else ""


def named(code: str, *, chinese: bool = False) -> str:
    """Return the name of a language, in English or in Chinese; the code where it is not known."""
    return NAMES.get(code, (code, code))[chinese]
