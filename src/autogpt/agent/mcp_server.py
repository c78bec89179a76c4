"""``autogpt mcp``: our tasks and the agent as an MCP server over stdio, for other programs.

Every task of ``tasks.TASKS`` becomes a tool with its own schema, the agent is one more, and so is
writing on. Texts that name a file are taken for texts: nothing outside the agent's folder is opened
for whoever is on the line. Nobody can be asked over it, so the agent only does what ``--yes`` named
beforehand.

Uses the official SDK (``mcp`` 2), imported here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogpt.core.errors import AutoGPTError, MissingExtraError
from autogpt.tasks import TASKS, find_task

if TYPE_CHECKING:
    from mcp import types
    from mcp.server.lowlevel import Server

    from autogpt.tasks.base import Task

__all__ = ["Offer", "offers", "serve"]

Json = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A tool that is served.

    Attributes:
        name: How it is called.
        description: What it does.
        schema: JSON schema of its arguments.
        run: Does it; gets the arguments.
    """

    name: str
    description: str
    schema: Mapping[str, Json]
    run: Callable[[Mapping[str, Json]], Json]


def serve(*, model: str, root: Path, yes: Sequence[str] = ()) -> None:
    """Serve until the other side hangs up.

    Raises:
        MissingExtraError: If the SDK is not installed.
    """
    try:
        import anyio
        from mcp.server.stdio import stdio_server
    except ImportError as error:
        raise MissingExtraError("mcp", extra="agent", purpose="Serving over MCP") from error
    server = _server(offers(model=model, root=root, yes=yes))

    async def work() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(work)


def offers(*, model: str, root: Path, yes: Sequence[str] = ()) -> list[Offer]:
    """Return what is served; the model is loaded with the first call that needs it."""
    models: dict[str, Any] = {}
    lock = threading.Lock()  # a model answers one call at a time

    def loaded(name: str) -> Any:  # noqa: ANN401 - of llm
        if name not in models:
            from autogpt.llm import load

            models[name] = load(name)
        return models[name]

    def reach(arguments: Mapping[str, Json]) -> Json:
        from autogpt.agent.agent import Agent

        own = model if model.startswith(("http://", "https://")) else loaded(model)
        return Agent(own, root=root, yes=yes).run(str(arguments["goal"])).to_dict()

    def write(arguments: Mapping[str, Json]) -> Json:
        most = int(arguments.get("max_tokens", 128))
        return loaded(model).generate(str(arguments["prompt"]), max_tokens=most).to_dict()

    def locked(run: Callable[[Mapping[str, Json]], Json]) -> Callable[[Mapping[str, Json]], Json]:
        def careful(arguments: Mapping[str, Json]) -> Json:
            with lock:
                return run(arguments)

        return careful

    found = [
        Offer(
            name="agent",
            description="Reach a goal over the files of a folder with tools, checked by code.",
            schema=_object({"goal": _text("What is wanted, English or Chinese.")}, "goal"),
            run=locked(reach),
        ),
        Offer(
            name="generate",
            description="Continue a text.",
            schema=_object(
                {"prompt": _text("The text."), "max_tokens": {"type": "integer", "minimum": 1}},
                "prompt",
            ),
            run=locked(write),
        ),
    ]
    return found + [_task_offer(find_task(name), model, loaded, locked) for name in TASKS]


def _task_offer(
    task: Task,
    model: str,
    loaded: Callable[[str], Any],
    locked: Callable[[Callable[[Mapping[str, Json]], Json]], Callable[[Mapping[str, Json]], Json]],
) -> Offer:
    trained = task.needs == "trained"

    def run(arguments: Mapping[str, Json]) -> Json:
        given = dict(arguments)
        text, name = given.pop("text"), given.pop("model", model)
        return next(iter(task.run(loaded(str(name)), [text], **given)))

    own = task.parameters
    named = {"model": _text("A model that was trained for it.")} if trained else {}
    return Offer(
        name=task.name,
        description=task.about,
        schema=_object(
            {"text": dict(task.input), **named, **own.get("properties", {})},
            "text",
            *named,
            *own.get("required", ()),
        ),
        run=locked(run),
    )


def _server(served: Sequence[Offer]) -> Server[Any]:
    import anyio
    from mcp import types
    from mcp.server.lowlevel import Server

    by_name = {one.name: one for one in served}

    async def list_tools(_context: object, _request: object) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=one.name, description=one.description, input_schema=dict(one.schema)
                )
                for one in served
            ]
        )

    async def call_tool(
        _context: object, request: types.CallToolRequestParams
    ) -> types.CallToolResult:
        offer = by_name.get(request.name)
        if offer is None:
            return _told({"error": {"message": f"There is no tool {request.name!r}."}}, wrong=True)
        found = await anyio.to_thread.run_sync(_safely, offer, dict(request.arguments or {}))
        return _told(found, wrong="error" in found)

    return Server("autogpt", on_list_tools=list_tools, on_call_tool=call_tool)


def _safely(offer: Offer, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """Return what comes, or the sentence that says what is wrong."""
    from autogpt.agent.tools.base import Tool, check_arguments

    try:
        own = Tool(name=offer.name, description="", schema=offer.schema, run=offer.run)
        found: dict[str, Json] = offer.run(check_arguments(own, arguments))
    except AutoGPTError as error:
        return {"error": error.to_dict()}
    return found


def _told(value: Json, *, wrong: bool) -> types.CallToolResult:
    from mcp import types

    text = json.dumps(value, ensure_ascii=False)
    content = types.TextContent(type="text", text=text)
    return types.CallToolResult(content=[content], is_error=wrong)


def _object(properties: Mapping[str, Json], *required: str) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _text(about: str) -> dict[str, Json]:
    return {"type": "string", "description": about}
