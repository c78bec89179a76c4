"""The verb ``finetune``: teach a model a task from examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from autogpt.cli.options import Json, Quiet, Seed, Set, process_start
from autogpt.core.config import merge, parse_settings
from autogpt.core.units import format_duration

__all__ = ["finetune"]


def finetune(  # noqa: PLR0913 - each flag is spelled out for the user
    model: Annotated[
        str,
        typer.Argument(
            help="A folder, .gguf file, run or name; or 'new'; for sounds also whisper-base, whose "
            "encoder listens first; for classify also a sentence encoder, as all-minilm-l6-v2."
        ),
    ],
    data: Annotated[list[str], typer.Argument(help="Files, folders, globs, - or hf:NAME.")],
    task: Annotated[
        str,
        typer.Option(
            help="text, chat, summarize, translate, classify, tag, recognize, transcribe or "
            "preference."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run folder.")],
    method: Annotated[
        Literal["full", "lora"], typer.Option(help="Step the weights, or small adapters.")
    ] = "full",
    budget: Annotated[str | None, typer.Option(help="What to spend; 20m by default.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Examples to measure with; else some are held out.")
    ] = None,
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="A TOML recipe.")] = None,
    settings: Set = None,
    text_field: Annotated[str | None, typer.Option(help="The field that holds the text.")] = None,
    label_field: Annotated[str | None, typer.Option(help="The field of its label.")] = None,
    source_field: Annotated[
        str | None, typer.Option(help="The field of what something is made of.")
    ] = None,
    target_field: Annotated[str | None, typer.Option(help="The field of what is made.")] = None,
    on_error: Annotated[str | None, typer.Option(help="fail or skip, at a broken row.")] = None,
    resume: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--resume", help="Go on with the stopped run in --out.")
    ] = False,
    track: Annotated[
        list[str] | None,
        typer.Option(help="tensorboard (always written), mlflow, trackio or wandb."),
    ] = None,
    seed: Seed = None,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Teach a model a task from examples, within a budget."""
    from autogpt import recipe
    from autogpt.core.progress import Progress

    fields = {
        "text_field": text_field,
        "label_field": label_field,
        "source_field": source_field,
        "target_field": target_field,
        "on_error": on_error,
    }
    given = merge(
        recipe.read_recipe(recipe_file) if recipe_file else {},
        parse_settings(settings or []),
        {"examples": {name: value for name, value in fields.items() if value is not None}},
        {} if seed is None else {"seed": seed},
    )
    result = recipe.finetune(
        model,
        data,
        task=task,
        out=out,
        method=method,
        validation=validation,
        budget=budget,
        settings=given,
        resume=resume,
        track=track or (),
        begun=process_start(),
        progress=Progress(quiet=quiet),
    )
    if json_:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
        return
    print(
        f"validation loss {result.val_loss:.4f} after {format_duration(result.wall_s)}; "
        f"see {result.run}/report.html"
    )
