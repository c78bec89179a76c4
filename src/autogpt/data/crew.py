"""Batches of text examined by several processes, the results in order, a few batches in memory.

A process is ``python -m autogpt.data.crew``: it reads batches from its standard input and writes
what it finds to its standard output, as a JSON header and raw numbers; nothing is pickled, and a
program that trains a model needs no guard around its main part. Small corpora are examined here,
where a process would only begin to start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from typing import IO, Any, Self, cast

import numpy as np

from autogpt.core.config import from_mapping, to_mapping
from autogpt.core.errors import ResourceError
from autogpt.core.hardware import usable_cores
from autogpt.data.duplicates import NO_KEYS, NO_VALUES
from autogpt.data.examine import Changes, Examined, examine
from autogpt.data.intake import Batch
from autogpt.data.steps import CleanConfig

__all__ = ["examined"]

_ALONE_CHARS = 1 << 23  # examined here before others are started, about half a second
_AHEAD = 2  # batches a process: one in work, one that waits for it or for its turn
_SURROGATES = "surrogatepass"
_ARRAYS: dict[str, np.dtype[Any]] = {
    "sizes": np.dtype(np.uint32),
    "hashes": np.dtype(np.uint64),
    "marks": np.dtype(np.uint8),
    "near_rows": np.dtype(np.int64),
    "near_values": NO_VALUES.dtype,
    "near_keys": NO_KEYS.dtype,
}
_WIDTHS = {"near_values": NO_VALUES.shape[1], "near_keys": NO_KEYS.shape[1]}


def examined(
    batches: Iterable[Batch],
    config: CleanConfig,
    *,
    processes: int | None = None,
    alone_chars: int = _ALONE_CHARS,
) -> Iterator[tuple[Batch, Examined]]:
    """Yield the batches in order, each with what its texts say of themselves.

    Args:
        batches: Read as they are needed.
        config: What is looked for.
        processes: How many; by default one a core, and none but this one on a single core.
        alone_chars: So many characters are examined here before others are started.

    Raises:
        ResourceError: If one of them is killed.
    """
    processes = usable_cores() if processes is None else processes
    stream = iter(batches)
    chars = 0
    for batch in stream:
        yield batch, examine([document.text for document, _ in batch], config)
        chars += sum(len(document.text) for document, _ in batch)
        if processes > 1 and chars >= alone_chars:
            yield from _by_others(stream, config, processes)


def _by_others(
    batches: Iterator[Batch], config: CleanConfig, processes: int
) -> Iterator[tuple[Batch, Examined]]:
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(processes):
            idle.put(stack.enter_context(_Worker(config)))

        def ask(batch: Batch) -> Examined:
            worker = idle.get()
            try:
                return worker.examine([document.text for document, _ in batch])
            finally:
                idle.put(worker)

        pool = stack.enter_context(ThreadPoolExecutor(processes))
        asked: deque[tuple[Batch, Future[Examined]]] = deque()
        for batch in batches:
            asked.append((batch, pool.submit(ask, batch)))
            if len(asked) >= processes * _AHEAD:
                done, answer = asked.popleft()
                yield done, answer.result()
        for done, answer in asked:
            yield done, answer.result()


class _Worker:
    """One process that examines texts, until the block ends."""

    def __init__(self, config: CleanConfig) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(to_mapping(config))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"},
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
        )

    def examine(self, texts: Sequence[str]) -> Examined:
        """Return what the texts say of themselves.

        Raises:
            ResourceError: If the process has ended.
        """
        data = [text.encode(errors=_SURROGATES) for text in texts]
        try:
            asked, answers = cast(IO[bytes], self._process.stdin), self._process.stdout
            _send(asked, {"sizes": [len(text) for text in data]}, b"".join(data))
            return _unpacked(*_received(cast(IO[bytes], answers)))
        except (EOFError, BrokenPipeError) as error:
            raise ResourceError(
                f"A process that cleans text has ended (exit code {self._process.wait()}).",
                hint="If memory ran out, close other programs, and run the same command again.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _packed(found: Examined) -> tuple[dict[str, object], bytes]:
    """Return a header and raw bytes that :func:`_unpacked` makes the same of again."""
    arrays = [getattr(found, name).tobytes() for name in _ARRAYS]
    header = {
        "arrays": [len(data) for data in arrays],
        "bytes_in": found.bytes_in,
        "normalized": dataclasses.asdict(found.normalized),
        "controls": dataclasses.asdict(found.controls),
    }
    return header, b"".join((*arrays, found.text))


def _unpacked(header: Mapping[str, Any], body: bytes) -> Examined:
    arrays, at = {}, 0
    for (name, dtype), size in zip(_ARRAYS.items(), header["arrays"], strict=True):
        array = np.frombuffer(body, dtype=dtype, count=size // dtype.itemsize, offset=at)
        arrays[name] = array.reshape(-1, _WIDTHS[name]) if name in _WIDTHS else array
        at += size
    return Examined(
        text=body[at:],
        bytes_in=header["bytes_in"],
        normalized=Changes(**header["normalized"]),
        controls=Changes(**header["controls"]),
        **arrays,
    )


def _send(stream: IO[bytes], header: Mapping[str, object], body: bytes) -> None:
    """Write the length of a JSON header, of a body, and both."""
    text = json.dumps(header).encode()
    stream.write(len(text).to_bytes(8, "little") + len(body).to_bytes(8, "little") + text)
    stream.write(body)
    stream.flush()


def _received(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read what :func:`_send` has written.

    Raises:
        EOFError: If the stream has ended.
    """
    lengths = _exactly(stream, 16)
    text = _exactly(stream, int.from_bytes(lengths[:8], "little"))
    return json.loads(text), _exactly(stream, int.from_bytes(lengths[8:], "little"))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main() -> None:
    """Examine batches from standard input until it ends."""
    config = from_mapping(CleanConfig, json.loads(sys.argv[1]))
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            header, body = _received(asked)
            texts, at = [], 0
            for size in header["sizes"]:
                texts.append(body[at : at + size].decode(errors=_SURROGATES))
                at += size
            _send(answers, *_packed(examine(texts, config)))


if __name__ == "__main__":
    main()
