"""Records of structured files, one at a time: JSON lines, JSON, CSV, TSV, Parquet, ``hf:``.

Each function yields ``Record``: the line or row it came from and its value, or why there is none.
Which field is text is decided in ``fields.py``.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO, Literal

from autogpt.core.errors import DataError

__all__ = [
    "Record",
    "csv_records",
    "hf_records",
    "json_lines",
    "json_records",
    "parquet_records",
    "text_lines",
]

_WHOLE_CHARS = 1 << 20  # a top-level JSON object longer than this is taken to be a container
_FIELD_CHARS = 2**31 - 1  # csv's own limit of 131,072 is too small for articles
_BATCH_ROWS = 256
_HEADER_ROWS = 50  # how many tell whether the first of them names the columns
_AFTER_VALUE = tuple(",]}: \t\r\n")
_WORD = re.compile(r"(?!\d)[\w.()/#-]{1,40}")
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        line: Line in the file, or row, from 1.
        value: A mapping of fields, or a text.
        error: Why there is no value; empty if there is one.
    """

    line: int
    value: Any
    error: str = ""


def text_lines(chunks: Iterable[str]) -> Iterator[str]:
    """Yield lines, split at line feeds only: a JSON string may hold other line separators."""
    held: list[str] = []
    for chunk in chunks:
        first, *rest = chunk.split("\n")
        held.append(first)
        if rest:
            yield "".join(held)
            yield from rest[:-1]
            held = [rest[-1]]
    last = "".join(held)
    if last:
        yield last


def json_lines(chunks: Iterable[str]) -> Iterator[Record]:
    """Yield the records of JSON lines; blank lines are passed over."""
    loads = json.loads
    for number, line in enumerate(text_lines(chunks), 1):
        try:
            yield Record(number, loads(line))
        except (ValueError, RecursionError) as error:
            if line and not line.isspace():
                yield Record(number, None, f"is not valid JSON ({_reason(error)})")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def json_records(chunks: Iterable[str]) -> Iterator[Record]:
    """Yield the records of a JSON file, without holding a large one in memory.

    The file is an array of records; or an object of which an array holds the records; or one
    record; or records one after another, as in JSON lines.
    """
    stream = _JsonStream(chunks)
    first = True
    try:
        while stream.peek():
            if stream.peek() == "[":
                yield from stream.array()
            else:
                yield from _object_or_records(stream, first=first)
            first = False
    except (ValueError, RecursionError) as error:
        yield Record(stream.line, None, f"is not valid JSON ({_reason(error)})")


def _object_or_records(stream: _JsonStream, *, first: bool) -> Iterator[Record]:
    line = stream.line
    small, value = stream.small_value(_WHOLE_CHARS)
    if not small:
        yield from stream.container()
        return
    rows = _rows_within(value) if first and not stream.peek() else []
    for row in rows or [value]:
        yield Record(line, row)


def _rows_within(value: object) -> list[Any]:
    """Return the list that makes up most of an object, or nothing if its own texts do."""
    if not isinstance(value, dict):
        return []
    lists = [item for item in value.values() if isinstance(item, list) and item]
    rows = max((item for item in lists if isinstance(item[0], (dict, str))), key=len, default=[])
    own = sum(len(item) for item in value.values() if isinstance(item, str))
    return rows if sum(len(str(item)) for item in rows) > own else []


class _JsonStream:
    """A cursor over JSON text that arrives in pieces; holds one value at a time."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self._held, self._at, self._ended = "", 0, False
        self._decode = json.JSONDecoder().raw_decode
        self.line = 1

    def peek(self) -> str:
        """Return the next character that is not white space; empty at the end."""
        while True:
            match = _SPACE.match(self._held, self._at)
            assert match is not None  # the pattern matches the empty string
            self._move(match.end())
            if self._at < len(self._held) or not self._more():
                return self._held[self._at : self._at + 1]

    def array(self) -> Iterator[Record]:
        """Yield the elements of the array that begins here."""
        self._take("[")
        if self.peek() == "]":
            self._take("]")
            return
        while True:
            self.peek()
            line = self.line
            yield Record(line, self.value())
            if self.peek() != ",":
                break
            self._take(",")
        self._take("]")

    def container(self) -> Iterator[Record]:
        """Yield the elements of arrays in a large object, or else the object itself."""
        line, rest, found = self.line, {}, False
        self._take("{")
        while self.peek() == '"':
            key = self.value()
            self.peek()
            self._take(":")
            if self.peek() == "[":
                for record in self.array():
                    if isinstance(record.value, (dict, str)):
                        found = True
                        yield record
            else:
                rest[key] = self.value()
            if self.peek() != ",":
                break
            self._take(",")
            self.peek()
        self._take("}")
        if not found:
            yield Record(line, rest)

    def small_value(self, limit: int) -> tuple[bool, Any]:
        """Return (True, the next value), or (False, None) if it is longer than ``limit``."""
        try:
            return True, self.value(limit)
        except _TooLongError:
            return False, None

    def value(self, limit: int | None = None) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Return the next value, reading on until it is whole."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._held, self._at)
            except json.JSONDecodeError as error:
                torn = error.msg.startswith("Unterminated") or error.pos >= len(self._held) - 16
                if self._ended or not torn:
                    raise
            else:
                # A number may go on in the next piece: 1 of 1.5, or 1.5 of 1.5e3.
                if self._held[end : end + 1] in _AFTER_VALUE or len(self._held) - end > 16:
                    self._move(end)
                    return value
                if self._ended:
                    self._move(end)
                    return value
            if limit is not None and len(self._held) - self._at > limit:
                raise _TooLongError
            wanted = 2 * (len(self._held) - self._at)  # doubling keeps the total work linear
            while self._more() and len(self._held) - self._at < wanted:
                pass

    def _take(self, character: str) -> None:
        if self._held[self._at : self._at + 1] != character:
            raise json.JSONDecodeError(f"Expecting {character!r}", self._held, self._at)
        self._move(self._at + 1)

    def _move(self, end: int) -> None:
        self.line += self._held.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        piece = next(self._chunks, None)
        if piece is None:
            self._ended = True
            return False
        self._held, self._at = self._held[self._at :] + piece, 0
        return True


class _TooLongError(Exception):
    """A value is too long to be decoded in one go."""


def csv_records(
    chunks: Iterable[str], *, tabs: bool, named: Collection[str], usual: Collection[str] = ()
) -> Iterator[Record]:
    """Yield the rows of a CSV or TSV file as mappings from column name to text.

    A first row that does not look like column names is a row; the columns are then ``1``, ``2``...

    Args:
        chunks: The text of the file.
        tabs: Whether it is TSV; otherwise the separator is found.
        named: The columns that the user names.
        usual: Names that tell column names from data, in lower case.
    """
    csv.field_size_limit(_FIELD_CHARS)
    pieces = iter(chunks)
    head = next(pieces, "")
    delimiter = "\t" if tabs else _delimiter(head)
    lines = _keep_ends(chain([head], pieces))
    if tabs and _is_regular(head):
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter)
    rows = _numbered(reader)
    look = list(islice(rows, _HEADER_ROWS))
    if not look:
        return
    first = look[0]
    names = [name.strip() for name in first[1]]
    following = [row for _, row, error in look[1:] if row and not error]
    if _is_header(names, following, named, usual):
        look = look[1:]
    else:
        names = [str(number) for number in range(1, len(names) + 1)]
    for line, row, error in chain(look, rows):
        if error:
            yield Record(line, None, f"is not valid CSV ({error})")
        elif row:
            yield _row(names, row, line)


def _numbered(reader: Any) -> Iterator[tuple[int, list[str], str]]:  # noqa: ANN401 - csv's is private
    """Yield rows with the line where each begins; at the first that is broken, why."""
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, [], str(error)
            return


def _keep_ends(chunks: Iterable[str]) -> Iterator[str]:
    for line in text_lines(chunks):
        yield line + "\n"


def _row(names: list[str], row: list[str], line: int) -> Record:
    if len(row) < len(names):
        return Record(line, None, f"has {len(row)} of {len(names)} columns")
    return Record(line, dict(zip(names, row, strict=False)))


def _delimiter(head: str) -> str:
    counts = Counter(head.split("\n", 1)[0])
    return max(",;\t|", key=lambda mark: counts[mark])


def _is_regular(head: str) -> bool:
    """Whether every full line has as many tabs as the first: then quotes mean themselves."""
    lines = [line for line in head.split("\n")[:-1][:1000] if line]
    return bool(lines) and all(line.count("\t") == lines[0].count("\t") for line in lines)


def _is_header(
    names: list[str], rows: list[list[str]], named: Collection[str], usual: Collection[str]
) -> bool:
    """Whether a first row names columns: one is known, or it is of words and the rows are not."""
    folded = {name.casefold() for name in names}
    if folded & {name.casefold() for name in named}:
        return True
    cells = [pair for row in rows for pair in zip(names, row, strict=False)]
    if any(name and name == cell.strip() for name, cell in cells):
        return False
    if folded & {"text", "content", *usual}:
        return True
    return _are_names(names) and not (rows and all(map(_are_names, rows)))


def _are_names(names: list[str]) -> bool:
    """Whether these are single words that differ."""
    # A table written with its row numbers has no name for the first column.
    words = all(_WORD.fullmatch(name) for name in (names[1:] if names[:1] == [""] else names))
    return words and len(set(names)) == len(names) > 0


def parquet_records(
    file: BinaryIO, *, name: str, field: str | None = None, columns: Literal["text", "all"] = "text"
) -> Iterator[Record]:
    """Yield the rows of a Parquet file that can seek, a batch at a time.

    Args:
        file: The file.
        name: Its name, for errors.
        field: The only column wanted, where it is known.
        columns: Otherwise those that hold text, or all.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        read = None if columns == "all" else _text_columns(table.schema_arrow, field)
        batches = table.iter_batches(batch_size=_BATCH_ROWS, columns=read, use_threads=False)
        row = 0
        for batch in batches:
            for value in batch.to_pylist():
                row += 1
                yield Record(row, value)
    except (arrow.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0].rstrip(".")
        raise DataError(
            f"{name!r} is not a readable Parquet file: {reason}.",
            hint="It may be truncated: copy or download it again.",
        ) from error


def _text_columns(schema: Any, field: str | None) -> list[str]:  # noqa: ANN401 - untyped library
    """Return the columns to read: the one named if it is there, else all that hold text."""
    names = list(schema.names)
    if field is not None:
        return [field] if field in names else names
    return [name for name in names if "string" in str(schema.field(name).type)] or names


def hf_records(source: str) -> Iterator[Record]:
    """Yield the rows of ``hf:NAME[:split]``, streamed by ``datasets``; the split is ``train``.

    Raises:
        DataError: If the data set or split cannot be had.
    """
    import datasets

    name, _, split = source.removeprefix("hf:").partition(":")
    try:
        rows = datasets.load_dataset(name, split=split or "train", streaming=True)
        for number, value in enumerate(rows, 1):
            yield Record(number, value)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{source!r} cannot be read: {reason}",
            hint="Write hf:NAME or hf:NAME:SPLIT; the first read needs the network.",
        ) from error
