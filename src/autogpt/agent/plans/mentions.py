"""Which files mention something, and how many do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from autogpt.agent.checks import Check, Same
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans.base import Answer, Chosen, Goal, Plan, Template, Use
from autogpt.agent.plans.texts import (
    TEXT_SUFFIXES,
    folders_named,
    folders_of,
    is_text,
    occurrences,
    sought_in,
)
from autogpt.agent.plans.writing import save
from autogpt.agent.tools.folder import Folder

__all__ = ["MENTIONS"]

Json = Any
_SOUGHT = (
    re.compile(
        r"\b(?:which|what|find|list|show|name|in which|how many)\b.*?\b(?:files?|notes?|"
        r"documents?|"
        r"texts?|letters?|e?mails?|pages?|reports?|logs?|memos?|chapters?)\b.*?\b(?:that\s+)?"
        r"(?:mentions?|mentioning|contains?|containing|talks? about|says?|refers? to|is about|"
        r"are about|about|has|have|with)\s+(?:the (?:word|phrase|name|term)\s+|any of\s+)?(.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:哪|什么)[^，。？?]*?(?:提到|提及|包含|含有|讲到|谈到|说到|出现|写到)(?:了|过)?(.+)"
    ),
    re.compile(
        r"\b(?:in\s+)?(?:which|what)\s+(?:file|note|document|text|letter|report)s?\s+"
        r"(?:does|do|is|are)\s+(?:the (?:word|phrase|name|term)\s+)?(.+?)\s+"
        r"(?:occur|appear|mentioned|found|stand|come up)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:does|do) (?:a|an|any|one of (?:the|my))\s+"
        r"(?:file|note|document|text|letter|report)s?\s+"
        r"(?:mention|contain|talk about|speak of|say)\s+(.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bis there (?:a|an|any)\s+(?:file|note|document|text|letter|report)\s+"
        r"(?:on|about|for|with|that mentions)\s+(.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:找出|列出|查找)[^，。？?]*?(?:提到|提及|包含|含有|出现)(?:了|过)?(.+?)的(?:文件|"
        r"笔记|文档)"
    ),
)
_KINDS = (
    (r"\bnotes?\b|笔记", "note|笔记"),
    (r"\bletters?\b|信", "letter|信"),
    (r"\be?mails?\b|邮件", "mail|邮件"),
    (r"\breports?\b|报告", "report|报告"),
    (r"\bmemos?\b|备忘", "memo|备忘"),
    (r"\blogs?\b|日志", "log|日志"),
    (r"\bdocuments?\b|文档", "doc|文档"),
)
# Words for files and for what they say.
_MENTIONING = (
    "note", "document", "letter", "mail", "email", "page", "report", "log", "memo", "chapter",
    "mention", "mentioning", "mentioned", "talk about", "refer to", "about", "word", "phrase",
    "term",
    "say", "speak of", "occur", "appear", "found", "笔记", "文档", "邮件", "报告", "日志", "备忘",
    "信", "提到",
    "提及", "包含", "含有", "讲到", "谈到", "说到", "出现", "写到", "一篇", "篇", "份", "过",
    "关于", "文件夹", "文件",
)  # fmt: skip


def _mentions_fit(goal: Goal) -> float:
    return 0.95 if goal.files and sought_in(_SOUGHT, goal) and not _times(goal) else 0.0


def _times(goal: Goal) -> bool:
    return bool(
        re.search(r"\b(?:how often|how many times|times|occurrences|lines)\b|几次|"
                  r"多少次|行包含",
                  goal.text, re.I)
    )  # fmt: skip


def _mentions(goal: Goal) -> Plan:
    sought = sought_in(_SOUGHT, goal)
    assert sought is not None  # that is why it fits
    text, result = sought, None
    for text in _spellings(sought):
        result = yield Use("find_text", {"text": text})
        if not result.ok:
            raise GaveUpError(str(result.value))
        if result.value["files"]:
            break
    assert result is not None
    scope = _scope(goal)
    found = sorted(path for path in result.value["files"] if path in scope)
    how_many = bool(re.search(r"\bhow many\b|多少|几个", goal.text, re.IGNORECASE))
    claimed: Json = len(found) if how_many else found
    nothing = "没有文件提到它。" if goal.chinese else "No file mentions it."
    listed = ("、" if goal.chinese else ", ").join(found) or nothing
    answer = str(len(found)) if how_many else listed
    # That something is not there says little, where other words may say it.
    grounded = (text == sought or text.lower() in goal.text.lower()) and bool(found)
    slot = Chosen("text", text, grounded=grounded)
    checks: list[Check] = [
        Same(
            what=f"files with {text!r}",
            claimed=claimed,
            again=_files_with(text, scope, count=how_many),
        )
    ]
    for path in outputs(goal.text):
        answer = yield from save(goal, path, answer, ["file"], [[one] for one in found])
    return Answer(
        text=answer,
        checks=checks,
        slots=[slot],
        covers=[sought, *folders_named(goal), *_MENTIONING],
        meets={"names", "number" if how_many else "truth"},
    )


def _spellings(text: str) -> list[str]:
    """Return a text and what else it may be written as: without its plural."""
    found = [text]
    if text.isascii() and text.endswith("s") and not text.endswith("ss"):
        found.append(text[:-1])
    elif text.isascii() and text[-1:].isalpha():
        found.append(text + "s")
    return found


def _scope(goal: Goal) -> list[str]:
    """Return the files that can be meant: of "notes" those that are called so, and no tables."""
    files = [path for path in goal.files if is_text(path) and path not in outputs(goal.text)]
    for pattern, name in _KINDS:
        if re.search(pattern, goal.text, re.IGNORECASE):
            texts = [path for path in files if path.endswith(TEXT_SUFFIXES)]
            return [path for path in texts if re.search(name, path, re.IGNORECASE)] or texts
    below = [
        folder
        for folder in folders_of(files)
        if re.search(rf"\b{re.escape(folder)}/?(?![\w/.])", goal.text)
    ]
    return [path for path in files if path.startswith(tuple(f"{one}/" for one in below))] or files


def _files_with(text: str, scope: list[str], *, count: bool) -> Callable[[Folder], Json]:
    """Return what looks through the files without the tool's index."""

    def look(folder: Folder) -> Json:
        found = sorted(path for path in scope if occurrences(folder, path, text))
        return len(found) if count else found

    return look


MENTIONS = Template(
    name="mentions",
    about="Find which files mention something.",
    fits=_mentions_fit,
    plan=_mentions,
    needs=("find_text", "write_file"),
)
