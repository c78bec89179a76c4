"""Python in the sandbox, on copies: what it writes is gone when it ends, so it only reads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autogpt.agent.escapes import find_sandbox
from autogpt.agent.glue import run_glue
from autogpt.agent.sandbox import Sandbox, interpreter
from autogpt.agent.tools.base import Tool, ToolError, as_tool, tool
from autogpt.agent.tools.folder import Folder

__all__ = ["python_tools"]


def python_tools(folder: Folder, *, sandbox: Callable[[], Sandbox] = find_sandbox) -> list[Tool]:
    """Return the tool; the sandbox is looked for when it is first used."""

    @tool(effect="read", name="python")
    def run_python(code: str, files: list[str] | None = None) -> dict[str, Any]:
        """Run Python code without network, on copies of files, and return what it prints.

        Args:
            code: The program; print what is wanted.
            files: Files of the folder that it may open, by the same name.
        """
        if not files:
            try:
                return {"exit_code": 0, "output": str(run_glue(code)), "ran_in": "monty"}
            except LookupError:
                pass  # it needs more of Python
        box = sandbox()
        with tempfile.TemporaryDirectory() as place:
            scratch = Path(place)
            for path in files or ():
                copy = scratch.joinpath(*folder.parts(path))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(folder.read(path))
            ran = box.run([interpreter(), "-I", "-c", code], scratch=scratch)
        if ran.code:
            last = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or ["no output"]
            raise ToolError(f"The code ended with {ran.code}: {last[0]}")
        return {"exit_code": 0, "output": ran.stdout, "ran_in": box.name}

    return [as_tool(run_python)]
