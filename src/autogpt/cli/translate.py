"""The verb ``translate``: texts, and files that come back in their own format."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autogpt.cli.inputs import (
    Dtype,
    Input,
    Inputs,
    Out,
    Resume,
    Text,
    TextField,
    gather,
    load_model,
    names_path,
    perform,
    read_text_file,
    results,
)
from autogpt.cli.options import Json, Policy, Quiet, Seed
from autogpt.core.errors import RunError, UsageError

if TYPE_CHECKING:
    from autogpt.tasks.base import Task

__all__ = ["translate"]


def translate(  # noqa: PLR0913 - each flag is spelled out for the user
    text: Text = None,
    to: Annotated[
        str, typer.Option(metavar="CODE", help="The language to translate to: zh, en, ...")
    ] = "",
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="CODE", help="That of the text; default: told from it."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="One that was taught to translate, or that knows both languages.")
    ] = "",
    glossary: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|A=B,C=D",
            help="Terms and what they become: a table of two columns (.csv, .tsv), JSON, or in "
            "place.",
        ),
    ] = None,
    beams: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Follow N texts at once; 4 with a model that was taught to translate, else 1.",
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(metavar="N", help="Sentences before that the model sees; 2, unless taught."),
    ] = None,
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
    """Translate texts and files; placeholders, markup, numbers and links stay as they are.

    A file (.txt, .md, .srt, .po, .jsonl) comes back in its own format, a folder as another (--out).

    \b
    autogpt translate --to zh --model runs/en-zh "Where is the boiler?"
    autogpt translate --to zh --model runs/en-zh manual.md --out manual.zh.md
    autogpt translate --to en --model hf:Qwen/Qwen3-1.7B --glossary terms.csv docs/ --out docs-en/
    """  # noqa: D301 - \b keeps typer from joining the lines
    if not to:
        raise UsageError("There is no language to translate to.", hint="Give --to zh, for example.")
    if not model:
        raise UsageError(
            "There is no model to translate with; the default one knows English alone.",
            hint="Give --model: one you taught (autogpt finetune new PAIRS --task translate), or "
            "one that knows both languages, as hf:Qwen/Qwen3-1.7B.",
        )
    from autogpt.tasks.translate import TASK

    parameters = {
        "to": to,
        "source": source,
        "glossary": None if glossary is None else _read_glossary(glossary),
        "beams": beams,
        "context": context,
        "seed": seed,
    }
    TASK.job(parameters)
    load = lambda: load_model(model, dtype=dtype, policy=policy)  # noqa: E731 - called once all else is in order
    if input_ is None and text is not None and names_path(text):
        pairs = list(_files(Path(text), out, resume=resume))
        _translate_files(
            TASK, pairs, parameters, load=load, field=text_field, as_json=json_, quiet=quiet
        )
        return
    perform(
        TASK,
        gather(text, input_, text_field),
        parameters,
        load=load,
        show=_show,
        as_json=json_,
        out=out,
        resume=resume,
        quiet=quiet,
    )


def _files(path: Path, out: Path | None, *, resume: bool) -> Iterator[tuple[Path, Path | None]]:
    """Yield files and where their translations go; None is standard output."""
    from autogpt.tasks.documents import SUFFIXES

    if path.is_dir():
        if out is None:
            raise UsageError("A folder is translated into another.", hint="Give --out FOLDER.")
        found = sorted(one for one in path.rglob("*") if one.is_file() and one.suffix in SUFFIXES)
        if not found:
            raise UsageError(
                f"{str(path)!r} holds no file to translate.",
                hint=f"Translated are {', '.join(SUFFIXES)}.",
            )
        for one in found:
            target = out / one.relative_to(path)
            if not (resume and target.exists()):
                yield one, _free(target)
        return
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{str(path)!r} is of no format that can be translated.",
            hint=f"Those are {', '.join(SUFFIXES)}; rows of other files go with --input.",
        )
    if out is None or not (resume and out.exists()):
        yield path, None if out is None else _free(out)


def _free(path: Path) -> Path:
    if path.exists():
        raise RunError(
            f"{str(path)!r} is there already.",
            hint="Add --resume to leave what is there, or choose another place.",
        )
    return path


def _translate_files(
    task: Task,
    pairs: list[tuple[Path, Path | None]],
    parameters: Mapping[str, object],
    *,
    load: Callable[[], object],
    field: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Translate files one by one, each written when it is finished."""
    from autogpt.core.files import write_text
    from autogpt.tasks.documents import SUFFIXES, read_document

    texts = [read_text_file(path) for path, _ in pairs]
    for (path, _), text in zip(pairs, texts, strict=True):  # before a large model is loaded
        read_document(text, SUFFIXES[path.suffix], target=str(parameters["to"]), field=field)
    model = load() if pairs else None
    for (path, target), text in zip(pairs, texts, strict=True):
        form = SUFFIXES[path.suffix]
        given = {**parameters, "format": form, "text_field": field if form == "jsonl" else None}
        one = Inputs([(path.name, text)], many=False)
        answer: Mapping[str, Any] = next(results(task, model, one, given, quiet=quiet))
        if as_json:
            print(json.dumps({"source": path.name, **answer}, ensure_ascii=False), flush=True)
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, str(answer["text"]))
        elif not as_json:
            print(answer["text"], end="", flush=True)
        _warn(answer)


def _show(answer: Mapping[str, Any]) -> None:
    print(answer["text"], flush=True)
    _warn(answer)


def _warn(answer: Mapping[str, Any]) -> None:
    for sentence in answer["doubtful"]:
        print(f"autogpt: Look at the translation of: {sentence}", file=sys.stderr)
    if answer["lost"]:
        print(f"autogpt: Lost or made up: {', '.join(answer['lost'])}", file=sys.stderr)


def _read_glossary(value: str) -> dict[str, str]:
    """Return terms and what they become, from a file or as they are written."""
    if not names_path(value):
        pairs = [item.partition("=") for item in value.replace("，", ",").split(",")]
        if not all(mark for _, mark, _ in pairs):
            raise UsageError(
                f"--glossary is {value!r}, expected a file or terms.", hint="Write boiler=锅炉."
            )
        return {term.strip(): becomes.strip() for term, _, becomes in pairs}
    text = read_text_file(Path(value))
    if value.endswith(".json"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise UsageError(f"The glossary {value!r} is no JSON: {error}.") from error
        if not isinstance(found, dict):
            raise UsageError(f"The glossary {value!r} is no JSON object of terms.")
        return {str(term): str(becomes) for term, becomes in found.items()}
    rows = csv.reader(io.StringIO(text), delimiter="\t" if value.endswith(".tsv") else ",")
    terms = {}
    for number, row in enumerate(rows, 1):
        if len(row) < 2 and any(cell.strip() for cell in row):
            raise UsageError(f"The glossary {value!r} has one column in line {number}, not two.")
        if len(row) >= 2:
            terms[row[0].strip()] = row[1].strip()
    return terms
