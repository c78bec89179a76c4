"""The front's side of the engine, with processes that say rubbish, or nothing for a while."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from autogpt.server import lines
from autogpt.server.engine_client import EngineClient, EngineLostError, ModelSpec
from autogpt.server.lines import Answer, News, Written
from tests.server.scripted_engine import command
from tests.server.scripted_server import scripted_server
from tests.server.serving import until

SPEC = ModelSpec(name="tiny", reference="scripted")
WRITTEN = '[$ID, 0, "Once", null, null, 1, 3, 0]'

NONSENSE = {
    "no JSON": "Traceback (most recent call last):",
    "half of a message": '{"at": [[$ID, 0, "On',
    "no UTF-8": '{"re": $ID, "ok": "\udcff"}',
    "no object": "[1, 2]",
    "deeply nested": "[" * 100_000,
    "an unknown type": '{"hello": $ID}',
    "an empty line": "",
    "an answer and an error": '{"re": $ID, "ok": 1, "error": {}}',
    "an error without its fields": '{"re": $ID, "error": {"code": "usage"}}',
    "an error that is a text": '{"re": $ID, "error": "no"}',
    "an id that is no number": '{"re": "$ID", "ok": {}}',
    "news without counts": f'{{"at": [{WRITTEN}]}}',
    "news that are no list": '{"at": 3, "tokens": 1, "rows": 1}',
    "news that are too short": '{"at": [[$ID, 0, "x"]], "tokens": 1, "rows": 1}',
    "a text that is a number": '{"at": [[$ID, 0, 5, null, null, 1, 1, 0]], "tokens": 1, "rows": 1}',
}
OUT_OF_PLACE = {
    "an answer where texts are due": '{"re": $ID, "ok": {}}',
    "an id that nobody gave": '{"re": 999999, "ok": {}}',
    "news of an id that nobody gave": f'{{"at": [{WRITTEN.replace("$ID", "77")}], '
    '"tokens": 1, "rows": 1}',
    "a text that was not asked for": f'{{"at": [{WRITTEN.replace(" 0", " 1", 1)}], '
    '"tokens": 1, "rows": 1}',
    "a line without an end": "$LONG",
}
SAID = ("no JSON", "no UTF-8", "an unknown type", "news that are too short")
RUBBISH = {name: NONSENSE[name] for name in SAID} | OUT_OF_PLACE


async def text_of(engine: EngineClient) -> str:
    written: list[Written] = []
    settings = {"max_tokens": 4}
    async for batch in engine.write("tiny", ["Once"], settings, most_tokens=4, tenant=""):
        written += batch
    return "".join(one.text for one in written)


async def until_ready(engine: EngineClient, restarts: int) -> None:
    async with asyncio.timeout(30):
        while engine.state != "ready" or engine.restarts < restarts:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("line", NONSENSE.values(), ids=NONSENSE)
def test_what_makes_no_sense_is_refused_without_a_word_of_it(line: str) -> None:
    data = line.replace("$ID", "1").encode("utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=r"\w") as caught:
        lines.understand(data)
    assert "Traceback" not in str(caught.value)


def test_what_makes_sense_is_understood() -> None:
    said = f'{{"at": [{WRITTEN.replace("$ID", "4")}], "tokens": 5, "rows": 2}}'
    assert lines.understand(said.encode()) == News(
        [(4, Written(0, "Once", None, None, 1, 3, 0))], tokens=5, rows=2
    )
    assert lines.understand(b'{"re": 4, "ok": null}') == Answer(4, None, None)
    error = b'{"re": 4, "error": {"code": "usage", "id": "AG-1", "message": "m", "hint": ""}}'
    assert lines.understand(error) == Answer(4, None, ("usage", "m", ""))


@pytest.mark.parametrize("line", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_is_a_lost_engine(line: str) -> None:
    async def run() -> None:
        async with EngineClient([SPEC], command=command(lines=[line])) as engine:
            first = engine.pid
            waiting = asyncio.create_task(engine.ask("task"))  # is never answered
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                with pytest.raises(EngineLostError):
                    await text_of(engine)
                with pytest.raises(EngineLostError):
                    await waiting
                assert engine.state == "lost"
                with pytest.raises(EngineLostError):
                    await engine.ask("stats")
            await until_ready(engine, 1)
            assert engine.pid != first
            assert await engine.ask("probe") == {"models": ["tiny"], "seconds": 0.0}
            assert not Path(f"/proc/{first}").exists()

    asyncio.run(run())


def test_what_comes_for_a_request_that_was_canceled_is_no_rubbish() -> None:
    late = f'{{"at": [{WRITTEN.replace("$ID", "2")}], "tokens": 1, "rows": 1}}'

    async def run() -> None:
        async with EngineClient([SPEC], command=command(lines=[late])) as engine:
            canceled = asyncio.create_task(text_of(engine))
            await asyncio.sleep(0)
            canceled.cancel()
            waiting = asyncio.create_task(text_of(engine))
            await asyncio.sleep(0.2)
            assert (await engine.ask("stats"))["blocks"] == 1
            waiting.cancel()
            assert engine.restarts == 0

    asyncio.run(run())


def test_health_and_requests_over_http_tell_of_rubbish() -> None:
    said = [f'{{"at": [{WRITTEN}], "tokens": 1, "rows": 1}}', "rubbish"]
    with scripted_server(lines=said) as (_, address), httpx2.Client(base_url=address) as http:
        assert http.get("/health").status_code == 200
        answer = http.post("/v1/completions", json={"model": "tiny", "prompt": "Once"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "engine_lost"
        health = http.get("/health")
        assert (health.status_code, health.json()) == (503, {"status": "lost"})
        assert until(lambda: http.get("/health").status_code == 200)
        assert "autogpt_engine_restarts 1.0" in http.get("/metrics").text


FRONT = f"""
import asyncio, json
from autogpt.server.engine_client import EngineClient, ModelSpec

async def main():
    spec = ModelSpec(name="tiny", reference="scripted")
    async with EngineClient([spec], command={command(lines=[])!r}, patience_s=1.0) as engine:
        while True:
            print(json.dumps([engine.state, engine.pid, engine.restarts]), flush=True)
            await asyncio.sleep(0.05)

asyncio.run(main())
"""


@contextmanager
def front() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a front that waits a second for its engine; yield both processes."""
    process = subprocess.Popen([sys.executable, "-c", FRONT], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        state, engine, _ = json.loads(process.stdout.readline())
        assert state == "ready"
        yield process, engine
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str], seconds: float) -> list[list[object]]:
    """Return what a front says from now on, for so long."""
    assert process.stdout is not None
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        found.append(json.loads(process.stdout.readline()))
    return found


def test_an_engine_is_not_killed_because_the_machine_stood_still() -> None:
    with front() as (process, engine):
        os.kill(engine, signal.SIGSTOP)
        time.sleep(0.5)  # it has been asked by now
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.4)  # the front is awake and the engine not yet
        os.kill(engine, signal.SIGCONT)
        assert told(process, 2)[-1] == ["ready", engine, 0]


def test_an_engine_that_stands_still_alone_is_killed() -> None:
    with front() as (process, engine):
        os.kill(engine, signal.SIGSTOP)
        state, pid, restarts = told(process, 6)[-1]
        assert (state, restarts) == ("ready", 1)
        assert pid != engine
