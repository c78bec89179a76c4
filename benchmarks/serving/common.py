"""What the scripts of this folder share: servers in processes of their own, and cheap clients.

A client here is a socket of asyncio and little more, so that it takes little of the machine from
the server it measures; all of it stays on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

# The page and the rails are no part of what is compared.
PLAIN = ("--port", "0", "--json", "--no-studio", "--policy", "off")
MODEL = "smollm2-135m-instruct"
_TEXT = re.compile(rb'"(?:content|text)": ?"[^"]')
TEXT = (
    "The boiler in the cellar was built in 1911 and heats eleven rooms. Every autumn the pipes are "
    "bled from the top floor down, the pressure is brought to one and a half bar, and the chimney "
    "is swept by a firm from the next village. In 2019 the burner was replaced, because spares "
    "for the old one could not be found any more; since then the house needs a fifth less oil. "
)


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    process: subprocess.Popen[str]
    port: int

    @property
    def processes(self) -> list[psutil.Process]:
        """The server and its children."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    @property
    def engine(self) -> psutil.Process:
        """The process that runs the models."""
        return psutil.Process(self.process.pid).children()[0]

    @property
    def rss_bytes(self) -> int:
        """Memory of the server and its children."""
        return sum(process.memory_info().rss for process in self.processes)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body of a GET."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as found:
                return found.status, found.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def figure(self, name: str) -> float:
        """Return one of the server's own figures."""
        lines = self.get("/metrics")[1].decode().splitlines()
        return next(float(one.split()[1]) for one in lines if one.startswith(f"autogpt_{name} "))


@contextlib.contextmanager
def started(command: Sequence[str], port: int | None, *, seconds: float = 300) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        command: Prints its address as JSON, unless ``port`` is given.
        port: Where it will answer.
        seconds: To wait for that.
    """
    errors = None if os.environ.get("SHOW_ERRORS") else subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        if port is None:
            port = int(json.loads(_first_line(process, seconds))["address"].rpartition(":")[2])
        else:
            _wait_for(port, process, seconds)
        yield Server(process, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def autogpt(*arguments: str) -> contextlib.AbstractContextManager[Server]:
    """Run ``autogpt serve`` at a free port."""
    command = [sys.executable, "-m", "autogpt", "serve", *arguments, *PLAIN]
    return started(command, None)


def _first_line(process: subprocess.Popen[str], seconds: float) -> str:
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    output = process.stdout
    assert output is not None
    threading.Thread(target=lambda: lines.put(output.readline()), daemon=True).start()
    return lines.get(timeout=seconds)


def _wait_for(port: int, process: subprocess.Popen[str], seconds: float) -> None:
    import socket

    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.2)
    raise RuntimeError("the server did not start")


@dataclass
class Answer:
    """What came of one request.

    Attributes:
        status: Of HTTP; 0 if the connection broke.
        begin_s, first_s, end_s: By the monotonic clock; first_s is the first text.
        headers: Raw.
        events: The data of each event, or of the whole body.
    """

    status: int = 0
    begin_s: float = 0.0
    first_s: float = 0.0
    end_s: float = 0.0
    headers: bytes = b""
    events: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text that was streamed, of any choice."""
        return "".join(
            choice.get("text") or choice.get("delta", {}).get("content") or ""
            for event in self.events
            for choice in json.loads(event).get("choices", ())
        )

    @property
    def usage(self) -> dict[str, Any]:
        """The usage that was told last."""
        found = [json.loads(event).get("usage") for event in self.events]
        return next(one for one in reversed(found) if one)


def request_bytes(
    port: int, path: str, body: dict[str, Any] | bytes, headers: Sequence[str] = ()
) -> bytes:
    """Return a POST as bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def post(
    port: int,
    path: str,
    body: dict[str, Any] | bytes,
    *,
    headers: Sequence[str] = (),
    leave_after: int | None = None,
) -> Answer:
    """Send a request and read its answer.

    Args:
        port: Of the server.
        path: Of the route.
        body: Of the request.
        headers: Further ones.
        leave_after: Close the connection after so many events.
    """
    answer = Answer(begin_s=time.monotonic())
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request_bytes(port, path, body, headers))
            answer.headers = await reader.readuntil(b"\r\n\r\n")
            answer.status = int(answer.headers.split(None, 2)[1])
            async for event in _events(reader, answer.headers):
                if not answer.first_s and _TEXT.search(event):
                    answer.first_s = time.monotonic()
                answer.events.append(event)
                if leave_after is not None and len(answer.events) >= leave_after:
                    break
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError):
        if not answer.events:
            answer.status = 0
    answer.end_s = time.monotonic()
    return answer


async def _events(reader: asyncio.StreamReader, headers: bytes) -> AsyncIterator[bytes]:
    if b"text/event-stream" not in headers.lower():
        body = await reader.read()
        if b"chunked" in headers.lower():
            body = body.partition(b"\r\n")[2].partition(b"\r\n0\r\n")[0]
        yield body
        return
    while line := await reader.readline():
        if line.startswith(b"data:") and b"[DONE]" not in line:
            yield line[5:].strip()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def prompt_of(tokens: int, count: Callable[[str], int], number: int) -> str:
    """Return a text of about so many tokens, different for each number."""
    words = f"Report {number}. {TEXT * 8}".split()
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if count(" ".join(words[:middle])) <= tokens:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def tokenizer_count() -> Callable[[str], int]:
    """Return what counts the tokens of a text as the model does."""
    from autogpt.core.refs import resolve
    from autogpt.interop.gguf import open_gguf

    tokenizer = open_gguf(resolve(MODEL)).tokenizer()
    return lambda text: len(tokenizer.encode(text))


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return float(statistics.median(values))


def show(found: dict[str, Any]) -> None:
    """Print figures as one JSON object."""
    print(json.dumps(found, indent=1))


__all__ = [
    "MODEL",
    "TEXT",
    "Answer",
    "Path",
    "Server",
    "autogpt",
    "median",
    "percentile",
    "post",
    "prompt_of",
    "request_bytes",
    "show",
    "started",
    "tokenizer_count",
]
