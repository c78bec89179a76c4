"""Where sentences and sections of a text begin and end; English and Chinese, Markdown or plain.

::

    ## Heating                      a block: heading, level 2; it begins a section
    The boiler works. It is new.    a block: text; two sentences
    - warm water                    a block: item; its sentences begin behind the mark

Everything is a span of the text as it is, so that what is taken from it can be pointed at. A line
break ends a sentence where it ends a paragraph, an item or a heading; lines that are only wrapped
are one paragraph. A full stop does not end one behind an abbreviation or an initial, within a
number, or where the text goes on in lower case. Source of the abbreviation rules: Kiss and Strunk
2006, "Unsupervised Multilingual Sentence Boundary Detection" (frequent sentence starters decide
where an abbreviation may end a sentence); the lists are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Block", "Section", "Sentence", "blocks_of", "sections_of", "sentences_of"]

BlockKind = Literal["text", "heading", "item", "code", "table", "rule"]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, an item of a list, a row of a table, or code.

    Attributes:
        kind: Which of them; "rule" is a line of marks alone.
        start: First character behind marks such as ``- `` or ``## ``.
        end: Behind the last character that is not space.
        level: Of a heading, from 1; else 0.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence.

    Attributes:
        start: First character.
        end: Behind the last character, its mark and closing quotes included.
        block: Which block it is in, from 0.
    """

    start: int
    end: int
    block: int


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what follows it, up to the next one.

    Attributes:
        title: Of the heading; empty before the first one.
        start: First character of the heading.
        end: Behind the last character.
    """

    title: str
    start: int
    end: int


_FENCE = re.compile(r"[ ]{0,3}(```+|~~~+)")
_INDENTED = re.compile(r"(?: {4}|\t)(?![ \t]*(?:[-*+•·>]|\d{1,3}[.)])[ \t])")
_MARKDOWN = re.compile(r"^[ ]{0,3}(?:#{1,6} \S|```|~~~)", re.M)
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(?=\S)")
_UNDERLINE = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r"[ \t]*([-*_=~][ \t]*){3,}$")
_MARKS = re.compile(
    r"(?:[ \t]*>)*[ \t]*(?:(?:[-*+•·]|\d{1,3}[.)]|[（(]\d{1,3}[)）]|[a-zA-Z][)])[ \t]+"
    r"(?:\[[ xX]\][ \t]+)?)?"
)
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
_CHAPTER = re.compile(
    r"[ \t　]*(?:第[一二三四五六七八九十百千零〇\d]{1,7}[章节回卷篇部编]|Chapter \w+)"
)
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_WRAPPED_AT = 120  # characters: a paragraph with a longer line is not wrapped, so each line counts


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a text, in order and without overlap."""
    lines = list(_lines(text))
    found: list[Block] = []
    number, is_markdown = 0, _MARKDOWN.search(text) is not None
    held = _Held(text, is_markdown=is_markdown)
    while number < len(lines):
        start, end = lines[number]
        line = text[start:end]
        after = number + 1
        if _FENCE.match(line):
            found += held.release()
            after = _behind_fence(text, lines, number)
            found.append(Block("code", start, lines[after - 1][1]))
        elif not line.strip():
            found += held.release()
        elif is_markdown and not held.lines and _INDENTED.match(line):
            found.append(Block("code", start, end))
        elif level := held.underlined(line):
            found += held.release("heading", level=level)
        elif (special := _special(text, start, end)) is not None:
            found += [*held.release(), special]
        else:
            begin = start + _leading(line)
            if not line[: begin - start].strip():
                held.lines.append((begin, end))
            else:  # an item or a quotation begins
                found += held.release()
                held.kind = "item"
                held.lines.append((begin, end))
        number = after
    return found + held.release()


def sentences_of(text: str, blocks: Sequence[Block] | None = None) -> list[Sentence]:
    """Return the sentences of a text, in order; code, rules and tables have none.

    Args:
        text: Any Unicode.
        blocks: Its blocks, where they are known.
    """
    found = []
    for number, block in enumerate(blocks_of(text) if blocks is None else blocks):
        if block.kind in ("code", "rule", "table"):
            continue
        start = block.start
        for end in (*_ends(text, block), block.end):
            while start < end and text[start].isspace():
                start += 1
            if start < end:
                found.append(Sentence(start, end, number))
            start = end
    return found


def sections_of(text: str, blocks: Sequence[Block] | None = None) -> list[Section]:
    """Return the sections of a text: what stands before the first heading, then one a heading."""
    blocks = blocks_of(text) if blocks is None else blocks
    found: list[Section] = []
    title, start, end = "", None, 0
    for block in blocks:
        if block.kind == "heading":
            if start is not None:
                found.append(Section(title, start, end))
            title, start = text[block.start : block.end], block.start
        elif start is None:
            start = block.start
        end = block.end
    if start is not None:
        found.append(Section(title, start, end))
    return found


# -- blocks ----------------------------------------------------------------------------------------


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each line starts and ends, without its line break."""
    at = 0
    for line in text.splitlines(keepends=True):
        yield at, at + len(line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"))
        at += len(line)


def _behind_fence(text: str, lines: Sequence[tuple[int, int]], number: int) -> int:
    """Return the number of the line behind a fenced block; one that is not closed goes to the end.

    Source: CommonMark 0.31, section 4.5.
    """
    opening = _FENCE.match(text[slice(*lines[number])])
    assert opening is not None  # as the caller has seen
    mark = opening[1]
    for later in range(number + 1, len(lines)):
        line = text[slice(*lines[later])].strip()
        if line.startswith(mark) and not line.strip(mark[0]):
            return later + 1
    return len(lines)


def _special(text: str, start: int, end: int) -> Block | None:
    """Return a line that is a block by itself: a heading, a row of a table, a rule."""
    line = text[start:end]
    heading = _HEADING.match(line)
    if heading:
        closed = re.sub(r"[ \t]+#+[ \t]*$", "", line)
        begin = start + heading.end()
        end = max(begin, start + len(closed))
        return _trimmed(text, "heading", begin, end, level=len(heading[1]))
    if _RULE.match(line):
        return Block("rule", start, end)
    if _ROW.match(line):
        return Block("table", start, end)
    if _CHAPTER.match(line) and len(line) <= 60 and line.rstrip()[-1] not in _ENDING:
        return _trimmed(text, "heading", start, end, level=1)
    return None


def _leading(line: str) -> int:
    marks = _MARKS.match(line)
    size = marks.end() if marks else 0
    while size < len(line) and line[size].isspace():
        size += 1
    return size


class _Held:
    """The lines of a paragraph or item that is not over.

    Args:
        text: All of it.
        is_markdown: Whether a line break is no more than a space, whatever the lines' length
            (CommonMark 0.31, "Soft line breaks").
    """

    def __init__(self, text: str, *, is_markdown: bool) -> None:
        self._text, self._is_markdown = text, is_markdown
        self.lines: list[tuple[int, int]] = []
        self.kind: BlockKind = "text"

    def underlined(self, line: str) -> int:
        """Return the level of a heading that this line underlines; 0 if it does not."""
        marks = _UNDERLINE.match(line)
        if len(self.lines) != 1 or self.kind != "text" or not marks or len(marks[1]) < 3:
            return 0
        return 1 if marks[1][0] == "=" else 2

    def release(self, kind: BlockKind | None = None, *, level: int = 0) -> list[Block]:
        """Return what is held as blocks: line by line where lines are not wrapped."""
        pieces, kind = self.lines, kind or self.kind
        self.lines, self.kind = [], "text"
        if not pieces:
            return []
        whole = self._text[pieces[0][0] : pieces[-1][1]]
        is_wrapped = self._is_markdown or all(end - start <= _WRAPPED_AT for start, end in pieces)
        if is_wrapped and not _is_han(whole):
            pieces = [(pieces[0][0], pieces[-1][1])]
        return [_trimmed(self._text, kind, start, end, level=level) for start, end in pieces]


def _is_han(text: str) -> bool:
    """Whether Chinese: its lines are rarely wrapped, since words need no care there."""
    return 3 * len(_HAN.findall(text)) >= len(re.findall(r"\w", text)) > 0


def _trimmed(text: str, kind: BlockKind, start: int, end: int, *, level: int = 0) -> Block:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Block(kind, start, end, level)


# -- sentences -------------------------------------------------------------------------------------

_ENDING = ".!?。！？…．｡"
_CLOSING = "\"'”’」』）)】]》〉»*_`"
_END = re.compile(rf"[.!?。！？…．｡]+[{re.escape(_CLOSING)}]*")
_WIDE = "。！？｡"
_SAID = re.compile(r"[^。！？，,；\s]{0,5}(?:说|道|问|喊|答|叫|想|笑|骂|叹)[道着了]?[。，,：:；]")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘（]+$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A full stop behind one of these never ends a sentence ...
_NEVER = _words(
    "mr mrs ms dr prof rev hon gen col capt lt sgt sen gov pres st mt messrs mme mlle "
    "e.g i.e cf viz vs al approx dept univ resp incl excl esp"
)
# ... behind these only where no number follows ...
_BEFORE_NUMBER = _words(
    "no nos nr fig figs eq eqs sec ch vol vols pp p art para ca "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
# ... and behind these where a word follows that often begins one.
_SOMETIMES = _words(
    "etc inc ltd co corp llc plc bros jr sr ph.d m.d b.a m.a u.s u.k u.n e.u a.m p.m d.c ed eds"
)
_STARTERS = _words(
    "the a an in on at for from with by to of as if when while after before since because although "
    "he she it we they you i this that these those there here his her its our their my your but "
    "and or so yet however then thus also another each every some many most no not what who why "
    "how where which it's he's she's"
)


def _ends(text: str, block: Block) -> Iterator[int]:
    """Yield where sentences end within a block."""
    for match in _END.finditer(text, block.start, block.end):
        end = match.end()
        if end < block.end and _is_end(text, match, block):
            yield end


def _is_end(text: str, match: re.Match[str], block: Block) -> bool:
    """Return whether a sentence ends at these marks, within a block."""
    marks, end = match[0], match.end()
    rest = text[end : min(block.end, end + 80)]
    bare = marks.rstrip(_CLOSING)
    if any(mark in bare for mark in _WIDE) or (bare.startswith("…") and _HAN.match(rest)):
        quoted = marks != bare and marks[len(bare)] in '”’」』"'
        return not (quoted and bare[-1] != "。" and _SAID.match(rest))
    following = rest.lstrip()
    if not following:
        return False
    if _HAN.match(following):
        return bare[-1] != "." or not _is_digit(text, match.start() - 1)
    if following == rest:  # nothing between: 3.14, example.com, "Yahoo!'s"
        return False
    first = following.lstrip("\"'“‘([*_`¿¡—–- ")[:1]
    if first.islower():
        return False
    return bare[-1] != "." or len(bare) > 1 or not _is_abbreviated(text, match, block, following)


def _is_digit(text: str, place: int) -> bool:
    return place >= 0 and text[place].isdigit()


def _is_abbreviated(text: str, match: re.Match[str], block: Block, following: str) -> bool:
    """Return whether a full stop belongs to the word before it, and ends nothing."""
    before = _WORD_BEFORE.search(text[max(block.start, match.start() - 30) : match.start()])
    if before is None:
        return False
    word = before[0].casefold()
    if match.start() - len(before[0]) <= block.start and re.fullmatch(r"\d+|[a-z]", word):
        return True  # the number of an item
    start = re.match(r"[^\s.,;:!?]+", following.lstrip("\"'“‘(["))
    starts = start is not None and start[0].casefold() in _STARTERS
    if word in _BEFORE_NUMBER:
        return following[0].isdigit()
    initials = word != "i" and _INITIALS.fullmatch(f"{word}.")  # J. Smith; U.S. Army
    return word in _NEVER or (not starts and (word in _SOMETIMES or initials is not None))
