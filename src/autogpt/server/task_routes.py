"""``/v1/tasks``: the tasks of the registry, one route each; and transcription in OpenAI's form."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from autogpt.server.api_errors import ApiError
from autogpt.server.openai import TaskRequest
from autogpt.server.serving import Serving, describe, read, ticket
from autogpt.server.streams import unless_gone
from autogpt.tasks import TASKS, find_task
from autogpt.tasks.base import Task
from autogpt.tasks.transcribe import Segment, Transcript, rendered

__all__ = ["task_routes"]

_FORMS = ("json", "text", "srt", "verbose_json", "vtt")


def task_routes(serving: Serving) -> APIRouter:
    """Return the routes, one for each task."""
    router = APIRouter(tags=["tasks"])

    @router.get("/v1/tasks", summary="List the tasks", response_class=Response)
    async def list_tasks() -> Response:
        return JSONResponse(
            {"object": "list", "data": [find_task(name).to_dict() for name in TASKS]}
        )

    for name in TASKS:
        _add(router, serving, find_task(name))

    @router.post(
        "/v1/audio/transcriptions",
        summary="Write down what is said",
        response_class=Response,
        openapi_extra=_UPLOAD,
    )
    async def transcriptions(request: Request) -> Response:
        form = await _fields(request)
        asked = TaskRequest(model=form["model"], input=form["file"])
        asked.parameters = {"language": form["language"]} if "language" in form else {}
        found = await _run(serving, request, "transcribe", asked)
        return _transcript(found["data"][0], form.get("response_format", "json"))

    return router


def _add(router: APIRouter, serving: Serving, task: Task) -> None:
    example = {"model": "smollm2-135m-instruct", "input": ["..."], "parameters": {}}

    @router.post(
        f"/v1/tasks/{task.name}",
        openapi_extra=describe(TaskRequest, {task.about: example}),
        summary=task.about,
        name=f"task_{task.name}",
        response_class=Response,
    )
    async def run_task(request: Request) -> Response:
        asked = await read(request, TaskRequest)
        return await unless_gone(request, _run(serving, request, task.name, asked))


async def _run(serving: Serving, request: Request, name: str, asked: TaskRequest) -> dict[str, Any]:
    serving.model(asked.model)
    request.state.facts |= {"model": asked.model}
    inputs = [asked.input] if isinstance(asked.input, str) else asked.input
    await ticket(request).turn(1)
    found = await serving.engine.ask(
        "task", model=asked.model, name=name, inputs=inputs, parameters=asked.parameters
    )
    return {"object": "list", "task": name, "model": asked.model, "data": found}


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form; the file in base64.

    Raises:
        ApiError: If one is missing, or is not understood.
    """
    if not request.headers["content-type"].lower().startswith("multipart/form-data"):
        raise ApiError(415, "Send a form with the fields file and model.")
    fields: dict[str, str] = {}
    async with request.form(max_files=1, max_fields=8, max_part_size=4096) as form:
        for key, value in form.multi_items():
            if isinstance(value, UploadFile):
                fields[key] = base64.b64encode(await value.read()).decode()
            else:
                fields[key] = value
    for key in fields:
        if key not in ("file", "model", "language", "response_format", "temperature"):
            raise ApiError(400, f"The field {key[:40]!r} is not supported.", param=key[:40])
    for key in ("file", "model"):
        if not fields.get(key):
            raise ApiError(400, f"The field {key!r} is missing.", param=key)
    if fields.get("response_format", "json") not in _FORMS:
        raise ApiError(
            400, f"response_format is none of {', '.join(_FORMS)}.", param="response_format"
        )
    if fields.get("temperature", "0") not in ("0", "0.0"):
        raise ApiError(
            400, "temperature must be 0: the likeliest words are taken.", param="temperature"
        )
    return fields


def _transcript(found: dict[str, Any], form: str) -> Response:
    """Return a transcript in one of OpenAI's forms."""
    if form == "json":
        return JSONResponse({"text": found["text"]})
    if form == "verbose_json":
        segments = [
            {"id": number, "start": one["start_s"], "end": one["end_s"], "text": one["text"]}
            for number, one in enumerate(found["segments"])
        ]
        told = {"task": "transcribe", "language": found["language"]}
        return JSONResponse(
            {**told, "duration": found["duration_s"], "text": found["text"], "segments": segments}
        )
    transcript = Transcript(
        text=found["text"],
        segments=tuple(Segment(**one) for one in found["segments"]),
        language=found["language"],
        duration_s=found["duration_s"],
    )
    return PlainTextResponse(rendered(transcript, form))  # type: ignore[arg-type]  # checked above


_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "model"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string"},
                        "language": {"type": "string"},
                        "response_format": {"type": "string", "enum": list(_FORMS)},
                    },
                }
            }
        },
    }
}
