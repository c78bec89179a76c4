"""The front's side of the engine process: starts it, asks it, and starts it again when it dies.

::

    async with EngineClient(models) as engine:
        async for batch in engine.write("m", ["Once"], {"max_tokens": 8}, most_tokens=8, tenant=""):
            ...

What was under way when the process dies ends with :class:`EngineLostError`, at once. The next
process loads the same models. A process that no longer answers is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from autogpt.core.errors import AutoGPTError
from autogpt.server import lines
from autogpt.server.lines import Written

__all__ = ["EngineClient", "EngineError", "EngineLostError", "ModelSpec", "State"]

_logger = logging.getLogger(__name__)

_LINE_BYTES = 1 << 28  # of the longest message, 2,048 vectors of 4,096 numbers
_PING_EVERY_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0

State = Literal["starting", "ready", "lost", "stopped"]


class EngineError(AutoGPTError):
    """What the engine process says went wrong with a request.

    Args:
        code: As in ``core.errors``; "internal" for what is not the request's fault. Kept as
            ``kind``.
        message: What happened.
        hint: What to do.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = code


class EngineLostError(AutoGPTError):
    """The engine process ended, or cannot be asked yet."""

    code = "engine_lost"

    def __init__(self) -> None:
        super().__init__(
            "The engine ended while it worked on this, or is starting.",
            hint="It is being started again: ask again in a few seconds.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model that may be loaded.

    Attributes:
        name: What requests call it.
        reference: A MODEL.
        options: Of ``llm.load``: dtype, quantize, cache, draft, adapters.
        root: The name of the model it adapts, if it does.
    """

    name: str
    reference: str
    options: Mapping[str, object] = field(default_factory=dict)
    root: str | None = None


@dataclass(slots=True)
class _Mail:
    """What has come for one request."""

    left: int = 0  # texts that have not ended
    ended: Callable[[], None] | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    written: list[Written] = field(default_factory=list)
    value: Any = None
    error: Exception | None = None
    is_over: bool = False

    def take(self, written: Written) -> None:
        self.written.append(written)
        self.arrived.set()
        self.left -= written.finish is not None
        if self.left == 0:
            self.is_over = True
            if self.ended is not None:
                self.ended()

    def close(self, value: object = None, error: Exception | None = None) -> None:
        self.value, self.error, self.is_over = value, error, True
        self.arrived.set()


class EngineClient:
    """See the module.

    Args:
        specs: The models to load at once.
        patience_s: A process that has not answered a ping for so long is killed.
        threads: Of torch; default its own choice.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], *, patience_s: float = 120.0, threads: int | None = None
    ) -> None:
        self.specs: dict[str, ModelSpec] = {spec.name: spec for spec in specs}
        self.models: dict[str, dict[str, Any]] = {}  # facts of those that are loaded
        self.state: State = "starting"
        self.restarts = 0
        self.tokens = 0  # written since the process began
        self.rows = 0  # texts that are being written
        self.blocks_held = self.blocks = 0  # of keys and values, when last asked
        self._patience_s, self._threads = patience_s, threads
        self._numbers = itertools.count(1)
        self._mail: dict[int, _Mail] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._folder = ""

    async def __aenter__(self) -> Self:
        """Start the process and load the models.

        Raises:
            EngineError: If a model cannot be loaded.
        """
        self._folder = tempfile.mkdtemp(prefix="autogpt-")  # only this user may look into it
        try:
            reading = await self._start()
            await self._load_all()
        except BaseException:
            await self._end_process()
            self._clean()
            raise
        self.state = "ready"
        self._supervisor = asyncio.create_task(self._supervise(reading))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        self.state = "stopped"
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        await self._end_process()
        self._lose_all()
        self._clean()

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._process is None else self._process.pid

    async def ask(self, op: str, **fields: object) -> Any:  # noqa: ANN401 - JSON
        """Return the answer to one message.

        Raises:
            EngineError: If it could not be done.
            EngineLostError: If the process ended.
        """
        number, mail = self._send(op, fields)
        try:
            await mail.arrived.wait()
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            self._mail.pop(number, None)
        if mail.error is not None:
            raise mail.error
        return mail.value

    async def write(
        self,
        model: str,
        prompts: Sequence[object],
        settings: Mapping[str, object],
        *,
        most_tokens: int,
        tenant: str,
        ended: Callable[[], None] | None = None,
    ) -> AsyncGenerator[list[Written], None]:
        """Yield what is written, as it is; close the iterator to cancel.

        Args:
            model: Its name.
            prompts: Texts, lists of messages or of token ids.
            settings: As in ``inference.settings``, plain values.
            most_tokens: Most tokens of a text where ``max_tokens`` is not set.
            tenant: Only prompts of the same tenant share what was read of their beginnings.
            ended: Is called when the engine is done with it, which may be long before all of it
                was taken from here: a client that reads slowly holds no place.

        Raises:
            EngineError: If the request is wrong.
            EngineLostError: If the process ended.
        """
        fields = {"model": model, "prompts": prompts, "settings": settings, "tenant": tenant}
        number, mail = self._send("generate", {**fields, "most_tokens": most_tokens})
        mail.left = len(prompts) * int(settings.get("n") or 1)  # type: ignore[call-overload]
        mail.ended = ended
        try:
            while mail.left or mail.written:
                await mail.arrived.wait()
                mail.arrived.clear()
                if mail.error is not None:
                    raise mail.error
                batch, mail.written = mail.written, []
                if batch:
                    yield batch
        finally:
            self._mail.pop(number, None)
            if mail.left:
                self._cancel(number)
                if ended is not None:
                    ended()

    async def load(self, spec: ModelSpec) -> dict[str, Any]:
        """Load a model, and remember to load it again in the next process.

        Raises:
            EngineError: If it cannot be loaded.
            EngineLostError: If the process ended.
        """
        self.specs[spec.name] = spec
        try:
            return await self._load(spec)
        except EngineError:
            self.specs.pop(spec.name, None)
            raise

    async def unload(self, name: str) -> None:
        """Unload a model; what it was writing ends with an error.

        Raises:
            EngineError: If it is not loaded.
            EngineLostError: If the process ended.
        """
        await self.ask("unload", model=name)
        self.models.pop(name, None)
        self.specs.pop(name, None)

    async def _load(self, spec: ModelSpec) -> dict[str, Any]:
        facts: dict[str, Any] = await self.ask(
            "load", model=spec.name, reference=spec.reference, options=dict(spec.options)
        )
        self.models[spec.name] = {**facts, "created": int(time.time()), "root": spec.root}
        return self.models[spec.name]

    async def _load_all(self) -> None:
        for spec in list(self.specs.values()):
            await self._load(spec)

    def _send(self, op: str, fields: Mapping[str, object]) -> tuple[int, _Mail]:
        if self._writer is None:
            raise EngineLostError
        number, mail = next(self._numbers), _Mail()
        self._mail[number] = mail
        self._writer.write(lines.encode({"op": op, "id": number, **fields}))
        return number, mail

    def _cancel(self, number: int) -> None:
        if self._writer is not None:
            self._writer.write(lines.encode({"op": "cancel", "id": 0, "request": number}))

    # The process.

    async def _start(self) -> asyncio.Task[None]:
        """Start a process and wait until it has called; return the task that reads from it."""
        path = Path(self._folder) / "engine"
        path.unlink(missing_ok=True)
        called: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        called = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if called.done():
                writer.close()
            else:
                called.set_result((reader, writer))

        server = await asyncio.start_unix_server(take, path, limit=_LINE_BYTES)
        try:
            environment = dict(os.environ)
            # Threads that spin while they wait would take the core from the front.
            environment.setdefault("OMP_WAIT_POLICY", "passive")
            if self._threads is not None:
                environment["OMP_NUM_THREADS"] = str(self._threads)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "autogpt.server.engine_process", str(path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # a Ctrl-C at the terminal is for the front alone
            )  # fmt: skip
            ended = asyncio.create_task(self._process.wait())
            ended.add_done_callback(lambda _: called.done() or called.cancel())
            await asyncio.wait([called])
            ended.cancel()
            if called.cancelled():
                raise EngineLostError
            reader, self._writer = called.result()
        finally:
            server.close()
        return asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand out what comes, until the process ends."""
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                self._hand_out(lines.decode(line))
        self._writer = None
        self._lose_all()

    def _hand_out(self, message: Mapping[str, Any]) -> None:
        news = message.get("at")
        if news is not None:
            self.tokens, self.rows = message["tokens"], message["rows"]
            for number, *written in news:
                mail = self._mail.get(number)
                if mail is not None:
                    mail.take(Written(*written))
            return
        mail = self._mail.get(message["re"])
        if mail is None:
            return
        told = message.get("error")
        error = told and EngineError(told["code"], told["message"], told["hint"])
        mail.close(message.get("ok"), error)

    def _lose_all(self) -> None:
        self.rows = 0
        for mail in self._mail.values():
            if not mail.is_over:
                mail.close(error=EngineLostError())

    async def _supervise(self, reading: asyncio.Task[None]) -> None:
        """Start the process again whenever it ends; kill it when it is silent."""
        pause = _FIRST_PAUSE_S
        while True:
            watching = asyncio.create_task(self._watch())
            try:
                await asyncio.shield(reading)
            finally:
                watching.cancel()
            self.state = "lost"
            self.models.clear()
            await self._end_process()
            _logger.error("the engine process ended; it is started again")
            while True:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                try:
                    reading = await self._start()
                    await self._load_all()
                except (EngineError, EngineLostError, OSError) as error:
                    _logger.warning("the engine process did not start: %s", error)
                    await self._end_process()
                else:
                    break
            self.restarts += 1
            self.state = "ready"
            pause = _FIRST_PAUSE_S

    async def _watch(self) -> None:
        """Kill a process that does not answer."""
        while True:
            await asyncio.sleep(_PING_EVERY_S)
            try:
                await asyncio.wait_for(self.ask("stats"), self._patience_s)
            except TimeoutError:
                _logger.warning("the engine process does not answer; it is killed")
                self._kill()
            except AutoGPTError:
                return

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def _end_process(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if self._process is not None:
            self._kill()
            await self._process.wait()

    def _clean(self) -> None:
        folder = Path(self._folder)
        with contextlib.suppress(OSError):
            (folder / "engine").unlink(missing_ok=True)
            folder.rmdir()
