"""Tasks by name in the engine process: from plain values to plain values."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autogpt.core.errors import UsageError
from autogpt.tasks import TASKS

__all__ = ["run_task"]


def run_task(
    name: str,
    model: Any,  # noqa: ANN401 - what a task needs of it is the task's to say
    inputs: Sequence[Any],
    parameters: Mapping[str, Any],
    *,
    call: Callable[[Callable[[], Any]], Any] | None,
) -> list[object]:
    """Return a task's answer for each input, as plain values.

    Args:
        name: As in ``tasks.TASKS``.
        model: Runs it.
        inputs: Texts.
        parameters: The task's settings.
        call: Runs a function in the thread that owns the model, if the model wants that.

    Raises:
        UsageError: If there is no such task, or a parameter is wrong.
    """
    if name not in TASKS:
        raise UsageError(f"There is no task {name!r}.", hint=f"There are: {', '.join(TASKS)}.")
    module, _, attribute = TASKS[name].rpartition(".")
    kind: Any = getattr(importlib.import_module(module), attribute)
    task = kind(**parameters)

    def run() -> list[object]:
        return [answer.to_dict() for answer in task.run(model, inputs)]

    return call(run) if call is not None else run()
