"""The verbs ``classify`` and ``tag``: which label a text has, and which entities are in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from autogpt.cli.inputs import (
    DEFAULT_MODEL,
    Dtype,
    Input,
    Out,
    Resume,
    Text,
    TextField,
    gather,
    load_model,
    perform,
)
from autogpt.cli.options import Json, Quiet
from autogpt.core.errors import UsageError

__all__ = ["classify", "tag"]


def classify(  # noqa: PLR0913 - each flag is spelled out for the user
    text: Text = None,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"With a trained head; or one that writes, with --labels: {DEFAULT_MODEL}."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Labels for a model that writes; a name may say more: pos=positive,neg=negative.",
        ),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help='With --labels: what a label is of the text, as in "Topic".')
    ] = None,
    multi_label: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--multi-label", help="With --labels: several, or none, may hold.")
    ] = False,
    top_k: Annotated[int | None, typer.Option(metavar="N", help="Show the N likeliest.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="P", help="No label below this probability; of several, all from it."),
    ] = None,
    input_: Input = None,
    text_field: TextField = None,
    out: Out = None,
    resume: Resume = False,  # noqa: FBT002 - a command line flag
    dtype: Dtype = "float32",
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Say which label a text has.

    \b
    autogpt classify --labels good,bad "The boiler works again!"
    autogpt classify --model runs/sentiment --input reviews.csv --out labels.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    named = _read_labels(labels)
    if model is None and named is None:
        raise UsageError(
            "There are no labels to choose from.",
            hint="Give --labels good,bad; or --model with a trained head.",
        )
    from autogpt.tasks.classify import TASK

    perform(
        TASK,
        gather(text, input_, text_field),
        {
            "labels": None if named is None else list(named),
            "descriptions": {name: words for name, words in (named or {}).items() if words} or None,
            "subject": subject,
            "multi_label": multi_label or None,
            "threshold": threshold,
            "top_k": top_k,
        },
        load=lambda: load_model(model or DEFAULT_MODEL, dtype=dtype),
        show=_show,
        as_json=json_,
        out=out,
        resume=resume,
        quiet=quiet,
    )


def tag(  # noqa: PLR0913 - each flag is spelled out for the user
    text: Text = None,
    model: Annotated[str, typer.Option(help="One that was trained to tag.")] = "",
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Leave out entities that are less sure.")
    ] = None,
    input_: Input = None,
    text_field: TextField = None,
    out: Out = None,
    resume: Resume = False,  # noqa: FBT002 - a command line flag
    dtype: Dtype = "float32",
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Find names and other entities in a text.

    \b
    autogpt tag --model runs/names "Ada Lovelace lived in London."
    autogpt tag --model runs/names --input tweets.txt --out entities.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    if not model:
        raise UsageError(
            "There is no model to tag with.",
            hint="Train one: autogpt finetune MODEL DATA --task tag; then give --model RUN.",
        )
    from autogpt.tasks.tag import TASK

    perform(
        TASK,
        gather(text, input_, text_field),
        {"threshold": threshold},
        load=lambda: load_model(model, dtype=dtype),
        show=_show_entities,
        as_json=json_,
        out=out,
        resume=resume,
        quiet=quiet,
    )


def _show_entities(answer: Mapping[str, Any]) -> None:
    for entity in answer["entities"]:
        place = f"{entity['start']}-{entity['end']}"
        print(f"{entity['type']}\t{entity['text']}\t{place}\t{entity['score']:.2f}", flush=True)


def _show(answer: Mapping[str, Any]) -> None:
    for label, probability in answer["probabilities"].items():
        mark = "*" if label in answer["labels"] else " "
        print(f"{mark} {probability:6.1%}  {label}", flush=True)


def _read_labels(value: str | None) -> dict[str, str] | None:
    """Return labels and what they are called, "" where the name says it."""
    if value is None:
        return None
    pairs = [item.partition("=") for item in value.replace("，", ",").split(",")]
    named = {name.strip(): words.strip() for name, _, words in pairs}
    if len(named) < len(pairs):
        raise UsageError(f"--labels is {value!r}, which names a label twice.")
    return named
