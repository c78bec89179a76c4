"""Short versions of a text: its own sentences, each of which is then looked for in the source."""

from __future__ import annotations

import re

from autogpt.agent.checks import Check, Quote
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Goal, Plan, Template, Use
from autogpt.agent.plans.writing import save

__all__ = ["SUMMARY"]

_ASKED = re.compile(
    r"\b(?:summari[sz]e|summary|sum up|in short|gist|key points|main points|tl;?dr)\b"
    r"|总结|概括|摘要|概述|要点|简述",
    re.IGNORECASE,
)
_SHORT = re.compile(r"\b(?:one|a) sentence\b|\bbriefly\b|一句话|简短", re.IGNORECASE)
_TEXT = (".txt", ".md", ".rst", ".log", ".html")


def _named(goal: Goal) -> list[str]:
    text = words.without(goal.text, outputs(goal.text))
    files = [path for path in goal.of(*_TEXT) if path not in outputs(goal.text)]
    whole = [path for path in files if path in text or path.rsplit("/", 1)[-1] in text]
    stems = {path: path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in files}
    return whole or [
        path
        for path, stem in stems.items()
        if len(stem) > 1 and words.find_name(stem, text) is not None
    ]


def _fits(goal: Goal) -> float:
    return 0.85 if _ASKED.search(goal.text) and _named(goal) else 0.0


def _plan(goal: Goal) -> Plan:
    named = _named(goal)
    path = yield Choose("Which text?", goal.of(*_TEXT), named if len(named) == 1 else (), "text")
    length = "short" if _SHORT.search(goal.text) else "medium"
    result = yield Use("summarize_file", {"path": path.option, "length": length})
    if not result.ok:
        raise GaveUpError(str(result.value))
    answer = str(result.value["text"])
    checks: list[Check] = [Quote(quote=one, path=path.option) for one in result.value["sentences"]]
    for target in outputs(goal.text):
        answer = yield from save(goal, target, answer, ["summary"], [[answer]])
    short = ["one sentence", "a sentence", "briefly", "一句话", "简短"] if length == "short" else []
    return Answer(
        text=answer,
        checks=checks,
        slots=[path],
        covers=[path.option, *_SAID, *short, path.option.rsplit("/", 1)[-1].rsplit(".", 1)[0]],
    )


_SAID = (
    "summarize", "summarise", "summary", "sum up", "in short", "gist", "key points", "main points",
    "tl;dr", "tldr", "总结", "概括", "摘要", "概述", "要点", "简述", "point", "text",
)  # fmt: skip


SUMMARY = Template(
    name="summary",
    about="Make a text short, in its own sentences.",
    fits=_fits,
    plan=_plan,
    needs=("summarize_file", "write_file"),
)
