"""Files and search in files, within one folder."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogpt.agent.tools.base import Cost, Tool, ToolError, as_tool, tool
from autogpt.agent.tools.folder import Folder

__all__ = ["Hit", "file_tools", "rank_lines", "terms"]

_TEXT_SUFFIXES = (
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".log", ".py", ".toml", ".yaml",
    ".yml", ".html", ".xml", ".ini", ".cfg", ".tex",
)  # fmt: skip
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+", re.UNICODE)
_STOP_WORDS = """
a an and are as at be by do does for from has have how in is it its of on or that the this to
was what when where which who whom why will with say says file files note notes document
documents text line lines me tell find give show there any about please did i my our you 的 了
是 在 有 和 与 我 你 他 这 那 个 哪 什 么 吗 呢 请 里 中 到 多 少
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A line that was found."""

    path: str
    line: int
    text: str
    score: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"path": self.path, "line": self.line, "text": self.text}


def file_tools(folder: Folder) -> list[Tool]:  # noqa: C901, PLR0915 - one after another
    """Return the tools over a folder."""

    @tool(effect="read", outside=False)
    def list_files(below: str = "") -> list[str]:
        """List the files in the folder.

        Args:
            below: A folder inside; empty for all.
        """
        return folder.files(below)

    @tool(effect="read")
    def read_file(path: str, first_line: int = 1, lines: int = 200) -> dict[str, Any]:
        """Read the lines of a text file.

        Args:
            path: The file.
            first_line: From 1.
            lines: How many.
        """
        rows = folder.text(path).splitlines()
        if first_line < 1 or lines < 1:
            raise ToolError("first_line and lines must be 1 or more.")
        some = rows[first_line - 1 : first_line - 1 + lines]
        return {"path": path, "lines": len(rows), "first_line": first_line, "text": "\n".join(some)}

    @tool(effect="read")
    def search_files(query: str, below: str = "", limit: int = 20) -> list[dict[str, Any]]:
        """Search all text files for words and return the lines that match best.

        Args:
            query: The words to look for.
            below: Only in this folder or file; empty for all.
            limit: Most lines to return.
        """
        return [hit.to_dict() for hit in rank_lines(query, text_lines(folder, below))[:limit]]

    @tool(effect="read")
    def find_text(text: str, below: str = "", limit: int = 200) -> dict[str, Any]:
        """Find every line that contains a text exactly, ignoring case, and count how often.

        Args:
            text: The text to look for.
            below: Only in this folder or file; empty for all.
            limit: Most lines to return.
        """
        if not text:
            raise ToolError("text is empty.")
        # A word is found as a word; of Chinese, any place counts.
        edge_before = r"\b" if re.match(r"[A-Za-z0-9]", text) else ""
        edge_after = r"\b" if re.search(r"[A-Za-z0-9]$", text) else ""
        wanted = re.compile(edge_before + re.escape(text) + edge_after, re.IGNORECASE)
        hits, times, files = [], 0, Counter[str]()
        for path, number, line in text_lines(folder, below):
            count = len(wanted.findall(line))
            if count:
                times += count
                files[path] += count
                hits.append({"path": path, "line": number, "text": line[:400]})
        return {"times": times, "lines": len(hits), "files": dict(files), "hits": hits[:limit]}

    @tool(effect="read", outside=False)
    def count_text(path: str) -> dict[str, int]:
        """Count the lines, words and characters of a text file.

        Args:
            path: The file.
        """
        text = folder.text(path)
        return {
            "lines": len(text.splitlines()),
            "words": len(text.split()),
            "characters": len(text),
        }

    @tool(effect="idempotent", aims=("path",), outside=False)
    def write_file(path: str, text: str) -> dict[str, Any]:
        """Write a text file; an older one of that name is replaced.

        Args:
            path: The file.
            text: Its whole content.
        """
        content = text.encode()
        folder.write(path, content)
        return {"path": path, "bytes": len(content)}

    @tool(effect="idempotent", aims=("to",), outside=False)
    def copy_file(path: str, to: str) -> dict[str, Any]:
        """Copy a file as it is.

        Args:
            path: The file.
            to: The new file; an older one of that name is replaced.
        """
        content = folder.read(path)
        folder.write(to, content)
        return {"path": to, "bytes": len(content)}

    @tool(effect="effect", aims=("path",), outside=False)
    def replace_text(path: str, old: str, new: str) -> dict[str, Any]:
        """Replace a text by another everywhere in a file.

        Args:
            path: The file.
            old: The text that is there, letter by letter.
            new: What comes in its place.
        """
        content = folder.read(path).decode("utf-8")
        if not old or old not in content:
            raise ToolError(f"{path!r} does not hold {old!r}.")
        folder.write(path, content.replace(old, new).encode())
        return {"path": path, "replaced": content.count(old)}

    reading = (list_files, read_file, search_files, find_text, count_text)
    return [
        *(as_tool(one) for one in reading),
        _with_cost(as_tool(write_file)),
        as_tool(copy_file),
        as_tool(replace_text),
    ]


def _with_cost(written: Tool) -> Tool:
    from dataclasses import replace

    def cost(arguments: Mapping[str, Any]) -> Cost:
        return Cost(disk_bytes=len(str(arguments.get("text", "")).encode()))

    return replace(written, cost=cost)


def text_lines(folder: Folder, below: str = "") -> list[tuple[str, int, str]]:
    """Return path, number and text of every line of the text files."""
    paths = [below] if below and folder.exists(below) else folder.files(below)
    found = []
    for path in paths:
        if not path.lower().endswith(_TEXT_SUFFIXES):
            continue
        try:
            text = folder.text(path)
        except ToolError:
            continue  # not text after all
        found += [(path, number, line) for number, line in enumerate(text.splitlines(), 1)]
    return found


def terms(text: str) -> list[str]:
    """Return the words of a text that say something: Chinese by the character, English stemmed."""
    words = (word.lower() for word in _WORD.findall(text))
    return [stem(word) for word in words if word not in _STOP]


def stem(word: str) -> str:
    """Return an English word without its commonest endings."""
    if not word.isascii() or len(word) < 4:
        return word
    for ending, rest in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return (word[: -len(ending)] + rest).rstrip("e")
    return word.rstrip("e")


def rank_lines(query: str, lines: Sequence[tuple[str, int, str]]) -> list[Hit]:
    """Return the lines that share words with the query, the best first (BM25, Robertson 1994)."""
    wanted = Counter(terms(query))
    bags = [Counter(terms(text)) for _, _, text in lines]
    scores = bm25(wanted, bags)
    hits = [
        Hit(path=path, line=number, text=text[:400], score=score)
        for (path, number, text), score in zip(lines, scores, strict=True)
        if score > 0
    ]
    return sorted(hits, key=lambda hit: -hit.score)


def bm25(
    query: Mapping[str, int], bags: Sequence[Mapping[str, int]], *, k: float = 1.2, b: float = 0.75
) -> list[float]:
    """Return the BM25 score of each bag of words; k and b as usual (Robertson & Zaragoza 2009)."""
    lengths = [sum(bag.values()) for bag in bags]
    mean = sum(lengths) / max(1, len(lengths)) or 1.0
    having = Counter(word for bag in bags for word in bag)
    weights = _weights(query, having, len(bags))
    return [
        sum(
            weight * bag[word] * (k + 1) / (bag[word] + k * (1 - b + b * length / mean))
            for word, weight in weights.items()
            if word in bag
        )
        for bag, length in zip(bags, lengths, strict=True)
    ]


def _weights(query: Iterable[str], having: Mapping[str, int], count: int) -> dict[str, float]:
    return {
        word: math.log(1 + (count - having.get(word, 0) + 0.5) / (having.get(word, 0) + 0.5))
        for word in query
    }
