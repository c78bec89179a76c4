"""``/jobs``: work is put into the queue, followed, stopped, resumed; its results are fetched."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from autogpt.core.errors import RunError, UsageError
from autogpt.core.files import read_json, write_json
from autogpt.core.i18n import translated
from autogpt.server.openai import Wire
from autogpt.server.serving import Serving, read
from autogpt.studio import follow
from autogpt.studio.commands import EXPORTED, PAGE, work
from autogpt.studio.jobs import Job
from autogpt.studio.page import Tickets
from autogpt.studio.requests import (
    AgentRequest,
    AnswerRequest,
    EvaluateRequest,
    ExportRequest,
    FinetuneRequest,
    InspectRequest,
    PlanRequest,
    PullRequest,
    TaskBatchRequest,
    TrainRequest,
)
from autogpt.studio.routes.base import language_of, served
from autogpt.studio.runner import Runner
from autogpt.studio.workspace import Workspace

__all__ = ["JobRoutes"]

_MOST_LISTED = 500
_REQUESTS: dict[str, type[Wire]] = {
    "plan": PlanRequest,
    "train": TrainRequest,
    "finetune": FinetuneRequest,
    "evaluate": EvaluateRequest,
    "task": TaskBatchRequest,
    "inspect": InspectRequest,
    "pull": PullRequest,
    "agent": AgentRequest,
    "export": ExportRequest,
}
# What autogpt.studio.goals writes; it is named here, since it imports torch.
_QUESTION, _ANSWER, _EVENTS, _DESK = "question.json", "answer.json", "events.jsonl", "desk"


class JobRoutes:
    """See the module."""

    def __init__(
        self, workspace: Workspace, runner: Runner, tickets: Tickets, serving: Serving
    ) -> None:
        self._workspace, self._runner, self._store = workspace, runner, runner.store
        self._tickets, self._serving = tickets, serving

    def add(self, router: APIRouter) -> None:
        """Add the routes."""
        router.add_api_route("/jobs", self.list, methods=["GET"])
        router.add_api_route("/jobs/{kind}", self.submit, methods=["POST"])
        router.add_api_route("/jobs/{job_id}", self.show, methods=["GET"])
        router.add_api_route("/jobs/{job_id}", self.remove, methods=["DELETE"])
        router.add_api_route("/jobs/{job_id}/stop", self.stop, methods=["POST"])
        router.add_api_route("/jobs/{job_id}/resume", self.resume, methods=["POST"])
        router.add_api_route("/jobs/{job_id}/report", self.report, methods=["POST"])
        router.add_api_route("/jobs/{job_id}/log", self.log, methods=["GET"])
        router.add_api_route("/jobs/{job_id}/objects", self.objects, methods=["GET"])
        router.add_api_route("/jobs/{job_id}/results", self.results, methods=["GET"])
        router.add_api_route("/jobs/{job_id}/events", self.events, methods=["GET"])
        router.add_api_route("/jobs/{job_id}/answer", self.answer, methods=["POST"])
        router.add_api_route("/jobs/{job_id}/desk/{name}", self.file, methods=["GET"])
        router.add_api_route("/jobs/{job_id}/exported", self.exported, methods=["GET"])
        router.add_api_route("/jobs/{job_id}/exported/{name:path}", self.export, methods=["GET"])

    def list(self, request: Request, limit: int = 100) -> dict[str, object]:
        """List jobs, the newest first."""
        jobs = self._store.all(limit=max(1, min(limit, _MOST_LISTED)))
        return {"jobs": [self._shown(job, request) for job in jobs]}

    async def submit(self, request: Request, kind: str) -> dict[str, object]:
        """Put work into the queue."""
        if kind not in _REQUESTS:
            raise UsageError(f"There is no kind of job {kind[:40]!r}.")
        asked = await read(request, _REQUESTS[kind])
        wanted = await asyncio.to_thread(work, asked, self._workspace, served(self._serving))
        return self._shown(self._runner.submit(wanted, asked.model_dump()), request)

    def show(self, request: Request, job_id: str) -> dict[str, object]:
        """Say how far a job is."""
        return self._shown(self._store.get(job_id), request)

    def remove(self, job_id: str) -> dict[str, object]:
        """Forget a job that has ended."""
        self._runner.remove(job_id)
        return {"removed": job_id}

    async def stop(self, request: Request, job_id: str) -> dict[str, object]:
        """Stop a job."""
        return self._shown(await asyncio.to_thread(self._runner.stop, job_id), request)

    async def resume(self, request: Request, job_id: str) -> dict[str, object]:
        """Go on with a job."""
        return self._shown(await asyncio.to_thread(self._runner.resume, job_id), request)

    async def report(self, job_id: str) -> dict[str, object]:
        """Return a link to the page that a job has written."""
        job = self._store.get(job_id)
        room = self._workspace.job(job.id)
        pages = (room / "evaluation" / "evaluation.html", room / PAGE)
        path = next((page for page in pages if page.is_file()), None)
        if path is None:
            raise RunError(f"The job {job.title!r} has no report.")
        ticket = self._tickets.give(path, scripts=job.kind == "inspect")
        return {"path": f"/reports/{ticket}"}

    def log(self, job_id: str) -> dict[str, object]:
        """Return the end of what a job said, and its command."""
        job = self._store.get(job_id)
        command = " ".join(["autogpt", *job.command])
        return {"log": follow.log(self._workspace.job(job.id)), "command": command}

    def objects(self, job_id: str) -> dict[str, object]:
        """Return the first JSON objects that a job printed, and how many lines there are."""
        folder = self._workspace.job(self._store.get(job_id).id)
        return {
            "objects": follow.objects(folder),
            "total": follow.count_lines(folder / "stdout"),
        }

    def results(self, job_id: str) -> Response:
        """Return all that a job printed, as a file."""
        job = self._store.get(job_id)
        path = self._workspace.job(job.id) / "stdout"
        if not path.is_file():
            raise RunError(f"The job {job.title!r} has written nothing yet.")
        name = "".join(mark if mark.isalnum() else "-" for mark in job.title)
        return FileResponse(path, media_type="application/jsonl", filename=f"{name}.jsonl")

    def events(self, job_id: str, after: int = 0) -> dict[str, object]:
        """Return what the agent did behind a byte, what it asks, and the files on its desk."""
        folder = self._workspace.job(self._store.get(job_id).id)
        question = folder / _QUESTION
        files = [path for path in (folder / _DESK).glob("*") if path.is_file()]
        return {
            **follow.lines_after(folder / _EVENTS, max(0, after)),
            "question": read_json(question) if question.is_file() else None,
            "files": [
                {"name": path.name, "size_bytes": path.stat().st_size} for path in sorted(files)
            ],
        }

    async def answer(self, request: Request, job_id: str) -> dict[str, object]:
        """Answer a question of the agent."""
        asked = await read(request, AnswerRequest)
        folder = self._workspace.job(self._store.get(job_id).id)
        if not (folder / _QUESTION).is_file():
            raise RunError("Nothing is asked any more.")
        write_json(folder / _ANSWER, asked.model_dump(exclude_none=True))
        return {"number": asked.number}

    def file(self, job_id: str, name: str) -> Response:
        """Return a file from the agent's desk."""
        desk = self._workspace.job(self._store.get(job_id).id) / _DESK
        path = desk / name
        if path.parent != desk or not path.is_file() or path.is_symlink():
            raise RunError(f"There is no file {name[:80]!r} on the desk.")
        return FileResponse(path, media_type="application/octet-stream", filename=name)

    def exported(self, job_id: str) -> dict[str, object]:
        """List the files that an export wrote."""
        files = self._exported(job_id)
        return {
            "files": [{"name": name, "size_bytes": files[name].stat().st_size} for name in files]
        }

    def export(self, job_id: str, name: str) -> Response:
        """Return a file that an export wrote."""
        files = self._exported(job_id)
        if name not in files:
            raise RunError(f"There is no file {name[:80]!r} in this export.")
        path = files[name]
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    def _exported(self, job_id: str) -> dict[str, Path]:
        folder = self._workspace.job(self._store.get(job_id).id) / EXPORTED
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path for path in paths}

    def _shown(self, job: Job, request: Request) -> dict[str, object]:
        """Return a job and how far it is."""
        facts = job.to_dict()
        del facts["command"]
        facts["run"] = Path(job.run).name if job.run else None
        if job.error is not None:
            language = language_of(request)
            facts["error"] = {
                name: translated(str(value), language) for name, value in job.error.items()
            }
        if job.state in ("running", "stopping"):
            facts["progress"] = follow.progress(self._workspace.job(job.id))
        return facts
