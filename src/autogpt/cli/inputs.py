"""What a verb works on: a text, a file, a folder, standard input, or the rows of a file.

One text gives one answer, for people or with ``--json`` as one object. Many give one JSON line
each, in their order, with ``source``: where the text is from. They are worked through in batches
with a progress bar; written to ``--out`` they can be gone on with after an interruption.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from autogpt.cli.offer import require
from autogpt.core.errors import ResourceError, RunError, UsageError
from autogpt.core.files import explain_os_errors

if TYPE_CHECKING:
    from autogpt.data.readers import Document
    from autogpt.tasks.base import Task

__all__ = [
    "DEFAULT_MODEL",
    "Dtype",
    "Input",
    "Inputs",
    "Out",
    "Resume",
    "Row",
    "Text",
    "TextField",
    "gather",
    "load_model",
    "perform",
    "read_prompts",
    "read_standard_input",
    "read_whole",
    "standard_output",
]

DEFAULT_MODEL = "smollm2-135m-instruct"
"""The model of a verb that needs none in particular."""

_PATIENCE_S = 2.0  # one answer that takes longer is shown on its way

Row = tuple[str, str]
"""Where it is from, as in ``rows.jsonl:12``, and its text."""

Text = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT|FILE|-", help="A text; a file, or a folder of files; - is standard input."
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="In place of TEXT: every row of a file (.txt one a line, .jsonl, .csv, ...), one JSON "
        "line each, in the same order; - reads standard input.",
    ),
]
TextField = Annotated[
    str | None, typer.Option(metavar="NAME", help="The field of --input that holds the text.")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write there, and not to standard output."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where a stopped run left --out, without asking again."),
]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="To compute in; bfloat16 is faster where the processor has it, and rounds."),
]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the user named.

    Attributes:
        rows: Texts and where they are from.
        many: Whether each gets a JSON line, however few there are.
    """

    rows: Sequence[Row]
    many: bool

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [text for _, text in self.rows]


def gather(text: str | None, input_: str | None, text_field: str | None) -> Inputs:
    """Return the texts that the user named.

    Raises:
        UsageError: If there is none, or if it was named twice.
        DataError: If a file cannot be read.
    """
    if (text is None) == (input_ is None):
        raise UsageError(
            "There is no text." if text is None else "TEXT and --input were both given.",
            hint="Give a TEXT, a FILE, - or --input FILE.",
        )
    if input_ is not None:
        return Inputs(list(read_prompts(input_, text_field, "fail")), many=True)
    if text == "-":
        return Inputs([("", read_standard_input())], many=False)
    assert text is not None  # checked above
    named = names_path(text)
    if text_field is not None and not named:
        raise UsageError("--text-field is for the rows of a file.", hint="Name a file.")
    if not named:
        return Inputs([("", text)], many=False)
    rows = list(read_whole(text, text_field))
    of_rows = rows[0][0].rpartition(":")[2].isdigit()
    return Inputs(rows, many=of_rows or Path(text).is_dir())


def names_path(text: str) -> bool:
    """Whether an argument is a file or a folder, and not the text itself."""
    if len(text) >= 256 or "\n" in text or not text.strip():
        return False
    with contextlib.suppress(OSError, ValueError):
        return Path(text).exists()
    return False


def perform(  # noqa: PLR0913 - what the user said, and how it is shown
    task: Task,
    inputs: Inputs,
    parameters: Mapping[str, object],
    *,
    load: Callable[[], object],
    show: Callable[[Mapping[str, Any]], None],
    as_json: bool,
    out: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Do a task and show or write what comes of each input, in order.

    Args:
        task: What to do.
        inputs: With what.
        parameters: Of the task; None counts as not given.
        load: Returns the model, once everything else is in order.
        show: Prints one result for people.
        as_json: Print it as JSON instead.
        out: A file for JSON lines.
        resume: Go on behind the lines that are in it.
        quiet: Show no progress.

    Raises:
        UsageError: If an input or parameter is wrong, or the model cannot do it.
        RunError: If the file is there already, or is of other inputs.
    """
    task.job(parameters)  # what is wrong with them is said before a large model is loaded
    if resume and out is None:
        raise UsageError("--resume goes on with a file.", hint="Give --out FILE, too.")
    done = 0 if out is None else _done(out, inputs, resume=resume)
    rows = inputs.rows[done:]
    if not rows:
        return
    model = load()
    answers = _answers(task, model, inputs, done, parameters, quiet=quiet)
    if out is not None:
        _write(out, answers, inputs, done)
        return
    with standard_output():
        for (source, _), answer in zip(rows, answers, strict=True):
            if inputs.many or as_json:
                print(_line(source, answer), flush=True)
            else:
                show(answer)


def load_model(model: str, *, dtype: str = "float32") -> object:
    """Return a MODEL, ready; offers to fetch one that is not here.

    Raises:
        UsageError: If there is none.
    """
    from autogpt.llm import load

    require(model)
    return load(model, dtype=dtype)  # type: ignore[arg-type]  # typer has checked it


def _answers(
    task: Task,
    model: object,
    inputs: Inputs,
    done: int,
    parameters: Mapping[str, object],
    *,
    quiet: bool,
) -> Iterator[dict[str, object]]:
    """Yield the results of all rows that are not done, with a progress bar."""
    from autogpt.core.progress import Progress

    begin = time.perf_counter()
    total = len(inputs.rows)
    with Progress(quiet=quiet) as bar:

        def tell(share: float, words: str) -> None:
            passed = time.perf_counter() - begin
            whole = (done + share * (total - done)) / total
            if inputs.many or passed > _PATIENCE_S:
                bar.update(whole, words, left_s=passed / share - passed if share else None)

        given = {name: value for name, value in parameters.items() if value is not None}
        yield from task.run(model, inputs.texts[done:], progress=tell, **given)


def _line(source: str, answer: Mapping[str, object]) -> str:
    facts = {"source": source} if source else {}
    return json.dumps({**facts, **answer}, ensure_ascii=False)


def _write(out: Path, answers: Iterator[Mapping[str, object]], inputs: Inputs, done: int) -> None:
    """Append a line for each answer as it comes."""
    rows = inputs.rows[done:]
    with explain_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8", newline="\n") as file:
            try:
                for (source, _), answer in zip(rows, answers, strict=True):
                    file.write(_line(source, answer) + "\n")
                    file.flush()
            except KeyboardInterrupt:
                print(f"autogpt: {str(out)!r} goes on with --resume.", file=sys.stderr)
                raise
            os.fsync(file.fileno())


def _done(out: Path, inputs: Inputs, *, resume: bool) -> int:
    """Return how many inputs have their line in a file; take away a line that was torn.

    Raises:
        RunError: If it is there and nobody said to go on, or if its lines are of other inputs.
    """
    if not out.exists() or out.stat().st_size == 0:
        return 0
    if not resume:
        raise RunError(
            f"{str(out)!r} is there already.",
            hint="Add --resume to go on with it, or choose another file.",
        )
    with explain_os_errors(out), out.open("r+b") as file:
        whole, done = 0, 0
        for line in file:
            source = _source_of(line)
            if source is None:
                break
            if done >= len(inputs.rows) or source != inputs.rows[done][0]:
                raise RunError(
                    f"Line {done + 1} of {str(out)!r} is about {source or 'a text'!r}, which is "
                    "not what it would be now.",
                    hint="Give the same inputs, or choose another file.",
                )
            whole, done = whole + len(line), done + 1
        file.truncate(whole)
    return done


def _source_of(line: bytes) -> str | None:
    """Return where a line's text is from; None if the line is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        return str(json.loads(line).get("source", ""))
    except (ValueError, AttributeError):
        return None


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """End quietly where the reader has gone, and in one sentence where the disk is full."""
    try:
        with explain_os_errors(Path("standard output")):
            yield
    except (BrokenPipeError, ResourceError) as error:
        # What could not be written must not be tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, ResourceError):
            raise


def read_whole(name: str, text_field: str | None = None) -> Iterator[Row]:
    """Yield the texts of a file or a folder: a file of plain text is one, one of rows has many.

    Raises:
        DataError: If it cannot be read, or if there is no text.
    """
    from autogpt.data.readers import ReadConfig, read

    source, held = "", ""
    for document in read([name], ReadConfig(text_field=text_field)):
        if document.part == 0 and held:
            yield source, held
            held = ""
        source, held = document.source, held + document.text
    if held:
        yield source, held


def read_standard_input() -> str:
    """Return standard input as text, without the line break that ``echo`` and editors add."""
    from autogpt.data.decoding import Decoded

    text = "".join(Decoded(sys.stdin.buffer, name="standard input"))
    return text.removesuffix("\n").removesuffix("\r")


def read_prompts(name: str, text_field: str | None, on_error: str) -> Iterator[Row]:
    """Yield the prompts of one file; say on standard error what was passed over."""
    from autogpt.data.readers import ReadConfig, ReadReport, read
    from autogpt.data.sources import find

    config = ReadConfig(text_field=text_field, on_error=on_error)  # type: ignore[arg-type] # checked there
    source = next(find([name]))
    if not source.named:
        raise UsageError(f"--input is {name!r}, one file was expected.", hint="Name the file.")
    if text_field is not None and source.format == "text" and source.path is not None:
        raise UsageError(
            f"--text-field is {text_field!r}, but {name!r} is plain text, one prompt a line.",
            hint="Leave --text-field out, or give rows (.jsonl, .json, .csv, .tsv, .parquet).",
        )
    report = ReadReport()
    blank = 0
    for where, text in _whole(read([name], config, report=report), label=source.label):
        blank += not text.strip()
        if text.strip():
            yield where, text
    if report.skipped_count:
        reasons = " ".join(report.skipped)
        print(f"autogpt: Skipped {report.skipped_count}: {reasons}", file=sys.stderr)
    if blank + report.empty:
        print(f"autogpt: Passed over blank prompts: {blank + report.empty}.", file=sys.stderr)


def _whole(documents: Iterable[Document], *, label: str) -> Iterator[Row]:
    """Yield rows whole, though readers cut long ones; and plain text line by line.

    Args:
        documents: As read from one file.
        label: The source of those documents that are plain text; rows add their line to it.
    """
    source, held, line = "", "", 1
    for document in documents:
        if document.part == 0 and source not in ("", label):
            yield source, held
            held = ""
        source, held = document.source, held + document.text
        if source == label:
            *lines, held = held.split("\n")
            for text in lines:
                yield f"{label}:{line}", text.removesuffix("\r")
                line += 1
    if held:
        yield (f"{label}:{line}" if source == label else source), held
