"""``autogpt mcp``: our tasks and the agent as an MCP server over stdio, for other programs.

Every task of ``tasks.TASKS`` that the command's model can do becomes a tool, by what its model
offers; the agent is one tool. Nobody can be asked over this line, so the agent only does what
``--yes`` named beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autogpt.core.errors import AutoGPTError, MissingExtraError

__all__ = ["offered", "serve"]

Json = Any


def serve(*, model: str, root: Path, yes: Sequence[str] = ()) -> None:
    """Serve until the other side hangs up.

    Raises:
        MissingExtraError: If the SDK is not installed.
        UsageError: If the model or the folder cannot be used.
    """
    try:
        from mcp.server.mcpserver import MCPServer
    except ImportError as error:
        raise MissingExtraError("mcp", extra="agent", purpose="Serving over MCP") from error
    server = MCPServer("autogpt")
    for function in offered(model=model, root=root, yes=yes):
        server.add_tool(function)
    server.run("stdio")


def offered(*, model: str, root: Path, yes: Sequence[str] = ()) -> list[Callable[..., Json]]:
    """Return the functions that are served; the model is loaded with the first call."""
    kept: dict[str, Any] = {}

    def loaded() -> Any:  # noqa: ANN401 - of llm
        if "model" not in kept:
            from autogpt.llm import load

            kept["model"] = load(model)
        return kept["model"]

    def agent(goal: str) -> str:
        """Reach a goal over the files of a folder with tools, and say what was checked.

        Args:
            goal: What is wanted, in a sentence, English or Chinese.
        """
        from autogpt.agent.loop import Agent

        if "agent" not in kept:
            own = model if model.startswith(("http://", "https://")) else loaded()
            kept["agent"] = Agent(own, root=root, yes=yes)
        return json.dumps(_safely(lambda: kept["agent"].run(goal).to_dict()), ensure_ascii=False)

    def classify(text: str, labels: list[str]) -> str:
        """Say which label a text has, with probabilities.

        Args:
            text: Any Unicode.
            labels: Two or more.
        """
        return json.dumps(_safely(lambda: loaded().classify(text, labels)), ensure_ascii=False)

    def generate(prompt: str, max_tokens: int = 128) -> str:
        """Continue a text.

        Args:
            prompt: The text.
            max_tokens: Most tokens to write.
        """
        return str(_safely(lambda: loaded().generate(prompt, max_tokens=max_tokens).text))

    def chat(message: str, max_tokens: int = 256) -> str:
        """Answer a message.

        Args:
            message: What the user says.
            max_tokens: Most tokens to write.
        """
        from autogpt.core.messages import user

        return str(
            _safely(lambda: loaded().generate([user(message)], max_tokens=max_tokens).text)
        )

    def summarize(text: str) -> str:
        """Say in short what a text says.

        Args:
            text: The text.
        """
        return _text_of(_safely(lambda: loaded().summarize(text)))

    def translate(text: str, to: str) -> str:
        """Translate a text.

        Args:
            text: The text.
            to: The language, as in zh or en.
        """
        return _text_of(_safely(lambda: loaded().translate(text, to=to)))

    from autogpt.tasks import TASKS

    by_task: dict[str, Callable[..., Json]] = {
        "classify": classify,
        "chat": chat,
        "summarize": summarize,
        "translate": translate,
    }
    tasks = [function for name, function in by_task.items() if name in TASKS and _can(name)]
    return [agent, generate, *tasks]


def _can(name: str) -> bool:
    """Whether models that write have a method for a task in this version."""
    from autogpt.llm import LLM

    return name == "chat" or callable(getattr(LLM, name, None))


def _safely(do: Callable[[], Json]) -> Json:
    """Return what comes, or the sentence that says what is wrong."""
    try:
        return do()
    except AutoGPTError as error:
        return {"error": error.to_dict()}


def _text_of(found: Json) -> str:
    if isinstance(found, dict):
        return json.dumps(found, ensure_ascii=False)
    return str(getattr(found, "text", found))


