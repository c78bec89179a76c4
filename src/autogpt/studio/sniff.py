"""What a file holds: its format, its fields, what it can teach, what is wrong, and how it begins.

``python -m autogpt.studio.sniff FILE [--tokenizer FOLDER]`` prints one JSON object. It is a process
of its own, so that a file that takes all memory takes none of the server's. Of a large file of
lines only the beginning is looked at, and the answer says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from autogpt.core.errors import AutoGPTError, DataError
from autogpt.core.examples import Conversation, Example, Labeled, Pair, Passage, Preference, Tagged
from autogpt.data import checks
from autogpt.data.examples import ExamplesConfig, ExamplesReport, read_examples
from autogpt.data.shapes import KIND_OF_TASK
from autogpt.tokenizer.bpe import Tokenizer, train
from autogpt.tokenizer.training import TokenizerConfig

__all__ = ["main", "sniff"]

_LOOK_AT_BYTES = 8 << 20
_IN_LINES = (".txt", ".text", ".md", ".markdown", ".jsonl", ".ndjson", ".csv", ".tsv", ".conll")
_SHOWN = 4
_SHOWN_CHARS = 600  # of a text
_TOKENS_SHOWN = 120  # of an example
_LITTLE_BYTES = 50_000  # below it a model learns its text by heart
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Look:
    """A file, or the beginning of one."""

    path: Path
    is_whole: bool


def sniff(path: Path, *, tokenizer: Path | None = None) -> dict[str, object]:
    """Return what a file holds, as plain values.

    Args:
        path: The file.
        tokenizer: A model folder whose tokens are shown; None learns some from the file.

    Raises:
        DataError: If it holds nothing that can be read.
    """
    with tempfile.TemporaryDirectory(prefix="autogpt-") as room:
        look = _beginning(path, Path(room))
        report, examples = _read(look.path)
        share = path.stat().st_size / max(1, look.path.stat().st_size)
    kept, found = checks.check(examples, [])
    problems = [*_about_reading(report), *({"text": line} for line in found.warnings())]
    texts = [checks.written(example) for example in kept]
    size = sum(len(text.encode(errors="replace")) for text in texts)
    if look.is_whole and size < _LITTLE_BYTES:
        problems.append({"key": "data.problem.little", "values": {"bytes": size}})
    if not look.is_whole:
        problems.append({"key": "data.problem.large", "values": {"bytes": _LOOK_AT_BYTES}})
    encoder = _tokenizer(tokenizer, texts)
    kinds = Counter(type(example).__name__.lower() for example in kept)
    return {
        "kind": report.kind,
        "formats": dict(report.formats),
        "fields": dict(report.fields),
        "encodings": dict(report.reading.encodings),
        "examples": len(kept) if look.is_whole else None,
        "characters": sum(map(len, texts)),
        "bytes": round(size * share),
        "classes": dict(found.balance.counts.most_common(12)),
        "tasks": [task for task, kind in KIND_OF_TASK.items() if kind == report.kind],
        "problems": problems,
        "first": [_shown(example, encoder) for example in kept[:_SHOWN]],
        "vocabulary": encoder.vocab_size,
        "kinds": dict(kinds),
    }


def _beginning(path: Path, room: Path) -> _Look:
    """Return the file, or a copy of its first lines if it is large."""
    if path.suffix.lower() not in _IN_LINES or path.stat().st_size <= _LOOK_AT_BYTES:
        return _Look(path, is_whole=True)
    with path.open("rb") as file:
        head = file.read(_LOOK_AT_BYTES)
    copy = room / path.name
    copy.write_bytes(head[: head.rfind(b"\n") + 1] or head)
    return _Look(copy, is_whole=False)


def _read(path: Path) -> tuple[ExamplesReport, list[Example]]:
    """Read examples as what they are; text where they are nothing else."""
    report = ExamplesReport()
    try:
        examples = read_examples([str(path)], ExamplesConfig(on_error="skip"), report=report)
    except DataError as first:
        report = ExamplesReport()
        try:
            config = ExamplesConfig(task="text", on_error="skip")
            examples = read_examples([str(path)], config, report=report)
        except DataError:
            raise first from None
    if report.kind is None and examples:
        report.kind = _kind_of(examples[0])
    if not examples:
        raise DataError(f"There is no text in {path.name!r}.", hint="Give another file.")
    return report, examples


def _kind_of(example: Example) -> Any:  # noqa: ANN401 - one of Kind's words
    names = {
        Passage: "passage",
        Conversation: "conversation",
        Pair: "pair",
        Labeled: "labeled",
        Tagged: "tagged",
        Preference: "preference",
    }
    return names[type(example)]


def _about_reading(report: ExamplesReport) -> Iterator[dict[str, object]]:
    reading = report.reading
    if reading.skipped_count:
        yield {
            "key": "data.problem.skipped",
            "values": {"count": reading.skipped_count, "first": reading.skipped[0]},
        }
    if reading.empty:
        yield {"key": "data.problem.empty", "values": {"count": reading.empty}}
    for name in reading.encodings:
        if name.lower().replace("_", "-") not in ("utf-8", "ascii"):
            yield {"key": "data.problem.encoding", "values": {"encoding": name}}


def _tokenizer(folder: Path | None, texts: Sequence[str]) -> Tokenizer:
    """Return the tokenizer of a model, or one learned from the texts as training would."""
    if folder is not None:
        from autogpt.interop.transformers import is_encoder  # only who named a model waits for it

        if not is_encoder(folder):  # whose tokens do not spell a text
            return Tokenizer.load(folder)
    some: list[str] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text.encode(errors="replace"))
        if size >= _SAMPLE_BYTES:
            break
    return train(some, TokenizerConfig(), corpus_bytes=size)


def _shown(example: Example, tokenizer: Tokenizer) -> dict[str, object]:
    parts = [
        {"role": role, "tokens": _tokens(text, tokenizer), "cut": len(text) > _SHOWN_CHARS}
        for role, text in _parts(example)
    ]
    count = len(tokenizer.encode(checks.written(example)[:100_000]))
    return {"place": Path(example.place).name, "parts": parts, "tokens": count}


def _parts(example: Example) -> Iterator[tuple[str, str]]:
    """Yield what an example is made of, each with what it is."""
    match example:
        case Conversation():
            yield from ((turn.role, turn.content) for turn in example.messages)
        case Pair():
            yield "source", example.source
            yield "target", example.target
        case Labeled():
            yield "text", example.text
            yield "label", ", ".join(example.labels)
        case Tagged():
            yield "text", example.text
            yield "entities", "; ".join(f"{one.text}: {one.type}" for one in example.entities)
        case Preference():
            yield from ((turn.role, turn.content) for turn in example.messages)
            yield "chosen", example.chosen
            yield "rejected", example.rejected
        case Passage():
            yield "text", example.text


def _tokens(text: str, tokenizer: Tokenizer) -> list[str]:
    """Return the text of the first tokens; bytes of a split character stay with the first."""
    ids = tokenizer.encode(text[:_SHOWN_CHARS])
    pieces: list[str] = []
    waiting = b""
    for token_id in islice(ids, _TOKENS_SHOWN):
        waiting += tokenizer.token_bytes(token_id)
        try:
            pieces.append(waiting.decode("utf-8"))
            waiting = b""
        except UnicodeDecodeError:
            continue
    return pieces


def main(arguments: Sequence[str]) -> int:
    """Print what a file holds, or an error, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    given = parser.parse_args(arguments)
    try:
        found: dict[str, object] = sniff(given.file, tokenizer=given.tokenizer)
    except AutoGPTError as error:
        found = {"error": error.to_dict()}
    print(json.dumps(found, ensure_ascii=False))  # noqa: T201 - what the process is for
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
