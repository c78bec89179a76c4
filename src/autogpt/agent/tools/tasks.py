"""Tasks of models that were taught one, as tools: translate, transcribe, recognize, serve.

A model is a folder inside, or a short name of one that is on this machine; nothing is fetched.
Serving is a process of its own that listens on this machine alone and ends with the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autogpt.agent.tools.base import Cost, Tool, ToolError, as_tool, tool
from autogpt.agent.tools.folder import Folder

__all__ = ["model_reference", "task_tools"]

_LISTENER = "whisper-base"
_START_S = 600.0  # as a large model on a busy machine needs
_STOP_S = 10.0
_TOKENS_PER_CHAR = 3  # read, written, and read again as the context of what follows


def task_tools(folder: Folder) -> list[Tool]:  # noqa: C901 - one tool after another
    """Return the tools over a folder."""

    @tool(effect="read")
    def translate_text(text: str, to: str, model: str) -> dict[str, Any]:
        """Translate a text with a model that was taught to.

        Args:
            text: The text.
            to: Code of the language, as in zh or en.
            model: The model.
        """
        return _translated(folder, text, to, model)

    @tool(effect="idempotent", aims=("out",))
    def translate_file(path: str, to: str, model: str, out: str) -> dict[str, Any]:
        """Translate a text file into another file with a model that was taught to.

        Args:
            path: The text.
            to: Code of the language, as in zh or en.
            model: The model.
            out: The file to write.
        """
        found = _translated(folder, folder.text(path), to, model)
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

        sound = _there(folder, path)
        listener: Any = load(model_reference(folder, model))
        if not hasattr(listener, "transcribe"):
            raise ToolError(f"{model!r} was not taught to listen.")
        found: dict[str, Any] = listener.transcribe(sound).to_dict()
        return {name: found[name] for name in ("text", "segments") if name in found}

    @tool(effect="read")
    def recognize_file(path: str, model: str) -> dict[str, Any]:
        """Say which label a picture or a sound has, with probabilities.

        Args:
            path: The picture or sound.
            model: A model that was taught to recognize.
        """
        from autogpt.llm import load

        seen = _there(folder, path)
        seer: Any = load(model_reference(folder, model))
        if not hasattr(seer, "medium") or not hasattr(seer, "run"):
            raise ToolError(f"{model!r} was not taught to recognize.")
        found = next(iter(seer.run([seen])))
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
            servers[model] = _Server(model_reference(folder, model), called=model)
        return servers[model].told()

    def stop() -> None:
        while servers:
            servers.popitem()[1].stop()

    def running(model: str) -> dict[str, Any] | None:
        """Of an earlier process nothing runs any more: its servers ended with it."""
        return servers[model].told() if model in servers else None

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


def _translated(folder: Folder, text: str, to: str, model: str) -> dict[str, Any]:
    from autogpt.llm import load

    writer: Any = load(model_reference(folder, model))
    if not hasattr(writer, "translate"):
        raise ToolError(f"{model!r} does not write text, so it cannot translate.")
    found = writer.translate(text, to=to)
    return {"text": found.text, "doubtful": list(found.doubtful), "lost": list(found.lost)}


def model_reference(folder: Folder, name: str) -> str:
    """Return a MODEL reference: a folder inside, or a short name; nothing that is fetched.

    Raises:
        ToolError: If there is none of that name here.
    """
    if name == "new" or "/" not in name:
        from autogpt.core.refs import is_missing

        place = folder.place(name) if name != "new" else None
        if place is not None and place.is_dir():
            return str(place)
        if name != "new" and is_missing(name):
            raise ToolError(
                f"The model {name!r} is not on this machine.",
                hint=f"If the catalog has it: autogpt models pull {name}",
            )
        return name
    place = folder.place(name)
    if not place.exists():
        raise ToolError(f"There is no model {name!r} in the folder.")
    return str(place)


def _there(folder: Folder, path: str) -> Path:
    """Return where a file of the folder is on the machine.

    Raises:
        ToolError: If there is none, in the words of every other tool.
    """
    with folder.open(path):
        pass
    return folder.place(path)


_SERVE = """
import os, signal, sys, threading

def follow():
    sys.stdin.buffer.read()  # until the agent's process is gone, also when it was killed
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=follow, daemon=True).start()
from autogpt.cli.app import main
sys.exit(main())
"""


class _Server:
    """``autogpt serve`` as a process that listens on this machine alone.

    It ends when its standard input does, which is a pipe that this process holds: so it cannot
    outlive the agent, whatever ends that.

    Args:
        model: MODEL reference.
        called: What the user calls it.

    Attributes:
        address: Where its server is.
        name: What requests call the model.

    Raises:
        ToolError: If it does not listen within ten minutes, with the reason it gives.
    """

    def __init__(self, model: str, *, called: str) -> None:
        self._called = called
        # A free port, no page, no keys: only programs on this machine can ask.
        command = [sys.executable, "-c", _SERVE, "serve", model, "--host", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--no-studio", "--grace", "2", "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        timer = threading.Timer(_START_S, self._process.kill)
        timer.start()
        assert self._process.stdout is not None  # a pipe, see above
        try:
            said = json.loads(self._process.stdout.readline() or "{}")
        except ValueError:
            said = {}
        finally:
            timer.cancel()
        if "address" not in said:
            self.stop()
            late = f"it ended, or did not listen within {_START_S:.0f} seconds."
            reason = said.get("error", {}).get("message", late)
            raise ToolError(f"The model {called!r} could not be served: {reason}")
        self.address = str(said["address"])
        self.name = str(said["models"][0])

    def told(self) -> dict[str, Any]:
        """Return where requests go, and what they call the model."""
        return {"model": self._called, "address": f"{self.address}/v1", "name": self.name}

    def stop(self) -> None:
        """End it; by force if it does not listen."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
