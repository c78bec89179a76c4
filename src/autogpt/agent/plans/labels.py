"""Sorting texts into labels, and training a specialist for it when there are examples.

"Sort tickets.csv into the five teams in teams.md": the labels come from the file that is named, or
from the goal itself. If a file in the folder has texts *with* these labels, a specialist is trained
on it first and used if it beats its baselines on held-out examples; else the model labels without
training, and the answer says how sure it is.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

from autogpt.agent.checks import Check, Metric, Same
from autogpt.agent.demands import REACHED, outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Chosen, Goal, Plan, Request, Template, Use
from autogpt.agent.plans.query import rows_of
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tables import SUFFIXES

__all__ = ["SORT", "SPECIALIST"]

Json = Any
_MOST_LISTED = 100  # rows that are told one by one where there is no file to write
_TRAIN = re.compile(
    r"\b(?:train|fine-?tune|teach|learn|build|make|create)\b(?:[^.]|\.(?=\w))*?"
    r"\b(?:classifier|model|specialist|classify|label)\b|训练[^。]*?(?:分类器|模型|专家)|"
    r"(?:分类器|模型)[^。]*训练",
    re.IGNORECASE,
)
_SORT = re.compile(
    r"\b(?:sort|classify|categori[sz]e|label|assign|tag each|group)\b(?:[^.]|\.(?=\w))*?"
    r"(?:\b(?:into|as|to|by|with)\b)"
    r"|(?:把|将|对)?.*?(?:分类|归类|分成|分为|分到|打标签|贴标签|标注)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:\b(?:into|as|labels?|categories|classes|either|one of)\b|[：:]|分为|分成|归类为|分类为|"
    r"标注为|标签)\s*[:：]?\s*"
    r"((?:[\w\-\u3400-\u9fff]+)(?:\s*(?:,|，|、|/)\s*(?:and |or )?[\w\-\u3400-\u9fff]+)*"
    r"(?:\s*(?:,|，)?\s*(?:and|or|和|或|与|还是)\s*[\w\-\u3400-\u9fff]+))",
    re.IGNORECASE,
)
_MINUTES = re.compile(
    r"(\d+(?:\.\d+)?)\s*(min(?:ute)?s?|m\b|分钟|seconds?|s\b|秒|hours?|h\b|小时)", re.I
)


def _budget(goal: Goal) -> str:
    """Return the time that a goal grants for training; ten minutes where it does not say."""
    match = _MINUTES.search(goal.text)
    if not match:
        return "10m"
    unit = match[2].lower()
    letter = "s" if unit[0] in "s秒" else "h" if unit[0] in "h小" else "m"
    return f"{match[1]}{letter}"


def _tables(goal: Goal) -> list[str]:
    text = words.without(goal.text, outputs(goal.text))
    tables = goal.of(*SUFFIXES)
    return [path for path in tables if path in text or path.rsplit("/", 1)[-1] in text]


def _specialist_fits(goal: Goal) -> float:
    return 0.9 if _TRAIN.search(goal.text) and _tables(goal) else 0.0


def _specialist(goal: Goal) -> Plan:
    tables = _tables(goal)
    data = yield Choose("Which examples?", goal.of(*SUFFIXES), tables[:1], "examples")
    result = yield Use("make_specialist", {"data": data.option, "budget": _budget(goal)})
    if not result.ok:
        raise GaveUpError(str(result.value))
    return Answer(
        text=_told(result.value),
        checks=_proof(result.value),
        slots=[data],
        covers=[*_said(goal), "labeled", "example", "held-out"],
        meets={"confidence", "save"},
    )


def _said(goal: Goal) -> list[str]:
    """Return the words of a goal about labels, training, its time and what it must reach."""
    found = [match[0] for match in _MINUTES.finditer(goal.text)]
    found += [match[0] for match in REACHED.finditer(goal.text)]
    found += [path for path in goal.files if path in goal.text]
    return [*found, *_SAID]


_SAID = (
    "train", "finetune", "fine-tune", "teach", "learn", "build", "classifier", "model",
    "specialist",
    "classify", "categorize", "categorise", "label", "assign", "tag", "group", "sort", "budget",
    "minute",
    "team", "category", "class", "topic", "text", "accuracy", "训练", "分类器", "模型", "专家",
    "分类", "归类",
    "分成", "分为", "分到", "打标签", "贴标签", "标签", "标注", "类别", "类", "团队", "时间",
    "用", "准确率", "文本",
    "到",
)  # fmt: skip


def _proof(found: dict[str, Json]) -> list[Check]:
    """Return that it beats its baselines on examples it was not trained on, as code measured."""
    return [Metric(name="over_baselines", at_least=0.0, model=found["model"])]


def _told(found: dict[str, Json]) -> str:
    best = ", ".join(f"{name} {value:.1%}" for name, value in found["baselines"].items())
    return (
        f"{found['model']}: accuracy {found['accuracy']:.1%} on {found['test']} held-out examples "
        f"(95% interval {found['accuracy_low']:.1%} to {found['accuracy_high']:.1%}); {best}."
    )


def _sort_fits(goal: Goal) -> float:
    if not _SORT.search(goal.text) or not _tables(goal):
        return 0.0
    return 0.8 if _label_file(goal) or _labels(goal.text) or _label_word(goal) else 0.3


def _label_word(goal: Goal) -> bool:
    return bool(
        re.search(
            r"\b(?:teams?|labels?|categor|class|topics?|sentiment)|类|标签|团队", goal.text, re.I
        )
    )


def _labels(text: str) -> list[str]:
    match = _LISTED.search(text)
    if not match:
        return []
    found = re.split(r"\s*(?:,|，|、|/|\band\b|\bor\b|和|或|与|还是)\s*", match[1])
    return list(dict.fromkeys(one.strip() for one in found if one.strip()))


def _label_file(goal: Goal) -> str | None:
    texts = [
        path
        for path in goal.of(".md", ".txt")
        if path in goal.text and path not in outputs(goal.text)
    ]
    return texts[0] if texts else None


def _sort(goal: Goal) -> Plan:
    tables = _tables(goal)
    table = yield Choose("Which table?", goal.of(*SUFFIXES), tables[:1], "table")
    labels = yield from _find_labels(goal)
    described = yield Use("describe_table", {"path": table.option})
    if not described.ok:
        raise GaveUpError(str(described.value))
    column = yield from _text_column(described.value["columns"], goal)
    slots = [table, column]
    model, checks, lines = yield from _learned(goal, table.option, labels)
    arguments = {"path": table.option, "column": column.option, "labels": labels}
    if model:
        arguments["model"] = model
    else:
        slots.append(Chosen("labels of the rows", "by likelihood, untrained", grounded=False))
    target = (outputs(goal.text) or [""])[0]
    if target:
        result = yield Use("label_table", {**arguments, "to": target})
        again = _labelled(table.option, target, labels)
        checks.append(Same(what=f"a label in every row of {target}", claimed=True, again=again))
    else:
        result = yield Use("label_rows", arguments)
    if not result.ok:
        raise GaveUpError(str(result.value))
    sure = result.value["mean_probability"]
    lines += _account(result.value, labels, chinese=goal.chinese)
    small = (
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
        "零一二三四五六七八九十",
    )
    count = [str(len(labels)), *(one[len(labels)] for one in small if len(labels) < len(one))]
    return Answer(
        text="\n".join(lines),
        checks=checks,
        slots=slots,
        covers=[
            *_said(goal),
            *labels,
            *count,
            column.option,
            *(["or", "或"] if len(labels) else []),
        ],
        meets={"confidence", "order"},
        confidence=sure,
    )


def _learned(
    goal: Goal, table: str, labels: Sequence[str]
) -> Generator[Request, Any, tuple[str, list[Check], list[str]]]:
    """Return a specialist that was trained on a table with these labels, its proof, and words."""
    for other in goal.of(*SUFFIXES):
        if other == table or other in outputs(goal.text):
            continue
        seen = yield Use("describe_table", {"path": other})
        if seen.ok and _has_labels(seen.value["columns"], labels):
            arguments = {"data": other, "budget": _budget(goal)}
            made = yield Use("make_specialist", arguments, optional=True)
            if not made.ok:
                return "", [], [str(made.value)]
            return made.value["model"], _proof(made.value), [_told(made.value)]
    return "", [], []


def _account(found: dict[str, Json], labels: Sequence[str], *, chinese: bool) -> list[str]:
    """Return what to say of labeled rows: each of a few, how many of which, how sure."""
    listed = found.get("labels", ())
    lines = []
    if 0 < len(listed) <= _MOST_LISTED:
        lines = [f"{number}. {label} ({p:.0%})" for number, (label, p) in enumerate(listed, 1)]
    counts: dict[str, int] = found["counts"]
    sure: float = found["mean_probability"]
    lines.append(", ".join(f"{label}: {counts[label]}" for label in labels))
    lines.append(f"平均把握 {sure:.0%}。" if chinese else f"On average {sure:.0%} sure of a label.")
    return lines


def _find_labels(goal: Goal) -> Generator[Request, Any, list[str]]:
    path = _label_file(goal)
    if path is None:
        found = _labels(words.without(goal.text, goal.files))
    else:
        read = yield Use("read_file", {"path": path})
        if not read.ok:
            raise GaveUpError(str(read.value))
        found = _listed(read.value["text"])
    if len(found) < 2:
        raise GaveUpError(
            "The labels to sort into were not found.",
            hint="Name them in the goal (into a, b and c), or in a file with one a line.",
        )
    return found


def _listed(text: str) -> list[str]:
    """Return the names in a list: of bullets, numbers or headings, else one a line."""
    marked = re.findall(r"^\s*(?:[-*+•]|\d+[.)、]|##+)\s*(.+)$", text, re.MULTILINE)
    lines = marked or [line for line in text.splitlines() if line.strip()]
    names = [re.split(r"\s*(?:[:：]|\s[-–—]\s|\(|（)", line.strip())[0] for line in lines]
    return list(dict.fromkeys(name.strip("*_` ") for name in names if name.strip("*_` ")))


def _text_column(columns: Sequence[dict[str, Json]], goal: Goal) -> Generator[Request, Any, Chosen]:
    texts = [column["name"] for column in columns if column["type"] == "text"]
    if not texts:
        raise GaveUpError("The table has no column of text.")
    named = words.named(texts, goal.text)
    usual = [
        name
        for name in texts
        if name.lower() in ("text", "message", "body", "content", "内容", "文本")
    ]
    most = max(columns, key=lambda column: column.get("distinct", 0))
    chosen: Chosen = yield Choose(
        "Which column holds the text?", texts, (named or usual or [most["name"]])[:1], "column"
    )
    return chosen


def _has_labels(columns: Sequence[dict[str, Json]], labels: Sequence[str]) -> bool:
    wanted = {label.lower() for label in labels}
    return any(
        {str(value).lower() for value in column.get("values", ())} == wanted for column in columns
    )


def _labelled(source: str, target: str, labels: Sequence[str]) -> Any:  # noqa: ANN401 - a function
    def look(folder: Folder) -> bool:
        _, rows = rows_of(folder, source)
        _, done = rows_of(folder, target)
        return len(rows) == len(done) and all(row.get("label") in labels for row in done)

    return look


SPECIALIST = Template(
    name="specialist",
    about="Train a classifier from labeled examples and measure it.",
    fits=_specialist_fits,
    plan=_specialist,
    needs=("make_specialist",),
)
SORT = Template(
    name="sort",
    about="Sort the rows of a table into labels.",
    fits=_sort_fits,
    plan=_sort,
    needs=("describe_table", "label_table", "label_rows", "make_specialist", "read_file"),
)
