"""Requests that come while there is no room: who is told what, and that it costs little."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil
import pytest

from autogpt.server.head import read_head
from tests.server.scripted_server import scripted_server
from tests.server.serving import until

LIMITS = {"running": 2, "waiting": 2, "texts": 2}
KEYS = {"ada": "a" * 30, "eve": "e" * 30, "kim": "k" * 30}
BODY = json.dumps({"model": "tiny", "prompt": "x", "stream": True}).encode()


def request(key: str = "ada", *, body: bytes = BODY, **headers: str) -> bytes:
    given = {
        "Host": "localhost",
        "Authorization": f"Bearer {KEYS.get(key, key)}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines = ["POST /v1/completions HTTP/1.1", *(f"{name}: {one}" for name, one in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Crowd:
    """A server, and streams that take all its places."""

    def __init__(self, address: str, log: Path) -> None:
        self.address, self.log = address, log
        self._kept = ExitStack()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("localhost", int(self.address.rpartition(":")[2])))
        connection.settimeout(20)
        return connection

    def ask(self, *parts: bytes) -> bytes:
        """Send a request, in parts; return the answer until the server closes the connection."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.1 if len(parts) > 1 else 0)
            found = b""
            while piece := connection.recv(1 << 16):
                found += piece
        return found

    def keep(self, key: str) -> None:
        """Take a place in the queue for good."""
        connection = self._kept.enter_context(self.connect())
        connection.sendall(request(key))

    def figures(self) -> dict[str, float]:
        headers = {"Authorization": f"Bearer {KEYS['ada']}"}
        lines = httpx2.get(f"{self.address}/metrics", headers=headers).text.splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines if line[0] != "#"}

    def under_way(self) -> tuple[float, float]:
        """Return how many run, and how many wait."""
        found = self.figures()
        return found["autogpt_running_texts"], found["autogpt_waiting_requests"]

    def leave(self) -> None:
        self._kept.close()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    log = tmp_path_factory.mktemp("door") / "log"
    script = {"tokens": 1 << 30, "every_s": 0.05}
    with scripted_server(LIMITS, keys=KEYS, log=log, **script) as (_, address):
        crowd = Crowd(address, log)
        for waiting in (0, 2):  # of each key one runs and one waits
            crowd.keep("ada")
            crowd.keep("eve")
            assert until(lambda: crowd.under_way() == (2, waiting))  # noqa: B023
        yield crowd
        crowd.leave()


def status(answer: bytes) -> int:
    return int(answer.split(None, 2)[1])


def test_a_refusal_says_all_that_a_client_needs(crowd: Crowd) -> None:
    begin = time.monotonic()
    head, _, body = crowd.ask(request()).partition(b"\r\n\r\n")
    assert 0.01 < time.monotonic() - begin < 2
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert int(headers[b"retry-after"]) >= 1
    assert headers[b"x-request-id"].startswith(b"req_")
    assert int(headers[b"content-length"]) == len(body)
    assert headers[b"connection"] == b"close"
    error = json.loads(body)["error"]
    assert error["code"] == "queue_full"
    assert error["type"] == "rate_limit_error"
    chinese = crowd.ask(request(accept_language="zh-CN")).partition(b"\r\n\r\n")[2]
    assert "等待" in json.loads(chinese)["error"]["message"]


def test_a_refusal_is_the_same_however_a_request_comes(crowd: Crowd) -> None:
    whole = request()
    assert status(crowd.ask(whole[:40], whole[40:])) == 429
    assert status(crowd.ask(whole[:-5], whole[-5:])) == 429
    assert status(crowd.ask(whole.replace(b"\r\nHost", b"\r\nX-A: 1\r\nX-A: 2\r\nHost"))) == 429
    assert status(crowd.ask(request(body=b" " * 1_000_000))) == 429


def test_who_may_not_ask_is_told_that(crowd: Crowd) -> None:
    """Also where there is no room: that there is none is nobody else's business."""
    assert status(crowd.ask(request("n" * 30, connection="close"))) == 401
    assert status(crowd.ask(request(host="evil.example"))) == 403
    assert status(crowd.ask(request(origin="null"))) == 403
    assert status(crowd.ask(request(sec_fetch_site="cross-site", connection="close"))) == 403


def test_a_key_that_has_none_waiting_is_let_in(crowd: Crowd) -> None:
    with crowd.connect() as connection:
        connection.sendall(request("kim"))
        assert until(lambda: crowd.under_way() == (2, 3))
        assert status(crowd.ask(request("kim"))) == 429
    assert until(lambda: crowd.under_way() == (2, 2))


def test_refusals_are_logged_as_a_number_and_counted(crowd: Crowd) -> None:
    name = 'autogpt_refusals_total{reason="queue_full"}'
    time.sleep(1.2)  # those of other tests are told
    before, counted = len(crowd.log.read_text().splitlines()), crowd.figures().get(name, 0)
    for _ in range(5):
        assert status(crowd.ask(request())) == 429

    def lines() -> list[dict[str, object]]:
        told = crowd.log.read_text().splitlines()[before:]
        return [json.loads(line) for line in told if '"refused"' in line]

    assert until(lambda: sum(line["refused"]["queue_full"] for line in lines()) == 5)  # type: ignore[index]
    assert len(lines()) <= 2
    assert crowd.figures()[name] == counted + 5


def test_clients_that_ask_again_at_once_are_slowed_down() -> None:
    """However fast they are, and though each answer lets one of them come again."""
    with scripted_server({"running": 1, "waiting": 1, "texts": 1}, tokens=9**9, every_s=1) as (
        server,
        address,
    ):
        crowd = Crowd(address, Path())
        crowd.keep("ada")
        crowd.keep("ada")
        assert until(lambda: status(crowd.ask(request())) == 429)
        front = psutil.Process(server.pid)
        spent, count, end = sum(front.cpu_times()[:2]), 0, time.monotonic() + 1.5
        while time.monotonic() < end:
            several = [crowd.connect() for _ in range(8)]
            for connection in several:
                connection.sendall(request())
            for connection in several:
                assert status(connection.recv(1000)) == 429
                connection.close()
            count += len(several)
        assert count <= 8 * 1.5 / 0.1 + 8
        assert sum(front.cpu_times()[:2]) - spent < 1.0

        crowd.leave()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nA: 1\r\na: 2\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nA: 1\r\n b\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length : 2\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\nContent-Length: 2\n\n{}",
        b"POST /v1/completions HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
        b"POST http://a/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nA: \x00\r\n\r\n{}",
    ],
)
def test_what_is_not_plain_is_left_to_h11(data: bytes) -> None:
    assert read_head(data) is None


def test_a_plain_request_is_read_without_h11() -> None:
    head = read_head(request().replace(b"completions", b"completions?a=1"))
    assert head is not None
    assert (head.method, head.path) == ("POST", "/v1/completions")
    assert head.headers[b"authorization"] == b"Bearer " + b"a" * 30


def test_who_asks_again_at_once_waits_for_the_answer(crowd: Crowd) -> None:
    def waited(key: str = "ada") -> float:
        begin = time.monotonic()
        assert status(crowd.ask(request(key))) == 429
        return time.monotonic() - begin

    def waited_patiently() -> float:
        time.sleep(0.2)
        return waited()

    # More than once, since a machine may be so busy that nobody asks at once.
    assert until(lambda: waited() >= 0.25)
    assert until(lambda: waited_patiently() < 0.25)
    assert until(lambda: waited() >= 0.25 and waited("eve") < 0.25)  # eve is somebody else


def test_of_requests_that_come_together_none_waits_for_another(crowd: Crowd) -> None:
    def longest() -> float:
        time.sleep(0.2)
        begin, several = time.monotonic(), [crowd.connect() for _ in range(6)]
        for connection in several:
            connection.sendall(request())
        for connection in several:
            assert status(connection.recv(1000)) == 429
            connection.close()
        return time.monotonic() - begin

    assert until(lambda: longest() < 0.25)
