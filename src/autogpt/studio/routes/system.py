"""``/state``, ``/tasks``, ``/system``, ``/log``: what the server is and does."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from autogpt.server.serving import Serving
from autogpt.studio import system
from autogpt.studio.rooms import rooms
from autogpt.studio.routes.base import loaded
from autogpt.studio.tasks import list_tasks
from autogpt.studio.workspace import Workspace

__all__ = ["SystemRoutes"]

_OF_A_MODEL = ("name", "kind", "answers_messages", "context_length", "parameters", "labels")


class SystemRoutes:
    """See the module."""

    def __init__(self, workspace: Workspace, said: system.Said, serving: Serving) -> None:
        self._workspace, self._said, self._serving = workspace, said, serving

    def add(self, router: APIRouter) -> None:
        """Add the routes."""
        router.add_api_route("/state", self.state, methods=["GET"])
        router.add_api_route("/tasks", self.tasks, methods=["GET"])
        router.add_api_route("/system", self.machine, methods=["GET"])
        router.add_api_route("/log", self.log, methods=["GET"])

    async def state(self) -> dict[str, object]:
        """Say what the page must know to be drawn."""
        engine = self._serving.engine
        return {
            "rooms": rooms(),
            "engine": engine.state,
            "models": [
                {name: facts.get(name) for name in _OF_A_MODEL} for facts in loaded(self._serving)
            ],
            "most_tokens": self._serving.config.limits.most_tokens,
            "rails": self._serving.rails is not None,
        }

    async def tasks(self) -> dict[str, object]:
        """List the tasks, each with its form."""
        return {"tasks": await asyncio.to_thread(list_tasks)}

    async def machine(self) -> dict[str, object]:
        """Say what this machine is and how busy it is."""
        engine, admission = self._serving.engine, self._serving.admission
        return {
            **await asyncio.to_thread(system.facts, self._workspace.root),
            "engine": {
                "state": engine.state,
                "restarts": engine.restarts,
                "rows": engine.rows,
                "tokens": engine.tokens,
            },
            "waiting": admission.waiting,
            "running": admission.running,
        }

    async def log(self) -> dict[str, object]:
        """Return the last lines of the server's log."""
        return {"lines": self._said.lines()}
