"""A specialist: a classifier for one job, kept only if it beats what a few seconds can reach.

::

    found = make_specialist("tickets-labeled.csv", out, budget_s=600, model=llm)
    found.accuracy, found.baselines      # 0.91, {"majority": 0.02, "linear": 0.86, ...

Read top to bottom: examples > a fifth held out > baselines > are the labels there to be learned? >
candidates within the budget > the best on validation is tested once, on the fifth that nothing has
seen > kept, if the 95% interval of its lead over *each* baseline lies above zero.

Candidates, the cheaper first: a head on sentence embeddings (frozen all-MiniLM, where it has been
pulled), and a model fine-tuned with a head (``recipe.finetune``), from the default model or from
nothing. Labels that neither words nor the model's own knowledge can tell better than guessing are
refused with that reason: they are shuffled, or not in the text.
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
            hint="Use the linear baseline, give more examples, or a larger budget.",
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
    facts = read_json(folder / _HEAD)
    if facts.get("kind") == "embeddings":
        return EmbeddingHead.load(folder)
    from autogpt.llm import load

    return cast("Specialist", load(folder / "run"))


class EmbeddingHead:
    """Softmax regression on the vectors of a frozen sentence model.

    Args:
        weight: ``[C, D]``.
        bias: ``[C]``.
        labels: C of them.
        encoder: Turns texts into vectors; None: the installed one, when it is needed.
    """

    def __init__(
        self, weight: Any, bias: Any, labels: Sequence[str], *, encoder: Any = None  # noqa: ANN401 - arrays of numpy, and an Encoder
    ) -> None:
        self._weight, self._bias = weight, bias
        self._encoder = encoder
        self.labels = tuple(labels)

    @classmethod
    def train(
        cls, examples: Sequence[Labeled], *, seed: int, encoder: Any = None  # noqa: ANN401 - an Encoder
    ) -> EmbeddingHead:
        """Return a head that was learned from examples."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        from autogpt.evaluation.baselines.labels import _quiet

        encoder = encoder or _encoder()
        vectors = _vectors(encoder, [example.text for example in examples])
        model = LogisticRegression(C=20.0, max_iter=500, random_state=seed)
        with _quiet():
            model.fit(vectors, [example.labels[0] for example in examples])
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # one row stands for both
            weight = np.concatenate([np.zeros_like(weight), weight])
            bias = np.concatenate([np.zeros_like(bias), bias])
        return cls(weight, bias, [str(one) for one in model.classes_], encoder=encoder)

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each label, for each text."""
        import numpy as np

        self._encoder = self._encoder or _encoder()
        scores = _vectors(self._encoder, texts) @ self._weight.T + self._bias
        powers = np.exp(scores - scores.max(1, keepdims=True))
        rows = powers / powers.sum(1, keepdims=True)
        return [dict(zip(self.labels, map(float, row), strict=True)) for row in rows]

    def save(self, folder: Path) -> None:
        """Write it: weights as safetensors, the rest as JSON."""
        import numpy as np
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            "weight": np.ascontiguousarray(self._weight, dtype=np.float32),
            "bias": np.ascontiguousarray(self._bias, dtype=np.float32),
        }
        save_file(tensors, folder / "head.safetensors")
        write_json(
            folder / _HEAD,
            {"kind": "embeddings", "encoder": EMBEDDER, "labels": list(self.labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> EmbeddingHead:
        """Return a head that was saved."""
        from safetensors.numpy import load_file

        facts, tensors = read_json(folder / _HEAD), load_file(folder / "head.safetensors")
        return cls(tensors["weight"], tensors["bias"], facts["labels"])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Class:
    """What candidates learn from."""

    data: str
    train: Sequence[Labeled]
    validation: Sequence[Labeled]
    labels: Sequence[str]
    seed: int


def _best(
    room: _Class, out: Path, left_s: float, *, threshold: float, say: Callable[[str], None]
) -> tuple[str, Predict]:
    """Make candidates until one is better than the linear baseline on validation, or time is up."""
    begin = time.perf_counter()
    found: list[tuple[float, str, Predict]] = []
    if not is_missing(EMBEDDER):
        head = EmbeddingHead.train(room.train, seed=room.seed)
        reached = _accuracy(room.validation, head.predict)
        say(f"a head on sentence embeddings: {reached:.1%} of validation, linear {threshold:.1%}")
        head.save(out)
        found.append((reached, "a head on sentence embeddings", head.predict))
        if reached > threshold + 0.01:
            return found[0][1:]
    left_s -= time.perf_counter() - begin
    if left_s > 30:
        say(f"fine-tuning for {left_s:.0f} s")
        tuned = _finetune(room, out / "run", left_s)
        reached = _accuracy(room.validation, tuned)
        say(f"fine-tuned: {reached:.1%} of validation")
        found.append((reached, "fine-tuned with a head", tuned))
    if not found:
        raise ToolError("The budget is too small to train anything.", hint="Give it a minute or more.")
    best = max(found, key=lambda one: one[0])
    if best[1].startswith("fine-tuned"):
        write_json(out / _HEAD, {"kind": "model", "labels": list(room.labels)})
    return best[1:]


def _finetune(room: _Class, out: Path, budget_s: float) -> Predict:
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
            "new" if is_missing(_BASE) else _BASE,
            paths[0],
            validation=paths[1],
            task="classify",
            out=out,
            budget=f"{math.floor(budget_s)}s",
            settings={"seed": room.seed},
            progress=Progress(quiet=True),
        )
    classifier = load(out)
    return cast("Predict", classifier.predict)


def _read(data: str) -> list[Labeled]:
    examples = [
        example
        for example in read_examples([data], ExamplesConfig(task="classify"))
        if isinstance(example, Labeled)
    ]
    several = [example for example in examples if len(example.labels) != 1]
    if several:
        raise ToolError(f"{several[0].place} has {len(several[0].labels)} labels; one was expected.")
    counts = Counter(example.labels[0] for example in examples)
    if len(examples) < _FEWEST or len(counts) < 2:
        raise ToolError(
            f"{data!r} has {len(examples)} examples of {len(counts)} labels; {_FEWEST} of two or "
            "more are the fewest that can be learned from and tested on."
        )
    return examples


def _judged(examples: Sequence[Labeled], predict: Predict) -> Metric:
    rows = predict([example.text for example in examples])
    chosen = [max(row, key=lambda label: row[label]) for row in rows]  # noqa: B023 - used at once
    right = [
        label == example.labels[0] for label, example in zip(chosen, examples, strict=True)
    ]
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
            best = max(row, key=lambda label: row[label])  # noqa: B023 - used at once
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
        f"words is right in {linear.value:.1%}, saying always the commonest of {len(labels)} labels "
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


def _encoder() -> Any:  # noqa: ANN401 - an Encoder of an extra
    from autogpt.llm import load

    return load(EMBEDDER)


def _vectors(encoder: Any, texts: Sequence[str]) -> Any:  # noqa: ANN401 - arrays of numpy
    import numpy as np

    parts = [encoder.embed(list(texts[first : first + 256])) for first in range(0, len(texts), 256)]
    rows = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
