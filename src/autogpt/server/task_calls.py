"""Tasks by name in the engine process: from plain values to plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autogpt.tasks import find_task

__all__ = ["run_task"]


def run_task(
    name: str,
    model: object | None,
    inputs: Sequence[str],
    parameters: Mapping[str, Any],
    *,
    call: Callable[[Callable[[], list[object]]], list[object]] | None,
) -> list[object]:
    """Return a task's answer for each input, as plain values.

    Args:
        name: As in ``tasks.TASKS``.
        model: Runs it.
        inputs: Texts, or files in base64: strings in any case, never names of files.
        parameters: The task's settings.
        call: Runs a function in the thread that owns the model, if the model wants that.

    Raises:
        UsageError: If there is no such task, or a parameter is wrong.
    """
    task = find_task(name)
    given = {key: value for key, value in parameters.items() if value is not None}
    task.job(given)  # names that are no parameters are refused, among them those of ``run`` itself

    def run() -> list[object]:
        return list(task.run(model, inputs, **given))

    return call(run) if call is not None else run()
