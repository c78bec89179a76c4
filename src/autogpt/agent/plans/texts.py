"""What questions to files of text have in common: which words, which files, where they stand.

Not here: the kinds of such goals (``mentions``, ``counts``, ``quotes``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autogpt.agent.demands import outputs
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Goal
from autogpt.agent.tools.folder import Folder

__all__ = [
    "TEXT_SUFFIXES",
    "folders_named",
    "folders_of",
    "is_text",
    "named_files",
    "occurrences",
    "sought_in",
    "stems",
]

TEXT_SUFFIXES = (
    *(".txt", ".md", ".rst", ".log", ".py", ".toml", ".yaml", ".yml", ".html", ".ini", ".tex"),
)
"""Of files that hold text rather than records."""
_OTHER_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".xml", ".cfg")
_ENDS = re.compile(
    r"[\s?？。.!！,，]*$|[\s,，]*(?:\b(?:and|then)\b\s+(?:write|save|store|put)|并?(?:写入|保存|"
    r"写到)).*$",
    re.IGNORECASE,
)


def sought_in(patterns: tuple[re.Pattern[str], ...], goal: Goal) -> str | None:
    """Return the words that a goal looks for: in quotes, or after the verb."""
    for pattern in patterns:
        match = pattern.search(goal.text)
        if match:
            marked = words.quoted(match[1]) or words.quoted(goal.text)
            if marked:
                return marked[0]
            return _cleaned(match[1])
    return None


def _cleaned(text: str) -> str:
    text = re.split(r"[?？。！]|[.!]\s", text)[0]
    text = re.sub(r"\s+in\s+(?:the\s+)?(?:file\s+)?[\w./\-]+\.\w{2,5}.*$", "", text)
    text = re.sub(r"\s*(?:和它|的文件|的笔记|的文档)$", "", _ENDS.sub("", text))
    text = re.sub(
        r"^(?:(?:the|a|an|any|our|my|their)\s+|关于|单词|词语|一个)", "", text.strip(), flags=re.I
    )
    return _ENDS.sub("", text).strip(" \t\"'“”‘’「」")


def named_files(goal: Goal) -> list[str]:
    """Return the files that a goal names and does not write: in full, else without their suffix."""
    wanted = words.without(goal.text, outputs(goal.text))
    whole = [path for path in goal.files if path in wanted or path.rsplit("/", 1)[-1] in wanted]
    return whole or [path for path in goal.files if _is_called(path, wanted)]


def _is_called(path: str, text: str) -> bool:
    """Whether a text names a file without its suffix, as in "the contract"."""
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return len(stem) > 1 and words.find_name(stem, text) is not None


def stems(paths: Sequence[str]) -> list[str]:
    """Return the names of files without folder and suffix."""
    return [path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in paths]


def folders_named(goal: Goal) -> list[str]:
    """Return the folders that a goal names."""
    return [one for one in folders_of(list(goal.files)) if one in goal.text]


def folders_of(files: list[str]) -> list[str]:
    """Return the folders that files lie in, sorted."""
    return sorted({path.rsplit("/", 1)[0] for path in files if "/" in path})


def is_text(path: str) -> bool:
    """Whether a file can be searched as text, tables included."""
    return path.lower().endswith(TEXT_SUFFIXES + _OTHER_SUFFIXES)


def occurrences(folder: Folder, path: str, text: str, *, lines: bool = False) -> int:
    """Count a text in a file, letter by letter: an own way beside the tool's regular expression."""
    wanted, total = text.lower(), 0
    for line in folder.text(path).splitlines():
        own, at, here = line.lower(), 0, 0
        while (place := own.find(wanted, at)) >= 0:
            end = place + len(wanted)
            before, after = own[place - 1 : place], own[end : end + 1]
            inside = (_is_latin(wanted[0]) and _is_word(before)) or (
                _is_latin(wanted[-1]) and _is_word(after)
            )
            here += not inside
            at = place + 1 if inside else end
        total += min(here, 1) if lines else here
    return total


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _is_word(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_")
