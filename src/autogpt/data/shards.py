"""Token shards: a corpus as one memory-mapped array of token ids, prepared once.

::

    folder/train/tokens.bin      ids, uint16 or uint32, little-endian, document after document
    folder/train/starts.bin      where each document starts in it, uint64, little-endian
    folder/train/manifest.json   sizes, sha256, and what the ids were made from

The manifest comes last, so a folder without one is unfinished and is written anew. Each document
is followed by the tokenizer's ``<|endoftext|>``. How ids become batches is in ``batches.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import CheckpointError, DataError
from autogpt.core.files import MANIFEST, open_atomic, verify_manifest, write_manifest
from autogpt.tokenizer.boundaries import last_boundary
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["ShardReport", "TokenShard", "data_key", "is_current", "load", "write"]

TOKENS_FILE = "tokens.bin"
STARTS_FILE = "starts.bin"
FORMAT_VERSION = 1

_BATCH_CHARS = 1 << 21
_MOST_CARRIED_CHARS = 1 << 20
_PREPARE_AGAIN = "Delete that folder and run the same command again: the text is prepared anew."

_TokenArray = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardReport:
    """What was written.

    Attributes:
        documents: Number of documents.
        tokens: Number of ids, separators included.
        text_bytes: Bytes of text, in UTF-8.
        seconds: Wall time, reading the text included.
    """

    documents: int
    tokens: int
    text_bytes: int
    seconds: float

    @property
    def megabytes_per_s(self) -> float:
        """Millions of bytes of text per second."""
        return self.text_bytes / 1e6 / max(self.seconds, 1e-9)

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text per token, separators left out."""
        return self.text_bytes / max(self.tokens - self.documents, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenShard:
    """One split of a corpus as token ids.

    Attributes:
        tokens: All ids, memory-mapped; uint16 if the vocabulary allows, else uint32.
        starts: Where each document starts, ascending from 0.
        total_bytes: Bytes of text, in UTF-8, for bits per byte.
        vocab_size: Of the tokenizer that made the ids.
    """

    tokens: _TokenArray
    starts: npt.NDArray[np.uint64]
    total_bytes: int
    vocab_size: int

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.tokens)


def data_key(settings: Mapping[str, object], files: Iterable[Path] = ()) -> str:
    """Return a sha256 of settings and of the names, sizes and times of files.

    Args:
        settings: Whatever decides the token ids, as plain data.
        files: The sources that were read.
    """
    stats = [(str(path.resolve()), path.stat()) for path in sorted(files)]
    sources = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    facts = json.dumps([FORMAT_VERSION, settings, sources], sort_keys=True, default=str)
    return hashlib.sha256(facts.encode()).hexdigest()


def is_current(
    folder: Path | str, key: str, *, splits: Sequence[str] = ("train", "validation")
) -> bool:
    """Whether all ``splits`` are there, whole in size, and were made under ``key``."""
    return all(_key_of(Path(folder) / split) == key for split in splits)


def _key_of(folder: Path) -> object:
    """Return the key of a finished split; None if it is missing, torn or not ours."""
    try:
        return verify_manifest(folder, deep=False).get("key")
    except (CheckpointError, KeyError, TypeError, AttributeError):
        return None


def write(
    items: Iterable[tuple[str, bool]],
    tokenizer: Tokenizer,
    folder: Path | str,
    split: str,
    *,
    key: str = "",
    progress: Callable[[int], None] | None = None,
) -> ShardReport:
    """Encode a split and write it to ``folder/split``, on all cores, in constant memory.

    A document that comes in several blocks gets the ids that it has as one text (by a tokenizer
    that splits text as ours do; by another, the cuts may show).

    Args:
        items: Blocks of text, and whether each goes on with the document of the one before it.
        tokenizer: Makes the ids.
        folder: Made if missing; an older split of the same name is replaced.
        split: ``train`` or ``validation``.
        key: What ``is_current`` compares, from ``data_key``.
        progress: Called with the bytes of text done since the last call.

    Raises:
        DataError: If there is no text.
        ResourceError: If the disk is full or cannot be written.
    """
    begin = time.perf_counter()
    target = Path(folder) / split
    _clear(target)
    with (
        open_atomic(target / TOKENS_FILE) as tokens_file,
        open_atomic(target / STARTS_FILE) as starts_file,
    ):
        writer = _Writer(tokenizer, tokens_file, starts_file, progress or (lambda _: None))
        for batch in _batches(_stitch(items)):
            writer.add(batch)
        if writer.tokens == 0:
            raise DataError(f"There is no text for the split {split!r}.")
    write_manifest(
        target,
        [TOKENS_FILE, STARTS_FILE],
        key=key,
        version=FORMAT_VERSION,
        tokenizer=tokenizer.fingerprint(),
        vocab_size=tokenizer.vocab_size,
        dtype=np.dtype(writer.dtype).name,
        tokens=writer.tokens,
        documents=writer.documents,
        text_bytes=writer.text_bytes,
    )
    return ShardReport(
        documents=writer.documents,
        tokens=writer.tokens,
        text_bytes=writer.text_bytes,
        seconds=time.perf_counter() - begin,
    )


def _clear(folder: Path) -> None:
    """Take away the manifest, so that nothing half old counts, and what a crash left."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (TOKENS_FILE, STARTS_FILE):
        for leftover in folder.glob(f".{name}.*"):
            leftover.unlink(missing_ok=True)


class _Writer:
    """Encodes batches and appends ids and document starts to two open files."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        tokens_file: IO[bytes],
        starts_file: IO[bytes],
        progress: Callable[[int], None],
    ) -> None:
        self.dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
        self.tokens = self.documents = self.text_bytes = 0
        self._tokenizer = tokenizer
        self._tokens_file = tokens_file
        self._starts_file = starts_file
        self._progress = progress
        self._inside_document = False

    def add(self, batch: Sequence[tuple[str, bool]]) -> None:
        """Append texts, each with whether it ends its document."""
        encoded = self._tokenizer.encode_flat([text for text, _ in batch])
        text_bytes = int(self._tokenizer.token_byte_counts[encoded.ids].sum(dtype=np.int64))
        is_last = np.array([ends for _, ends in batch], dtype=bool)
        separated = np.insert(encoded.ids, encoded.ends[is_last], self._tokenizer.pad_id)
        self._write_starts(encoded.ends, is_last)
        self._tokens_file.write(separated.astype(np.dtype(self.dtype).newbyteorder("<")).tobytes())
        self.tokens += len(separated)
        self.text_bytes += text_bytes
        self._inside_document = not is_last[-1]
        self._progress(text_bytes)

    def _write_starts(self, ends: npt.NDArray[np.int64], is_last: npt.NDArray[np.bool_]) -> None:
        begins = np.concatenate([[0], ends[:-1]])
        separators_before = np.concatenate([[0], np.cumsum(is_last[:-1])])
        is_first = np.concatenate([[not self._inside_document], is_last[:-1]])
        starts = self.tokens + begins[is_first] + separators_before[is_first]
        self._starts_file.write(starts.astype("<u8").tobytes())
        self.documents += len(starts)


def _stitch(items: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Turn blocks into texts that can be encoded apart, each with whether it ends its document.

    When a block goes on, what follows its last safe place waits for the next one. Empty documents
    vanish.
    """
    waiting = ""
    for text, continues in items:
        place = last_boundary(waiting) if continues else len(waiting)
        if place == 0 and len(waiting) > _MOST_CARRIED_CHARS:
            place = len(waiting) - 1  # no place in a million characters: memory comes first
        if place:
            yield waiting[:place], not continues
        waiting = waiting[place:] + text
    if waiting:
        yield waiting, True


def _batches(texts: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    batch: list[tuple[str, bool]] = []
    chars = 0
    for text, ends in texts:
        batch.append((text, ends))
        chars += len(text)
        if chars >= _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def load(
    folder: Path | str, split: str, *, verify: bool = True, tokenizer: Tokenizer | None = None
) -> TokenShard:
    """Open a split that ``write`` finished.

    Args:
        folder: As given to ``write``.
        split: As given to ``write``.
        verify: Compare sha256, not only sizes.
        tokenizer: Refuse ids that another tokenizer made.

    Raises:
        DataError: If the split is missing, torn, altered, or made by another tokenizer.
    """
    target = Path(folder) / split
    with _explained(target):
        manifest = verify_manifest(target, deep=verify)
        dtype = np.dtype({"uint16": "<u2", "uint32": "<u4"}[manifest["dtype"]])
        shard = TokenShard(
            tokens=np.memmap(target / TOKENS_FILE, dtype=dtype, mode="r"),
            starts=np.memmap(target / STARTS_FILE, dtype="<u8", mode="r"),
            total_bytes=int(manifest["text_bytes"]),
            vocab_size=int(manifest["vocab_size"]),
        )
        _check(shard, manifest)
    if tokenizer is not None and manifest.get("tokenizer") != tokenizer.fingerprint():
        raise DataError(
            f"The prepared tokens in {str(target)!r} were made by another tokenizer.",
            hint=_PREPARE_AGAIN,
        )
    return shard


def _check(shard: TokenShard, manifest: Mapping[str, Any]) -> None:
    if manifest["version"] != FORMAT_VERSION:
        raise CheckpointError(f"format version {manifest['version']!r} is not {FORMAT_VERSION}.")
    if (len(shard), len(shard.starts)) != (manifest["tokens"], manifest["documents"]):
        raise CheckpointError("the number of tokens or documents is not the manifest's.")


@contextlib.contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn whatever is wrong with the files of a split into one sentence."""
    try:
        yield
    except CheckpointError as error:
        reason = error.message
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"the manifest is damaged ({type(error).__name__}: {error})."
    else:
        return
    raise DataError(
        f"The prepared tokens in {str(target)!r} cannot be used: {reason}", hint=_PREPARE_AGAIN
    )
