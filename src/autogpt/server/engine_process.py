"""The process that runs the models: takes requests from a socket, steps, tells what was written.

::

    python -m autogpt.server.engine_process SOCKET

One thread steps the engines; all else comes to it as functions in one inbox, run between two
steps: what the socket brings (``lines``), models that were loaded, prompts that were made ready
(texts cut into tokens, schemas compiled), what tasks want (``shared_model``). So no lock is needed
and nothing slow stands between two steps.

What was written is told at once where a text begins or ends, and else some 50 times a second: a
message per token would cost the front more than the model takes for it.

Ends with the socket, whatever became of the front.
"""

from __future__ import annotations

import gc
import logging
import os
import queue
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from autogpt.core.errors import AutoGPTError, UsageError
from autogpt.inference.completion import StepOutput
from autogpt.inference.params import SamplingParams
from autogpt.llm import LLM
from autogpt.server import lines
from autogpt.server.prompts import prepare, prompt_of
from autogpt.server.served_model import ServedModel, load_served
from autogpt.server.shared_model import SharedModel, Sink
from autogpt.server.task_calls import run_task
from autogpt.server.writing import Row, Writing

__all__ = ["EngineProcess", "main"]

_logger = logging.getLogger(__name__)

_TOLD_EVERY_S = 0.02
_TASKS_AT_ONCE = 8

T = TypeVar("T")


class EngineProcess:
    """See the module.

    Args:
        connection: A connected socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._models: dict[str, ServedModel] = {}
        self._writings: dict[int, Writing] = {}
        self._pending: set[int] = set()  # requests that are being made ready, or are tasks
        self._jobs: deque[tuple[int, Iterator[dict[str, object] | None]]] = deque()
        self._news: dict[tuple[int, int], Row] = {}
        self._told = 0.0
        self._is_urgent = False
        self._tokens = 0
        self._loading = ThreadPoolExecutor(1, "load")
        self._preparing = ThreadPoolExecutor(2, "prepare")
        self._tasks = ThreadPoolExecutor(_TASKS_AT_ONCE, "task")

    def run(self) -> None:
        """Serve until the socket ends."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        while True:
            self._take_in()
            for served in list(self._models.values()):
                if served.has_work:
                    self._step(served)
            if self._jobs:
                self._work(*self._jobs.popleft())
            self._tell()

    def call(self, function: Callable[[], T]) -> T:
        """Run a function between two steps; for threads beside the one that steps."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except Exception as error:  # noqa: BLE001 - the caller's to handle
                future.set_exception(error)

        self._inbox.put(run)
        return future.result()

    def submit(
        self, llm: LLM, token_ids: Sequence[int], params: SamplingParams, sink: Sink
    ) -> Callable[[], None]:
        """See ``shared_model.Desk``."""

        def add() -> Callable[[], None]:
            served = next((one for one in self._models.values() if one.model is llm), None)
            if served is None:
                raise UsageError("The model was unloaded.")
            number = llm.engine.add_request(token_ids, params, overflow="truncate")
            served.sinks[number] = sink
            return lambda: self._inbox.put(lambda: self._forget(served, number))

        return self.call(add)

    # What comes in.

    def _listen(self) -> None:
        try:
            with self._socket.makefile("rb") as file:
                for line in file:
                    self._inbox.put(partial(self._do, lines.decode(line)))
        except (OSError, ValueError) as error:
            _logger.error("what the front says makes no sense: %s", error)  # noqa: TRY400 - no texts
        os._exit(0)  # nobody is left to answer; threads may be busy

    def _take_in(self) -> None:
        """Run what has come; wait for something if there is nothing else to do."""
        is_busy = bool(self._jobs) or any(one.has_work for one in self._models.values())
        try:
            if not is_busy:
                self._inbox.get()()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            return

    def _do(self, message: Mapping[str, Any]) -> None:
        number = message["id"]
        do = {
            "load": self._load,
            "unload": self._unload,
            "generate": self._generate,
            "cancel": self._cancel,
            "embed": self._embed,
            "task": self._task,
            "probe": self._probe,
            "stats": self._stats,
        }[message["op"]]
        try:
            do(number, message)
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked
            self._fail(number, error)

    def _find(self, name: str) -> ServedModel:
        if name not in self._models:
            raise UsageError(f"The model {name!r} is not loaded.")
        return self._models[name]

    def _load(self, number: int, message: Mapping[str, Any]) -> None:
        def work() -> None:
            try:
                served = load_served(message["model"], message["reference"], message["options"])
            except Exception as error:  # noqa: BLE001 - it is told to whoever asked
                self._inbox.put(partial(self._fail, number, error))
                return
            self._inbox.put(lambda: register(served))

        def register(served: ServedModel) -> None:
            self._models[served.name] = served
            gc.collect()
            gc.freeze()  # what a model consists of need not be looked through again and again
            self._answer(number, served.facts())

        self._loading.submit(work)

    def _unload(self, number: int, message: Mapping[str, Any]) -> None:
        served = self._find(message["model"])
        self._fail_all(served, UsageError(f"The model {served.name!r} was unloaded."))
        del self._models[served.name]
        gc.unfreeze()
        gc.collect()
        self._answer(number, {})

    def _generate(self, number: int, message: Mapping[str, Any]) -> None:
        served = self._find(message["model"])
        llm = served.writer

        def work() -> None:
            try:
                ready = [
                    prepare(llm, prompt_of(prompt), message["settings"], message["most_tokens"])
                    for prompt in message["prompts"]
                ]
            except Exception as error:  # noqa: BLE001 - it is told to whoever asked
                self._inbox.put(partial(self._fail, number, error))
                return
            self._inbox.put(lambda: self._begin(number, served, ready, message["tenant"]))

        self._pending.add(number)
        self._preparing.submit(work)

    def _begin(
        self,
        number: int,
        served: ServedModel,
        prompts: Sequence[tuple[list[int], SamplingParams]],
        tenant: str,
    ) -> None:
        if number not in self._pending:  # cancelled meanwhile
            return
        self._pending.discard(number)
        writing = self._writings[number] = Writing(served)
        try:
            for place, (token_ids, params) in enumerate(prompts):
                request = served.writer.engine.add_request(
                    token_ids, params, tenant=tenant, overflow="refuse"
                )
                served.sinks[request] = self._sink(number, writing, place * params.n)
                writing.numbers.append(request)
                writing.left += params.n
                for index in range(params.n):
                    row = place * params.n + index
                    writing.rows[row] = Row(row, len(token_ids), params.logprobs is not None)
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked
            self._fail(number, error)

    def _sink(self, number: int, writing: Writing, first: int) -> Sink:
        def take(output: StepOutput) -> None:
            if output.error is not None:
                self._fail(number, output.error)
                return
            row = writing.rows[first + output.row]
            row.tokens += 1
            row.reused = output.reused
            self._tokens += 1
            if output.text:
                row.pieces.append(output.text)
            row.logprobs += output.logprobs
            row.finish = output.finish_reason
            if output.text or row.finish:
                self._news[number, row.number] = row
                self._is_urgent |= row.finish is not None or row.tokens == 1
            if row.finish:
                writing.left -= 1

        return take

    def _cancel(self, _: int, message: Mapping[str, Any]) -> None:
        self._drop(message["request"])

    def _embed(self, number: int, message: Mapping[str, Any]) -> None:
        self._jobs.append((number, self._find(message["model"]).embed(message["texts"])))

    def _task(self, number: int, message: Mapping[str, Any]) -> None:
        served = self._find(message["model"])
        model = SharedModel(served.model, self) if served.kind == "writer" else served.model

        def work() -> None:
            try:
                if number not in self._pending:
                    return
                found = run_task(
                    message["name"],
                    model,
                    message["inputs"],
                    message["parameters"],
                    call=self.call if served.kind != "writer" else None,
                )
            except Exception as error:  # noqa: BLE001 - it is told to whoever asked
                self._inbox.put(partial(self._fail, number, error))
                return
            self._inbox.put(lambda: self._answer(number, found))

        self._pending.add(number)
        self._tasks.submit(work)

    def _probe(self, number: int, _: Mapping[str, Any]) -> None:
        begin = time.perf_counter()
        for served in self._models.values():
            served.probe()
        seconds = time.perf_counter() - begin
        self._answer(number, {"models": list(self._models), "seconds": seconds})

    def _stats(self, number: int, _: Mapping[str, Any]) -> None:
        engines = [one.model.engine for one in self._models.values() if one.kind == "writer"]
        self._answer(
            number,
            {
                "tokens": self._tokens,
                "blocks_held": sum(engine.blocks_held for engine in engines),
                "blocks": sum(engine.blocks for engine in engines),
                "cache_bytes": sum(engine.cache_taken_bytes for engine in engines),
                "requests": len(self._writings),
            },
        )

    # The work.

    def _step(self, served: ServedModel) -> None:
        try:
            outputs = served.model.engine.step()
        except Exception as error:  # noqa: BLE001 - the other models go on, and so do later requests
            self._fail_all(served, error)
            return
        for output in outputs:
            sink = served.sinks.get(output.request)
            if sink is not None:
                sink(output)

    def _fail_all(self, served: ServedModel, error: Exception) -> None:
        """End all that a model is writing: nobody knows whose step it was that failed."""
        for number, writing in list(self._writings.items()):
            if writing.served is served:
                self._fail(number, error)
        for request, sink in list(served.sinks.items()):
            self._forget(served, request)
            sink(StepOutput(request=request, row=0, token_id=None, error=error))

    def _work(self, number: int, job: Iterator[dict[str, object] | None]) -> None:
        """Do one piece of a job."""
        try:
            found = next(job)
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked
            self._fail(number, error)
            return
        if found is None:
            self._jobs.append((number, job))
        else:
            self._answer(number, found)

    # What goes out.

    def _tell(self) -> None:
        """Send the news if it is time."""
        if not self._news:
            return
        now = time.perf_counter()
        is_idle = not any(one.has_work for one in self._models.values())
        if not (self._is_urgent or is_idle or now - self._told >= _TOLD_EVERY_S):
            return
        news = [row.take(number) for (number, _), row in self._news.items()]
        self._news.clear()
        self._told, self._is_urgent = now, False
        running = sum(len(writing.rows) for writing in self._writings.values())
        self._send({"at": news, "tokens": self._tokens, "rows": running})
        for number in [number for number, one in self._writings.items() if not one.left]:
            self._drop(number)

    def _answer(self, number: int, value: object) -> None:
        self._pending.discard(number)
        self._send({"re": number, "ok": value})

    def _fail(self, number: int, error: Exception) -> None:
        self._drop(number)
        if isinstance(error, AutoGPTError):
            told = error.to_dict()
        else:
            _logger.error("a request failed", exc_info=error)
            told = {"code": "internal", "message": "The engine failed.", "hint": ""}
        self._send({"re": number, "error": told})

    def _drop(self, number: int) -> None:
        """Forget a request, wherever it is."""
        self._pending.discard(number)
        self._jobs = deque(job for job in self._jobs if job[0] != number)
        writing = self._writings.pop(number, None)
        if writing is None:
            return
        for request in writing.numbers:
            self._forget(writing.served, request)
        for row in writing.rows:
            self._news.pop((number, row), None)

    @staticmethod
    def _forget(served: ServedModel, request: int) -> None:
        if served.sinks.pop(request, None) is not None:
            served.model.engine.cancel(request)

    def _send(self, message: Mapping[str, object]) -> None:
        self._socket.sendall(lines.encode(message))


def main() -> None:
    """Run the process; the argument is the socket's path."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    EngineProcess(connection).run()


if __name__ == "__main__":
    main()
