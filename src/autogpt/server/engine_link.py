"""One engine process and the socket to it: started, told, heard, ended.

::

    link = await EngineLink.start(command, folder)
    link.send({"op": "stats", "id": 1})
    async for message in link.messages():
        ...
    await link.end()

Not here: who asked for what, and what becomes of it when the process ends (``engine_client``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from autogpt.server import lines
from autogpt.server.lines import Answer, News

__all__ = ["EngineLink"]

_LINE_BYTES = 1 << 26  # of the longest message: 2,048 vectors of 4,096 numbers in base64 are 45 MB


class EngineLink:
    """See the module. Made by :meth:`start`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer

    @classmethod
    async def start(
        cls, command: Sequence[str], folder: Path, *, threads: int | None = None
    ) -> Self | None:
        """Start a process and wait until it has called; None if it ends before.

        Args:
            command: To run, with the socket's path behind it.
            folder: For the socket; only this user may look into it.
            threads: Of torch; default its own choice.
        """
        path = folder / "engine"
        path.unlink(missing_ok=True)
        called: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        called = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if called.done():
                writer.close()
            else:
                called.set_result((reader, writer))

        server = await asyncio.start_unix_server(take, path, limit=_LINE_BYTES)
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *command, str(path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=_environment(threads),
                start_new_session=True,  # a Ctrl-C at the terminal is for the front alone
            )  # fmt: skip
            ended = asyncio.create_task(process.wait())
            first: set[asyncio.Future[Any]] = {called, ended}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if not called.done():
                return None
        except BaseException:
            if process is not None:
                await _killed(process)
            raise
        finally:
            server.close()
        return cls(process, *called.result())

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def send(self, message: Mapping[str, object]) -> None:
        """Tell the process."""
        self._writer.write(lines.encode(message))

    async def messages(self) -> AsyncGenerator[News | Answer, None]:
        """Yield what the process says, until it ends.

        Raises:
            ValueError: If it makes no sense, or is too long.
        """
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                yield lines.understand(line)

    def kill(self) -> None:
        """Kill the process, which ends :meth:`messages`."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        """Kill the process, and wait until it is gone."""
        self._writer.close()
        await _killed(self._process)


async def _killed(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _environment(threads: int | None) -> dict[str, str]:
    environment = dict(os.environ)
    # Threads that spin while they wait would take the core from the front.
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    return environment
