"""Connections that are slow, silent, too many, or of clients that do not read."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.scripted_server import scripted_server
from tests.server.serving import until

BODY = json.dumps({"model": "tiny", "prompt": "x", "stream": True}).encode()
HEAD = (
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()


def connect(address: str, *, buffer_bytes: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", int(address.rpartition(":")[2])))
    return connection


def rest(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    limits = {"header_s": 1.0, "send_s": 1.5, "connections": 3}
    script = {"tokens": 600, "every_s": 0.001, "text": "x" * 20_000}  # more than all buffers hold
    with scripted_server(limits, **script) as (_, address):
        yield address


@pytest.mark.parametrize("sent", [b"", b"P", HEAD[:40]], ids=["nothing", "a letter", "a part"])
def test_headers_must_come_in_time(address: str, sent: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(sent)
        begin = time.monotonic()
        assert b" 408 " in rest(connection)[:20]
        assert 0.7 < time.monotonic() - begin < 10


def test_headers_may_come_in_parts(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(HEAD[:40])
        time.sleep(0.1)
        connection.sendall(HEAD[40:] + BODY)
        assert b" 200 " in connection.recv(20)


def test_too_many_connections_are_turned_away_and_make_room_again(address: str) -> None:
    def status() -> bytes:
        with connect(address) as connection:
            connection.sendall(HEAD + BODY)
            return connection.recv(20)

    assert until(lambda: b" 200 " in status())  # those of other tests are gone
    kept = [connect(address) for _ in range(3)]
    kept[0].sendall(HEAD[:40])  # one that has said something, two that have not
    assert until(lambda: b" 503 " in status(), seconds=0.9)
    for connection in kept:
        connection.close()
    assert until(lambda: b" 200 " in status())


def test_who_reads_late_is_not_dropped(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(HEAD + BODY)
        assert connection.recv(100)
        time.sleep(0.5)
        assert rest(connection).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_who_does_not_read_is_dropped(address: str) -> None:
    with connect(address, buffer_bytes=4096) as connection:
        connection.sendall(HEAD + BODY)
        assert connection.recv(100)
        time.sleep(5)
        assert not rest(connection).endswith(b"0\r\n\r\n")  # what the kernel held, and no end


def test_a_server_that_goes_down_closes_what_is_silent() -> None:
    with scripted_server(tokens=1, every_s=0.01) as (process, address):
        with connect(address) as silent:
            process.terminate()
            assert rest(silent) == b""
        assert process.wait(10) == 0


def test_what_is_cut_off_is_told_and_no_failure_of_the_server(tmp_path: Path) -> None:
    """One writes, one waits, and neither is done within the grace period."""
    limits, log = {"running": 1, "waiting": 1, "texts": 1}, tmp_path / "log"
    script = {"tokens": 1 << 30, "every_s": 0.05}
    with scripted_server(limits, grace_s=0.5, log=log, **script) as (process, address):
        with connect(address) as writes, connect(address) as waits:
            writes.sendall(HEAD + BODY)
            assert b" 200 " in writes.recv(20)
            waits.sendall(HEAD + BODY)
            time.sleep(0.3)
            process.terminate()
            answer = rest(waits)
            assert b" 503 " in answer[:20]
            assert b"draining" in answer
            rest(writes)
        assert process.wait(10) == 1
    assert "Traceback" not in log.read_text()
