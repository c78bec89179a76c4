"""Files changed as the goal says: copied, words replaced, lines put in order.

Each is checked against what the file was before: the copy byte by byte, the new text against the
old one taken apart at the words that were replaced, the lines against the old ones counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from autogpt.agent.checks import Check, Same
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Goal, Plan, Template, Use
from autogpt.agent.plans.writing import said
from autogpt.agent.tools.folder import Folder

__all__ = ["COPY", "REPLACE", "SORT_LINES"]

_TEXT = (".txt", ".md", ".rst", ".log", ".csv", ".tsv", ".html", ".toml", ".yaml", ".yml", ".ini")
_MOST_LINES = 1_000_000
_COPY = re.compile(r"\b(?:copy|duplicate|back up|backup)\b|复制|拷贝|备份", re.IGNORECASE)
_REPLACE = (
    re.compile(r"\b(?:replace|change|rename)\s+(?:every |each |all |the )?(?:words? |text )?(.+?)"
               r"\s+(?:with|by|to|into)\s+(.+?)(?=\s+(?:in|throughout|within)\b|[.?!]?$)", re.I),
    re.compile(r"(?:把|将)(?:.*?(?:中|里面?|的))?(.+?)(?:全部|都)?(?<!转)(?:替换|改|换)(?:成|为)(.+?)(?=[。，,.]|$)"),
)  # fmt: skip
_SORT = re.compile(
    r"\b(?:sort|order|alphabeti[sz]e)\b[^.?]*\blines?\b|\blines?\b[^.?]*\b(?:sort|order)\w*\b|"
    r"行[^。]*?(?:排序|排好|排列|顺序)|(?:排序|排列)[^。]*行",
    re.IGNORECASE,
)
_DOWN = re.compile(r"\b(?:reverse|descending|z to a)\b|倒序|降序|反", re.IGNORECASE)


def _sources(goal: Goal) -> list[str]:
    """Return the files that a goal names and does not want written."""
    plain = words.without(goal.text, outputs(goal.text))
    return [path for path in goal.files if path in plain or path.rsplit("/", 1)[-1] in plain]


def _copy_fits(goal: Goal) -> float:
    source, target = _sources(goal), outputs(goal.text)
    if not (_COPY.search(goal.text) and len(source) == len(target) == 1):
        return 0.0
    same = source[0].rsplit(".", 1)[-1] == target[0].rsplit(".", 1)[-1]
    return 0.96 if same else 0.0


def _copy(goal: Goal) -> Plan:
    source = yield Choose("Which file?", list(goal.files), _sources(goal)[:1], "file")
    target = outputs(goal.text)[0]
    done = yield Use("copy_file", {"path": source.option, "to": target})
    if not done.ok:
        raise GaveUpError(str(done.value))

    def again(folder: Folder) -> bool:
        return folder.read(source.option) == folder.read(target)

    return Answer(
        text=said(target, chinese=goal.chinese),
        checks=[Same(what=f"{target} is {source.option}", claimed=True, again=again)],
        slots=[source],
        covers=[
            source.option,
            "duplicate",
            "back up",
            "backup",
            "复制",
            "拷贝",
            "备份",
            "copy",
            "一份",
        ],
        meets={"save"},
    )


def _pair(goal: Goal) -> tuple[str, str] | None:
    """Return what is to be replaced, and by what."""
    quoted = words.quoted(goal.text)
    asks = re.search(
        r"\b(?:replace|change|rename)\b|替换|改成|改为|(?<!转)换[成为]", goal.text, re.I
    )
    if asks and len(quoted) == 2:
        return quoted[0], quoted[1]
    text = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    for pattern in _REPLACE:
        match = pattern.search(text)
        if match and not quoted:
            return match[1].strip(" \"'“”"), match[2].strip(" \"'“”")
    return None


def _replace_fits(goal: Goal) -> float:
    texts = [path for path in _sources(goal) if path.lower().endswith(_TEXT)]
    return 0.96 if _pair(goal) and len(texts) == 1 else 0.0


def _replace(goal: Goal) -> Plan:
    pair = _pair(goal)
    assert pair is not None  # that is why it fits
    old, new = pair
    texts = [path for path in _sources(goal) if path.lower().endswith(_TEXT)]
    path = yield Choose("Which file?", texts, texts[:1], "file")
    before = yield Use("read_file", {"path": path.option, "lines": _MOST_LINES})
    if not before.ok:
        raise GaveUpError(str(before.value))
    if old not in before.value["text"]:
        told = (
            f"{path.option} 里没有“{old}”。" if goal.chinese else f"{path.option} has no {old!r}."
        )
        raise GaveUpError(told)
    target = (outputs(goal.text) or [path.option])[0]
    if target != path.option:
        raise GaveUpError("Text is replaced in its own file.", hint="Copy the file first.")
    done = yield Use("replace_text", {"path": target, "old": old, "new": new})
    if not done.ok:
        raise GaveUpError(str(done.value))
    wanted = new.join(before.value["text"].split(old)).splitlines()

    def again(folder: Folder) -> bool:
        return folder.text(target).splitlines() == wanted

    count = done.value["replaced"]
    told = f"{target}：替换了{count}处。" if goal.chinese else f"Replaced {count} in {target}."
    return Answer(
        text=told,
        checks=[Same(what=f"what is in {target}", claimed=True, again=again)],
        slots=[path],
        covers=[old, new, path.option, "replace", "change", "rename", "by", "word", "text", "替换",
                "改成", "改为", "换成", "换为", "全部", "every", "each"],
        meets={"save"},
    )  # fmt: skip


def _sort_fits(goal: Goal) -> float:
    texts = [path for path in _sources(goal) if path.lower().endswith((".txt", ".md", ".log"))]
    return 0.97 if _SORT.search(goal.text) and len(texts) == 1 and outputs(goal.text) else 0.0


def _sort(goal: Goal) -> Plan:
    source = yield Choose("Which file?", list(goal.files), _sources(goal)[:1], "file")
    before = yield Use("read_file", {"path": source.option, "lines": _MOST_LINES})
    if not before.ok:
        raise GaveUpError(str(before.value))
    down = bool(_DOWN.search(goal.text))
    lines = sorted(before.value["text"].splitlines(), reverse=down)
    target = outputs(goal.text)[0]
    done = yield Use("write_file", {"path": target, "text": "\n".join(lines) + "\n"})
    if not done.ok:
        raise GaveUpError(str(done.value))
    check: Check = Same(
        what=f"{target} has the lines of {source.option} in order",
        claimed=True,
        again=_in_order(before.value["text"].splitlines(), target, down=down),
    )
    return Answer(
        text=said(target, chinese=goal.chinese),
        checks=[check],
        slots=[source],
        covers=[source.option, "line", "alphabetical", "alphabetically", "alphabetize", "a to z",
                "reverse", "reversed", "行", "倒序", "字母"],
        meets={"order", "per", "save"},
    )  # fmt: skip


def _in_order(before: Sequence[str], path: str, *, down: bool) -> Callable[[Folder], bool]:
    """Return what looks whether a file has these lines, each as often, one after another."""

    def look(folder: Folder) -> bool:
        now = folder.text(path).splitlines()
        pairs = ((two, one) if down else (one, two) for one, two in pairwise(now))
        return Counter(now) == Counter(before) and all(one <= two for one, two in pairs)

    return look


COPY = Template(
    name="copy", about="Copy a file.", fits=_copy_fits, plan=_copy, needs=("copy_file",)
)
REPLACE = Template(
    name="replace",
    about="Replace words in a file.",
    fits=_replace_fits,
    plan=_replace,
    needs=("read_file", "replace_text"),
)
SORT_LINES = Template(
    name="sort lines",
    about="Put the lines of a file in order.",
    fits=_sort_fits,
    plan=_sort,
    needs=("read_file", "write_file"),
)
