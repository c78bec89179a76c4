"""A specialist: a classifier for one job, kept only if it beats what a few seconds can reach.

::

    found = make_specialist("tickets-labeled.csv", out, budget_s=600, model=llm)
    found.accuracy, found.baselines      # 0.91, {"majority": 0.02, "linear": 0.86, ...

Read top to bottom: examples > a fifth held out > baselines > are the labels there to be learned? >
candidates within the budget > the best on validation is tested once, on the fifth that nothing has
seen > kept, if the 95% interval of its lead over *each* baseline lies above zero.

Candidates, the cheaper first, both made by ``recipe.finetune``: a head on sentence embeddings
(frozen all-MiniLM, where it has been pulled), and a model fine-tuned with a head, from the default
model or from nothing. Labels that neither words nor the model's own knowledge can tell better than
guessing are refused with that reason: they are shuffled, or not in the text.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from autogpt.agent.router import EMBEDDER
from autogpt.agent.tools.base import ToolError
from autogpt.core.errors import CheckpointError
from autogpt.core.examples import Labeled
from autogpt.core.files import read_json, write_json, write_text
from autogpt.core.progress import Progress
from autogpt.core.refs import is_missing
from autogpt.data.examples import ExamplesConfig, read_examples
from autogpt.data.stratified import split_examples
from autogpt.evaluation.baselines.labels import LinearClassifier, Majority
from autogpt.evaluation.metrics.metric import Metric, measure, share
from autogpt.evaluation.significance import compare_pair

__all__ = ["Made", "Specialist", "load_specialist", "make_specialist"]

_BASE = "smollm2-135m-instruct"
_FEWEST = 60  # examples: of fewer, a fifth says nothing
_MOST_ZERO_SHOT = 200  # texts: a sample, since each label is read for each text
_ZERO_SHOT_SHARE = 0.25  # of the budget, at most
_HELD_OUT, _VALIDATION = 0.2, 0.1
_LEAST_S = 30.0  # with less nothing is fine-tuned
_HEAD = "specialist.json"

Predict = Callable[[Sequence[str]], list[dict[str, float]]]


class ZeroShot(Protocol):
    """A model that labels without training."""

    def classify(self, texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each label, for each text."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A specialist that beats its baselines.

    Attributes:
        model: Its folder.
        method: How it was made.
        labels: What it knows.
        accuracy: On the held-out examples.
        accuracy_low: Lower end of the 95% interval.
        accuracy_high: Upper end.
        over_baselines: Lower end of the interval of its lead over the best baseline.
        baselines: Accuracy by name, on the same examples.
        test: How many they are.
        wall_s: What it took.
    """

    model: str
    method: str
    labels: tuple[str, ...]
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    over_baselines: float
    baselines: Mapping[str, float]
    test: int
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; ``metrics`` is what checks look at."""
        own = {
            name: getattr(self, name)
            for name in ("model", "method", "accuracy", "accuracy_low", "accuracy_high", "test")
        }
        return {
            **own,
            "labels": list(self.labels),
            "baselines": dict(self.baselines),
            "wall_s": round(self.wall_s, 1),
            "metrics": {"accuracy": self.accuracy, "over_baselines": self.over_baselines},
        }


class Specialist(Protocol):
    """A trained classifier."""

    @property
    def labels(self) -> Sequence[str]:
        """What it knows."""
        ...

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each label, for each text."""
        ...


def make_specialist(
    data: str,
    out: Path,
    *,
    budget_s: float,
    model: ZeroShot | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> Made:
    """Make a specialist from labeled examples, into the folder ``out``.

    Args:
        data: A source of examples with one label each.
        out: A folder that is made; of an interrupted call it may exist.
        budget_s: Seconds for all of it.
        model: Labels without training, for the third baseline; None: there is none.
        seed: Of the split, and wherever chance plays a part.
        say: Is told what happens.

    Raises:
        ToolError: If there are too few examples, if their labels cannot be told from the texts, or
            if nothing beats the baselines; says which, with the figures.
        AutoGPTError: If the examples cannot be read.
    """
    begin = time.perf_counter()
    examples = _read(data)
    rest, test = split_examples(examples, fraction=_HELD_OUT, seed=seed)
    train, validation = split_examples(rest, fraction=_VALIDATION, seed=seed + 1)
    labels = tuple(sorted({example.labels[0] for example in train}))
    say(f"{len(examples)} examples, {len(labels)} labels; {len(test)} held out for the test")
    linear = LinearClassifier(rest, seed=seed)
    baselines: dict[str, Metric] = {
        "majority": _judged(test, Majority(rest).predict),
        "linear": _judged(test, linear.predict),
    }
    zero_shot = _zero_shot(model, labels, test, budget_s * _ZERO_SHOT_SHARE)
    _refuse_noise(baselines, zero_shot, labels)
    if zero_shot is not None:
        say(f"zero-shot {zero_shot.value:.1%} on {len(zero_shot.parts)} of the held-out examples")
    say(", ".join(f"{name} {metric.value:.1%}" for name, metric in baselines.items()))
    left_s = budget_s - (time.perf_counter() - begin)
    method, predict = _best(
        _Class(data=data, train=train, validation=validation, labels=labels, seed=seed),
        out,
        left_s,
        threshold=_accuracy(validation, LinearClassifier(train, seed=seed).predict),
        say=say,
    )
    own = _judged(test, predict)
    leads = {name: compare_pair(metric, own, seed=seed) for name, metric in baselines.items()}
    figures = {name: metric.value for name, metric in baselines.items()}
    least = min(lead.low for lead in leads.values())
    if zero_shot is not None:
        sample = Metric(name="accuracy", formula="ratio", parts=own.parts[: len(zero_shot.parts)])
        least = min(least, compare_pair(zero_shot, sample, seed=seed).low)
        figures["zero_shot"] = zero_shot.value
    told = ", ".join(f"{name} {value:.1%}" for name, value in figures.items())
    if least <= 0:
        shutil.rmtree(out, ignore_errors=True)
        raise ToolError(
            f"The specialist ({method}) is right in {own.value:.1%} of {len(test)} held-out "
            f"examples, which is not surely more than its baselines ({told}); it was not kept.",
            hint="Give more examples, or a larger budget.",
        )
    figure = measure(own, seed=seed)
    made = Made(
        model=str(out),
        method=method,
        labels=labels,
        accuracy=figure.value,
        accuracy_low=figure.low,
        accuracy_high=figure.high,
        over_baselines=least,
        baselines=figures,
        test=len(test),
        wall_s=time.perf_counter() - begin,
    )
    _write_card(out, made, data, len(train))
    return made


def load_specialist(folder: Path) -> Specialist:
    """Return a specialist that was made here.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    from autogpt.llm import load

    run = read_json(folder / _HEAD).get("run")
    if run is None:
        raise CheckpointError(
            f"The specialist in {str(folder)!r} was made by an earlier version.",
            hint="Delete the folder and let it be made again.",
        )
    return cast("Specialist", load(folder / str(run)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Class:
    """What candidates learn from."""

    data: str
    train: Sequence[Labeled]
    validation: Sequence[Labeled]
    labels: Sequence[str]
    seed: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A way to make one: from which base, what to call it, and where its run is."""

    base: str
    method: str
    folder: str


def _best(
    room: _Class, out: Path, left_s: float, *, threshold: float, say: Callable[[str], None]
) -> tuple[str, Predict]:
    """Make candidates until one is better than the linear baseline on validation, or time is up."""
    begin = time.perf_counter()
    found: list[tuple[float, _Candidate, Predict]] = []
    for candidate in _candidates():
        left_s -= time.perf_counter() - begin
        begin = time.perf_counter()
        if candidate.base != EMBEDDER and left_s <= _LEAST_S:
            break
        say(f"{candidate.method}: {max(1.0, left_s):.0f} s at most")
        predict = _finetune(room, candidate.base, out / candidate.folder, max(1.0, left_s))
        reached = _accuracy(room.validation, predict)
        say(f"{candidate.method}: {reached:.1%} of validation, linear {threshold:.1%}")
        found.append((reached, candidate, predict))
        if reached > threshold + 0.01:
            break
    if not found:
        raise ToolError(
            "The budget is too small to train anything.", hint="Give it a minute or more."
        )
    _, best, predict = max(found, key=lambda one: one[0])
    for _, candidate, _ in found:
        if candidate is not best:
            shutil.rmtree(out / candidate.folder, ignore_errors=True)
    write_json(out / _HEAD, {"run": best.folder, "labels": list(room.labels)})
    return best.method, predict


def _candidates() -> list[_Candidate]:
    """Return what may be tried, the cheaper first."""
    tuned = _Candidate(
        "new" if is_missing(_BASE) else _BASE, "fine-tuned with a head", "fine-tuned"
    )
    head = _Candidate(EMBEDDER, "a head on sentence embeddings", "embeddings")
    return [tuned] if is_missing(EMBEDDER) else [head, tuned]


def _finetune(room: _Class, base: str, out: Path, budget_s: float) -> Predict:
    from autogpt.llm import load
    from autogpt.recipe import finetune

    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        paths = []
        for name, examples in (("train", room.train), ("validation", room.validation)):
            path = Path(place, f"{name}.jsonl")
            lines = [{"text": one.text, "label": one.labels[0]} for one in examples]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
            paths.append(str(path))
        finetune(
            base,
            paths[0],
            validation=paths[1],
            task="classify",
            out=out,
            budget=f"{math.ceil(budget_s)}s",
            settings={"seed": room.seed},
            progress=Progress(quiet=True),
        )
    classifier = cast("Specialist", load(out))
    return classifier.predict


def _read(data: str) -> list[Labeled]:
    examples = [
        example
        for example in read_examples([data], ExamplesConfig(task="classify"))
        if isinstance(example, Labeled)
    ]
    several = [example for example in examples if len(example.labels) != 1]
    if several:
        raise ToolError(
            f"{several[0].place} has {len(several[0].labels)} labels; one was expected."
        )
    counts = Counter(example.labels[0] for example in examples)
    if len(examples) < _FEWEST or len(counts) < 2:
        raise ToolError(
            f"{data!r} has {len(examples)} examples of {len(counts)} labels; {_FEWEST} of two or "
            "more are the fewest that can be learned from and tested on."
        )
    return examples


def _judged(examples: Sequence[Labeled], predict: Predict) -> Metric:
    rows = predict([example.text for example in examples])
    chosen = [max(row, key=lambda label: row[label]) for row in rows]
    right = [label == example.labels[0] for label, example in zip(chosen, examples, strict=True)]
    return share("accuracy", right)


def _accuracy(examples: Sequence[Labeled], predict: Predict) -> float:
    return _judged(examples, predict).value


def _zero_shot(
    model: ZeroShot | None, labels: Sequence[str], test: Sequence[Labeled], most_s: float
) -> Metric | None:
    """Return what a model reaches without training, on as many texts as the time allows."""
    if model is None or len(labels) < 2:
        return None
    begin, right = time.perf_counter(), []
    descriptions = [label.replace("_", " ") for label in labels]
    for first in range(0, min(len(test), _MOST_ZERO_SHOT), 8):
        some = test[first : first + 8]
        rows = model.classify([example.text for example in some], descriptions)
        for row, example in zip(rows, some, strict=True):
            best = max(row, key=lambda label: row[label])
            right.append(labels[descriptions.index(best)] == example.labels[0])
        if time.perf_counter() - begin > most_s:
            break
    return share("accuracy", right)


def _refuse_noise(
    baselines: Mapping[str, Metric], zero_shot: Metric | None, labels: Sequence[str]
) -> None:
    """Refuse labels that nothing can tell better than guessing.

    Raises:
        ToolError: With the figures.
    """
    majority, linear = baselines["majority"], baselines["linear"]
    if compare_pair(majority, linear).low > 0:
        return
    if zero_shot is not None:
        sample = Metric(
            name="accuracy", formula="ratio", parts=majority.parts[: len(zero_shot.parts)]
        )
        if compare_pair(sample, zero_shot).low > 0:
            return
    raise ToolError(
        f"The labels cannot be told from the texts: on held-out examples a linear model of their "
        f"words is right in {linear.value:.1%}, saying the commonest of {len(labels)} labels "
        f"in {majority.value:.1%}. They are shuffled, or say nothing of the text; nothing was "
        "trained.",
        hint="Look at some rows: does the label follow from the text?",
    )


def _write_card(out: Path, made: Made, data: str, train: int) -> None:
    rows = "\n".join(f"| {name} | {value:.1%} |" for name, value in made.baselines.items())
    write_text(
        out / "README.md",
        f"# A classifier of {len(made.labels)} labels\n\n"
        f"Made by AutoGPT from `{Path(data).name}`: {made.method}, learned from {train:,} "
        f"examples.\n\n"
        f"On {made.test:,} held-out examples that it has not seen in any way:\n\n"
        f"| | accuracy |\n| --- | --- |\n"
        f"| **this model** | **{made.accuracy:.1%}** (95% interval {made.accuracy_low:.1%} to "
        f"{made.accuracy_high:.1%}) |\n{rows}\n\n"
        f"Its lead over the best of them is at least {made.over_baselines:.1%} (lower end of the "
        "95% interval). It gives each text one of its labels, also a text that has none of "
        f"them.\n\nLabels: {', '.join(made.labels)}\n",
    )
