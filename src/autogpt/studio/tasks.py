"""Tasks as forms: what each needs to be asked for, from the registry."""

from __future__ import annotations

from autogpt.tasks import TASKS, find_task

__all__ = ["list_tasks"]


def list_tasks() -> list[dict[str, object]]:
    """Return every task with its description and the schemas of its form."""
    return [find_task(name).to_dict() for name in TASKS]
