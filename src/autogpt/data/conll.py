"""CoNLL: a token and its tag a line, a blank line behind each sentence; to spans of text and back.

::

    Ada       B-PER      BIO     B begins an entity, I goes on, O is outside
    Lovelace  I-PER      BIOES   also E ends one, S is one by itself (BILOU: L and U)
    wrote     O          BMES    the same with M for I

Columns are parted by tabs or spaces; the first is the token, the last its tag. Where every token is
a character, as Chinese data are written, the text is what they spell; words are joined as English
and Chinese are printed. The spans of the tokens stay with the text, so that nothing is lost.

Source: Ramshaw and Marcus 1995 (BIO), Tjong Kim Sang 2002 (CoNLL), Xue 2003 (BMES).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Literal, get_args

from autogpt.core.errors import ConfigError
from autogpt.core.examples import Entity, Tagged
from autogpt.data.records import Record, text_lines

__all__ = [
    "Scheme",
    "are_characters",
    "conll_records",
    "is_conll",
    "is_tag",
    "scheme_of",
    "tagged_of",
    "tags_of",
    "with_spelling",
    "write_conll",
]

Scheme = Literal["BIO", "BIOES", "BMES"]

_TAG = re.compile(r"([BIESMLU])(?:[-_](.+))?")
_UNTYPED = "ENTITY"  # of tags that are only B and I
_SAME = {"L": "E", "U": "S", "M": "I"}
_BEGIN_OF_DOCUMENT = "-DOCSTART-"
_LOOK_AT_LINES, _LOOK_AT_SENTENCES = 200, 64
_MOST = 0.9

# Kana, Han, and what is printed with them; written without spaces.
_DENSE = re.compile(r"[\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\uffef]")
_CLOSING = frozenset(
    [*".,;:!?%)]}…”’", "...", "'s", "'m", "'re", "'ve", "'ll", "'d", "n't", "’s", "’m", "’re",
     "’ve", "’ll", "’d", "n’t"]
)  # fmt: skip
_OPENING = frozenset("([{“‘$£€")
_WORD = re.compile(r"[^\W_]+|\S")


def is_conll(head: str) -> bool:
    """Whether text begins as CoNLL: tokens without spaces in it, each with a tag."""
    lines = [line for line in head.split("\n")[:_LOOK_AT_LINES] if not _says_nothing(line)]
    if head.count("\n") < _LOOK_AT_LINES and not head.endswith("\n"):
        lines = lines[:-1] or lines  # the last may be torn
    found = [_token_and_tag(line) for line in lines]
    good = [token for token, tag in found if is_tag(tag) and " " not in token]
    return len(lines) > 1 and len(good) > _MOST * len(lines)


def is_tag(text: str) -> bool:
    """Whether text is a tag of a known scheme."""
    return text == "O" or _TAG.fullmatch(text) is not None


def scheme_of(tags: Iterable[str]) -> str:
    """Return the name of the scheme that tags are written in."""
    prefixes = {tag[:1] for tag in tags}
    if prefixes & {"L", "U"}:
        return "BILOU"
    if "M" in prefixes:
        return "BMES"
    return "BIOES" if prefixes & {"E", "S"} else "BIO"


def conll_records(chunks: Iterable[str]) -> Iterator[Record]:
    """Yield sentences: records whose value is (tokens, tags), from the line of the first token.

    A broken line costs its sentence. Tokens without a visible character are passed over if they
    are outside of entities.
    """
    tokens: list[str] = []
    tags: list[str] = []
    error: Record | None = None
    start = 1
    for number, line in enumerate(chain(text_lines(chunks), [""]), 1):
        if not line.strip():
            if error is not None:
                yield error
            elif tokens:
                yield Record(start, (tokens, tags))
            tokens, tags, error, start = [], [], None, number + 1
            continue
        if _says_nothing(line) or error is not None:
            continue
        token, tag = _token_and_tag(line)
        if not is_tag(tag) or (not token and tag != "O"):
            error = Record(number, None, _problem(token, tag))
        elif token:
            start = number if not tokens else start
            tokens.append(token)
            tags.append(tag)


def _says_nothing(line: str) -> bool:
    comment = line.startswith("# ") and not is_tag(_token_and_tag(line)[1])
    return not line.strip() or line.startswith(_BEGIN_OF_DOCUMENT) or comment


def _token_and_tag(line: str) -> tuple[str, str]:
    line = line.rstrip("\r\n")
    parts = line.rstrip("\t ").split("\t") if "\t" in line else line.rstrip(" ").split(" ")
    if len(parts) < 2:
        return line.strip(), ""
    return parts[0].strip(), parts[-1].strip()


def _problem(token: str, tag: str) -> str:
    if not tag:
        return f"has no tag: {token[:40]!r} stands alone"
    if not token:
        return f"has the tag {tag!r} and no token"
    return f"has the tag {tag[:40]!r}; O, B-TYPE, I-TYPE (or M, E, S) was expected"


def tagged_of(
    tokens: Sequence[str], tags: Sequence[str], *, characters: bool, place: str = ""
) -> Tagged:
    """Return a sentence as text with entities.

    Args:
        tokens: Its tokens.
        tags: A tag for each, in any scheme; an entity begins where a tag cannot go on with the one
            before.
        characters: Whether the tokens are characters, not words.
        place: Where the sentence is from.
    """
    text = ""
    spans: list[tuple[int, int]] = []
    before = ""
    for token in tokens:
        if before and (_is_spaced if characters else _is_parted)(before, token):
            text += " "
        spans.append((len(text), len(text) + len(token)))
        text += token
        before = token
    entities = tuple(
        Entity(type=kind, start=spans[first][0], end=spans[last][1],
               text=text[spans[first][0] : spans[last][1]])
        for kind, first, last in _entities(tags)
    )  # fmt: skip
    return Tagged(text=text, entities=entities, tokens=tuple(spans), place=place)


def are_characters(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether the tokens of sentences are the characters of a text written without spaces."""
    tokens = [token for sentence in sentences for token in sentence]
    single = sum(len(token) == 1 for token in tokens)
    return single > _MOST * len(tokens) and any(map(_DENSE.match, tokens))


def with_spelling(records: Iterable[Record]) -> tuple[bool, str, Iterator[Record]]:
    """Return whether sentences are spelled by character, their scheme, and the sentences."""
    stream = iter(records)
    head = list(islice(stream, _LOOK_AT_SENTENCES))
    good = [record.value for record in head if not record.error]
    characters = are_characters(tokens for tokens, _ in good)
    scheme = scheme_of(tag for _, tags in good for tag in tags)
    return characters, scheme, chain(head, stream)


def _is_spaced(before: str, token: str) -> bool:
    """Whether a space parts two tokens where most are characters: only words of Latin letters."""
    words = len(before) > 1 or len(token) > 1
    return words and (before[-1] + token[0]).isascii() and (before[-1] + token[0]).isalnum()


def _is_parted(before: str, token: str) -> bool:
    """Whether a space parts two words in print."""
    if token in _CLOSING or before in _OPENING:
        return False
    return not (_DENSE.match(before[-1]) or _DENSE.match(token[0]))


def _split_tag(tag: str) -> tuple[str, str]:
    found = _TAG.fullmatch(tag)
    if found is None:
        return "O", ""
    return _SAME.get(found[1], found[1]), found[2] or _UNTYPED


def _entities(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield type, first and last token of each entity."""
    begun: tuple[str, int] | None = None
    for place, tag in enumerate([*tags, "O"]):
        prefix, kind = _split_tag(tag)
        goes_on = begun is not None and prefix in ("I", "E") and kind == begun[0]
        if begun is not None and not goes_on:
            yield (*begun, place - 1)
            begun = None
        if prefix != "O" and begun is None:
            begun = kind, place
        if begun is not None and prefix in ("E", "S"):
            yield (*begun, place)
            begun = None


def tags_of(example: Tagged, scheme: Scheme = "BIO") -> list[tuple[str, str]]:
    """Return the tokens of a text, each with its tag.

    A text without tokens of its own is cut into words, and into characters where it is written
    without spaces; also where an entity begins or ends.

    Raises:
        ConfigError: If the scheme is unknown.
    """
    if scheme not in get_args(Scheme):
        raise ConfigError(
            f"scheme = {scheme!r} is unknown.", hint=f"Known: {', '.join(get_args(Scheme))}."
        )
    spans = example.tokens or tuple(_words(example))
    tags = ["O"] * len(spans)
    at = 0
    for entity in example.entities:
        while at < len(spans) and spans[at][1] <= entity.start:
            at += 1
        end = at
        while end < len(spans) and spans[end][0] < entity.end:
            end += 1
        tags[at:end] = _spelled(entity.type, end - at, scheme)
        at = end
    return [(example.text[start:end], tag) for (start, end), tag in zip(spans, tags, strict=True)]


def _spelled(kind: str, length: int, scheme: Scheme) -> list[str]:
    if length == 0:
        return []
    if scheme == "BIO":
        return [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
    if length == 1:
        return [f"S-{kind}"]
    inside = "M" if scheme == "BMES" else "I"
    return [f"B-{kind}"] + [f"{inside}-{kind}"] * (length - 2) + [f"E-{kind}"]


def _words(example: Tagged) -> Iterator[tuple[int, int]]:
    borders = sorted({border for item in example.entities for border in (item.start, item.end)})
    for start, end in zip([0, *borders], [*borders, len(example.text)], strict=True):
        for word in _WORD.finditer(example.text, start, end):
            at = word.start()
            for place in range(word.start(), word.end()):
                if _DENSE.match(example.text, place):
                    if at < place:
                        yield at, place
                    yield place, place + 1
                    at = place + 1
            if at < word.end():
                yield at, word.end()


def write_conll(
    examples: Iterable[Tagged], scheme: Scheme = "BIO", *, separator: Literal["\t", " "] = "\t"
) -> Iterator[str]:
    """Yield the lines of a CoNLL file, line ends included; ``conll_records`` reads them again."""
    for example in examples:
        for token, tag in tags_of(example, scheme):
            yield f"{token}{separator}{tag}\n"
        yield "\n"
