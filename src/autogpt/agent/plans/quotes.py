"""What a text says: answered with the line that says it, as it stands in the file."""

from __future__ import annotations

import re
from typing import Any

from autogpt.agent.checks import Quote
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Goal, Plan, Template, Use
from autogpt.agent.plans.texts import TEXT_SUFFIXES, named_files, stems
from autogpt.agent.plans.writing import save
from autogpt.agent.tools.files import stem, terms

__all__ = ["QUOTES"]

Json = Any
_SAYS = re.compile(
    r"\b(?:what|when|where|who|how|which|why|does|is|are|according to|quote|say|says|find|look "
    r"up|tell)\b"
    r"|什么|谁|哪|何时|怎|多少|多久|几|吗|根据|引用|查",
    re.IGNORECASE,
)
_SAYING = (
    *("according to", "about", "quote", "mention", "written", "state", "rule", "note", "document"),
    *("text", "规定", "里说", "文中", "关于", "写"),
)


def _quotes_fit(goal: Goal) -> float:
    texts = [path for path in goal.files if path.endswith(TEXT_SUFFIXES)]
    if not texts or not _SAYS.search(goal.text):
        return 0.0
    named = [path for path in named_files(goal) if path in texts]
    return 0.7 if named else 0.5


def _quotes(goal: Goal) -> Plan:
    """Answer with the line that says it, as it stands in the file."""
    named = [path for path in named_files(goal) if path.endswith(TEXT_SUFFIXES)]
    asked = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    result = yield Use("search_files", {"query": asked, "below": named[0] if named else ""})
    hits = [hit for hit in result.value if _is_sentence(hit)] if result.ok else []
    if not hits:
        raise GaveUpError(
            "没有找到提到这个问题的句子。"
            if goal.chinese
            else "No line that speaks of it was found."
        )
    wanted = set(terms(asked))
    shares = [len(wanted & set(terms(hit["text"]))) / max(1, len(wanted)) for hit in hits[:5]]
    options = [hit["text"].strip() for hit in hits[:5]]
    clear = shares[0] >= 0.5 and all(share < shares[0] for share in shares[1:])
    chosen = yield Choose(
        f"Which line answers the question: {goal.text}",
        options,
        options[:1] if clear else (),
        "line",
    )
    hit = hits[options.index(chosen.option)]
    answer = f"{chosen.option} ({hit['path']}:{hit['line']})"
    for path in outputs(goal.text):
        answer = yield from save(goal, path, chosen.option, ["quote"], [[chosen.option]])
    return Answer(
        text=answer,
        checks=[Quote(quote=chosen.option, path=hit["path"])],
        slots=[chosen],
        covers=[*_said_in(goal.text, chosen.option), hit["path"], *stems([hit["path"]]), *_SAYING],
        meets=_quote_meets(chosen.option),
    )


def _is_sentence(hit: dict[str, Json]) -> bool:
    """Whether a line of a text says something: no heading, no line of one or two words."""
    line = hit["text"].strip()
    says = len(line.split()) > 2 or len(re.findall(r"[\u3400-\u9fff]", line)) > 5
    return says and hit["path"].endswith(TEXT_SUFFIXES) and not line.startswith("#")


def _said_in(goal: str, quote: str) -> list[str]:
    """Return the words of a goal that stand in the line that answers it, in any ending.

    Of Chinese each run of two characters or more that is there.
    """
    own = {stem(word.lower()) for word in re.findall(r"[A-Za-z]+|\d+(?:\.\d+)?", quote)}
    found = [
        one for one in re.findall(r"[A-Za-z]+|\d+(?:\.\d+)?", goal) if stem(one.lower()) in own
    ]
    han = re.findall(r"[\u3400-\u9fff]+", goal)
    for run in han:
        start = 0
        while start < len(run):
            length = next(
                (n for n in range(len(run) - start, 1, -1) if run[start : start + n] in quote), 0
            )
            if length:
                found.append(run[start : start + length])
            start += max(1, length)
    return found


def _quote_meets(quote: str) -> set[str]:
    """Return the asks that a sentence can answer: by what kinds of words it has."""
    number = re.search(r"\d|[一二三四五六七八九十百千两]|\b(?:one|two|three|four|five|six|seven|"
                       r"eight|nine|"
                       r"ten|half|no|none)\b", quote, re.IGNORECASE)  # fmt: skip
    name = re.search(r"(?<=[a-z,;:] )[A-Z]\w+|[\u3400-\u9fff]", quote)
    found = {"when", "number", "many"} if number else set()
    return found | ({"names", "where", "many"} if name else set())


QUOTES = Template(
    name="quotes",
    about="Answer from a text with the line that says it.",
    fits=_quotes_fit,
    plan=_quotes,
    needs=("search_files", "write_file"),
)
