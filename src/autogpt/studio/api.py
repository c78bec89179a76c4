"""The studio of one server: its page, its endpoints below ``/v1/studio``, its queue of jobs.

The endpoints pass the same guard as the server's other routes (Host, Origin, key, bounds); where
there are keys, these want an ``admin`` one: who may train may use the machine. Errors come in the
language of ``Accept-Language``.
"""

from __future__ import annotations

import logging
from pathlib import Path

from fastapi import APIRouter

from autogpt.server.serving import Serving
from autogpt.studio import system
from autogpt.studio.jobs import JobStore
from autogpt.studio.page import Page, Tickets
from autogpt.studio.routes.base import StudioRoute
from autogpt.studio.routes.data import DataRoutes
from autogpt.studio.routes.jobs import JobRoutes
from autogpt.studio.routes.models import ModelRoutes
from autogpt.studio.routes.runs import RunRoutes
from autogpt.studio.routes.system import SystemRoutes
from autogpt.studio.runner import Runner
from autogpt.studio.workspace import Workspace

__all__ = ["Studio"]


class Studio:
    """See the module.

    A context manager, so that the queue is looked after::

        with Studio(Path("runs")) as studio:
            app = create_app(config, engine, page=studio.page, more=[studio.routes])

    Args:
        folder: Where runs, uploads and jobs are.
    """  # fmt: skip

    def __init__(self, folder: Path) -> None:
        self._workspace = Workspace.open(folder)
        self._store = JobStore(self._workspace.database)
        self._runner = Runner(self._workspace, self._store)
        self._tickets = Tickets()
        self._said = system.Said()
        self.page = Page(self._tickets)

    def __enter__(self) -> Studio:
        """Begin to run jobs."""
        logging.getLogger("autogpt").addHandler(self._said)
        self._runner.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the jobs that run to themselves."""
        self._runner.__exit__()
        self._store.close()
        logging.getLogger("autogpt").removeHandler(self._said)

    def routes(self, serving: Serving) -> APIRouter:
        """Return the endpoints, for ``create_app``."""
        router = APIRouter(
            prefix="/v1/studio", tags=["studio"], route_class=StudioRoute, include_in_schema=False
        )
        workspace, tickets = self._workspace, self._tickets
        DataRoutes(workspace, serving).add(router)
        JobRoutes(workspace, self._runner, tickets, serving).add(router)
        RunRoutes(workspace, self._store, tickets).add(router)
        ModelRoutes(workspace, serving).add(router)
        SystemRoutes(workspace, self._said, serving).add(router)
        return router
