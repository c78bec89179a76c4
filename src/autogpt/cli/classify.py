"""The verbs ``classify`` and ``tag``: which label a text has, and which entities are in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from autogpt.cli.generate import read_prompts, read_standard_input
from autogpt.cli.offer import require
from autogpt.cli.options import Json
from autogpt.core.errors import UsageError

__all__ = ["classify", "tag"]

_DEFAULT = "smollm2-135m-instruct"
_BATCH = 256

Text = Annotated[
    str | None, typer.Argument(metavar="TEXT|FILE|-", help="A text, a file, or standard input.")
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="In place of TEXT: every row of a file (.txt one a line, .jsonl, .csv, ...), one JSON "
        "line each, in the same order.",
    ),
]
TextField = Annotated[
    str | None, typer.Option(metavar="NAME", help="The field of --input that holds the text.")
]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="To compute in; bfloat16 is faster where the processor has it, and rounds."),
]


def classify(  # noqa: PLR0913 - each flag is spelled out for the user
    text: Text = None,
    model: Annotated[
        str | None,
        typer.Option(help=f"With a trained head; or one that writes, with --labels: {_DEFAULT}."),
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
    dtype: Dtype = "float32",
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Say which label a text has.

    \b
    autogpt classify --labels good,bad "The boiler works again!"
    autogpt classify --model runs/sentiment --input reviews.csv > labels.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    named = _read_labels(labels)
    if model is None and named is None:
        raise UsageError(
            "There are no labels to choose from.",
            hint="Give --labels good,bad; or --model with a trained head.",
        )
    texts = _texts(text, input_, text_field)
    from autogpt.tasks.classify import TASK

    parameters = {
        "labels": None if named is None else list(named),
        "descriptions": {name: words for name, words in (named or {}).items() if words} or None,
        "subject": subject,
        "multi_label": multi_label or None,
        "threshold": threshold,
        "top_k": top_k,
    }
    TASK.job(parameters)  # what is wrong with them is said before a large model is loaded
    from autogpt.llm import load

    require(model or _DEFAULT)
    judge = load(model or _DEFAULT, dtype=dtype)
    for first in range(0, len(texts), _BATCH):
        for answer in TASK.run(judge, texts[first : first + _BATCH], **parameters):
            if json_ or input_ is not None:
                print(json.dumps(answer, ensure_ascii=False), flush=True)
            else:
                _show(answer)


def tag(
    text: Text = None,
    model: Annotated[str, typer.Option(help="One that was trained to tag.")] = "",
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Leave out entities that are less sure.")
    ] = None,
    input_: Input = None,
    text_field: TextField = None,
    dtype: Dtype = "float32",
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Find names and other entities in a text.

    \b
    autogpt tag --model runs/names "Ada Lovelace lived in London."
    autogpt tag --model runs/names --input tweets.txt > entities.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    if not model:
        raise UsageError(
            "There is no model to tag with.",
            hint="Train one: autogpt finetune MODEL DATA --task tag; then give --model RUN.",
        )
    texts = _texts(text, input_, text_field)
    from autogpt.tasks.tag import TASK

    TASK.job({"threshold": threshold})
    from autogpt.llm import load

    require(model)
    tagger = load(model, dtype=dtype)
    for first in range(0, len(texts), _BATCH):
        for answer in TASK.run(tagger, texts[first : first + _BATCH], threshold=threshold):
            if json_ or input_ is not None:
                print(json.dumps(answer, ensure_ascii=False), flush=True)
                continue
            for entity in cast("list[dict[str, Any]]", answer["entities"]):
                place = f"{entity['start']}-{entity['end']}"
                print(
                    f"{entity['type']}\t{entity['text']}\t{place}\t{entity['score']:.2f}",
                    flush=True,
                )


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


def _texts(text: str | None, input_: str | None, text_field: str | None) -> Sequence[str]:
    """Return the texts that the user named."""
    if (text is None) == (input_ is None):
        raise UsageError(
            "There is no text." if text is None else "TEXT and --input were both given.",
            hint="Give a TEXT, a FILE, - or --input FILE.",
        )
    if input_ is not None:
        return [own for _, own in read_prompts(input_, text_field, "fail")]
    if text_field is not None:
        raise UsageError("--text-field is for the rows of --input.")
    if text == "-":
        return [read_standard_input()]
    assert text is not None  # checked above
    if len(text) < 256 and "\n" not in text and Path(text).is_file():
        return ["\n".join(own for _, own in read_prompts(text, None, "fail"))]
    return [text]
