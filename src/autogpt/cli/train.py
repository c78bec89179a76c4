"""The verbs that make a model: ``quickstart``, ``plan`` and ``train``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from autogpt.cli.options import Json, Quiet, Seed, Set, process_start
from autogpt.core import launch
from autogpt.core.config import merge, parse_settings
from autogpt.core.errors import AutoGPTError
from autogpt.core.units import format_duration

__all__ = ["plan", "quickstart", "train"]

BUDGET = "What to spend: 90s, 10m, 3h, 5Mtokens, 0.02kWh or $1.50."
PRICE = "What an hour of this machine costs, for a budget of money."


def quickstart(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/quickstart"),
    budget: Annotated[str | None, typer.Option(help="Wall time, as in 90s or 2m.")] = None,
    settings: Set = None,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Train on the bundled text, generate, show what is next."""
    from autogpt import recipe
    from autogpt.core.progress import Progress
    from autogpt.evaluation.terminal import text_curve
    from autogpt.training import record

    given = merge(
        parse_settings(settings or []), {"training": {"budget": budget}} if budget else {}
    )
    result = recipe.quickstart(
        out=_fresh(out), settings=given, begun=process_start(), progress=Progress(quiet=quiet)
    )
    if json_:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
        return
    print(text_curve(record.read(Path(result.run))))
    for sample in result.samples:
        print(f"\n--- {sample.prompt.strip()}\n{sample.continuation.strip()}")
    print(
        f"\nvalidation: {result.val_bits_per_byte:.3f} bits per byte, "
        f"after {format_duration(result.wall_s)}"
        f"\nreport:     {result.run}/report.html"
        f'\nnext:       autogpt generate {result.run} "ROMEO:"'
        f'\n            autogpt generate {result.run} "子曰：“" --temperature 0.7 --min-p 0.1'
        "\n            autogpt train my.txt --budget 10m --out runs/mine"
    )


def plan(  # noqa: PLR0913 - each flag is spelled out for the user
    sources: Annotated[list[str], typer.Argument(help="Files, folders, globs, - or hf:NAME.")],
    budget: Annotated[
        str | None, typer.Option(help=f"{BUDGET} Several, as 2m,10m,1h, are put side by side.")
    ] = None,
    price_per_hour: Annotated[float | None, typer.Option(help=PRICE)] = None,
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="A TOML recipe.")] = None,
    settings: Set = None,
    text_field: Annotated[str | None, typer.Option(help="The field that holds the text.")] = None,
    seed: Seed = None,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Say what a budget buys here: model, tokens, time, memory, energy, expected quality.

    With several budgets --json prints a line for each; one that buys nothing has an "error".
    """
    budgets = [None if budget is None else part.strip() for part in (budget or "").split(",")]
    given = _given(
        recipe_file,
        settings,
        seed,
        training={"price_per_hour": price_per_hour},
        read={"text_field": text_field},
    )
    from autogpt import recipe
    from autogpt.core.progress import Progress

    shown = Progress(quiet=quiet or json_)
    for asked, made in zip(
        budgets,
        recipe.plans(sources, budgets=budgets, settings=given, progress=shown),
        strict=True,
    ):
        if isinstance(made, AutoGPTError):
            if len(budgets) == 1:
                raise made
            print(
                json.dumps({"budget": asked, "error": made.to_dict()}, ensure_ascii=False)
                if json_
                else f"{asked}: {made}\n"
            )
        elif json_:
            facts = {"budget": asked} if len(budgets) > 1 else {}
            print(json.dumps({**facts, **made.to_dict()}, ensure_ascii=False), flush=True)
        else:
            print(f"{made}\n")
            options = f"--budget {made.plan.budget} --out RUN"
            print(f"to do it: autogpt train {' '.join(sources)} {options}\n")


def train(  # noqa: PLR0913 - each flag is spelled out for the user
    out: Annotated[Path, typer.Option(help="The run folder.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, globs, - or hf:NAME; not needed to go on."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help=f"{BUDGET} +10m: so much more.")] = None,
    price_per_hour: Annotated[float | None, typer.Option(help=PRICE)] = None,
    preset: Annotated[str | None, typer.Option(help="auto, tiny, small or medium.")] = None,
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="A TOML recipe.")] = None,
    settings: Set = None,
    text_field: Annotated[str | None, typer.Option(help="The field that holds the text.")] = None,
    on_error: Annotated[str | None, typer.Option(help="fail or skip, at a broken row.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of text files; otherwise detected, as in gb18030.")
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option(help="Of the tokenizer; otherwise chosen from the corpus.")
    ] = None,
    resume: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--resume", help="Go on with the stopped run in --out.")
    ] = False,
    from_run: Annotated[
        Path | None,
        typer.Option("--from", help="Begin with the weights and the data of this run."),
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(help="tensorboard (always written), mlflow, trackio or wandb."),
    ] = None,
    nproc: Annotated[
        int | None, typer.Option(help="Processes that train together on this machine.")
    ] = None,
    seed: Seed = None,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Train a model from nothing on your text, within a budget."""
    if launch.must_launch(nproc):
        raise typer.Exit(launch.run(sys.argv[1:], processes=nproc or 1))
    given = _given(
        recipe_file,
        settings,
        seed,
        training={"budget": budget, "price_per_hour": price_per_hour},
        model={"preset": preset},
        read={"text_field": text_field, "on_error": on_error, "encoding": encoding},
        tokenizer={"vocab_size": vocab_size},
    )
    from autogpt import recipe
    from autogpt.core.progress import Progress

    result = recipe.train(
        sources or (),
        out=out,
        settings=given,
        resume=resume,
        from_run=from_run,
        track=track or (),
        begun=process_start(),
        progress=Progress(quiet=quiet or not launch.leads()),
    )
    if not launch.leads():
        return
    if json_:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        print(
            f"{result.val_bits_per_byte:.4f} bits per byte after "
            f"{format_duration(result.wall_s)}; see {result.run}/report.html"
        )


def _given(
    recipe_file: Path | None,
    settings: list[str] | None,
    seed: int | None,
    **rooms: Mapping[str, object],
) -> dict[str, object]:
    """Return what the user has said: recipe file, then --set, then flags."""
    from autogpt.recipe import read_recipe

    kept = {
        room: {key: value for key, value in values.items() if value is not None}
        for room, values in rooms.items()
    }
    return merge(
        read_recipe(recipe_file) if recipe_file else {},
        parse_settings(settings or []),
        kept,
        {} if seed is None else {"seed": seed},
    )


def _fresh(folder: Path) -> Path:
    """Return ``folder``, or the first of folder-2, folder-3, ... that holds no run yet."""
    number, fresh = 1, folder
    while (fresh / "metrics.jsonl").exists():
        number += 1
        fresh = folder.with_name(f"{folder.name}-{number}")
    return fresh
