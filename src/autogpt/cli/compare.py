"""The verb ``compare``: runs side by side, or evaluations of several models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autogpt.cli.options import Json
from autogpt.core.units import format_count, format_duration

if TYPE_CHECKING:
    from autogpt.recipe.comparison import Comparison
    from autogpt.recipe.model_comparison import ModelComparison

__all__ = ["compare"]

_MOST_SETTINGS = 12


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(help="Run folders, finished or not; or evaluations, as --out of evaluate."),
    ],
    plot: Annotated[Path, typer.Option(help="The picture to write.")] = Path("comparison.png"),
    by: Annotated[
        Literal["tokens", "time", "steps"], typer.Option(help="What runs along its bottom.")
    ] = "tokens",
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Show runs side by side: a table, the settings that differ, and one picture.

    Of evaluations on the same examples: the figures, and which differences are more than chance.
    """
    from autogpt.evaluation.results import is_evaluation

    if any(is_evaluation(Path(run)) for run in runs):
        from autogpt.recipe.model_comparison import compare_models

        found = compare_models(runs, plot=plot)
        if json_:
            print(json.dumps(found.to_dict(), ensure_ascii=False))
        else:
            _show_models(found)
        return
    from autogpt.recipe.comparison import compare as compared

    result = compared(runs, plot=plot, by=by)
    if json_:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        _show(result)


def _show(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold")
    for name in ("weights", "steps", "tokens", "time", "tokens/s", "loss", "bits/byte", "best"):
        table.add_column(name, justify="right", no_wrap=True)
    best = min((r.val_bits_per_byte for r in comparison.runs if r.val_bits_per_byte), default=None)
    for run in comparison.runs:
        table.add_row(
            run.run if run.state == "finished" else f"{run.run} (unfinished)",
            "" if run.parameters is None else format_count(run.parameters),
            str(run.steps),
            format_count(run.tokens),
            format_duration(run.elapsed_s),
            "" if run.tokens_per_s is None else format_count(run.tokens_per_s),
            _number(run.val_loss),
            _number(run.val_bits_per_byte),
            _number(run.best_bits_per_byte),
            style="green" if run.val_bits_per_byte == best is not None else None,
        )
    console.print(table)
    if not comparison.same_text:
        console.print("These runs learned from different texts: their figures do not compare.")
    names = list(comparison.runs[0].settings)
    for name in names[:_MOST_SETTINGS]:
        values = ", ".join(str(run.settings[name]) for run in comparison.runs)
        console.print(f"{name}: {values}", markup=False)
    if len(names) > _MOST_SETTINGS:
        console.print(f"and {len(names) - _MOST_SETTINGS} more settings, which --json names")
    console.print(f"picture: {comparison.plot}", markup=False)


def _show_models(comparison: ModelComparison) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    for name in comparison.figures:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for place, model in enumerate(comparison.models):
        own = [figures[place] for figures in comparison.figures.values()]
        table.add_row(model, *(f"{f.value:.4g} ({f.low:.4g}-{f.high:.4g})" for f in own))
    console.print(table)
    console.print(f"{comparison.examples:,} examples of {comparison.data}; 95% intervals")
    for name, differences in comparison.differences.items():
        for one in differences:
            first, second = (comparison.models[place] for place in (one.first, one.second))
            verdict = "may be chance"
            if one.winner is not None:
                verdict = f"{comparison.models[one.winner]} is better"
            console.print(
                f"{name}: {second} less {first} {one.difference:+.4g} "
                f"({one.low:+.4g} to {one.high:+.4g}), p = {one.p:.4f} by {one.method}: {verdict}",
                markup=False,
            )
    console.print(f"picture: {comparison.plot}", markup=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
