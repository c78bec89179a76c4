"""The studio's JSON endpoints, below ``/v1/studio``: what the page asks, and nothing more.

They pass the same guard as the server's other routes (Host, Origin, key, bounds); where there are
keys, these want an ``admin`` one: who may train may use the machine. Errors come in the language of
``Accept-Language``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from autogpt.core.errors import (
    AutoGPTError,
    DataError,
    ResourceError,
    RunError,
    UsageError,
)
from autogpt.core.i18n import accepted, localized, translated
from autogpt.core.refs import resolve
from autogpt.core.store import remove as remove_model
from autogpt.server.api_errors import ApiError
from autogpt.server.engine_client import ModelSpec
from autogpt.server.openai import Wire
from autogpt.server.serving import Serving, key, read
from autogpt.studio import follow, runs, system
from autogpt.studio.jobs import Job, JobStore
from autogpt.studio.looking import look
from autogpt.studio.models import card, list_models
from autogpt.studio.page import Page, Tickets
from autogpt.studio.requests import (
    EvaluateRequest,
    FinetuneRequest,
    LoadRequest,
    PieceRequest,
    PlanRequest,
    PullRequest,
    TaskBatchRequest,
    TrainRequest,
    UploadRequest,
    model_reference,
    work,
)
from autogpt.studio.rooms import rooms
from autogpt.studio.runner import Runner
from autogpt.studio.tasks import list_tasks
from autogpt.studio.uploads import MOST_PIECE_BYTES, Uploads
from autogpt.studio.workspace import Workspace

__all__ = ["Studio"]

_JOBS: dict[str, type[Wire]] = {
    "plan": PlanRequest,
    "train": TrainRequest,
    "finetune": FinetuneRequest,
    "evaluate": EvaluateRequest,
    "task": TaskBatchRequest,
    "pull": PullRequest,
}
_STATUS: tuple[tuple[type[AutoGPTError], int], ...] = (
    (UsageError, 400), (DataError, 422), (RunError, 409), (ResourceError, 507),
)  # fmt: skip


class Studio:
    """The studio of one server: its page, its routes, its queue of jobs.

    Use it as a context manager, so that the queue is looked after::

        with Studio(Path("runs")) as studio:
            app = create_app(config, engine, page=studio.page, more=[studio.routes])

    Args:
        folder: Where runs, uploads and jobs are.
    """

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace.open(folder)
        self.store = JobStore(self.workspace.database)
        self.runner = Runner(self.workspace, self.store)
        self.uploads = Uploads(self.workspace)
        self.tickets = Tickets()
        self.page = Page(self.tickets)
        self.said = system.Said()

    def __enter__(self) -> Studio:
        """Begin to run jobs."""
        logging.getLogger("autogpt").addHandler(self.said)
        self.runner.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the jobs that run to themselves."""
        self.runner.__exit__()
        self.store.close()
        logging.getLogger("autogpt").removeHandler(self.said)

    def routes(self, serving: Serving) -> APIRouter:
        """Return the routes, for ``create_app``."""
        router = APIRouter(
            prefix="/v1/studio", tags=["studio"], route_class=_Route, include_in_schema=False
        )
        _data_routes(router, self)
        _job_routes(router, self, serving)
        _run_routes(router, self)
        _model_routes(router, self, serving)
        _system_routes(router, self, serving)
        return router


class _Route(APIRoute):
    """A route that asks for an admin key, and tells errors in the reader's language."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with both around it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            language = accepted(request.headers.get("accept-language"))
            try:
                if not key(request).is_admin:
                    raise ApiError(403, "The studio needs an admin key.", code="not_admin")
                return await handle(request)
            except AutoGPTError as error:
                status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
                return JSONResponse({"error": localized(error, language)}, status_code=status)

        return checked


def _data_routes(router: APIRouter, studio: Studio) -> None:
    uploads = studio.uploads

    @router.get("/uploads")
    def list_uploads() -> dict[str, object]:
        return {"uploads": [upload.to_dict() for upload in uploads.all()]}

    @router.post("/uploads")
    async def begin(request: Request) -> dict[str, object]:
        asked = await read(request, UploadRequest)
        upload = await asyncio.to_thread(uploads.begin, asked.name, asked.size_bytes)
        return upload.to_dict() | {"piece_bytes": MOST_PIECE_BYTES}

    @router.post("/uploads/{upload_id}/pieces")
    async def receive(request: Request, upload_id: str) -> dict[str, object]:
        asked = await read(request, PieceRequest)
        try:
            piece = base64.b64decode(asked.base64, validate=True)
        except binascii.Error as error:
            raise UsageError("The piece is not base64.") from error
        if len(piece) > MOST_PIECE_BYTES:
            raise UsageError(f"A piece has at most {MOST_PIECE_BYTES} bytes.")
        upload = await asyncio.to_thread(uploads.receive, upload_id, asked.offset, piece)
        return upload.to_dict()

    @router.get("/uploads/{upload_id}/look")
    async def look_into(
        request: Request, upload_id: str, model: str | None = None
    ) -> dict[str, object]:
        upload = uploads.whole(upload_id)
        tokenizer = None
        if model and model != "new":
            tokenizer = await asyncio.to_thread(_tokenizer_of, model, studio.workspace)
        found = await look(upload.path, tokenizer=tokenizer)
        language = accepted(request.headers.get("accept-language"))
        for problem in [*found.get("problems", ()), found.get("error")]:
            for name in ("text", "message", "hint"):
                if problem and name in problem:
                    problem[name] = translated(problem[name], language)
        return {**upload.to_dict(), **found}

    @router.delete("/uploads/{upload_id}")
    def remove(upload_id: str) -> dict[str, object]:
        uploads.remove(upload_id)
        return {"removed": upload_id}


def _tokenizer_of(model: str, workspace: Workspace) -> Path | None:
    """Return the folder of a model's tokenizer; None where it is not a folder."""
    path = resolve(model_reference(model, workspace))
    return path if (path / "tokenizer.json").is_file() else None


def _job_routes(router: APIRouter, studio: Studio, serving: Serving) -> None:
    store, runner, workspace = studio.store, studio.runner, studio.workspace

    def shown(job: Job, request: Request) -> dict[str, object]:
        """Return a job and how far it is."""
        language = accepted(request.headers.get("accept-language"))
        facts = job.to_dict()
        facts.pop("command")
        facts["run"] = Path(job.run).name if job.run else None
        if job.error is not None:
            facts["error"] = {
                name: translated(str(value), language) for name, value in job.error.items()
            }
        if job.state in ("running", "stopping"):
            facts["progress"] = follow.progress(workspace.job(job.id))
        return facts

    @router.get("/jobs")
    def list_jobs(request: Request, limit: int = 100) -> dict[str, object]:
        jobs = store.all(limit=max(1, min(limit, 500)))
        return {"jobs": [shown(job, request) for job in jobs]}

    @router.post("/jobs/{kind}")
    async def submit(request: Request, kind: str) -> dict[str, object]:
        if kind not in _JOBS:
            raise UsageError(f"There is no kind of job {kind[:40]!r}.")
        asked = await read(request, _JOBS[kind])
        wanted = await asyncio.to_thread(work, asked, workspace, _served(serving))
        return shown(runner.submit(wanted, asked.model_dump()), request)

    @router.get("/jobs/{job_id}")
    def show(request: Request, job_id: str) -> dict[str, object]:
        return shown(store.get(job_id), request)

    @router.get("/jobs/{job_id}/log")
    def log(job_id: str) -> dict[str, object]:
        job = store.get(job_id)
        command = " ".join(["autogpt", *job.command])
        return {"log": follow.log(workspace.job(job.id)), "command": command}

    @router.get("/jobs/{job_id}/objects")
    def objects(job_id: str) -> dict[str, object]:
        folder = workspace.job(store.get(job_id).id)
        found = follow.objects(folder)
        return {"objects": found, "total": follow.count_lines(folder / "stdout")}

    @router.get("/jobs/{job_id}/results")
    def results(job_id: str) -> Response:
        job = store.get(job_id)
        path = workspace.job(job.id) / "stdout"
        if not path.is_file():
            raise RunError(f"The job {job.title!r} has written nothing yet.")
        name = "".join(mark if mark.isalnum() else "-" for mark in job.title)
        return FileResponse(path, media_type="application/jsonl", filename=f"{name}.jsonl")

    @router.post("/jobs/{job_id}/stop")
    async def stop(request: Request, job_id: str) -> dict[str, object]:
        return shown(await asyncio.to_thread(runner.stop, job_id), request)

    @router.post("/jobs/{job_id}/resume")
    async def resume(request: Request, job_id: str) -> dict[str, object]:
        return shown(await asyncio.to_thread(runner.resume, job_id), request)

    @router.post("/jobs/{job_id}/report")
    async def open_report(job_id: str) -> dict[str, object]:
        job = store.get(job_id)
        path = workspace.job(job.id) / "evaluation" / "evaluation.html"
        if not path.is_file():
            raise RunError(f"The job {job.title!r} has no report.")
        return {"path": f"/reports/{studio.tickets.give(path)}"}

    @router.delete("/jobs/{job_id}")
    def remove(job_id: str) -> dict[str, object]:
        runner.remove(job_id)
        return {"removed": job_id}


def _run_routes(router: APIRouter, studio: Studio) -> None:
    workspace = studio.workspace

    @router.get("/runs")
    def list_runs() -> dict[str, object]:
        found = runs.list_runs(workspace)
        busy = {
            Path(job.run).name: job
            for job in studio.store.in_states("queued", "running", "stopping")
            if job.run
        }
        for run in found:
            job = busy.get(str(run["name"]))
            run["job"] = job.id if job else None
            run["state"] = job.state if job else "finished" if run["finished"] else "unfinished"
        return {"runs": found}

    @router.get("/runs/{name}")
    def show(name: str) -> dict[str, object]:
        folder = workspace.run(name)
        return {**runs.describe(folder), "settings": runs.settings(folder)}

    @router.get("/runs/{name}/metrics")
    def metrics(name: str, after: int = 0) -> dict[str, object]:
        return follow.lines_after(workspace.run(name) / runs.METRICS, max(0, after))

    @router.get("/runs/{name}/samples")
    def samples(name: str, after: int = 0) -> dict[str, object]:
        return follow.lines_after(workspace.run(name) / runs.SAMPLES, max(0, after))

    @router.post("/runs/{name}/report")
    async def open_report(name: str) -> dict[str, object]:
        path = runs.report(workspace.run(name))
        return {"path": f"/reports/{studio.tickets.give(path)}"}

    @router.delete("/runs/{name}")
    def remove(name: str) -> dict[str, object]:
        folder = workspace.run(name)
        busy = [job.run for job in studio.store.in_states("queued", "running", "stopping")]
        if str(folder) in busy:
            raise RunError(f"The run {name!r} is in use.", hint="Stop its job first.")
        runs.remove(folder)
        return {"removed": name}


def _model_routes(router: APIRouter, studio: Studio, serving: Serving) -> None:
    workspace, engine = studio.workspace, serving.engine

    def loaded() -> list[dict[str, object]]:
        references = _served(serving)
        return [
            {**facts, "reference": _named(references.get(name, ""), workspace)}
            for name, facts in engine.models.items()
        ]

    @router.get("/models")
    async def list_all() -> dict[str, object]:
        found = await asyncio.to_thread(list_models, workspace)
        return {**found, "loaded": loaded()}

    @router.get("/models/card")
    async def show(ref: str) -> dict[str, object]:
        return await asyncio.to_thread(card, ref, workspace)

    @router.post("/models/load")
    async def load(request: Request) -> dict[str, object]:
        asked = await read(request, LoadRequest)
        reference = model_reference(asked.model, workspace)
        name = asked.name or asked.model.removeprefix("run:").rpartition("/")[2]
        if name in engine.models:
            raise UsageError(f"A model called {name!r} is loaded already.")
        options = {"quantize": asked.quantize} if asked.quantize else {}
        await engine.load(ModelSpec(name=name, reference=reference, options=options))
        return {"loaded": loaded()}

    @router.post("/models/unload")
    async def unload(request: Request) -> dict[str, object]:
        asked = await read(request, LoadRequest)
        serving.model(asked.model)
        await engine.unload(asked.model)
        return {"loaded": loaded()}

    @router.post("/models/remove")
    async def remove(request: Request) -> dict[str, object]:
        asked = await read(request, LoadRequest)
        freed = await asyncio.to_thread(remove_model, asked.model)
        return {"freed_bytes": freed}


def _served(serving: Serving) -> dict[str, str]:
    """Return the MODEL of each model that is loaded, by its name."""
    return {spec.name: spec.reference for spec in serving.engine.specs.values()}


def _named(reference: str, workspace: Workspace) -> str:
    """Return what the page calls a MODEL: no path of this machine leaves it."""
    path = Path(reference)
    if not path.exists():
        return reference
    path = path.resolve()
    return f"run:{path.name}" if path.parent == workspace.root else path.name


def _system_routes(router: APIRouter, studio: Studio, serving: Serving) -> None:
    @router.get("/state")
    async def state() -> dict[str, object]:
        return {
            "rooms": rooms(),
            "engine": serving.engine.state,
            "models": [
                {name: facts.get(name) for name in ("name", "kind", "answers_messages",
                                                    "context_length", "parameters", "labels")}
                for facts in serving.engine.models.values()
            ],
            "most_tokens": serving.config.limits.most_tokens,
            "rails": serving.rails is not None,
        }  # fmt: skip

    @router.get("/tasks")
    async def tasks() -> dict[str, object]:
        return {"tasks": await asyncio.to_thread(list_tasks)}

    @router.get("/system")
    async def machine() -> dict[str, object]:
        found = await asyncio.to_thread(system.facts, studio.workspace.root)
        engine = serving.engine
        return {
            **found,
            "engine": {"state": engine.state, "restarts": engine.restarts,
                       "rows": engine.rows, "tokens": engine.tokens},
            "waiting": serving.admission.waiting,
            "running": serving.admission.running,
        }  # fmt: skip

    @router.get("/log")
    async def said() -> dict[str, object]:
        return {"lines": studio.said.lines()}
