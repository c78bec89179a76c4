"""Sources to examples: whatever people's data look like, as what a task is taught with.

``read_examples`` is the door. Finding files is in ``sources.py``, formats in ``records.py`` and
``conll.py``, what the records of a file are in ``shapes.py``, one record in ``rows.py``; holding
examples out is in ``stratified.py`` and looking for mistakes in them in ``checks.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from autogpt.core.errors import ConfigError, DataError
from autogpt.core.examples import Example, Passage
from autogpt.data.blocks import cut
from autogpt.data.conll import conll_records, is_conll, tagged_of, with_spelling
from autogpt.data.decoding import NotTextError
from autogpt.data.media import Wanted, read_media
from autogpt.data.readers import ReadConfig, ReadReport, open_text, read, whole
from autogpt.data.records import (
    Record,
    csv_records,
    hf_records,
    json_lines,
    json_records,
    parquet_records,
)
from autogpt.data.rows import BadRowError, example_of
from autogpt.data.shapes import (
    FORMATS_READ,
    KIND_OF_TASK,
    KNOWN_NAMES,
    Kind,
    Named,
    Shape,
    shape_of,
)
from autogpt.data.sources import FORMATS, Format, Source, find, open_seekable

__all__ = ["ExamplesConfig", "ExamplesReport", "read_examples"]

_LOOK_AT = 64
_PASSAGE_CHARS = 1 << 13  # some 2,000 tokens: fine enough to hold some of a single text out
_TAGGED = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes", ".bilou", ".ner")
_SUFFIXES: dict[str, Format] = FORMATS | dict.fromkeys(_TAGGED, "conll")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesConfig:
    """How sources are read as examples.

    Attributes:
        task: What the examples are for, as in ``KIND_OF_TASK``; None to see what they are.
        text_field: The field of the text to classify, to tag or to go on with; several, joined by
            commas, are one text.
        label_field: The field of its label; several of 0 and 1 are a label each.
        source_field: The field of the text that something is made of.
        target_field: The field of what is made of it.
        label_separator: What stands between the labels of a text that may have several.
        on_error: ``fail`` at the first broken line, row or file, or ``skip`` and report it.
        encoding: The encoding of every text file; None to detect each.
    """

    task: str | None = None
    text_field: str | None = None
    label_field: str | None = None
    source_field: str | None = None
    target_field: str | None = None
    label_separator: str | None = None
    on_error: Literal["fail", "skip"] = "fail"
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in KIND_OF_TASK:
            raise ConfigError(
                f"There are no examples for the task {self.task!r}.",
                hint=f"Tasks that are taught with text: {', '.join(KIND_OF_TASK)}.",
            )
        if self.label_separator == "":
            raise ConfigError("label_separator is empty; a mark such as '|' was expected.")
        self.reading()

    def reading(self) -> ReadConfig:
        """Return how text is read."""
        return ReadConfig(
            text_field=self.text_field,
            on_error=self.on_error,
            encoding=self.encoding,
            block_chars=_PASSAGE_CHARS,
        )

    def named(self) -> Named:
        """Return what is said about fields."""
        return Named(
            text=self.text_field,
            label=self.label_field,
            source=self.source_field,
            target=self.target_field,
            separator=self.label_separator,
        )


@dataclass(kw_only=True, slots=True)
class ExamplesReport:
    """What was read, filled in while reading.

    Attributes:
        kind: Of the examples; None before there is one.
        formats: Files of each format, as people call it.
        fields: Files in which the fields are used so.
        reading: Files, examples (``documents``), bytes, encodings, what was empty or skipped.
    """

    kind: Kind | None = None
    formats: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    reading: ReadReport = field(default_factory=ReadReport)

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return self.reading.documents

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values."""
        report = self.reading.to_dict()
        report["examples"] = report.pop("documents")
        return report | {
            "kind": self.kind,
            "formats": dict(self.formats),
            "fields": dict(self.fields),
        }


def read_examples(
    sources: Sequence[str],
    config: ExamplesConfig | None = None,
    *,
    report: ExamplesReport | None = None,
) -> list[Example]:
    """Return the examples in ``sources``, all of one kind, in order.

    Args:
        sources: Files, folders, globs, ``-`` (standard input), ``hf:NAME[:split]``.
        config: How to read them.
        report: Filled in.

    Raises:
        UsageError: If there is no source.
        DataError: If a source is missing, binary or may not be read; if it holds no examples of the
            kind that the task needs; with ``on_error="fail"``, if a line or row is broken; if there
            is no example at all.
        MissingExtraError: If an ``hf:`` source needs a package that is not installed.
    """
    config = config or ExamplesConfig()
    report = report if report is not None else ExamplesReport()
    report.kind = KIND_OF_TASK[config.task] if config.task else None
    if report.kind == "passage":
        return list(_passages(sources, config, report))
    if report.kind == "observed":
        return _observed(sources, config, report)
    reading = report.reading
    examples: list[Example] = []
    unknown = lambda path: reading.skip(f"{path!r}: not a format to read.")  # noqa: E731
    for source in find(sources, formats=_SUFFIXES, on_unknown=unknown):
        try:
            examples.extend(_from_source(source, config, report))
        except DataError as error:
            stray = isinstance(error, NotTextError) and not source.named
            if config.on_error == "fail" and not stray:
                raise
            reading.skip(error.message)
    if not examples:
        reasons = f" {reading.skipped[0]}" if reading.skipped else ""
        raise DataError(
            f"There is no example in {' '.join(sources)}.{reasons}", hint="Give another source."
        )
    return examples


def _observed(
    sources: Sequence[str], config: ExamplesConfig, report: ExamplesReport
) -> list[Example]:
    wanted = Wanted(
        task="transcribe" if config.task == "transcribe" else "recognize",
        file_field=config.source_field,
        text_field=config.label_field or config.target_field or config.text_field,
        on_error=config.on_error,
        encoding=config.encoding,
    )
    return list(read_media(sources, wanted, report.reading, report.formats))


def _passages(
    sources: Sequence[str], config: ExamplesConfig, report: ExamplesReport
) -> Iterator[Passage]:
    for document in read(sources, config.reading(), report=report.reading):
        yield Passage(text=document.text, place=document.source)
    fields = report.reading.fields
    for name, files in fields.items():
        report.fields[f"text: {name}"] += files
    report.formats["rows of text"] += fields.total()
    report.formats["plain text"] += report.reading.files - fields.total()
    report.formats = +report.formats


def _from_source(
    source: Source, config: ExamplesConfig, report: ExamplesReport
) -> Iterator[Example]:
    reading = report.reading
    if source.format == "hf":
        reading.files += 1
        yield from _from_records(hf_records(source.name), source, config, report)
    elif source.format == "parquet":
        with open_seekable(source, reading.take_bytes) as file:
            reading.files += 1
            records = parquet_records(file, name=source.name, columns="all")
            yield from _from_records(records, source, config, report)
    else:
        with open_text(source, config.reading(), reading) as text:
            if text is not None:
                yield from _from_text(iter(text), source, config, report)


def _from_text(
    chunks: Iterator[str], source: Source, config: ExamplesConfig, report: ExamplesReport
) -> Iterator[Example]:
    head = next(chunks, "")
    form = _form(source.format, head, report.kind)
    chunks = chain([head], chunks)
    if form == "conll":
        yield from _from_conll(conll_records(chunks), source, config, report)
    elif form != "text":
        yield from _from_records(_records(form, chunks, config.named()), source, config, report)
    elif report.kind is None:
        _take(Shape(name="plain text", kind="passage"), report)
        for block in cut(chunks, _PASSAGE_CHARS):
            if not block.isspace():
                report.reading.documents += 1
                yield Passage(text=whole(block), place=source.label)
    else:
        raise DataError(
            f"{source.name!r} is plain text, which suits --task text; expected was "
            f"{FORMATS_READ[report.kind]}.",
            hint="Give a .jsonl, .csv, .tsv, .parquet or .conll file.",
        )


def _form(named: Format, head: str, kind: Kind | None) -> Format:
    """Return how text is to be read: what it looks like, where its name does not say."""
    if named in ("text", "tsv", "csv") and kind in (None, "tagged") and is_conll(head):
        return "conll"
    if named != "text":
        return named
    lines = [line for line in head.removeprefix("\ufeff").split("\n")[:_LOOK_AT] if line.strip()]
    first = next(json_lines(lines[:1]), None)
    if first is not None and isinstance(first.value, dict | list):
        return "jsonl"
    if head.lstrip("\ufeff \n\r\t").startswith(("[", "{")) and '"' in head:
        return "json"
    tabs = {line.count("\t") for line in lines[: -1 if len(lines) > 1 else None]}
    return "tsv" if len(tabs) == 1 and tabs != {0} else "text"


def _records(form: Format, chunks: Iterable[str], named: Named) -> Iterator[Record]:
    if form == "jsonl":
        return json_lines(chunks)
    if form == "json":
        return json_records(chunks)
    return csv_records(chunks, tabs=form == "tsv", named=named.columns(), usual=KNOWN_NAMES)


def _from_records(
    records: Iterable[Record], source: Source, config: ExamplesConfig, report: ExamplesReport
) -> Iterator[Example]:
    stream = iter(records)
    head = list(islice(stream, _LOOK_AT))
    rows = [record.value for record in head if not record.error]
    if not rows:
        for record in chain(head, stream):
            _reject(record.error or "is empty", record.line, source, config, report)
        return
    shape = shape_of(rows, kind=report.kind, named=config.named(), name=source.name)
    _take(shape, report)
    for record in chain(head, stream):
        where = f"{source.label}:{record.line}"
        try:
            if record.error:
                raise BadRowError(record.error)
            example = example_of(record.value, shape, place=where)
        except BadRowError as error:
            _reject(str(error), record.line, source, config, report)
            continue
        if example is None:
            report.reading.empty += 1
        else:
            report.reading.documents += 1
            yield example


def _from_conll(
    records: Iterable[Record], source: Source, config: ExamplesConfig, report: ExamplesReport
) -> Iterator[Example]:
    if report.kind not in (None, "tagged"):
        raise DataError(
            f"{source.name!r} is CoNLL, which suits --task tag; expected was "
            f"{FORMATS_READ[report.kind]}.",
            hint="Name the task that fits, or give another file.",
        )
    characters, scheme, stream = with_spelling(records)
    spelling = "characters" if characters else "words"
    _take(Shape(name=f"CoNLL ({scheme}, {spelling})", kind="tagged"), report)
    for record in stream:
        if record.error:
            _reject(record.error, record.line, source, config, report)
            continue
        tokens, tags = record.value
        report.reading.documents += 1
        place = f"{source.label}:{record.line}"
        yield tagged_of(tokens, tags, characters=characters, place=place)


def _take(shape: Shape, report: ExamplesReport) -> None:
    report.kind = shape.kind
    report.formats[shape.name] += 1
    if shape.fields:
        report.fields[shape.describe()] += 1


def _reject(
    problem: str, line: int, source: Source, config: ExamplesConfig, report: ExamplesReport
) -> None:
    where = f"{source.name!r} line {line}"
    if config.on_error == "fail":
        raise DataError(
            f"{where} {problem}.", hint="Repair it, or skip broken lines (--on-error skip)."
        )
    report.reading.skip(f"{where} {problem}.")
