"""Tools of other programs: an MCP client over stdio, for servers that the user approved.

What is approved is pinned: the command, the sha256 of its program and of every file that it names,
and each tool's description and schema. A server whose files changed, or a tool that describes itself
otherwise than when it was approved ("rug pull"), needs a new yes; without one it is not there. A
tool's own word that it only reads counts for nothing: each call needs approval like any effect.

Uses the official SDK (``mcp`` 2), imported with the first server. Protocol: Model Context Protocol,
revision 2025-11-25 and later.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autogpt.agent.tools.base import Tool, ToolError, digest
from autogpt.core.errors import MissingExtraError, RefusedError, UsageError
from autogpt.core.files import read_json, write_json
from autogpt.core.memo import cache_folder

__all__ = ["Server", "approved_tools", "pins_path"]

Json = Any
Confirm = Callable[[str], bool]
_TIMEOUT_S = 60.0
_OPEN: list[Server] = []


def pins_path() -> Path:
    """Return where it is kept what was approved."""
    return cache_folder() / "agent" / "mcp-approved.json"


def approved_tools(
    command: str, *, confirm: Confirm | None = None, pins: Path | None = None
) -> list[Tool]:
    """Start a server and return those of its tools that are approved.

    Args:
        command: As in a shell: ``python server.py --flag``.
        confirm: Asks the user about what is new or has changed; None: nobody is there, so only
            what was approved before is used.
        pins: Where approvals are kept; None: the user's own.

    Raises:
        RefusedError: If the command, or all of its tools, are not approved.
        UsageError: If it cannot be started.
        MissingExtraError: If the SDK is not installed.
    """
    pins = pins or pins_path()
    kept: dict[str, Json] = read_json(pins) if pins.is_file() else {}
    arguments = shlex.split(command)
    now = _pin(arguments)
    own: dict[str, Json] = kept.get(command, {})
    if own.get("files") != now:
        what = "has changed since it was approved" if own else "is new"
        named = ", ".join(f"{Path(path).name} {sha256[:12]}" for path, sha256 in now.items())
        if confirm is None or not confirm(f"The MCP server {command!r} ({named}) {what}. Start it?"):
            raise RefusedError(
                f"The MCP server {command!r} {what} and was not approved.",
                hint="Run the command in a terminal, where it can be asked about.",
            )
        own = {"files": now, "tools": {}}
    server = Server(arguments)
    _OPEN.append(server)
    tools = []
    for tool in server.tools():
        if own["tools"].get(tool.name) != tool.fingerprint:
            changed = tool.name in own["tools"]
            what = "describes itself anew" if changed else "is new"
            said = confirm is not None and confirm(
                f"The tool {tool.name} {what}:\n  {tool.description[:600]}\nUse it?"
            )
            if not said:
                continue
            own["tools"][tool.name] = tool.fingerprint
        tools.append(tool)
    kept[command] = own
    write_json(pins, kept)
    if not tools:
        server.close()
        raise RefusedError(f"No tool of the MCP server {command!r} is approved.")
    return tools


class Server:
    """A running MCP server.

    Args:
        command: Program and arguments.

    Raises:
        UsageError: If it cannot be started or does not speak the protocol.
        MissingExtraError: If the SDK is not installed.
    """

    def __init__(self, command: list[str]) -> None:
        try:
            from anyio.from_thread import start_blocking_portal
            from mcp import Client, StdioServerParameters
        except ImportError as error:
            raise MissingExtraError("mcp", extra="agent", purpose="An MCP server") from error
        self._name = re.sub(r"\W+", "_", Path(command[-1] if len(command) > 1 else command[0]).stem)
        self._stack = contextlib.ExitStack()
        try:
            self._portal = self._stack.enter_context(start_blocking_portal())
            parameters = StdioServerParameters(command=command[0], args=command[1:])
            client = Client(parameters, read_timeout_seconds=_TIMEOUT_S)
            self._client = self._stack.enter_context(
                self._portal.wrap_async_context_manager(client)
            )
        except Exception as error:
            self._stack.close()
            raise UsageError(
                f"The MCP server {shlex.join(command)!r} cannot be started: "
                f"{str(error)[:200] or type(error).__name__}."
            ) from error

    def tools(self) -> list[Tool]:
        """Return what it offers."""
        listed = self._portal.call(self._client.list_tools)
        return [
            self._tool(one.name, one.description or "", dict(one.input_schema or {}))
            for one in listed.tools
        ]

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def _tool(self, name: str, description: str, schema: Mapping[str, Json]) -> Tool:
        def run(**arguments: Json) -> Json:
            return self._call(name, arguments)

        return Tool(
            name=f"{self._name}_{name}",
            description=description or name,
            schema={"type": "object", "properties": {}, **schema},
            run=run,
            effect="effect",
            # Which of them says where is not known, so all of them count.
            aims=tuple(schema.get("properties", {})),
            version=digest(schema, description),
        )

    def _call(self, name: str, arguments: Mapping[str, Json]) -> Json:
        found = self._portal.call(self._client.call_tool, name, dict(arguments))
        texts = [getattr(part, "text", "") for part in found.content]
        text = "\n".join(one for one in texts if one)
        if found.is_error:
            raise ToolError(text or f"{name} failed.")
        structured = getattr(found, "structured_content", None)
        return structured if structured is not None and not text else text


def _pin(arguments: list[str]) -> dict[str, str]:
    """Return the sha256 of the program and of every file that the command names."""
    if not arguments:
        raise UsageError("--mcp is empty; the command of a server was expected.")
    program = shutil.which(arguments[0])
    if program is None:
        raise UsageError(f"There is no program {arguments[0]!r}.")
    files = [program, *(one for one in arguments[1:] if Path(one).is_file())]
    found = {}
    for path in files:
        with Path(path).open("rb") as file:
            found[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


