"""How often something occurs in files of text; how many lines, words or characters one has."""

from __future__ import annotations

import re
from collections.abc import Callable

from autogpt.agent.checks import Check, Same
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Chosen, Goal, Plan, Template, Use
from autogpt.agent.plans.texts import (
    TEXT_SUFFIXES,
    folders_named,
    is_text,
    named_files,
    occurrences,
    sought_in,
    stems,
)
from autogpt.agent.plans.writing import save
from autogpt.agent.tools.folder import Folder

__all__ = ["COUNTS"]

_OFTEN = (
    re.compile(r"\bhow many\s+(\w+)\s+lines\b", re.IGNORECASE),
    re.compile(
        r"\bhow (?:often|many times)\b.*?\b(?:does|do|is|has|did|was)\s+(?:the (?:word|phrase|"
        r"name|term)\s+)?"
        r"(.+?)\s+(?:occur|appear|mentioned|come up|used|found|occurred|appeared)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bhow (?:often|many times)\s+(?:the (?:word|phrase|name|term)\s+)?"
        r"(.+?)\s+(?:occurs?|appears?|is mentioned|is used|comes up)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:count|number of)\b.*?\b(?:times|occurrences|mentions|appearances)\b.*?(?:of\s+)?"
        r"(?:the (?:word|phrase|name|term)\s+)?(.+?)(?:\s+(?:appears?|occurs?|is "
        r"mentioned))?\s+in\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:how many|count the|number of)\s+lines\b.*?\b(?:contain|containing|with|mention|"
        r"mentioning|have)\s+(?:the (?:word|phrase)\s+)?(.+?)(?:\s+(?:are|in|does|do)\b|[?.]|$)",
        re.IGNORECASE,
    ),
    re.compile(r"(.+?)(?:这个词|一词|这两个字|二字|两个字)?在.+?(?:中|里|文件)?(?:一共|总共|"
               r"共)?(?:出现|提到)(?:了|过)?(?:多少|几)次"),
    re.compile(r"(?:中|里)(?:一共|总共|共)?(?:出现|提到)(?:了|过)?(?:多少|几)次(?:词语?)?(.+)"),
    re.compile(r"(?:多少|几)行(?:中|里)?(?:包含|含有|提到|有)(.+)"),
)  # fmt: skip
_MEASURES = (
    ("lines", r"\blines?\b|行"),
    ("words", r"\bwords?\b|单词|词数"),
    ("characters", r"\bcharacters?\b|\bletters\b|字符|字数|多少(?:个)?字"),
)
# Words for what is counted in a text.
_COUNTING = (
    "word", "phrase", "term", "often", "time", "occur", "appear", "mention", "mentioned",
    "contain",
    "containing", "occurrence", "appearance", "letter", "character", "used", "found", "come up",
    "line", "text", "这个词", "一词", "词语", "词", "字符", "字数", "字", "出现过", "出现",
    "提到过", "提到",
    "次", "单词", "包含", "含有", "过",
)  # fmt: skip


def _counts_fit(goal: Goal) -> float:
    if not goal.files:
        return 0.0
    if sought_in(_OFTEN, goal):
        return 0.97
    text = words.without(goal.text, goal.files)
    asks = re.search(
        r"\bhow (?:many|long)\b|\bcount\b|\bnumber of\b|多少|几行|统计", text, re.IGNORECASE
    )
    measured = any(re.search(pattern, text, re.IGNORECASE) for _, pattern in _MEASURES)
    plain = [path for path in named_files(goal) if path.endswith(TEXT_SUFFIXES)]
    return 0.9 if asks and measured and plain else 0.0


def _counts(goal: Goal) -> Plan:
    sought = sought_in(_OFTEN, goal)
    named = named_files(goal)
    if sought is None:
        return (yield from _measure(goal, named))
    lines = bool(re.search(r"\blines\b|行", words.without(goal.text, goal.files), re.IGNORECASE))
    sought = sought.strip()
    for path in named:
        sought = sought.replace(path, "").strip(" 在中里文件")
    below = named[0] if named else ""
    result = yield Use("find_text", {"text": sought, "below": below})
    if not result.ok:
        raise GaveUpError(str(result.value))
    count = result.value["lines" if lines else "times"]
    grounded = bool(named) or not re.search(r"[\w\-]+\.\w{2,5}\b", goal.text, re.ASCII)
    # Words that are nowhere may be more of the goal than what was looked for, unless marked as it.
    grounded = grounded and (count > 0 or sought in words.quoted(goal.text))

    def again(folder: Folder) -> int:
        paths = named[:1] or [path for path in folder.files() if is_text(path)]
        return sum(occurrences(folder, path, sought, lines=lines) for path in paths)

    checks: list[Check] = [Same(what=f"count of {sought!r}", claimed=count, again=again)]
    answer = str(count)
    for path in outputs(goal.text):
        answer = yield from save(goal, path, answer, ["count"], [[count]])
        checks.append(Same(what=f"what is in {path}", claimed=True, again=_holds(path, str(count))))
    slots = [Chosen("text", sought, grounded=grounded)]
    return Answer(
        text=answer,
        checks=checks,
        slots=slots,
        covers=[sought, *named, *stems(goal.files), *_COUNTING, *folders_named(goal)],
        meets={"number", "sum"},
    )


def _measure(goal: Goal, named: list[str]) -> Plan:
    text = words.without(goal.text, goal.files)
    options = [name for name, pattern in _MEASURES if re.search(pattern, text, re.IGNORECASE)]
    path = yield Choose("Which file?", list(goal.files), named[:1], "file")
    what = yield Choose("What is counted?", [name for name, _ in _MEASURES], options[:1], "measure")
    result = yield Use("count_text", {"path": path.option})
    if not result.ok:
        raise GaveUpError(str(result.value))
    count = result.value[what.option]

    def again(folder: Folder) -> int:
        content = folder.text(path.option)
        if what.option == "characters":
            return sum(1 for _ in content)
        if what.option == "words":
            return len(re.findall(r"\S+", content))
        return content.count("\n") + (not content.endswith("\n") and bool(content))

    answer = str(count)
    checks: list[Check] = [Same(what=f"{what.option} of {path.option}", claimed=count, again=again)]
    for target in outputs(goal.text):
        answer = yield from save(goal, target, answer, [what.option], [[count]])
        checks.append(
            Same(what=f"what is in {target}", claimed=True, again=_holds(target, str(count)))
        )
    return Answer(
        text=answer,
        checks=checks,
        slots=[path, what],
        covers=[path.option, *stems(goal.files), *_COUNTING],
        meets={"number", "sum"},
    )


def _holds(path: str, text: str) -> Callable[[Folder], bool]:
    return lambda folder: text in folder.text(path)


COUNTS = Template(
    name="counts",
    about="Count lines, words, characters, or how often something occurs.",
    fits=_counts_fit,
    plan=_counts,
    needs=("find_text", "count_text", "write_file"),
)
