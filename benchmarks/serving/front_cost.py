"""What the front costs: the same requests to the engine directly and through HTTP, in turns.

Run: ``python benchmarks/serving/front_cost.py [--quantize int4]``. Eight clients, 128 tokens in,
64 out, greedy, streamed; medians of interleaved rounds. The direct engine is in a process of its
own; a client's next request is added as soon as its last one ends. Prints tokens/s of output of
both, the share that is lost, and what front and clients took of the processor.

The clients are threads that the kernel wakes when the answer is whole (SO_RCVLOWAT): on a network
they would not share the machine, and one that is woken for each token costs as much as the front.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from common import MODEL, Server, autogpt, median, prompt_of, request_bytes, show, tokenizer_count

CLIENTS, READ, WRITTEN = 8, 128, 64


def direct(quantize: str) -> None:
    """Answer rounds from standard input: lists of prompts, one list a client."""
    import autogpt as package

    llm = package.load(MODEL, quantize=quantize, policy=None)
    params = llm.sampling(max_tokens=WRITTEN, temperature=0)
    print("ready", flush=True)
    for line in sys.stdin:
        waiting: list[list[str]] = json.loads(line)
        begin, tokens = time.perf_counter(), 0
        owners: dict[int, list[str]] = {}
        ready = list(waiting)
        while ready or llm.engine.has_work:
            for own in filter(None, ready):
                token_ids = llm.encode([package.user(own.pop(0))])
                owners[llm.engine.add_request(token_ids, params)] = own
            ready = []
            for output in llm.engine.step():
                tokens += 1
                if output.is_last:
                    ready.append(owners.pop(output.request))
        print(json.dumps([time.perf_counter() - begin, tokens]), flush=True)


def through(server: Server, prompts: list[list[str]]) -> tuple[float, int]:
    """Return seconds and tokens of a round over HTTP."""

    def client(own: list[str]) -> int:
        return sum(asked(server.port, prompt) for prompt in own)

    begin = time.perf_counter()
    with ThreadPoolExecutor(len(prompts)) as pool:
        tokens = sum(pool.map(client, prompts))
    return time.perf_counter() - begin, tokens


def asked(port: int, prompt: str) -> int:
    """Stream one answer; return how many tokens it has."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": WRITTEN,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 << 16)
        connection.sendall(request_bytes(port, "/v1/chat/completions", body))
        answer = b""
        while piece := connection.recv(1 << 18):
            answer += piece
    return int(answer.rpartition(b'"completion_tokens":')[2].split(b",")[0])


def processor_s(server: Server) -> list[float]:
    """Return the seconds of processor that the front and this process have taken."""
    front = server.processes[0].cpu_times()
    return [front.user + front.system, time.process_time()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quantize", default="int4")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--direct", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.direct:
        direct(arguments.quantize)
        return
    count = tokenizer_count()
    command = [sys.executable, __file__, "--direct", "--quantize", arguments.quantize]
    rates: dict[str, list[float]] = {"direct": [], "served": []}
    costs: list[list[float]] = []
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
        autogpt(MODEL, "--quantize", arguments.quantize) as server,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        for number in range(arguments.rounds + 1):
            prompts = [
                [
                    prompt_of(READ, count, 10_000 * number + 100 * client + turn)
                    for turn in range(arguments.turns)
                ]
                for client in range(CLIENTS)
            ]
            process.stdin.write(json.dumps(prompts) + "\n")
            process.stdin.flush()
            own: Any = json.loads(process.stdout.readline())
            spent = processor_s(server)
            served = through(server, prompts)
            spent = [end - begin for begin, end in zip(spent, processor_s(server), strict=True)]
            if number:
                rates["direct"].append(own[1] / own[0])
                rates["served"].append(served[1] / served[0])
                costs.append([1e6 * one / served[1] for one in spent])
        process.stdin.close()
    lost = [1 - b / a for a, b in zip(rates["direct"], rates["served"], strict=True)]
    show(
        {
            "quantize": arguments.quantize,
            "direct_tokens_per_s": round(median(rates["direct"]), 1),
            "served_tokens_per_s": round(median(rates["served"]), 1),
            "lost": round(median(lost), 4),
            "lost_of_each_round": [round(one, 3) for one in lost],
            "front_us_per_token": round(median([front for front, _ in costs]), 1),
            "clients_us_per_token": round(median([clients for _, clients in costs]), 1),
        }
    )


if __name__ == "__main__":
    main()
