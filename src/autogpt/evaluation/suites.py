"""Public suites from local files, asked and scored as lm-evaluation-harness does.

A suite is a file of JSON lines, as its makers or the hub publish it, a name here and a way to ask.
Nothing is downloaded. Prompts, delimiters and scores are those of lm-evaluation-harness
(EleutherAI, v0.4, ``tasks/arc/arc_easy.yaml`` and ``tasks/lambada/lambada_openai.yaml``), so that
figures compare with published ones; ``benchmarks/suites.py`` holds them against each other.

- **ARC** (Clark et al. 2018): of a question's answers the likeliest one counts (``acc``), and the
  likeliest by its length in characters (``acc_norm``).
- **LAMBADA** (Paperno et al. 2016; OpenAI's version, Radford et al. 2019): the last word of a
  passage counts as found if each of its tokens is the likeliest one (``acc``); ``perplexity`` is
  that of the word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autogpt.core.errors import DataError, UsageError
from autogpt.core.files import explain_os_errors
from autogpt.evaluation.judging import Judged, Row
from autogpt.evaluation.metrics.metric import Metric, mean, share
from autogpt.tasks.base import Likelihood

__all__ = ["SUITES", "Item", "Suite", "find_suite", "read_items"]

Fields = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One question.

    Attributes:
        prompt: What the model reads.
        continuations: What it may go on with, delimiter included.
        gold: The place of the right one.
        place: Where it is from, for people.
    """

    prompt: str
    continuations: tuple[str, ...]
    gold: int
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """How a suite is asked and scored.

    Attributes:
        name: As ``--suite`` names it, and its file.
        item: From the fields of a line to the question; a field that lacks is a ``KeyError``.
        judge: From questions and likelihoods to figures.
    """

    name: str
    item: Callable[[Fields], Item]
    judge: Callable[[Sequence[Item], Sequence[Sequence[Likelihood]]], Judged]


def find_suite(name: str, folder: Path | None) -> tuple[Suite, Path]:
    """Return a suite and its file: ``NAME.jsonl`` in the folder, or ``name`` is a path itself.

    Raises:
        UsageError: If there is no such suite, or its file is not there.
    """
    path = Path(name)
    suite = SUITES.get(path.name.removesuffix(".jsonl"))
    if suite is None:
        raise UsageError(
            f"There is no suite {name!r}.", hint=f"Known are {', '.join(sorted(SUITES))}."
        )
    if not name.endswith(".jsonl"):
        if folder is None:
            raise UsageError(
                f"It is not known where the data of the suite {name!r} are.",
                hint=f"Name the folder with {suite.name}.jsonl: --suite-data FOLDER.",
            )
        path = folder / f"{suite.name}.jsonl"
    if not path.is_file():
        raise UsageError(
            f"The suite's file {str(path)!r} does not exist.",
            hint="Name the folder it is in with --suite-data; nothing is downloaded.",
        )
    return suite, path


def read_items(suite: Suite, path: Path, *, limit: int | None = None) -> list[Item]:
    """Return the questions of a file, the first ``limit`` of them.

    Raises:
        DataError: If a line is not JSON or lacks a field; or if there is no line.
    """
    items: list[Item] = []
    for number, line in enumerate(_lines(path), 1):
        if limit is not None and len(items) >= limit:
            break
        if not line.strip():
            continue
        place = f"{path.name}:{number}"
        try:
            item = suite.item(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{place} is not a question of {suite.name}: {reason}.") from error
        items.append(
            Item(prompt=item.prompt, continuations=item.continuations, gold=item.gold, place=place)
        )
    if not items:
        raise DataError(f"{str(path)!r} holds no question.")
    return items


def _lines(path: Path) -> Iterator[str]:
    with explain_os_errors(path), path.open(encoding="utf-8") as file:
        try:
            yield from file
        except UnicodeDecodeError as error:
            raise DataError(f"{str(path)!r} is not UTF-8.") from error


def _arc_item(fields: Fields) -> Item:
    """Read ``{query, choices, gold}`` (llm-foundry) or ``{question, choices, answerKey}`` (hub)."""
    choices = fields["choices"]
    if isinstance(choices, Mapping):
        query = f"Question: {fields['question']}"
        texts = [str(text) for text in choices["text"]]
        gold = list(choices["label"]).index(fields["answerKey"])
    else:
        query, texts = str(fields["query"]), [str(text) for text in _listed(choices)]
        gold = int(str(fields["gold"]))
    if not 0 <= gold < len(texts):
        raise ValueError(f"the right answer is number {gold} of {len(texts)}")
    return Item(
        prompt=f"{query}\nAnswer:", continuations=tuple(f" {text}" for text in texts), gold=gold
    )


def _lambada_item(fields: Fields) -> Item:
    """Read ``{context, continuation}`` (llm-foundry) or ``{text}`` (hub)."""
    if "text" in fields:
        context, _, word = str(fields["text"]).rpartition(" ")
    else:
        context, word = str(fields["context"]), str(fields["continuation"])
    if not word.strip():
        raise ValueError("the last word is empty")
    return Item(prompt=context, continuations=(f" {word}",), gold=0)


def _listed(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError(f"choices are {value!r}, expected a list")
    return value


def _judge_choices(items: Sequence[Item], found: Sequence[Sequence[Likelihood]]) -> Judged:
    logprobs = [np.array([one.logprob for one in row]) for row in found]
    # Divided by the characters of the answer without the space before it, as in the harness.
    lengths = [np.array([len(text) - 1 for text in item.continuations]) for item in items]
    plain = [int(row.argmax()) for row in logprobs]
    by_length = [
        int((row / np.maximum(size, 1)).argmax())
        for row, size in zip(logprobs, lengths, strict=True)
    ]
    golds = [item.gold for item in items]
    chances = [np.exp(row - np.logaddexp.reduce(row)) for row in logprobs]
    return Judged(
        metrics=(
            share("acc", [p == gold for p, gold in zip(plain, golds, strict=True)]),
            share("acc_norm", [p == gold for p, gold in zip(by_length, golds, strict=True)]),
        ),
        baselines={
            "chance": _same_for("acc", "acc_norm", [1 / len(i.continuations) for i in items]),
            "longest": _same_for(
                "acc", "acc_norm",
                [float(s.argmax() == gold) for s, gold in zip(lengths, golds, strict=True)],
            ),
        },
        rows=tuple(
            Row(
                place=item.place,
                text=item.prompt,
                expected=item.continuations[item.gold].strip(),
                predicted=item.continuations[choice].strip(),
                score=float(choice == item.gold),
                confidence=float(row[choice]),
            )
            for item, choice, row in zip(items, plain, chances, strict=True)
        ),
    )  # fmt: skip


def _judge_last_words(items: Sequence[Item], found: Sequence[Sequence[Likelihood]]) -> Judged:
    likelihoods = [row[0] for row in found]
    nats = [-one.logprob for one in likelihoods]
    return Judged(
        metrics=(
            share("acc", [one.greedy for one in likelihoods]),
            mean("perplexity", nats, formula="exponential", better="lower"),
        ),
        # Paperno et al. 2016, table 2: a word of the passage with a capital letter, by chance.
        baselines={"capitalized": (mean("acc", [_capitalized(item) for item in items]),)},
        rows=tuple(
            Row(
                place=item.place,
                text=item.prompt,
                expected=item.continuations[0].strip(),
                predicted="found" if one.greedy else "not found",
                score=float(np.exp(one.logprob)),
                confidence=float(np.exp(one.logprob)),
            )
            for item, one in zip(items, likelihoods, strict=True)
        ),
    )


def _capitalized(item: Item) -> float:
    words = [word for word in re.findall(r"[^\W\d_]+", item.prompt) if word[0].isupper()]
    return words.count(item.continuations[0].strip()) / max(len(words), 1)


def _same_for(first: str, second: str, values: Sequence[float]) -> tuple[Metric, ...]:
    return (mean(first, values), mean(second, values))


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(name="arc_easy", item=_arc_item, judge=_judge_choices),
        Suite(name="arc_challenge", item=_arc_item, judge=_judge_choices),
        Suite(name="lambada_openai", item=_lambada_item, judge=_judge_last_words),
    )
}
"""Name -> how it is asked and scored; the file of its questions is NAME.jsonl."""
