"""A finished evaluation: its figures with intervals, what they mean, and the files that keep it.

::

    evaluation.json           figures, baselines, classes, confusions, calibration, notes
    evaluation.html           the same to look at (``results_page``)
    predictions.jsonl         each example, what was expected and what was predicted
    statistics.safetensors    what each example adds to each figure, for ``autogpt compare``
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from autogpt.core.errors import CheckpointError, RunError
from autogpt.core.files import open_atomic, read_json, write_json
from autogpt.evaluation.judging import Judged
from autogpt.evaluation.metrics.formulas import FORMULAS
from autogpt.evaluation.metrics.metric import LEVEL, RESAMPLES, Figure, Metric, measure
from autogpt.evaluation.significance import Difference, compare_pair

__all__ = ["JSON", "PAGE", "Evaluation", "Stored", "conclude", "is_evaluation", "read", "write"]

JSON = "evaluation.json"
PAGE = "evaluation.html"
PREDICTIONS = "predictions.jsonl"
STATISTICS = "statistics.safetensors"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        model: As the user named it.
        data: The source of the examples.
        task: Such as "classify", or a suite's name.
        judged: Figures without intervals, rows, confusions.
        figures: The model's figures with intervals.
        baselines: The figures of each baseline.
        against: The model compared with each baseline, by its name, in each metric.
        wall_s: Seconds that the model took, without loading it.
        seed: Of all that chance plays a part in.
        settings: What else decided the figures, name to value.
        created: ISO 8601.
    """

    model: str
    data: str
    task: str
    judged: Judged
    figures: tuple[Figure, ...]
    baselines: Mapping[str, tuple[Figure, ...]]
    against: Mapping[str, tuple[Difference, ...]]
    wall_s: float
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    @property
    def examples(self) -> int:
        """How many were evaluated."""
        return len(self.judged.rows)

    @property
    def fingerprint(self) -> str:
        """Sha256 of the examples: models with the same one were asked the same."""
        digest = hashlib.sha256()
        for row in self.judged.rows:
            line = json.dumps([row.text, row.expected], ensure_ascii=True)
            digest.update(f"{line}\n".encode())
        return digest.hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``evaluation.json``, which ``--json`` prints too."""
        judged = self.judged
        baselines = {
            f"{name}_{key}": value
            for name, figures in self.baselines.items()
            for key, value in _named(figures).items()
        }
        return {
            "format": _FORMAT,
            "task": self.task,
            "model": self.model,
            "data": self.data,
            "examples": self.examples,
            "metrics": _named(self.figures),
            "baselines": baselines,
            "differences": {
                name: {one.metric: _rounded(one) for one in differences}
                for name, differences in self.against.items()
            },
            "metric": self.figures[0].name,
            "better": {metric.name: metric.better for metric in judged.metrics},
            "formulas": {metric.name: metric.formula for metric in judged.metrics},
            "signatures": {m.name: m.signature for m in judged.metrics if m.signature},
            "classes": [
                {
                    "name": one.name,
                    "precision": round(one.precision, 4),
                    "recall": round(one.recall, 4),
                    "f1": round(one.f1, 4),
                    "count": one.count,
                }
                for one in judged.classes
            ],
            "confusions": [
                {"expected": expected, "predicted": predicted, "count": count}
                for (expected, predicted), count in sorted(
                    judged.confusion.items(), key=lambda pair: (-pair[1], pair[0])
                )
            ],
            "calibration": [
                {
                    "confidence": round(one.confidence, 4),
                    "accuracy": round(one.accuracy, 4),
                    "count": one.count,
                }
                for one in judged.bins
            ],
            "notes": list(judged.notes),
            "settings": dict(self.settings),
            "interval": {"level": LEVEL, "resamples": RESAMPLES, "method": "bootstrap"},
            "seed": self.seed,
            "wall_s": round(self.wall_s, 3),
            "examples_per_s": round(self.examples / max(self.wall_s, 1e-9), 3),
            "fingerprint": self.fingerprint,
            "created": self.created,
            "autogpt": version("autogpt-transformer"),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """An evaluation that was read back.

    Attributes:
        path: Its folder.
        fields: Of ``evaluation.json``.
        metrics: The model's, with what each example adds.
    """

    path: Path
    fields: Mapping[str, Any]
    metrics: tuple[Metric, ...]


def conclude(
    judged: Judged,
    *,
    model: str,
    data: str,
    task: str,
    wall_s: float,
    seed: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Evaluation:
    """Return the evaluation of what was judged: intervals, and the model against each baseline."""
    metrics = {metric.name: metric for metric in judged.metrics}
    return Evaluation(
        model=model,
        data=data,
        task=task,
        judged=judged,
        figures=_measured(judged.metrics, seed),
        baselines={name: _measured(own, seed) for name, own in judged.baselines.items()},
        against={
            name: tuple(
                compare_pair(theirs, metrics[theirs.name], seed=seed)
                for theirs in own
                if theirs.name in metrics and _comparable(theirs, metrics[theirs.name])
            )
            for name, own in judged.baselines.items()
        },
        wall_s=wall_s,
        seed=seed,
        settings=settings or {},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def write(folder: Path, evaluation: Evaluation) -> None:
    """Write the files of an evaluation into ``folder``, each atomically.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    from autogpt.evaluation.results_page import write_page

    with open_atomic(folder / STATISTICS) as file:
        arrays = {m.name: _compact(m.parts) for m in evaluation.judged.metrics}
        file.write(save_arrays(arrays))
    with open_atomic(folder / PREDICTIONS, "w", encoding="utf-8") as file:
        for row in evaluation.judged.rows:
            file.write(json.dumps(row.to_dict(), ensure_ascii=False) + "\n")
    write_page(folder / PAGE, evaluation)
    write_json(folder / JSON, evaluation.to_dict())


def is_evaluation(path: Path) -> bool:
    """Whether ``path`` is an evaluation's folder, or its JSON."""
    return path.name == JSON if path.is_file() else (path / JSON).is_file()


def read(path: Path) -> Stored:
    """Read an evaluation's folder, or the folder around its JSON.

    Raises:
        CheckpointError: If a file is missing or damaged.
        RunError: If it is of a format that this version does not know.
    """
    folder = path.parent if path.is_file() else path
    fields = read_json(folder / JSON)
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise RunError(
            f"{str(folder / JSON)!r} is not an evaluation of format {_FORMAT}.",
            hint="Evaluate the model again with this version.",
        )
    try:
        arrays = load_arrays((folder / STATISTICS).read_bytes())
        metrics = tuple(_stored_metrics(fields, arrays))
    except FileNotFoundError as error:
        raise CheckpointError(f"{str(folder / STATISTICS)!r} is missing.") from error
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{str(folder)!r} is damaged: {error}.") from error
    return Stored(path=folder, fields=fields, metrics=metrics)


def _stored_metrics(fields: Mapping[str, Any], arrays: Mapping[str, Any]) -> Iterator[Metric]:
    for name, formula in fields["formulas"].items():
        if formula not in FORMULAS:
            raise ValueError(f"the formula {formula!r} is not known")
        parts = np.asarray(arrays[name], dtype=np.float64)
        if len(parts) != fields["examples"]:
            raise ValueError(f"{name} is of {len(parts)} examples and not {fields['examples']}")
        better: Literal["higher", "lower"] = (
            "lower" if fields["better"][name] == "lower" else "higher"
        )
        yield Metric(name=name, formula=formula, parts=parts, better=better)


def _measured(metrics: Sequence[Metric], seed: int) -> tuple[Figure, ...]:
    return tuple(measure(metric, seed=seed) for metric in metrics)


def _comparable(one: Metric, other: Metric) -> bool:
    return one.parts.shape == other.parts.shape and one.formula == other.formula


def _compact(parts: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    """Return small whole numbers in a byte each; most are."""
    small = parts.astype(np.uint8)
    return np.ascontiguousarray(small if (small == parts).all() else parts)


def _named(figures: Sequence[Figure]) -> dict[str, float]:
    return {key: value for figure in figures for key, value in figure.to_dict().items()}


def _rounded(one: Difference) -> dict[str, object]:
    return {
        "difference": round(one.difference, 6),
        "low": round(one.low, 6),
        "high": round(one.high, 6),
        "p": round(one.p, 6),
        "method": one.method,
    }
