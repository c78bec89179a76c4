"""What becomes of requests when something ends: client, engine or server; and overload."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

import autogpt
from tests.server.serving import Served, serving, until

LONG = {"model": "tiny", "prompt": "Thou", "max_tokens": 4000, "temperature": 1, "stream": True}


@pytest.fixture
def served(model: Path, tmp_path: Path) -> Iterator[Served]:
    limits = ("--max-running", "2", "--max-waiting", "2", "--cache", "1MB")
    with serving(tmp_path / "log", f"tiny={model}", *limits, "--grace", "60") as server:
        yield server


def endless(model: Path) -> dict[str, object]:
    """Return a request for a text that does not end before its tokens do."""
    ends = autogpt.load(model, policy=None).tokenizer.special_ids.values()
    return {**LONG, "logit_bias": {str(end): -100 for end in ends}}


def figure(server: Served, name: str) -> float:
    text = httpx2.get(f"{server.address}/metrics").text
    line = next(line for line in text.splitlines() if line.startswith(f"autogpt_{name} "))
    return float(line.split()[1])


def test_overload_is_refused_and_clients_that_leave_make_room(served: Served, model: Path) -> None:
    ask = endless(model)
    url = f"{served.address}/v1/completions"
    with Streams(url, ask, 4) as streams:
        assert until(lambda: figure(served, "waiting_requests") == 2)
        begin = time.monotonic()
        refused = httpx2.post(url, json=ask)
        assert time.monotonic() - begin < 1
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "queue_full"
        for stream in streams:
            stream.close()
        assert until(lambda: figure(served, "running_texts") == 0, seconds=5)
    assert figure(served, "waiting_requests") == 0
    assert until(lambda: figure(served, "cache_blocks_held") == 0, seconds=5)
    own = autogpt.load(model, policy=None, cache_bytes=2**20)
    assert figure(served, "cache_blocks") == own.engine.blocks
    assert served.client().completions.create(model="tiny", prompt="x", max_tokens=2).choices


def test_an_engine_that_is_killed_comes_back(served: Served, model: Path) -> None:
    client = served.client()
    ask = endless(model)
    stream = iter(client.completions.create(**ask))
    next(stream)
    pid = served.engine_pid()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(openai.APIError, match="engine"):
        for _ in stream:
            pass
    assert httpx2.get(f"{served.address}/health").status_code == 503
    with pytest.raises(openai.InternalServerError) as caught:
        client.completions.create(model="tiny", prompt="x")
    assert caught.value.response.headers["retry-after"]
    assert until(lambda: httpx2.get(f"{served.address}/health").status_code == 200, seconds=90)
    assert served.engine_pid() != pid
    assert client.completions.create(model="tiny", prompt="x", max_tokens=2).choices


def test_going_down_lets_what_runs_finish(served: Served, model: Path) -> None:
    client = served.client()
    ask = endless(model) | {"max_tokens": 1500}
    stream = iter(client.completions.create(**ask))
    next(stream)
    idle = socket.create_connection(("127.0.0.1", served.port))
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    answer = httpx2.post(f"{served.address}/v1/completions", json={"model": "tiny", "prompt": "x"})
    assert answer.status_code == 503
    last = [chunk.choices[0].finish_reason for chunk in stream][-1]
    assert last == "length"
    assert served.process.wait(60) == 0
    idle.close()


def test_a_second_signal_forces(served: Served, model: Path) -> None:
    stream = iter(served.client().completions.create(**endless(model)))
    next(stream)
    engine = served.engine_pid()
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(10) == 1
    assert until(lambda: not Path(f"/proc/{engine}").exists())


def test_the_engine_ends_with_the_front(served: Served) -> None:
    engine = served.engine_pid()
    served.process.kill()
    served.process.wait()
    assert until(lambda: not Path(f"/proc/{engine}").exists())


def test_a_neighbor_that_leaves_changes_nothing(served: Served, model: Path) -> None:
    client = served.client()
    ask = endless(model) | {"max_tokens": 200, "seed": 7}
    alone = "".join(chunk.choices[0].text for chunk in client.completions.create(**ask))
    with concurrent.futures.ThreadPoolExecutor() as pool:

        def leave() -> None:
            for _ in range(10):
                other = client.completions.create(**endless(model))
                next(iter(other))
                other.close()

        leaving = pool.submit(leave)
        beside = "".join(chunk.choices[0].text for chunk in client.completions.create(**ask))
        leaving.result()
    assert beside == alone


def test_who_does_not_read_holds_no_place(served: Served, model: Path) -> None:
    ask = endless(model) | {"max_tokens": 300, "logprobs": 5}
    body = json.dumps(ask).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    streams = [socket.socket() for _ in range(2)]  # all places
    try:
        for stream in streams:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stream.connect(("127.0.0.1", served.port))
            stream.sendall(head.encode() + body)
        begin = time.monotonic()
        served.client().completions.create(model="tiny", prompt="Thou", max_tokens=2)
        assert time.monotonic() - begin < 20  # and not the 30 s after which they are dropped
    finally:
        for stream in streams:
            stream.close()


class Streams:
    """Several streams that have been asked for and are not read."""

    def __init__(self, url: str, ask: dict[str, object], count: int) -> None:
        self._body = json.dumps(ask).encode()
        self._port = int(url.split(":")[2].split("/")[0])
        self._count = count

    def __enter__(self) -> list[socket.socket]:
        self._streams = []
        for _ in range(self._count):
            stream = socket.create_connection(("127.0.0.1", self._port))
            head = (
                "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n\r\n"
            )
            stream.sendall(head.encode() + self._body)
            self._streams.append(stream)
        return self._streams

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.close()
