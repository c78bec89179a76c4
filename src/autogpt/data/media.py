"""Pictures and sounds with the text that belongs to them, from wherever people keep them.

::

    digits/7/a.png                  class folders: the label is the name of the folder
    calls/a.wav, calls/a.txt        a text beside each file
    labels.csv, manifest.jsonl      rows of a file (relative to the table) and its text
    metadata.csv in a folder        the same, as Hugging Face's ImageFolder and AudioFolder have it
    digits.npz                      arrays of pictures and of labels

Every file is decoded once here, several at a time, so that what is broken is found before anything
is trained: it is listed and skipped, or, where the user asks for that, the end. Not here: decoding
itself (``pictures``, ``sounds``), keeping it (``media_store``), what a model makes of it
(``preprocessing``).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autogpt.core.errors import DataError
from autogpt.core.examples import Medium, Observed
from autogpt.data.arrays import array_rows
from autogpt.data.pictures import PICTURES, read_picture
from autogpt.data.readers import ReadConfig, ReadReport, open_text
from autogpt.data.records import Record, csv_records, json_lines, json_records
from autogpt.data.sounds import SOUNDS, facts_of, read_sound
from autogpt.data.sources import FORMATS, Source, find

__all__ = ["Wanted", "media_files", "medium_of", "read_media"]

_FILE_NAMES = (
    "file", "path", "file_name", "filename", "file_path", "filepath", "image", "image_path", "img",
    "picture", "audio", "audio_path", "audio_filepath", "wav", "sound", "recording", "文件", "图片",
    "音频",
)  # fmt: skip
_LABEL_NAMES = (
    "label", "class", "category", "target", "tag", "text", "caption", "transcript",
    "transcription", "sentence", "标签", "类别", "分类", "文本",
)  # fmt: skip
_TEXT_NAMES = (
    "text", "transcript", "transcription", "sentence", "caption", "label", "target", "文本",
)  # fmt: skip
_TABLES = ("metadata", "manifest", "labels", "transcripts")
_LONGEST_S = 120.0  # of a sound to learn from; what is longer has to be cut with its text


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be read of media.

    Attributes:
        task: Whether the texts are labels, or anything that is written.
        file_field: The field of a table that names the file.
        text_field: The field of its text.
        on_error: ``skip`` broken files and rows and list them, or ``fail`` at the first.
        encoding: Of tables; None to detect it.
    """

    task: Literal["recognize", "transcribe"]
    file_field: str | None = None
    text_field: str | None = None
    on_error: Literal["fail", "skip"] = "skip"
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A file and its text, before it is known whether the file can be read."""

    path: Path
    text: str
    place: str


def medium_of(path: Path | str) -> Medium | None:
    """Return what a file holds by its suffix; None: neither a picture nor a sound."""
    suffix = Path(path).suffix.lower()
    if suffix in PICTURES:
        return "picture"
    return "sound" if suffix in SOUNDS else None


def media_files(folder: Path, medium: Medium) -> list[Path]:
    """Return the pictures or sounds in a folder and below it, sorted, without hidden ones."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(root, name) for name in sorted(names) if not name.startswith(".")]
        found += [path for path in paths if medium_of(path) == medium]
    return found


def read_media(
    sources: Sequence[str], wanted: Wanted, report: ReadReport, formats: Counter[str]
) -> Iterator[Observed]:
    """Yield the examples in ``sources``, in order.

    Args:
        sources: Folders, tables, ``.npz`` files, globs.
        wanted: What of them.
        report: Filled in.
        formats: Counts files of each form, as people call it; filled in.

    Raises:
        DataError: If a source is missing, has no labels or texts, holds pictures and sounds at
            once, or nothing that can be read; with ``on_error="fail"``, if a file is broken.
    """
    known = {**FORMATS, ".npz": "npz", **dict.fromkeys((*PICTURES, *SOUNDS), "text")}
    mediums: set[Medium] = set()
    before = report.documents
    for name in sources:
        path = Path(name).expanduser()
        if path.is_dir():
            each = _from_folder(path, wanted, report, formats)
        else:
            each = (
                example
                for source in find([name], formats=known)  # type: ignore[arg-type]  # one format more
                for example in _from_file(source, wanted, report, formats)
            )
        for example in each:
            mediums.add(example.medium)
            if len(mediums) > 1:
                raise DataError(
                    f"{example.source!r} is a {example.medium}, the ones before it are not.",
                    hint="A model learns from pictures or from sounds: give one of the two.",
                )
            report.documents += 1
            yield example
    if report.documents == before:
        reasons = f" {report.skipped[0]}" if report.skipped else ""
        raise DataError(
            f"There is no picture or sound with a text in {' '.join(sources)}.{reasons}",
            hint="Give class folders, a .txt beside each file, a table, or an .npz file.",
        )


def _from_folder(
    folder: Path, wanted: Wanted, report: ReadReport, formats: Counter[str]
) -> Iterator[Observed]:
    for stem in _TABLES:
        for suffix in (".csv", ".tsv", ".jsonl", ".json"):
            table = folder / f"{stem}{suffix}"
            if table.is_file():
                (source,) = find([str(table)])
                yield from _from_table(source, wanted, report, formats)
                return
    paths = [*media_files(folder, "picture"), *media_files(folder, "sound")]
    if not paths:
        yield from _from_arrays_in(folder, wanted, report, formats)
        return
    beside = [path for path in paths if path.with_suffix(".txt").is_file()]
    found: list[_Found] = []
    if beside:
        formats["files with a text beside each"] += 1
        for path in paths:
            text = path.with_suffix(".txt")
            if text.is_file():
                found.append(_Found(path, _text_of(text), str(path.relative_to(folder))))
            else:
                _reject(f"{str(path)!r} has no text: there is no {text.name!r}.", wanted, report)
    elif wanted.task == "recognize":
        found = list(_in_class_folders(folder, paths, wanted, report))
        formats["class folders"] += 1
    else:
        raise DataError(
            f"{str(folder)!r} holds {len(paths)} files and no transcripts.",
            hint="Put NAME.txt beside each NAME.wav, or a table (file,text) into the folder.",
        )
    yield from _checked(found, wanted, report)


def _in_class_folders(
    folder: Path, paths: Sequence[Path], wanted: Wanted, report: ReadReport
) -> Iterator[_Found]:
    direct = [path for path in paths if path.parent == folder]
    if len(direct) == len(paths):
        raise DataError(
            f"{str(folder)!r} holds {len(paths)} files and no labels: there are no folders named "
            "after them.",
            hint="Sort the files into a folder for each label, or give a table (file,label) or a "
            ".txt beside each.",
        )
    for path in direct:
        _reject(f"{str(path)!r} is in no folder of a label.", wanted, report)
    for path in paths:
        if path.parent != folder:
            yield _Found(path, path.parent.name, str(path.relative_to(folder)))


def _from_arrays_in(
    folder: Path, wanted: Wanted, report: ReadReport, formats: Counter[str]
) -> Iterator[Observed]:
    for path in sorted([*folder.glob("*.npz"), *folder.glob("*.csv"), *folder.glob("*.jsonl")]):
        (source,) = find([str(path)], formats={**FORMATS, ".npz": "npz"})  # type: ignore[dict-item]
        yield from _from_file(source, wanted, report, formats)


def _from_file(
    source: Source, wanted: Wanted, report: ReadReport, formats: Counter[str]
) -> Iterator[Observed]:
    path = source.path
    if path is not None and path.suffix.lower() == ".npz":
        yield from _from_arrays(path, wanted, report, formats)
    elif path is not None and medium_of(path) is not None:
        text = path.with_suffix(".txt")
        if not text.is_file():
            raise DataError(
                f"{str(path)!r} has no text: there is no {str(text)!r}.",
                hint="Give class folders, a .txt beside each file, a table, or an .npz file.",
            )
        formats["files with a text beside each"] += 1
        yield from _checked([_Found(path, _text_of(text), path.name)], wanted, report)
    elif source.format in ("csv", "tsv", "json", "jsonl"):
        yield from _from_table(source, wanted, report, formats)
    else:
        raise DataError(
            f"{source.name!r} is no source of pictures or sounds.",
            hint="Give class folders, a .txt beside each file, a table, or an .npz file.",
        )


def _from_table(
    source: Source, wanted: Wanted, report: ReadReport, formats: Counter[str]
) -> Iterator[Observed]:
    assert source.path is not None  # a table that names files is one itself
    folder = source.path.parent
    reading = ReadConfig(on_error=wanted.on_error, encoding=wanted.encoding)
    found: list[_Found] = []
    with open_text(source, reading, report) as text:
        if text is None:
            return
        roles: tuple[str, str] | None = None
        for record in _records(source, text, wanted):
            row, where = record.value, f"{source.name!r} line {record.line}"
            if record.error or not isinstance(row, dict):
                _reject(f"{where} {record.error or 'is no row of fields'}.", wanted, report)
                continue
            if roles is None:
                roles = _roles(row, wanted, source.name)
            named, content = row.get(roles[0]), row.get(roles[1])
            if not named or content is None or not str(content).strip():
                _reject(f"{where} lacks {roles[0 if not named else 1]!r}.", wanted, report)
                continue
            path = folder / str(named)
            found.append(_Found(path, str(content).strip(), f"{source.label}:{record.line}"))
    if roles is not None:
        formats["a table of files"] += 1
        report.fields[f"file: {roles[0]}, text: {roles[1]}"] += 1
    yield from _checked(found, wanted, report)


def _records(source: Source, text: Any, wanted: Wanted) -> Iterator[Record]:  # noqa: ANN401 - Decoded
    if source.format == "jsonl":
        return json_lines(text)
    if source.format == "json":
        return json_records(text)
    named = [name for name in (wanted.file_field, wanted.text_field) if name]
    usual = {*_FILE_NAMES, *_LABEL_NAMES, *_TEXT_NAMES}
    return csv_records(text, tabs=source.format == "tsv", named=named, usual=usual)


def _roles(row: dict[str, Any], wanted: Wanted, name: str) -> tuple[str, str]:
    """Return which field names the file and which holds its text."""
    folded = {field.strip().lower(): field for field in row}
    texts = _LABEL_NAMES if wanted.task == "recognize" else _TEXT_NAMES
    file = wanted.file_field or next((folded[n] for n in _FILE_NAMES if n in folded), None)
    rest = [n for n in texts if n in folded and folded[n] != file]
    text = wanted.text_field or (folded[rest[0]] if rest else None)
    fields = list(row)
    if file is None and text is None and len(fields) == 2:
        file, text = fields  # a table without names: the file comes first
    for role, given, flag in (
        ("file", file, "--source-field"),
        ("text", text, "--label-field" if wanted.task == "recognize" else "--text-field"),
    ):
        if given is None or given not in row:
            listed = ", ".join(map(repr, fields))
            raise DataError(
                f"{name!r} has no field for the {role}; its fields are {listed}.",
                hint=f"Name it with {flag}.",
            )
    assert file is not None  # checked just now
    assert text is not None
    return file, text


def _from_arrays(
    path: Path, wanted: Wanted, report: ReadReport, formats: Counter[str]
) -> Iterator[Observed]:
    report.files += 1
    report.take_bytes(path.stat().st_size)
    formats["arrays (.npz)"] += 1
    pictures, texts = array_rows(path)
    for row, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        yield Observed(
            medium="picture",
            source=f"{path}#{row}",
            digest=hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest(),
            text=text,
            is_label=wanted.task == "recognize",
            place=f"{path.name}:{row}",
        )


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace").strip()


def _checked(found: Sequence[_Found], wanted: Wanted, report: ReadReport) -> Iterator[Observed]:
    """Yield what can be read, in order; several files are tried at once."""
    with ThreadPoolExecutor() as pool:
        for one, result in zip(found, pool.map(_tried, found), strict=True):
            if isinstance(result, DataError):
                if wanted.on_error == "fail":
                    raise result
                report.skip(result.message)
                continue
            medium, digest, size = result
            report.files += 1
            report.take_bytes(size)
            if not one.text:
                report.empty += 1
                continue
            yield Observed(
                medium=medium,
                source=str(one.path),
                digest=digest,
                text=one.text,
                is_label=wanted.task == "recognize",
                place=one.place,
            )


def _tried(found: _Found) -> tuple[Medium, str, int] | DataError:
    """Return what a file is, its sha256 and its size; or why it cannot be read."""
    medium = medium_of(found.path)
    if medium is None:
        return DataError(f"{str(found.path)!r} is neither a picture nor a sound by its name.")
    try:
        if medium == "picture":
            read_picture(found.path)
        else:
            rate = facts_of(found.path).sample_rate
            read_sound(found.path, sample_rate=rate, longest_s=_LONGEST_S)
    except DataError as error:
        return error
    content = found.path.read_bytes()
    return medium, hashlib.sha256(content).hexdigest(), len(content)


def _reject(problem: str, wanted: Wanted, report: ReadReport) -> None:
    if wanted.on_error == "fail":
        raise DataError(problem, hint="Repair it, or skip broken files (--on-error skip).")
    report.skip(problem)
