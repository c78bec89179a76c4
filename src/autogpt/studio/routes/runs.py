"""``/runs``: what was trained, its curves and samples as they grow, its report."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from autogpt.core.errors import RunError
from autogpt.studio import follow, runs
from autogpt.studio.jobs import JobStore
from autogpt.studio.page import Tickets
from autogpt.studio.workspace import Workspace

__all__ = ["RunRoutes"]


class RunRoutes:
    """See the module."""

    def __init__(self, workspace: Workspace, store: JobStore, tickets: Tickets) -> None:
        self._workspace, self._store, self._tickets = workspace, store, tickets

    def add(self, router: APIRouter) -> None:
        """Add the routes."""
        router.add_api_route("/runs", self.list, methods=["GET"])
        router.add_api_route("/runs/{name}", self.show, methods=["GET"])
        router.add_api_route("/runs/{name}", self.remove, methods=["DELETE"])
        router.add_api_route("/runs/{name}/metrics", self.metrics, methods=["GET"])
        router.add_api_route("/runs/{name}/samples", self.samples, methods=["GET"])
        router.add_api_route("/runs/{name}/report", self.report, methods=["POST"])

    def list(self) -> dict[str, object]:
        """List runs, the newest first."""
        busy = {
            Path(job.run).name: job
            for job in self._store.in_states("queued", "running", "stopping")
            if job.run
        }
        found = runs.list_runs(self._workspace)
        for run in found:
            job = busy.get(str(run["name"]))
            run["job"] = job.id if job else None
            run["state"] = job.state if job else "finished" if run["finished"] else "unfinished"
        return {"runs": found}

    def show(self, name: str) -> dict[str, object]:
        """Describe a run, with its settings."""
        folder = self._folder(name)
        return {**runs.describe(folder), "settings": runs.settings(folder)}

    def metrics(self, name: str, after: int = 0) -> dict[str, object]:
        """Return the entries of a run's record behind a byte."""
        return follow.lines_after(self._folder(name) / runs.METRICS, max(0, after))

    def samples(self, name: str, after: int = 0) -> dict[str, object]:
        """Return what a run has written while it learned, behind a byte."""
        return follow.lines_after(self._folder(name) / runs.SAMPLES, max(0, after))

    async def report(self, name: str) -> dict[str, object]:
        """Return a link to a run's report."""
        path = runs.report(self._workspace.run(name))
        return {"path": f"/reports/{self._tickets.give(path)}"}

    def remove(self, name: str) -> dict[str, object]:
        """Delete a run."""
        folder = self._workspace.run(name)
        busy = [job.run for job in self._store.in_states("queued", "running", "stopping")]
        if str(folder) in busy:
            raise RunError(f"The run {name!r} is in use.", hint="Stop its job first.")
        runs.remove(folder)
        return {"removed": name}

    def _folder(self, name: str) -> Path:
        """Return the folder of a run; of one that waits for its turn it is not there yet."""
        waiting = self._workspace.root / name
        if any(job.run == str(waiting) for job in self._store.all()):
            return waiting
        return self._workspace.run(name)
