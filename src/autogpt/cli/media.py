"""The verbs ``recognize`` and ``transcribe``: what a picture shows, and what is said in a sound."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from autogpt.cli.offer import require
from autogpt.cli.options import Json, Quiet
from autogpt.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from autogpt.core.progress import Progress
    from autogpt.tasks.classification import Classification
    from autogpt.tasks.transcribe import Transcript, TranscriptFormat

__all__ = ["recognize", "transcribe"]

_LISTENER = "whisper-base"
_SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}

Dtype = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="To compute in; auto is what suits the model."),
]


def recognize(  # noqa: PLR0913 - each flag is spelled out for the user
    files: Annotated[
        list[str],
        typer.Argument(metavar="PICTURE...|FOLDER", help="Pictures, or sounds; - for one of them."),
    ],
    model: Annotated[
        str, typer.Option(help="One that was trained to recognize; or a ViT, CLIP or SigLIP.")
    ] = "",
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="For a CLIP or SigLIP: the labels to choose among."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(metavar="N", help="Show the N likeliest.")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="No label below this probability.")
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write file, label and probability as a table."),
    ] = None,
    dtype: Dtype = "float32",
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Say which label a picture, or a sound, has.

    \b
    autogpt recognize --model runs/digits scan.png
    autogpt recognize --model runs/digits scans/ --csv labels.csv
    autogpt recognize --model hf:openai/clip-vit-base-patch32 --labels "a cat,a dog" pet.jpg
    """  # noqa: D301 - \b keeps typer from joining the lines
    if not model:
        raise UsageError(
            "There is no model to recognize with.",
            hint="Train one: autogpt finetune new FOLDER --task recognize --out RUN; then give "
            "--model RUN.",
        )
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"threshold = {threshold} must be from 0 to 1.")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k = {top_k} must be at least 1.")
    require(model)
    from autogpt.core.progress import Progress
    from autogpt.llm import load

    seer: Any = load(model, dtype=dtype)  # what sees is told by its methods
    if labels is not None:
        if not hasattr(seer, "with_labels"):
            raise UsageError(f"{model!r} has labels of its own.", hint="Leave --labels out.")
        named = [label.strip() for label in labels.replace("，", ",").split(",")]
        seer = seer.with_labels([label for label in named if label])
    if not hasattr(seer, "medium") or not hasattr(seer, "run"):
        raise _cannot(model, "recognize")
    sources, is_many = _sources(files, seer.medium)
    skipped: list[str] = []
    with Progress(quiet=quiet or not is_many) as progress:
        answers = seer.run(
            sources,
            top_k=top_k,
            threshold=threshold,
            skipped=skipped.append if is_many else None,
        )
        _tell(answers, len(sources), csv_file, progress, is_many=is_many, as_json=json_)
    for reason in skipped:
        print(f"autogpt: skipped: {reason}", file=sys.stderr)
    if skipped and len(skipped) == len(sources):
        raise DataError(f"None of the {len(sources)} files could be read.", hint=skipped[0])


def _tell(
    answers: Any,  # noqa: ANN401 - an iterator of Classification
    count: int,
    table: Path | None,
    progress: Progress,
    *,
    is_many: bool,
    as_json: bool,
) -> None:
    """Show answers as they come; into a table, if one is asked for, when all are there."""
    rows: list[tuple[str, str, str]] = []
    for number, answer in enumerate(answers, 1):
        progress.update(number / count, f"{number} of {count} files")
        sure = answer.probabilities.get(answer.label or "", 0.0)
        rows.append((answer.text, answer.label or "", f"{sure:.4f}"))
        if table is None or as_json:
            _show(answer, is_many=is_many, as_json=as_json)
    if table is not None:
        import io

        from autogpt.core.files import write_text

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("file", "label", "probability"), *rows])
        write_text(table, text.getvalue())
        if not as_json:
            print(f"{len(rows)} files in {table}")


def _show(answer: Classification, *, is_many: bool, as_json: bool) -> None:
    if as_json:
        named = {"file": answer.text} if answer.text else {}
        print(json.dumps({**named, **answer.to_dict()}, ensure_ascii=False), flush=True)
    elif is_many:
        sure = answer.probabilities.get(answer.label or "", 0.0)
        print(f"{answer.text}\t{answer.label or ''}\t{sure:.1%}", flush=True)
    else:
        for label, probability in answer.probabilities.items():
            mark = "*" if label in answer.labels else " "
            print(f"{mark} {probability:6.1%}  {label}", flush=True)


def transcribe(
    files: Annotated[
        list[str], typer.Argument(metavar="SOUND...", help="Sounds, a folder; - for one of them.")
    ],
    model: Annotated[
        str, typer.Option(help="One that was trained to transcribe, or a Whisper.")
    ] = _LISTENER,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="Of the speech, as en or zh; else found.")
    ] = None,
    form: Annotated[
        Literal["text", "json", "srt", "vtt"],
        typer.Option("--format", help="Text, JSON with times, or subtitles."),
    ] = "text",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a file for each sound, named after it."),
    ] = None,
    dtype: Dtype = "auto",
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Write down what is said, with times.

    \b
    autogpt transcribe call.mp3
    autogpt transcribe interview.wav --format srt > interview.srt
    autogpt transcribe recordings/ --language zh --format vtt --out subtitles
    """  # noqa: D301 - \b keeps typer from joining the lines
    if json_ and form != "text":
        raise UsageError("--json and --format were both given.", hint="Leave one of them out.")
    _require_listener(model)
    from autogpt.core.progress import Progress
    from autogpt.llm import load

    sources, is_many = _sources(files, "sound")
    listener = load(model, dtype=dtype)
    if not hasattr(listener, "transcribe"):
        raise _cannot(model, "transcribe")
    kind: TranscriptFormat = "json" if json_ else form
    skipped = []
    with Progress(quiet=quiet) as progress:
        for number, source in enumerate(sources):
            name = "" if isinstance(source, bytes) else source

            def tell(share: float, text: str, number: int = number, name: str = name) -> None:
                done = (number + min(1.0, share)) / len(sources)
                progress.update(done, f"{Path(name).name}  {text}")

            try:
                found = listener.transcribe(source, language=language, progress=tell)
            except DataError as error:
                if not is_many:
                    raise
                skipped.append(error.message)
                continue
            progress.update((number + 1) / len(sources), Path(name).name)
            _write(found, name, kind, out, is_many=is_many)
    for reason in skipped:
        print(f"autogpt: skipped: {reason}", file=sys.stderr)
    if skipped and len(skipped) == len(sources):
        raise DataError(f"None of the {len(sources)} files could be read.", hint=skipped[0])


def _require_listener(model: str) -> None:
    from autogpt.core.refs import is_missing

    if model == _LISTENER and is_missing(model):
        try:
            require(model)
        except UsageError as error:
            raise UsageError(
                f"{error.message.removesuffix('.')}, and it is the default of transcribe.",
                hint=f"{error.hint}; or train your own: autogpt finetune new FOLDER --task "
                "transcribe --out RUN.",
            ) from error
        return
    require(model)


def _write(
    found: Transcript, name: str, kind: TranscriptFormat, out: Path | None, *, is_many: bool
) -> None:
    from autogpt.core.files import write_text
    from autogpt.tasks.transcribe import rendered

    if out is not None:
        path = out / f"{Path(name).stem or 'sound'}{_SUFFIXES[kind]}"
        out.mkdir(parents=True, exist_ok=True)
        write_text(path, rendered(found, kind) + "\n")
        print(path)
    elif kind == "json":
        named = {"file": name} if is_many else {}
        print(json.dumps({**named, **found.to_dict()}, ensure_ascii=False), flush=True)
    else:
        text = rendered(found, kind)
        print(f"{name}\t{text}" if is_many and kind == "text" else text, flush=True)


def _sources(files: Sequence[str], medium: Any) -> tuple[list[str | bytes], bool]:  # noqa: ANN401 - Medium
    """Return what is to be read, and whether broken ones are skipped because there are many."""
    from autogpt.data.media import media_files

    if "-" in files:
        if len(files) > 1:
            raise UsageError("- is one file; others were given too.")
        return [sys.stdin.buffer.read()], False
    found: list[str | bytes] = []
    for name in files:
        path = Path(name).expanduser()
        if not path.is_dir():
            found.append(name)
            continue
        inside = media_files(path, medium)
        if not inside:
            raise DataError(f"The folder {name!r} holds no {medium}.", hint="Name another.")
        found += map(str, inside)
    is_many = len(found) > 1 or any(Path(name).expanduser().is_dir() for name in files)
    return found, is_many


def _cannot(model: str, task: str) -> UsageError:
    return UsageError(
        f"{model!r} was not trained to {task}.",
        hint=f"Train one: autogpt finetune new FOLDER --task {task} --out RUN.",
    )
