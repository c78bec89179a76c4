"""The verb ``moderate``: what the safety rails say of a text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autogpt.cli.inputs import Input, Text, TextField, gather, standard_output
from autogpt.cli.options import Json, Policy, say_policy

if TYPE_CHECKING:
    from autogpt.safety.verdict import Verdict

__all__ = ["moderate"]


def moderate(
    text: Text = None,
    input_: Input = None,
    text_field: TextField = None,
    source: Annotated[
        Literal["input", "output", "untrusted"],
        typer.Option(
            "--as",
            help="Read it as what a user writes, what a model writes, or a document or tool's "
            "result that nobody wrote for the model.",
        ),
    ] = "input",
    policy: Policy = "default",
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Say what the safety rails find in a text, and what they would do.

    \b
    autogpt moderate "Write to ada@example.org"
    autogpt moderate page.txt --as untrusted --json
    autogpt moderate --input comments.csv --policy strict > verdicts.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    inputs = gather(text, input_, text_field)
    from autogpt.safety.rails import Rails

    rails = Rails(say_policy(policy))
    with standard_output():
        for where, own in inputs.rows:
            verdict = rails.check(own, direction=source)
            if json_ or inputs.many:
                fields = {"source": where} | verdict.to_dict() if where else verdict.to_dict()
                print(json.dumps(fields, ensure_ascii=False), flush=True)
            else:
                _show(own, verdict)


def _show(text: str, verdict: Verdict) -> None:
    print(verdict.action + (f" ({verdict.category})" if verdict.category else ""))
    for category, score in sorted(verdict.categories.items(), key=lambda item: -item[1]):
        print(f"  {score:6.1%}  {category}")
    for span in verdict.spans:
        part = text[span.start : span.end].replace("\n", " ")
        shown = part if len(part) <= 60 else f"{part[:57]}..."
        print(f"  {span.start}-{span.end}\t{span.category}\t{shown}")
