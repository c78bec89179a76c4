"""The verb ``verify``: whether a model is intact, and the same in every engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autogpt.cli.offer import require
from autogpt.cli.options import Json
from autogpt.core.errors import UsageError

if TYPE_CHECKING:
    from autogpt.evaluation.verification import Verification

__all__ = ["show_engines", "verify"]

_MARKS = {"ok": "✓", "equal": "✓", "fault": "✗", "differs": "✗", "failed": "✗"}


def verify(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A model, what export wrote, or the signed record of an answer."
        ),
    ],
    engines: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Ask only these: autogpt, transformers, llama.cpp, onnxruntime, keras_hub. "
            "Default: all that are installed and run the format.",
        ),
    ] = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Check that a model is intact, and that every engine makes the same of it.

    Files: sha256, shapes, finite weights, the tokenizer's round trip, the chat template. Engines:
    the same prompts (English, Chinese, emoji, digits) must give the same tokens, the same five
    likeliest next tokens, and their log probabilities within what rounding explains.

    \b
    autogpt verify runs/mine
    autogpt verify mine.gguf
    autogpt verify mine-onnx --json
    autogpt verify answer.record.json
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.evaluation.verification import is_export
    from autogpt.recipe.verifying import verify as verified

    place = Path(path).expanduser()
    if place.is_file() and place.suffix == ".json":
        _verify_record(place, as_json=json_)
        return
    if not is_export(place):
        require(path)
    names = None if engines is None else [name.strip() for name in engines.split(",")]
    found = verified(path, engines=names)
    if json_:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show(found)
    if not found.is_fine:
        raise typer.Exit(1)


def _verify_record(path: Path, *, as_json: bool) -> None:
    """Check the signature of a record; an error if it was changed."""
    from autogpt.core.files import read_json
    from autogpt.safety.records import verify_record

    signed = read_json(path)
    if not isinstance(signed, dict):
        raise UsageError(f"{str(path)!r} is neither a model nor a signed record.")
    record = verify_record(signed)
    if as_json:
        facts = {"path": str(path), "format": "record", "ok": True, "record": record}
        print(json.dumps({**facts, "public_key": signed["public_key"]}, ensure_ascii=False))
        return
    print(f"{path}  record")
    print(f"✓ signature: made by whoever has the key of {signed['public_key']}")
    for name, value in record.items():
        print(f"  {name}: {value}")


def _show(found: Verification) -> None:
    print(f"{found.path}  {found.format}")
    for check in found.checks:
        print(f"{_MARKS.get(check.status, '·')} {check.name}: {check.detail}")
    show_engines(found)


def show_engines(found: Verification) -> None:
    """Print what each engine made of it."""
    for report in found.engines:
        name = f"{report.engine} {report.version or ''}".rstrip()
        if report.status == "equal":
            said = f"the same tokens and top 5, |Δ log p| ≤ {report.difference:.1e}"
        else:
            said = report.reason
        print(f"{_MARKS.get(report.status, '·')} {name}: {said}")
