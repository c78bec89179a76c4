"""The server as one ASGI app: its parts, its routes, and where more can be added.

A web page (``studio``) is mounted at "/", its JSON endpoints are routers like those here; both are
passed in, so that they need not be known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from autogpt.core.errors import AutoGPTError
from autogpt.core.i18n import accepted
from autogpt.server.admission import Admission
from autogpt.server.api_errors import ApiError, to_api_error
from autogpt.server.catalog_routes import model_routes
from autogpt.server.chat import chat_routes
from autogpt.server.completions import completion_routes
from autogpt.server.config import ServerConfig
from autogpt.server.documents import document_routes
from autogpt.server.embeddings import embedding_routes
from autogpt.server.engine_client import EngineClient, ModelSpec
from autogpt.server.guard import Guard
from autogpt.server.metrics import Metrics
from autogpt.server.moderations import moderation_routes
from autogpt.server.operations import operation_routes
from autogpt.server.rails import Rails
from autogpt.server.responses import response_routes
from autogpt.server.serving import Serving
from autogpt.server.task_routes import task_routes

if TYPE_CHECKING:
    from autogpt.server.tracing import Tracing

__all__ = ["create_app"]


def create_app(
    config: ServerConfig,
    engine: EngineClient,
    *,
    available: Sequence[ModelSpec] = (),
    rails: Rails | None = None,
    page: ASGIApp | None = None,
    more: Sequence[Callable[[Serving], APIRouter]] = (),
    tracing: Tracing | None = None,
) -> Guard:
    """Return the app.

    Args:
        config: Who may ask, and how much.
        engine: Runs the models; started and ended by whoever runs the app.
        available: Models that may be loaded later, beside those of the engine.
        rails: What is allowed in and out; None for all.
        page: Answers GET at "/" and below where no route does; needs no key.
        more: Further routers; paths under "/v1" need a key.
        tracing: Sends spans to a collector; None for no spans.
    """
    metrics = Metrics()
    admission = Admission(config.limits, keys=len(config.keys))
    serving = Serving(
        config=config, engine=engine, admission=admission, metrics=metrics, rails=rails
    )
    _watch(serving)

    app = FastAPI(title="AutoGPT", docs_url=None, redoc_url=None, openapi_url=None)
    specs = {spec.name: spec for spec in (*engine.specs.values(), *available)}
    routers = [
        chat_routes(serving),
        completion_routes(serving),
        response_routes(serving),
        embedding_routes(serving),
        moderation_routes(serving),
        task_routes(serving),
        model_routes(serving, specs),
        operation_routes(serving),
        *(make(serving) for make in more),
    ]
    for router in routers:
        app.include_router(router)
    app.include_router(document_routes(app))
    for kind in (ApiError, AutoGPTError, HTTPException):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(ClientDisconnect, _gone)
    if page is not None:
        app.mount("/", page)
    return Guard(
        app,
        config,
        admission=admission,
        engine=engine,
        metrics=metrics,
        open_pages=page is not None,
        tracing=tracing,
    )


async def _told(request: Request, error: Exception) -> Response:
    """Answer with an error, in the client's language."""
    if isinstance(error, HTTPException):
        error = ApiError(error.status_code, f"{error.detail}.")
    told = to_api_error(error)
    body = told.body(accepted(request.headers.get("accept-language")))
    response = Response(body, status_code=told.status)
    response.raw_headers = [*told.headers(), (b"content-length", str(len(body)).encode())]
    return response


async def _gone(_: Request, __: Exception) -> Response:
    """Note that a client left before its body was here; nobody reads this."""
    return Response(status_code=499)


def _watch(serving: Serving) -> None:
    """Let Prometheus see what is held in variables."""
    engine, admission, metrics = serving.engine, serving.admission, serving.metrics
    metrics.gauge("waiting_requests", "Requests that wait", lambda: admission.waiting)
    metrics.gauge("running_texts", "Texts that are written", lambda: admission.running)
    metrics.gauge("engine_up", "1 if the engine answers", lambda: engine.state == "ready")
    metrics.gauge("engine_restarts", "Engine processes that died", lambda: engine.restarts)
    metrics.gauge("cache_blocks_held", "Blocks of keys and values", lambda: engine.blocks_held)
    metrics.gauge("cache_bytes", "Memory they have taken so far", lambda: engine.cache_bytes)
    metrics.gauge("cache_blocks", "Blocks that there are", lambda: engine.blocks)
