"""Tasks of models that were taught one, as tools: translate, transcribe, recognize, serve.

A model is a folder inside, or a short name of one that is on this machine; nothing is fetched.
Serving is a process of its own that listens on this machine alone and ends with the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autogpt.agent.tools.base import Cost, Tool, ToolError, as_tool, tool
from autogpt.agent.tools.folder import Folder

__all__ = ["task_tools"]

Reference = Callable[[str], str]
Inside = Callable[[str], Path]
_LISTENER = "whisper-base"
_START_S = 120.0
_STOP_S = 10.0
_TOKENS_PER_CHAR = 3  # read, written, and read again as the context of what follows


def task_tools(  # noqa: C901 - one tool after another
    folder: Folder, *, reference: Reference, inside: Inside
) -> list[Tool]:
    """Return the tools over a folder.

    Args:
        folder: Where files are.
        reference: Turns the name of a model into a MODEL reference that is here.
        inside: Turns a path of the folder into one of the machine.
    """

    @tool(effect="read")
    def translate_text(text: str, to: str, model: str) -> dict[str, Any]:
        """Translate a text with a model that was taught to.

        Args:
            text: The text.
            to: Code of the language, as in zh or en.
            model: The model.
        """
        return _translated(reference(model), text, to)

    @tool(effect="idempotent", aims=("out",))
    def translate_file(path: str, to: str, model: str, out: str) -> dict[str, Any]:
        """Translate a text file into another file with a model that was taught to.

        Args:
            path: The text.
            to: Code of the language, as in zh or en.
            model: The model.
            out: The file to write.
        """
        found = _translated(reference(model), folder.text(path), to)
        folder.write(out, str(found.pop("text")).encode())
        return {"path": out, **found}

    @tool(effect="read")
    def transcribe_file(path: str, model: str = _LISTENER) -> dict[str, Any]:
        """Write down what is said in a sound file, with times.

        Args:
            path: The sound.
            model: A model that listens.
        """
        from autogpt.llm import load

        listener: Any = load(reference(model))
        if not hasattr(listener, "transcribe"):
            raise ToolError(f"{model!r} was not taught to listen.")
        found: dict[str, Any] = listener.transcribe(inside(path)).to_dict()
        return {name: found[name] for name in ("text", "segments") if name in found}

    @tool(effect="read")
    def recognize_file(path: str, model: str) -> dict[str, Any]:
        """Say which label a picture or a sound has, with probabilities.

        Args:
            path: The picture or sound.
            model: A model that was taught to recognize.
        """
        from autogpt.llm import load

        seer: Any = load(reference(model))
        if not hasattr(seer, "medium") or not hasattr(seer, "run"):
            raise ToolError(f"{model!r} was not taught to recognize.")
        found = next(iter(seer.run([inside(path)])))
        return {
            "label": found.label,
            "probabilities": {name: round(p, 4) for name, p in found.probabilities.items()},
        }

    servers: dict[str, _Server] = {}

    @tool(effect="effect", aims=("model",))
    def serve_model(model: str) -> dict[str, Any]:
        """Serve a model on this machine with OpenAI's API until the run ends.

        Args:
            model: The model.
        """
        if model not in servers:
            servers[model] = _Server(reference(model))
        return {"model": model, "address": servers[model].address}

    def stop() -> None:
        while servers:
            servers.popitem()[1].stop()

    def running(model: str) -> dict[str, Any] | None:
        """Of an earlier process nothing runs any more: its servers ended with it."""
        return {"model": model, "address": servers[model].address} if model in servers else None

    def text_cost(arguments: Mapping[str, Any]) -> Cost:
        return Cost(tokens=_TOKENS_PER_CHAR * len(str(arguments.get("text", ""))) + 512)

    def file_cost(arguments: Mapping[str, Any]) -> Cost:
        try:
            size = len(folder.text(str(arguments.get("path", ""))))
        except ToolError:
            size = 0  # the call will say so itself
        return Cost(tokens=_TOKENS_PER_CHAR * size + 512, disk_bytes=4 * size)

    return [
        replace(as_tool(translate_text), cost=text_cost),
        replace(as_tool(translate_file), cost=file_cost),
        as_tool(transcribe_file),
        as_tool(recognize_file),
        replace(as_tool(serve_model), close=stop, reconcile=running),
    ]


def _translated(model: str, text: str, to: str) -> dict[str, Any]:
    from autogpt.llm import load

    writer: Any = load(model)
    if not hasattr(writer, "translate"):
        raise ToolError(f"{model!r} does not write text, so it cannot translate.")
    found = writer.translate(text, to=to)
    return {"text": found.text, "doubtful": list(found.doubtful), "lost": list(found.lost)}


class _Server:
    """``autogpt serve`` as a process that listens on this machine alone.

    Args:
        model: MODEL reference.

    Attributes:
        address: Where its API is.

    Raises:
        ToolError: If it does not listen within two minutes.
    """

    def __init__(self, model: str) -> None:
        # A free port, no page, no keys: only programs on this machine can ask.
        command = [sys.executable, "-m", "autogpt", "serve", model, "--host", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--no-studio", "--grace", "2", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        timer = threading.Timer(_START_S, self._process.kill)
        timer.start()
        assert self._process.stdout is not None  # a pipe, see above
        try:
            line = self._process.stdout.readline()
            self.address = str(json.loads(line)["address"])
        except (ValueError, KeyError, TypeError) as error:
            self.stop()
            raise ToolError(
                f"The model {model!r} could not be served.",
                hint=f"Try it by itself: autogpt serve {model}",
            ) from error
        finally:
            timer.cancel()

    def stop(self) -> None:
        """End it; by force if it does not listen."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
