"""One file a task: text in, text out; each knows how to ask, to read the answer, and to teach.

``TASKS`` names them; each then appears by itself in Python, the command line, the server, the
studio and MCP::

    for name in TASKS:
        task = find_task(name)  # its description, and the schemas of a form
    found = find_task("classify").run(llm, ["Good!"], labels=["good", "bad"])
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from autogpt.core.errors import UsageError

if TYPE_CHECKING:
    from autogpt.tasks.base import Task

__all__ = ["TASKS", "find_task"]

TASKS: dict[str, str] = {
    "summarize": "autogpt.tasks.summarize.TASK",
    "classify": "autogpt.tasks.classify.TASK",
    "tag": "autogpt.tasks.tag.TASK",
    "recognize": "autogpt.tasks.recognize.TASK",
    "transcribe": "autogpt.tasks.transcribe.TASK",
}
"""Name of a task -> dotted path of its :class:`~autogpt.tasks.base.Task`."""


def find_task(name: str) -> Task:
    """Return the task of this name; nothing else is imported.

    Raises:
        UsageError: If there is none; names the nearest one.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=1)
        raise UsageError(
            f"There is no task {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Tasks: {', '.join(TASKS)}.",
        )
    module, _, attribute = TASKS[name].rpartition(".")
    task: Task = getattr(importlib.import_module(module), attribute)
    return task
