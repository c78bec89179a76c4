"""Evaluations of several models on the same examples: their figures, and which differ for sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autogpt.core.errors import UsageError
from autogpt.evaluation import results
from autogpt.evaluation.metrics.metric import Figure, measure
from autogpt.evaluation.ranking import write_ranking
from autogpt.evaluation.significance import Difference, compare_all

__all__ = ["ModelComparison", "compare_models"]

_MOST_DRAWN = 4  # metrics side by side


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelComparison:
    """Several models on the same examples.

    Attributes:
        evaluations: Their folders, in the order they were named.
        models: What each evaluated.
        task: That all were evaluated on.
        data: The examples' source, as the first one names it.
        examples: How many.
        figures: By metric, one figure a model.
        differences: By metric, one for each pair.
        plot: The picture.
    """

    evaluations: tuple[str, ...]
    models: tuple[str, ...]
    task: str
    data: str
    examples: int
    figures: dict[str, tuple[Figure, ...]]
    differences: dict[str, tuple[Difference, ...]]
    plot: str

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields."""
        return {
            "task": self.task,
            "data": self.data,
            "examples": self.examples,
            "models": [
                {
                    "model": model,
                    "evaluation": folder,
                    "metrics": {
                        key: value
                        for own in self.figures.values()
                        for key, value in own[place].to_dict().items()
                    },
                }
                for place, (model, folder) in enumerate(
                    zip(self.models, self.evaluations, strict=True)
                )
            ],
            "differences": [
                {
                    "metric": one.metric,
                    "first": self.models[one.first],
                    "second": self.models[one.second],
                    "difference": round(one.difference, 6),
                    "low": round(one.low, 6),
                    "high": round(one.high, 6),
                    "p": round(one.p, 6),
                    "method": one.method,
                    "better": None if one.winner is None else self.models[one.winner],
                }
                for pairs in self.differences.values()
                for one in pairs
            ],
            "plot": self.plot,
        }


def compare_models(
    evaluations: Sequence[str | Path], *, plot: str | Path, seed: int = 0
) -> ModelComparison:
    """Read evaluations, compare each pair in each metric, and draw the figures.

    Args:
        evaluations: Folders that ``autogpt evaluate --out`` made, or their JSON; two or more.
        plot: The PNG to write.
        seed: Of resamples and exchanges.

    Raises:
        UsageError: If there are fewer than two, or they are of different examples or tasks.
        CheckpointError: If one is damaged.
        RunError: If one is of another version.
        ResourceError: If the picture cannot be written.
    """
    if len(evaluations) < 2:
        raise UsageError("There is nothing to compare.", hint="Name two evaluations or more.")
    stored = [results.read(Path(path)) for path in evaluations]
    first = stored[0]
    for other in stored[1:]:
        for key, what in (("task", "task"), ("fingerprint", "examples")):
            if other.fields[key] != first.fields[key]:
                raise UsageError(
                    f"{str(first.path)!r} and {str(other.path)!r} are not of the same {what}, so "
                    "their figures do not compare.",
                    hint="Evaluate both on the same data with the same --limit; plain text "
                    "compares only between models with the same tokens.",
                )
    by_name = [{metric.name: metric for metric in one.metrics} for one in stored]
    shared = [
        name
        for name, metric in by_name[0].items()
        if all(name in own and own[name].parts.shape == metric.parts.shape for own in by_name[1:])
    ]
    figures = {name: tuple(measure(own[name], seed=seed) for own in by_name) for name in shared}
    models = _distinct([str(one.fields["model"]) for one in stored], stored)
    drawn = {name: figures[name] for name in shared[:_MOST_DRAWN]}
    write_ranking(Path(plot), models, drawn)
    return ModelComparison(
        evaluations=tuple(str(one.path) for one in stored),
        models=tuple(models),
        task=str(first.fields["task"]),
        data=str(first.fields["data"]),
        examples=int(first.fields["examples"]),
        figures=figures,
        differences={
            name: tuple(compare_all([own[name] for own in by_name], seed=seed)) for name in shared
        },
        plot=str(plot),
    )


def _distinct(models: list[str], stored: Sequence[results.Stored]) -> list[str]:
    """Return the models' names, or where two are alike the folders of the evaluations."""
    if len(set(models)) == len(models):
        return models
    return [str(one.path) for one in stored]
