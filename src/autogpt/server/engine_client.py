"""The front's side of the engine process: asks it, and starts it again when it is lost.

::

    async with EngineClient(models) as engine:
        async for batch in engine.write("m", ["Once"], {"max_tokens": 8}, most_tokens=8, tenant=""):
            ...

It is lost when it ends, when it says what makes no sense, and when it no longer answers. What was
under way then ends with :class:`EngineLostError`, at once. The next process loads the same models.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from autogpt.core.errors import AutoGPTError
from autogpt.server.engine_link import EngineLink
from autogpt.server.engine_mail import Mail
from autogpt.server.lines import Answer, News, Written

__all__ = ["EngineClient", "EngineError", "EngineLostError", "ModelSpec", "State"]

_logger = logging.getLogger(__name__)

_COMMAND = (sys.executable, "-m", "autogpt.server.engine_process")
_PING_EVERY_S = 5.0
_LOOKS = {  # of a kind of model that sees: its task, and where its answer stands
    "recognizer": ("recognize", "label"),
    "transcriber": ("transcribe", "text"),
}
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
        options: Of ``llm.load``: dtype, quantize, cache, cache_bytes, draft, adapters.
        root: The name of the model it adapts, if it does.
    """

    name: str
    reference: str
    options: Mapping[str, object] = field(default_factory=dict)
    root: str | None = None


class EngineClient:
    """See the module.

    Args:
        specs: The models to load at once.
        patience_s: A process that has not answered a ping for so long is killed.
        threads: Of torch; default its own choice.
        command: Runs the engine process; the socket's path is put behind it.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        *,
        patience_s: float = 120.0,
        threads: int | None = None,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self.specs: dict[str, ModelSpec] = {spec.name: spec for spec in specs}
        self.models: dict[str, dict[str, Any]] = {}  # facts of those that are loaded
        self.state: State = "starting"
        self.restarts = 0
        self.tokens = 0  # written since the process began
        self.rows = 0  # texts that are being written
        self.blocks_held = self.blocks = self.cache_bytes = 0  # of keys and values, when last asked
        self._patience_s, self._threads = patience_s, threads
        self._command = command
        self._asked = 0  # requests so far
        self._mail: dict[int, Mail] = {}
        self._link: EngineLink | None = None  # while it can be asked
        self._started: EngineLink | None = None  # until its process is gone
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
        return None if self._started is None else self._started.pid

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
        rows = len(prompts) * int(settings.get("n") or 1)  # type: ignore[call-overload]
        mail.left.update(range(rows))
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

    async def look(
        self, model: str, picture: str, *, ended: Callable[[], None] | None = None
    ) -> AsyncGenerator[list[Written], None]:
        """Yield once: what a model that was taught pictures says about one.

        Args:
            model: Its name.
            picture: A data URL.
            ended: As of :meth:`write`.

        Raises:
            EngineError: If that is no picture.
            EngineLostError: If the process ended.
        """
        task, name = _LOOKS[self.models[model]["kind"]]
        try:
            (found,) = await self.ask(
                "task", model=model, name=task, inputs=[picture], parameters={}
            )
        finally:
            if ended is not None:
                ended()
        usage = found["usage"]
        read, written = usage["prompt_tokens"], usage["completion_tokens"]
        yield [Written(0, found[name], None, "stop", written, read, 0)]

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

    def _send(self, op: str, fields: Mapping[str, object]) -> tuple[int, Mail]:
        if self._link is None:
            raise EngineLostError
        self._asked += 1
        mail = self._mail[self._asked] = Mail(op)
        self._link.send({"op": op, "id": self._asked, **fields})
        return self._asked, mail

    def _cancel(self, number: int) -> None:
        if self._link is not None:
            self._link.send({"op": "cancel", "id": 0, "request": number})

    # The process.

    async def _start(self) -> asyncio.Task[None]:
        """Start a process; return the task that reads what it says."""
        link = await EngineLink.start(self._command, Path(self._folder), threads=self._threads)
        if link is None:
            raise EngineLostError
        self._link = self._started = link
        return asyncio.create_task(self._read(link))

    async def _read(self, link: EngineLink) -> None:
        """Hand out what comes, until the process ends or makes no sense any more."""
        try:
            async for message in link.messages():
                self._hand_out(message)
        except ValueError as error:
            _logger.error("the engine process is killed: %s", error)  # noqa: TRY400 - no texts
        except Exception:
            _logger.exception("what the engine process said could not be handed out; it is killed")
        finally:
            self._link = None
            if self.state == "ready":
                self.state = "lost"
            self._lose_all()

    def _hand_out(self, message: News | Answer) -> None:
        if isinstance(message, News):
            self.tokens, self.rows = message.tokens, message.rows
            for number, written in message.written:
                mail = self._find(number)
                if mail is not None:
                    mail.take(written)
            return
        mail = self._find(message.number)
        if mail is None:
            return
        if message.error is None:
            mail.answer(message.value)
        else:
            mail.fail(EngineError(*message.error))

    def _find(self, number: int) -> Mail | None:
        """Return the mail of a request; None if nobody waits for it any more."""
        if not 0 <= number <= self._asked:
            raise ValueError("a message is of a request that was not made")
        return self._mail.get(number)

    def _lose_all(self) -> None:
        self.rows = 0
        for mail in self._mail.values():
            if not mail.is_over:
                mail.fail(EngineLostError())

    async def _supervise(self, reading: asyncio.Task[None]) -> None:
        """Start the process again whenever it ends; kill it when it is silent."""
        pause = _FIRST_PAUSE_S
        while True:
            watching = asyncio.create_task(self._watch())
            try:
                await asyncio.shield(reading)
            finally:
                watching.cancel()
            self.state = "lost"  # also where that was seen while the models were loaded
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
        period = min(_PING_EVERY_S, self._patience_s / 4)
        while True:
            await asyncio.sleep(period)
            asking = asyncio.create_task(self.ask("stats"))
            try:
                if not await self._is_answered(asking, period):
                    _logger.warning("the engine process does not answer; it is killed")
                    if self._started is not None:
                        self._started.kill()
            finally:
                asking.cancel()
                with contextlib.suppress(AutoGPTError, asyncio.CancelledError):
                    await asking

    async def _is_answered(self, asking: asyncio.Task[Any], period: float) -> bool:
        """Whether a question is answered or refused while this process itself is awake.

        Where a timer was late by more than its period, this process stood still, and with it
        perhaps the whole machine: the engine has all of its time again.
        """
        loop = asyncio.get_running_loop()
        waited = 0.0
        while waited < self._patience_s:
            begin = loop.time()
            if (await asyncio.wait({asking}, timeout=period))[0]:
                return True
            slept = loop.time() - begin
            waited = 0.0 if slept > 2 * period else waited + slept
        return False

    async def _end_process(self) -> None:
        link, self._link, self._started = self._started, None, None
        if link is not None:
            await link.end()

    def _clean(self) -> None:
        folder = Path(self._folder)
        with contextlib.suppress(OSError):
            (folder / "engine").unlink(missing_ok=True)
            folder.rmdir()
