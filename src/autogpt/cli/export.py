"""The verb ``export``: write a model for other engines, proven to be the same there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autogpt.cli.offer import require
from autogpt.cli.options import Json, Quiet
from autogpt.cli.verify import show_engines

if TYPE_CHECKING:
    from autogpt.recipe.exporting import Exported

__all__ = ["export"]


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A run folder, a model folder or file, a name.")
    ],
    to: Annotated[
        Literal["hf", "gguf", "onnx", "tensorflow"],
        typer.Option(
            help="hf: transformers, vLLM; gguf: llama.cpp, Ollama; onnx: onnxruntime; tensorflow: "
            "KerasHub."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="PATH", help="A new folder; for gguf also a new file NAME.gguf."),
    ],
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="How weights are stored. gguf: f32, f16 (default), bf16, q8_0, q4_0; hf: float32, "
            "bfloat16, auto (default: as they are); onnx, tensorflow: float32.",
        ),
    ] = None,
    shard_size: Annotated[
        str, typer.Option(metavar="SIZE", help="hf: cut larger files of weights, as in 2GiB.")
    ] = "5GB",
    verify: Annotated[  # noqa: FBT002 - a command line flag
        bool,
        typer.Option(
            "--verify/--no-verify",
            help="Run it in every engine that is installed, and refuse what differs.",
        ),
    ] = True,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Write a model for other engines, and prove that it is the same there.

    \b
    autogpt export runs/mine --to gguf --out mine.gguf --dtype q8_0
    autogpt export smollm2-135m-instruct --to hf --out smollm2
    autogpt export runs/mine --to onnx --out mine-onnx
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.core.progress import Progress
    from autogpt.core.units import parse_bytes
    from autogpt.recipe.exporting import export as exported

    require(model)
    with Progress(quiet=quiet) as progress:
        found = exported(
            model,
            to=to,
            out=out,
            dtype=dtype,
            shard_bytes=parse_bytes(shard_size),
            check=verify,
            progress=progress,
        )
    if json_:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show(found)


def _show(found: Exported) -> None:
    from autogpt.core.units import format_bytes

    size = format_bytes(sum(found.files.values()))
    print(f"{found.path}  {found.format}, {found.dtype}, {size} in {len(found.files)} files")
    if found.verification is not None:
        show_engines(found.verification)
