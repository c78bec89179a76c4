"""Ten thousand requests that are wrong: none may be answered with 5xx, hang, or harm the next.

Run: ``python benchmarks/serving/malformed.py FOLDER [--cases 10000]``; FOLDER gets a tiny model of
random weights. After each hundred a right request must be answered. ``--schemathesis`` runs
schemathesis, if it is installed, on the OpenAPI as well. Prints counts of statuses, and failures.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import autogpt, show
from tiny import make_model

ROUTES = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/moderations",
    "/v1/tasks/classify",
)
RIGHT: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 2,
        "temperature": 1.0,
        "stop": ["a"],
    },
    "/v1/completions": {"model": "tiny", "prompt": "Hi", "max_tokens": 2, "n": 1, "logprobs": 1},
    "/v1/embeddings": {"model": "tiny", "input": ["Hi"]},
    "/v1/responses": {"model": "tiny", "input": "Hi", "max_output_tokens": 2},
    "/v1/moderations": {"input": "Hi"},
    "/v1/tasks/classify": {
        "model": "tiny",
        "input": ["Hi"],
        "parameters": {"labels": ["a", "b"]},
    },
}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1 << 70, 0.5, -1e308, "", "x", "NaN", [], {}, [None], {"a": 1}),
    *([[]], ["x"] * 5000, "x" * 100_000, {"type": "function"}, [{"role": "user"}], "\u0000"),
    *("\ufffe", "𝕏" * 100, [1, "a"], [-1], [1 << 40], {"": ""}, "tiny\n", "../../etc/passwd"),
)
RAW = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b'"\\ud800"', b'"\\udc00\\ud800"',
    b"1" * 5000, b"0." + b"1" * 5000, b"[" * 5000, b"[" * 300 + b"]" * 300, b'{"a":' * 300,
    b'"\xff\xfe"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b"tru", b"'x'", b"0x10", b"+1", b".5", b"1.",
    b'"\x01"', b'"\\x41"', b"// x", b'{"a":1,"a":2}', b"\xef\xbb\xbf1", b"",
)  # fmt: skip


# Headers to add; None stands for the right length. The first four try to smuggle.
WRONG_HEADERS: dict[int, list[str | None]] = {
    0: [None, "Transfer-Encoding: chunked"],
    1: [None, "Content-Length: 3"],
    2: ["Transfer-Encoding: chunked, identity"],
    3: ["Content-Length: -1"],
    4: [None, "X-Filler: " + "x" * 100_000],
    5: [None, *(f"X-{number}: y" for number in range(3000))],
    6: [f"Content-Length: {50 << 20}"],
    8: [None, "Origin: null"],
    9: [None, "Expect: 100-continue"],
    10: [None, "Upgrade: h2c", "Connection: upgrade"],
    11: ["Content-Length: 9e9"],
}
# Lines to replace: which one, and with what.
WRONG_LINES: dict[int, tuple[int, list[str]]] = {
    12: (
        0,
        [
            *("GET / HTTP/9.9", "\x00\x01\x02", "BREW ROUTE HTTP/1.1", "POST ROUTE"),
            *("GET http://evil.example/ HTTP/1.1", "POST ROUTE%00%ff HTTP/1.1"),
            "TRACE * HTTP/1.1",
        ],
    ),
    13: (1, ["Host: ", "Host: evil.example", "Host: a\tb", "Host: [::1"]),
    14: (2, ["Content-Type: text/plain", "Content-Type: ;;", "Content-Type:"]),
}


def body(random_: random.Random, route: str) -> bytes:
    """Return a body that is wrong in one place or two."""
    value = json.loads(json.dumps(RIGHT[route]))
    kind = random_.randrange(5)
    name = random_.choice([*value, "extra", "stream", "n", "seed", "tools", "response_format"])
    if kind == 0:
        value[name] = random_.choice(VALUES)
    elif kind == 1:
        value[name] = "@@"
        return json.dumps(value).encode().replace(b'"@@"', random_.choice(RAW))
    elif kind == 2:
        data = bytearray(json.dumps(value).encode())
        for _ in range(random_.randint(1, 4)):
            data[random_.randrange(len(data))] = random_.randrange(256)
        return bytes(data)
    elif kind == 3:
        data = json.dumps(value)
        return data.encode(random_.choice(["utf-16", "utf-32", "utf-16-le", "utf-8-sig"]))
    else:
        schema: Any = random_.choice(VALUES)
        for _ in range(random_.choice([1, 3, 70])):
            schema = {"type": "object", "properties": {"a": schema}, "pattern": "(a+)+$"}
        value["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": schema},
        }
    return json.dumps(value).encode()


def request(random_: random.Random, port: int) -> bytes:
    """Return one request as bytes."""
    route = random_.choice(ROUTES)
    data = body(random_, route)
    head = [
        f"POST {route} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Connection: close",
    ]
    length = f"Content-Length: {len(data)}"
    kind = random_.randrange(30)
    if kind in WRONG_HEADERS:
        head += [one or length for one in WRONG_HEADERS[kind]]
    elif kind == 7:
        head += ["Transfer-Encoding: chunked"]
        data = random_.choice([b"zz\r\n", b"-1\r\n", b"5\r\nab", b"f" * 17 + b"\r\n"]) + data
    elif kind in WRONG_LINES:
        place, lines = WRONG_LINES[kind]
        head[place] = random_.choice(lines).replace("ROUTE", route)
        head.append(length)
    else:
        head.append(length)
    return "\r\n".join([*head, "", ""]).encode("latin-1") + data


async def send(port: int, data: bytes) -> int:
    """Return the status; 0 where the server closed without one, -1 for a hang."""
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(data)
                line = await reader.readline()
                while line.startswith(b"HTTP/1.1 100"):
                    await reader.readline()
                    line = await reader.readline()
                while await reader.read(1 << 16):
                    pass
            finally:
                writer.close()
    except TimeoutError:
        return -1
    except OSError:
        return 0
    words = line.split()
    return int(words[1]) if len(words) > 1 else 0


async def big(port: int) -> int:
    """Send 50 MB that nobody asked for."""
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    return await send(port, head.encode() + chunk * 50 + b"0\r\n\r\n")


async def run(port: int, cases: int, seed: int) -> dict[str, Any]:
    """Send all cases, 32 at a time, for some wait until the server has had enough."""
    random_ = random.Random(seed)
    statuses: collections.Counter[int] = collections.Counter()
    wrong: list[str] = []
    unhealthy, slowest, sent = 0, 0.0, 0
    fine = json.dumps(RIGHT["/v1/completions"]).encode()
    right = (
        f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(fine)}\r\nConnection: close\r\n\r\n"
    ).encode() + fine

    async def client() -> None:
        nonlocal unhealthy, slowest, sent
        while sent < cases:
            sent += 1
            asks_after = sent % 100 == 0
            data = request(random_, port)
            begin = time.monotonic()
            status = await send(port, data)
            slowest = max(slowest, time.monotonic() - begin)
            statuses[status] += 1
            if status >= 500 or status == -1:
                wrong.append(repr(data[:3000]))
            if asks_after:
                unhealthy += await send(port, right) != 200

    await asyncio.gather(*(client() for _ in range(32)))
    bigs = [await big(port) for _ in range(5)]
    return {
        "cases": cases,
        "statuses": dict(sorted(statuses.items())),
        "answered_5xx_or_hung": len(wrong),
        "examples": wrong[:3],
        "unhealthy_after_a_hundred": unhealthy,
        "slowest_s": round(slowest, 2),
        "bodies_of_50_MB": bigs,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--schemathesis", action="store_true")
    arguments = parser.parse_args()
    model = make_model(arguments.folder)
    with autogpt(f"tiny={model}", "--max-tokens", "16") as server:
        pid = server.engine.pid
        found = asyncio.run(run(server.port, arguments.cases, arguments.seed))
        found["engine_survived"] = server.engine.pid == pid
        if arguments.schemathesis:
            command = [
                str(Path(sys.executable).with_name("schemathesis")),
                *("run", f"http://127.0.0.1:{server.port}/openapi.json"),
                *("--checks", "not_a_server_error", "--max-examples", "100", "--phases", "fuzzing"),
                *("--workers", "2", "--request-timeout", "30", "--no-color"),
            ]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            found["schemathesis"] = {
                "exit_code": result.returncode,
                "summary": result.stdout[-1500:].splitlines(),
            }
        found["memory_mb"] = round(server.rss_bytes / 2**20)
    show(found)


if __name__ == "__main__":
    main()
