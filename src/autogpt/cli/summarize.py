"""The verb ``summarize``: a text made short, with where it says what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from autogpt.cli.inputs import (
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
from autogpt.cli.options import Json, Policy, Quiet, Seed

__all__ = ["summarize"]


def summarize(  # noqa: PLR0913 - each flag is spelled out for the user
    text: Text = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Writes the summary if it was taught to (finetune --task summarize) or is large; "
            "without one, sentences of the text are its summary."
        ),
    ] = None,
    length: Annotated[
        str,
        typer.Option(
            metavar="short|medium|long|N",
            help="About 40, 100, 250 or N words; of Chinese characters.",
        ),
    ] = "medium",
    style: Annotated[
        Literal["paragraph", "bullets", "headline"],
        typer.Option(help="A paragraph, a list of points, or one line."),
    ] = "paragraph",
    method: Annotated[
        Literal["auto", "extractive", "abstractive"],
        typer.Option(
            help="extractive takes sentences from the text, which invents nothing; abstractive "
            "lets the model write. auto: who is known to invent does not write."
        ),
    ] = "auto",
    input_: Input = None,
    text_field: TextField = None,
    out: Out = None,
    resume: Resume = False,  # noqa: FBT002 - a command line flag
    seed: Seed = None,
    dtype: Dtype = "float32",
    policy: Policy = "default",
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Make a text short; --json says where each sentence is from, and whether the text says it.

    \b
    autogpt summarize report.txt
    autogpt summarize --style bullets --length short report.txt
    autogpt summarize --model runs/minutes --input meetings.jsonl --out minutes.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.tasks.summarize import TASK

    perform(
        TASK,
        gather(text, input_, text_field),
        {
            "length": int(length) if length.isascii() and length.isdigit() else length,
            "style": style,
            "method": method,
            "seed": seed,
        },
        load=lambda: None if model is None else load_model(model, dtype=dtype, policy=policy),
        show=_show,
        as_json=json_,
        out=out,
        resume=resume,
        quiet=quiet,
    )


def _show(answer: Mapping[str, Any]) -> None:
    print(answer["text"], flush=True)
    doubtful = {row["sentence"]: row for row in answer["evidence"] if not row["supported"]}
    for sentence, row in doubtful.items():
        marked = ", ".join(fact["text"] for fact in row.get("missing", ()))
        where = f" (not there: {marked})" if marked else ""
        print(f"autogpt: The text may not say: {sentence}{where}", file=sys.stderr)
