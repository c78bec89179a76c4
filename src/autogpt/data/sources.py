"""What the user points at, found on disk: files, folders, globs, standard input, ``hf:`` names.

A file is named by its suffix; ``.gz`` and ``.zst`` around it are taken off. Nothing is decoded or
parsed here.
"""

from __future__ import annotations

import contextlib
import difflib
import glob
import gzip
import importlib.util
import io
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from autogpt.core.errors import DataError, MissingExtraError, UsageError
from autogpt.core.files import explain_os_errors

__all__ = ["FORMATS", "Format", "Source", "find", "open_bytes", "open_seekable", "source_bytes"]

Format = Literal["text", "jsonl", "json", "csv", "tsv", "parquet", "hf", "conll"]
FORMATS: dict[str, Format] = {
    ".txt": "text", ".text": "text", ".md": "text", ".markdown": "text",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, standard input or ``hf:`` data set.

    Attributes:
        name: As errors show it: the path, ``standard input`` or ``hf:...``.
        label: As documents carry it: the path below the folder that was given.
        format: How to read it.
        path: The file; None for standard input and ``hf:``.
        named: Whether the user named exactly this file, rather than a folder or pattern.
        compression: ``.gz``, ``.zst`` or empty.
    """

    name: str
    label: str
    format: Format
    path: Path | None
    named: bool = True
    compression: str = ""


def find(
    sources: Sequence[str],
    *,
    formats: Mapping[str, Format] = FORMATS,
    on_unknown: Callable[[str], None] | None = None,
) -> Iterator[Source]:
    """Check ``sources`` now, and return an iterator over the files they stand for.

    Folders are walked in sorted order; hidden files are left out; a file found twice is read once.

    Args:
        sources: Paths, folders, globs, ``-`` or ``hf:NAME[:split]``.
        formats: How files are read, by their suffix; those in folders need one of these.
        on_unknown: Called with the path of each file in a folder whose format is unknown.

    Raises:
        UsageError: If there is no source.
        DataError: If one is missing or holds no readable file.
        MissingExtraError: If an ``hf:`` source needs a package that is not installed.
    """
    if not sources:
        raise UsageError("No source was given.", hint="Name a file, a folder or - for input.")
    for source in sources:
        if next(_expand(source, formats), None) is None:
            what = "folder" if Path(source).expanduser().is_dir() else "pattern"
            raise DataError(
                f"The {what} {source!r} holds no readable file.",
                hint=f"Readable are {', '.join(formats)}, each also with .gz or .zst.",
            )
    return _unique(sources, formats, on_unknown)


def source_bytes(sources: Sequence[str]) -> int | None:
    """Return the size on disk of all files, or None where it cannot be known beforehand."""
    total = 0
    for found in find(sources):
        if found.path is None or not found.path.is_file():
            return None
        total += found.path.stat().st_size
    return total


def _unique(
    sources: Sequence[str],
    formats: Mapping[str, Format],
    on_unknown: Callable[[str], None] | None,
) -> Iterator[Source]:
    seen: set[str] = set()
    for source in sources:
        for found in _expand(source, formats, on_unknown):
            key = str(found.path.resolve()) if found.path else found.name
            if key not in seen:
                seen.add(key)
                yield found


def _expand(
    source: str,
    formats: Mapping[str, Format],
    on_unknown: Callable[[str], None] | None = None,
) -> Iterator[Source]:
    if source == "-":
        yield Source("standard input", "stdin", "text", None)
        return
    if source.startswith("hf:"):
        if not source.removeprefix("hf:").partition(":")[0]:
            raise DataError(
                f"{source!r} names no data set.", hint="Write hf:NAME or hf:NAME:SPLIT."
            )
        if importlib.util.find_spec("datasets") is None:
            raise MissingExtraError("datasets", extra="hf", purpose="Reading hf: sources")
        yield Source(source, source, "hf", None)
        return
    path = Path(source).expanduser()
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise _no_permission(path) from error
    except (OSError, ValueError) as error:  # missing, a name too long, or a NUL in it
        if not glob.has_magic(source):
            raise _missing(source, path) from error
        yield from _matching(str(path), formats, on_unknown)
        return
    if stat.S_ISDIR(mode):
        yield from _walk(path, formats, on_unknown)
    else:
        yield _file(path, path.name, formats, named=True)


def _matching(
    pattern: str, formats: Mapping[str, Format], on_unknown: Callable[[str], None] | None
) -> Iterator[Source]:
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - absolute patterns too
        path = Path(name)
        if path.is_dir():
            if "**" not in pattern:  # ** names the files in it already
                yield from _walk(path, formats, on_unknown)
        else:
            yield _file(path, path.name, formats, named=False)


def _walk(
    folder: Path, formats: Mapping[str, Format], on_unknown: Callable[[str], None] | None
) -> Iterator[Source]:
    def refuse(error: OSError) -> None:
        raise _no_permission(Path(error.filename)) from error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = Path(root, name)
            if _suffix(path) in formats:
                yield _file(path, path.relative_to(folder).as_posix(), formats, named=False)
            elif on_unknown is not None:
                on_unknown(str(path))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _COMPRESSED else suffix


def _file(path: Path, label: str, formats: Mapping[str, Format], *, named: bool) -> Source:
    compression = path.suffix.lower() if path.suffix.lower() in _COMPRESSED else ""
    return Source(str(path), label, formats.get(_suffix(path), "text"), path, named, compression)


def _no_permission(path: Path) -> DataError:
    return DataError(f"No permission to read {str(path)!r}.", hint="Change its rights, or copy it.")


def _missing(source: str, path: Path) -> DataError:
    folder = path.parent
    if not folder.is_dir():
        return DataError(
            f"{source!r} does not exist: there is no folder {str(folder)!r}.",
            hint="Check the path; it is relative to the current folder.",
        )
    names = {name.lower(): name for name in os.listdir(folder) if not name.startswith(".")}  # noqa: PTH208 - names, not paths
    close = difflib.get_close_matches(path.name.lower(), names, n=3, cutoff=0.6)
    near = " or ".join(repr(str(folder / names[name])) for name in close)
    return DataError(
        f"{source!r} does not exist.",
        hint=f"Did you mean {near}?" if near else "Check the path, or name a folder or a glob.",
    )


def open_bytes(source: Source, on_raw_bytes: Callable[[int], None] | None = None) -> BinaryIO:
    """Open a file or standard input, decompressed, for one pass.

    Args:
        source: What to open; not ``hf:``.
        on_raw_bytes: Called with the number of bytes taken off the disk, as they are.

    Raises:
        DataError: If it cannot be opened; and while reading, if it is truncated or not compressed
            as its name says.
    """
    if source.path is None:
        return io.BufferedReader(_Checked(sys.stdin.buffer, source.name, on_raw_bytes), 1 << 20)
    try:
        raw = source.path.open("rb", buffering=0)
    except PermissionError as error:
        raise _no_permission(source.path) from error
    except OSError as error:
        raise DataError(f"{source.name!r} cannot be opened: {error.strerror}.") from error
    counted = _Checked(raw, source.name, on_raw_bytes)
    if not source.compression:
        return io.BufferedReader(counted, 1 << 20)
    packed = io.BufferedReader(counted, 1 << 16)
    plain = (
        gzip.GzipFile(fileobj=packed, mode="rb")
        if source.compression == ".gz"
        else _ZstdFile(packed, source.name)
    )
    return io.BufferedReader(_Checked(plain, source.name, None, under=packed), 1 << 20)


@contextlib.contextmanager
def open_seekable(
    source: Source, on_raw_bytes: Callable[[int], None] | None = None
) -> Iterator[BinaryIO]:
    """Open a file that can seek; what cannot is first copied to a temporary file.

    Raises:
        DataError: As ``open_bytes``.
    """
    with open_bytes(source, on_raw_bytes) as stream:
        if source.path is not None and source.path.is_file() and not source.compression:
            with source.path.open("rb") as file:
                yield file
            if on_raw_bytes is not None:
                on_raw_bytes(source.path.stat().st_size)
            return
        with tempfile.TemporaryFile() as spool, explain_os_errors(Path(tempfile.gettempdir())):
            shutil.copyfileobj(stream, spool, 1 << 20)
            spool.seek(0)
            yield cast(BinaryIO, spool)


class _Checked(io.RawIOBase):
    """A readable stream that counts bytes and turns what can break into one sentence."""

    def __init__(
        self,
        inner: io.RawIOBase | BinaryIO | gzip.GzipFile,
        name: str,
        on_bytes: Callable[[int], None] | None,
        *,
        under: BinaryIO | None = None,
    ) -> None:
        self._inner, self._name, self._on_bytes, self._under = inner, name, on_bytes, under

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a narrower buffer
        try:
            data = self._inner.read(len(buffer)) or b""
        except EOFError as error:
            raise _truncated(self._name) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"{self._name!r} is not a valid .gz file: {error}.", hint="Compress it again."
            ) from error
        except OSError as error:
            raise DataError(f"{self._name!r} cannot be read: {error.strerror}.") from error
        buffer[: len(data)] = data
        if self._on_bytes is not None:
            self._on_bytes(len(data))
        return len(data)

    def close(self) -> None:
        if not self.closed and self._inner is not sys.stdin.buffer:
            self._inner.close()
            if self._under is not None:
                self._under.close()
        super().close()


class _ZstdFile(io.RawIOBase):
    """Zstandard frames one after another; unlike the library's reader, notices a torn end."""

    def __init__(self, packed: BinaryIO, name: str) -> None:
        import zstandard

        self._library, self._packed, self._name = zstandard, packed, name
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._plain, self._inside, self._rest = b"", False, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._plain and self._fill():
            pass
        end = len(self._plain) if size < 0 else size
        data, self._plain = self._plain[:end], self._plain[end:]
        return data

    def _fill(self) -> bool:
        packed = self._rest or self._packed.read(4096)  # small: a frame may swell a thousandfold
        self._rest = b""
        if not packed:
            if self._inside:
                raise _truncated(self._name)
            return False
        try:
            self._plain = self._frame.decompress(packed)
        except self._library.ZstdError as error:
            raise DataError(
                f"{self._name!r} is not a valid .zst file: {error}.", hint="Compress it again."
            ) from error
        self._inside = not self._frame.eof
        if self._frame.eof:
            self._rest = self._frame.unused_data
            self._frame = self._library.ZstdDecompressor().decompressobj()
        return True

    def close(self) -> None:
        self._packed.close()
        super().close()


def _truncated(name: str) -> DataError:
    return DataError(
        f"{name!r} is truncated: it ends in the middle of the compressed data.",
        hint="Copy or download it again.",
    )
