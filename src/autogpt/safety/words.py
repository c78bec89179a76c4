"""What a text is about, as words that can be compared: to rank sentences and to find sources.

English words are lowered, words that carry no content are left out, and endings are taken off, so
that "boilers" meets "boiler". Chinese, which has no spaces, is cut into pairs of characters, which
needs no dictionary and does as well for this (Nie, Gao, Zhang and Zhou 2000, "On the use of words
and n-grams for Chinese information retrieval").
"""

from __future__ import annotations

import re

__all__ = ["content_of", "denials_of", "is_empty", "length_of", "stem"]

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUNS = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:['’][^\W\d_{_HAN}]+)?")
_UNIT = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:[-'’.,][^\W_{_HAN}]+)*")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_EMPTY = _words(
    "a about above after again against all also although am an and another any are as at be "
    "because been before being below between both but by can could did do does doing down "
    "during each even every few for from further had has have having he her here hers him his "
    "how however i if in into is it its itself just like many may me might more most much "
    "must my neither no nor not now of off on once one only or other our out over own same "
    "shall she should since so some such than that the their them themselves then there these "
    "they this those through thus to too under until up upon us very was we were what when "
    "where whether which while who whom whose why will with within without would yet you your"
)
_EMPTY_HAN = frozenset("的了是在和与及或也都就而着过吗呢吧啊之其这那个们将把被让对从到于为以所")
_NEGATIONS = _words("no not never none nobody nothing neither nor cannot without hardly")
_NEGATED_HAN = re.compile(
    "(?<!岂)(?<!无)不(?!仅|但|只|过|同|断|论|少|管)|没|无(?!论|不|非)|未(?!来|必)|别(?!人|的|墅)|非(?!常)"
)


def content_of(text: str) -> list[str]:
    """Return the words of a text that carry content, in order, in a form that can be compared."""
    found: list[str] = []
    for match in _RUNS.finditer(text):
        run = match[0]
        if re.match(rf"[{_HAN}]", run):
            pairs = (run[place : place + 2] for place in range(max(1, len(run) - 1)))
            found += [pair for pair in pairs if not set(pair) & _EMPTY_HAN]
        elif (word := re.sub(r"['’]s?$|['’]\w+$", "", run.lower())) not in _EMPTY:
            found.append(stem(word))
    return found


def is_empty(word: str) -> bool:
    """Whether a lower-case word, or a Chinese character, carries no content."""
    return word in _EMPTY or word in _EMPTY_HAN


def stem(word: str) -> str:
    """Return a lower-case English word without its usual endings, as comparing needs it."""
    if len(word) < 5 or not word.isascii():
        return word[:-1] if len(word) == 4 and word.endswith("s") and word[-2] not in "su" else word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ied", "y"), ("ed", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    else:
        if word.endswith("s") and word[-2] not in "su":
            word = word[:-1]
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]  # running -> runn -> run
    return word.removesuffix("e") if len(word) > 4 else word


def denials_of(text: str) -> int:
    """Return how often a text denies something."""
    words = re.findall(r"[a-z]+(?:['’][a-z]+)?", text.lower())
    english: int = sum(word in _NEGATIONS or word.endswith(("n't", "n’t")) for word in words)
    return english + len(_NEGATED_HAN.findall(text))


def length_of(text: str) -> int:
    """Return how long a text is for a reader: its words, of Chinese its characters."""
    return len(_UNIT.findall(text))
