"""Runs side by side: what each gave, and the settings in which they differ."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from autogpt.core.config import flatten, from_mapping, to_mapping
from autogpt.core.errors import AutoGPTError, RunError, UsageError
from autogpt.core.files import read_json
from autogpt.evaluation.comparison import Axis, Curve, write_comparison
from autogpt.models.counting import parameter_count
from autogpt.recipe import folder
from autogpt.recipe.settings import Recipe, read_recipe
from autogpt.training import record

__all__ = ["ComparedRun", "Comparison", "compare"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRun:
    """One run.

    Attributes:
        run: As the user named it.
        state: Whether it has come to its end.
        parameters: Of the model; None where that cannot be known any more.
        steps: Optimizer steps done.
        tokens: Training tokens seen.
        elapsed_s: Seconds of work so far.
        tokens_per_s: The median speed; None where nothing was measured.
        val_loss: The last validation loss in nats a token; None where there was no look yet.
        val_bits_per_byte: The same in bits a byte of text.
        best_bits_per_byte: The lowest on the way.
        settings: By dotted name, those that not all of the runs have alike.
    """

    run: str
    state: Literal["finished", "unfinished"]
    parameters: int | None
    steps: int
    tokens: int
    elapsed_s: float
    tokens_per_s: float | None
    val_loss: float | None
    val_bits_per_byte: float | None
    best_bits_per_byte: float | None
    settings: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Several runs.

    Attributes:
        runs: In the order they were named.
        plot: The picture.
        same_text: Whether all were measured on the same text; otherwise figures do not compare.
    """

    runs: tuple[ComparedRun, ...]
    plot: str
    same_text: bool

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields."""
        return asdict(self)


def compare(runs: Sequence[str | Path], *, plot: str | Path, by: Axis = "tokens") -> Comparison:
    """Read the records of several runs, finished or not, and draw them into one picture.

    Args:
        runs: Run folders; at least one.
        plot: The PNG to write.
        by: What runs along the bottom of it.

    Raises:
        UsageError: If there is no run.
        RunError: If a folder is no run, or its record is damaged.
        ResourceError: If the picture cannot be written.
    """
    if not runs:
        raise UsageError("There is nothing to compare.", hint="Name two run folders or more.")
    paths = [Path(run) for run in runs]
    recipes = [_recipe(path) for path in paths]
    settings = [flatten(to_mapping(recipe)) for recipe in recipes]
    names = sorted({name for each in settings for name in each})
    different = [n for n in names if any(s.get(n) != settings[0].get(n) for s in settings)]
    entries = [record.read(path) for path in paths]
    compared = tuple(
        _compared(path, recipe, own, {name: flat.get(name) for name in different})
        for path, recipe, own, flat in zip(paths, recipes, entries, settings, strict=True)
    )
    curves = [
        Curve(name=name, measurements=own)
        for name, own in zip(_short_names(paths), entries, strict=True)
    ]
    write_comparison(Path(plot), curves, by=by)
    texts = [_text(path) for path in paths]
    return Comparison(runs=compared, plot=str(plot), same_text=texts == texts[:1] * len(texts))


def _recipe(path: Path) -> Recipe:
    if not (path / folder.RECIPE).is_file():
        raise RunError(
            f"{str(path)!r} is not a run folder: it has no {folder.RECIPE}.",
            hint="Name folders that --out made.",
        )
    return from_mapping(Recipe, read_recipe(path / folder.RECIPE))


def _compared(
    path: Path, recipe: Recipe, entries: Sequence[record.Entry], different: Mapping[str, object]
) -> ComparedRun:
    last = entries[-1] if entries else None
    looks = [e for e in entries if e.kind == "validation" and e.bits_per_byte is not None]
    speeds = [entry.tokens_per_s for entry in entries if entry.tokens_per_s]
    try:
        parameters = parameter_count(folder.model_config(path, recipe))
    except AutoGPTError:  # the prepared data was removed
        parameters = None
    return ComparedRun(
        run=str(path),
        state="finished" if (path / folder.REPORT).exists() else "unfinished",
        parameters=parameters,
        steps=last.step if last else 0,
        tokens=last.tokens if last else 0,
        elapsed_s=last.elapsed_s if last else 0.0,
        tokens_per_s=statistics.median(speeds) if speeds else None,
        val_loss=looks[-1].loss if looks else None,
        val_bits_per_byte=looks[-1].bits_per_byte if looks else None,
        best_bits_per_byte=min((e.bits_per_byte or 0.0 for e in looks), default=None),
        settings=different,
    )


def _text(path: Path) -> object:
    """Return facts that tell one validation text from another."""
    try:
        corpus = read_json(path / folder.DATA / "corpus.json")["corpus"]
        return [corpus[f"{part}_{of}"] for part in ("train", "validation") for of in _OF]
    except (AutoGPTError, KeyError, TypeError):
        return None


_OF = ("documents", "bytes")


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, or all of each where those are not different."""
    last = [path.resolve().name for path in paths]
    return last if len(set(last)) == len(last) else [str(path) for path in paths]
