"""Sources to documents, streamed: whatever the size, a few blocks of text are in memory.

``read`` is the door; finding files is in ``sources.py``, encodings in ``decoding.py``, formats in
``records.py``, the text field in ``fields.py``. Text is passed on as it is written: cleaning it is
``clean.py``'s business.
"""

from __future__ import annotations

import codecs
import contextlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from autogpt.core.errors import ConfigError, DataError
from autogpt.data.blocks import cut
from autogpt.data.decoding import Decoded, NotTextError
from autogpt.data.fields import text_of, with_field
from autogpt.data.records import (
    Record,
    csv_records,
    hf_records,
    json_lines,
    json_records,
    parquet_records,
)
from autogpt.data.sources import Source, find, open_bytes, open_seekable, source_bytes

__all__ = ["Document", "ReadConfig", "ReadReport", "open_text", "read", "source_bytes", "whole"]

_SKIPPED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Document:
    """A text, or a part of one.

    Attributes:
        text: The text as it was written.
        source: Where it is from: ``plays.txt``, or ``rows.jsonl:12`` for line or row 12.
        part: Which contiguous part of one long document this is, from 0; parts come in order.
    """

    text: str
    source: str
    part: int = 0

    @property
    def file(self) -> str:
        """The source without its line."""
        name, _, line = self.source.rpartition(":")
        return name if name and line.isdigit() else self.source


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadConfig:
    """How sources are read.

    Attributes:
        text_field: The field or column that holds the text; None to find it.
        on_error: ``fail`` at the first broken line, row or file, or ``skip`` and report it.
        encoding: The encoding of every text file; None to detect each.
        block_chars: Longer documents are cut in contiguous blocks of about this many characters.
        max_chars: Of each file only the beginning is read, about this many characters.
    """

    text_field: str | None = None
    on_error: Literal["fail", "skip"] = "fail"
    encoding: str | None = None
    block_chars: int = 1 << 16
    max_chars: int | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("fail", "skip"):
            raise ConfigError(f"on_error is {self.on_error!r}; 'fail' or 'skip' was expected.")
        if self.block_chars < 256:
            raise ConfigError(f"block_chars is {self.block_chars}; at least 256 was expected.")
        if self.max_chars is not None and self.max_chars < 1:
            raise ConfigError(f"max_chars is {self.max_chars}; at least 1 was expected.")
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
                codecs.getincrementaldecoder(self.encoding)
            except LookupError as error:
                raise ConfigError(
                    f"{self.encoding!r} is not a text encoding.",
                    hint="Write it like utf-8, gb18030, big5, utf-16 or latin-1.",
                ) from error


@dataclass(kw_only=True, slots=True)
class ReadReport:
    """What was read, filled in while reading.

    Attributes:
        files: Files (or ``hf:`` sets) that were opened and gave text.
        documents: Documents, a long one counted once.
        bytes: Bytes taken off the disk, before decompression.
        encodings: Files of each encoding.
        fields: Files of each text field.
        empty: Rows and files without text, passed over.
        skipped: The first files and rows that were skipped, each with its reason.
        skipped_count: How many were.
    """

    files: int = 0
    documents: int = 0
    bytes: int = 0
    encodings: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    skipped: list[str] = field(default_factory=list)
    skipped_count: int = 0

    def skip(self, reason: str) -> None:
        """Count something that was skipped."""
        self.skipped_count += 1
        if len(self.skipped) < _SKIPPED_SHOWN:
            self.skipped.append(reason)

    def take_bytes(self, count: int) -> None:
        """Count bytes taken off the disk."""
        self.bytes += count

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            "files": self.files,
            "documents": self.documents,
            "bytes": self.bytes,
            "encodings": dict(self.encodings),
            "fields": dict(self.fields),
            "empty": self.empty,
            "skipped": list(self.skipped),
            "skipped_count": self.skipped_count,
        }


def read(
    sources: Sequence[str], config: ReadConfig | None = None, *, report: ReadReport | None = None
) -> Iterator[Document]:
    """Check ``sources`` now, and return an iterator over their documents.

    Args:
        sources: Files, folders, globs, ``-`` (standard input), ``hf:NAME[:split]``.
        config: How to read them.
        report: Filled in while reading.

    Raises:
        UsageError: If there is no source.
        DataError: If a source is missing, empty, binary or may not be read; while iterating, if a
            line or row is broken (with ``on_error="fail"``) or there was no text at all.
        MissingExtraError: If an ``hf:`` source needs a package that is not installed.
    """
    config = config or ReadConfig()
    report = report if report is not None else ReadReport()
    found = find(sources, on_unknown=lambda path: report.skip(f"{path!r}: not a format to read."))
    if config.on_error == "fail":
        for source in sources:
            if _is_named_file(source):
                _check(next(find([source])), config)
    return _documents(found, config, report, " ".join(sources))


def _is_named_file(source: str) -> bool:
    found = next(find([source]))
    return found.named and found.path is not None and found.path.is_file()


def _check(source: Source, config: ReadConfig) -> None:
    """Raise what is wrong with the start of a file, before any work is done."""
    if source.format == "parquet":
        with open_bytes(source) as stream:
            if not stream.read(1):
                raise _empty(source)
        return
    with open_bytes(source) as stream:
        if Decoded(stream, name=source.name, encoding=config.encoding).empty:
            raise _empty(source)


def _empty(source: Source) -> DataError:
    name = repr(source.name) if source.path else "Standard input"
    return DataError(f"{name} is empty.", hint="Give it some text.")


def _documents(
    found: Iterable[Source], config: ReadConfig, report: ReadReport, what: str
) -> Iterator[Document]:
    for source in found:
        try:
            yield from _beginning(_read_source(source, config, report), config.max_chars)
        except DataError as error:
            stray = isinstance(error, NotTextError) and not source.named
            if config.on_error == "fail" and not stray:
                raise
            report.skip(error.message)
    if report.documents == 0:
        reasons = f" {report.skipped[0]}" if report.skipped else ""
        raise DataError(f"There is no text in {what}.{reasons}", hint="Give another source.")


def _beginning(documents: Iterator[Document], max_chars: int | None) -> Iterator[Document]:
    """Yield documents until they have ``max_chars`` characters together."""
    taken = 0
    for document in documents:
        yield document
        taken += len(document.text)
        if max_chars is not None and taken >= max_chars:
            return


def _read_source(source: Source, config: ReadConfig, report: ReadReport) -> Iterator[Document]:
    if source.format == "hf":
        report.files += 1
        yield from _from_records(hf_records(source.name), source, config, report)
        return
    if source.format == "parquet":
        with open_seekable(source, report.take_bytes) as file:
            report.files += 1
            records = parquet_records(file, name=source.name, field=config.text_field)
            yield from _from_records(records, source, config, report)
        return
    with open_text(source, config, report) as text:
        if text is not None:
            yield from _from_text(text, source, config, report)


@contextlib.contextmanager
def open_text(source: Source, config: ReadConfig, report: ReadReport) -> Iterator[Decoded | None]:
    """Give the text of a file or of standard input, or None if it is empty; fill in ``report``.

    Raises:
        DataError: As ``read``.
    """
    skip = config.on_error == "skip"
    with open_bytes(source, report.take_bytes) as stream:
        text = Decoded(stream, name=source.name, encoding=config.encoding, replace=skip)
        if text.empty:
            if source.named and not skip:
                raise _empty(source)
            report.empty += 1
            yield None
            return
        report.files += 1
        try:
            yield text
        finally:  # also where only the beginning is read
            report.encodings[text.encoding] += 1
            if text.replaced:
                report.skip(f"{source.name!r}: {text.replaced} broken characters were replaced.")


def _from_text(
    text: Decoded, source: Source, config: ReadConfig, report: ReadReport
) -> Iterator[Document]:
    chunks: Iterable[str] = text
    kind = source.format
    if source.path is None:
        kind, chunks = _sniff_input(iter(text))
    if kind == "text":
        yield from _parts(chunks, source.label, config, report)
    else:
        yield from _from_records(_records(kind, chunks, config), source, config, report)


def _sniff_input(chunks: Iterator[str]) -> tuple[Literal["text", "jsonl"], Iterator[str]]:
    """Tell JSON lines from text on standard input, which has no suffix."""
    head = next(chunks, "")
    first = next(json_lines([head.lstrip("\ufeff \n").split("\n", 1)[0]]), None)
    is_rows = first is not None and isinstance(first.value, dict)
    return ("jsonl" if is_rows else "text"), chain([head], chunks)


def _records(kind: str, chunks: Iterable[str], config: ReadConfig) -> Iterator[Record]:
    if kind == "jsonl":
        return json_lines(chunks)
    if kind == "json":
        return json_records(chunks)
    named = [] if config.text_field is None else [config.text_field]
    return csv_records(chunks, tabs=kind == "tsv", named=named)


def _from_records(
    records: Iterable[Record], source: Source, config: ReadConfig, report: ReadReport
) -> Iterator[Document]:
    name, stream = with_field(records, wanted=config.text_field, name=source.name)
    if name is not None:
        report.fields[name] += 1
    for record in stream:
        text, problem = text_of(record, name)
        if text is None:
            where = f"{source.name!r} line {record.line}"
            if config.on_error == "fail":
                raise DataError(
                    f"{where} {problem}.", hint="Repair it, or skip broken lines (--on-error skip)."
                )
            report.skip(f"{where} {problem}.")
        elif not text or text.isspace():
            report.empty += 1
        elif len(text) <= config.block_chars:
            report.documents += 1
            yield Document(whole(text), f"{source.label}:{record.line}")
        else:
            yield from _parts([text], f"{source.label}:{record.line}", config, report)


def _parts(
    chunks: Iterable[str], label: str, config: ReadConfig, report: ReadReport
) -> Iterator[Document]:
    part = 0
    for block in cut(chunks, config.block_chars):
        if part == 0 and block.isspace():
            continue
        report.documents += part == 0
        yield Document(whole(block), sys.intern(label), part)
        part += 1
    report.empty += part == 0


def whole(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can spell but no encoding can hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
