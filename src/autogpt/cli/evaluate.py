"""The verb ``evaluate``: what a model reaches, with intervals, beside what anyone reaches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autogpt.cli.offer import require
from autogpt.cli.options import Json, Quiet

if TYPE_CHECKING:
    from autogpt.evaluation.metrics.metric import Figure
    from autogpt.evaluation.results import Evaluation

__all__ = ["evaluate"]

_DATA = "What the examples look like"
_OUT = Path("evaluation")


def evaluate(  # noqa: PLR0913 - each flag is spelled out for the user
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a name.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATA]", help="Labeled examples, or text for its perplexity."),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="In place of DATA: arc_easy, arc_challenge, lambada_openai, or a file."),
    ] = None,
    suite_data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the suite's file is; none is downloaded."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="text|classify|tag",
            help="Default: what the model and the data are for.",
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(metavar="DATA", help="Examples for the baselines to learn from."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="classify without a trained head: the labels; default all in DATA."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="translate: to this language.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first N examples.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(metavar="N", help="text: tokens seen at once; default 1,024.")
    ] = None,
    text_field: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_DATA, help="Of the text.")
    ] = None,
    label_field: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_DATA, help="Of the label.")
    ] = None,
    source_field: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_DATA, help="Of what is summarized, ..."),
    ] = None,
    target_field: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_DATA, help="Of what is made.")
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="To compute in; auto is what the weights are stored as."),
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For evaluation.html, evaluation.json and the predictions. Default 'evaluation', "
            "with --json none.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of intervals and baselines.")] = 0,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Measure a model: figures with 95% intervals, beside baselines that need no model.

    \b
    autogpt evaluate runs/mine text.txt
    autogpt evaluate runs/sentiment test.csv --train train.csv
    autogpt evaluate runs/mine --suite arc_easy --suite-data suites/
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.core.progress import Progress
    from autogpt.data.examples import ExamplesConfig
    from autogpt.recipe.evaluating import Settings
    from autogpt.recipe.evaluating import evaluate as evaluated

    settings = Settings(
        task=task,
        suite=suite,
        suite_data=suite_data,
        train=train,
        examples=ExamplesConfig(
            text_field=text_field,
            label_field=label_field,
            source_field=source_field,
            target_field=target_field,
        ),
        labels=None if labels is None else [label.strip() for label in labels.split(",")],
        to=to,
        limit=limit,
        seed=seed,
        window=window,
    )
    require(model)
    folder = out if out is not None or json_ else _OUT
    with Progress(quiet=quiet) as progress:
        found = evaluated(
            model, data, settings=settings, out=folder, dtype=dtype, progress=progress
        )
    if json_:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show(found, folder)


def _show(evaluation: Evaluation, folder: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from autogpt.evaluation.results import PAGE

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("this model", justify="right", no_wrap=True)
    for name in evaluation.baselines:
        table.add_column(name, justify="right", no_wrap=True)
    for figure in evaluation.figures:
        others = [
            next((_shown(own) for own in figures if own.name == figure.name), "")
            for figures in evaluation.baselines.values()
        ]
        table.add_row(figure.name.replace("_", " "), _shown(figure), *others)
    console.print(table)
    console.print(f"{evaluation.examples:,} examples in {evaluation.wall_s:.1f}s; 95% intervals")
    for note in evaluation.judged.notes:
        console.print(note, markup=False)
    if folder is not None:
        console.print(f"look: {folder / PAGE}", markup=False)


def _shown(figure: Figure) -> str:
    digits = 1 if abs(figure.value) >= 10 else 3
    low, high = (f"{end:.{digits}f}" for end in (figure.low, figure.high))
    return f"{figure.value:.{digits}f} ({low}-{high})"
