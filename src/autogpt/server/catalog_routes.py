"""``/v1/models``: which models answer; who may, loads and unloads them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from autogpt.server.api_errors import ApiError
from autogpt.server.engine_client import ModelSpec
from autogpt.server.serving import Serving, key

__all__ = ["model_routes"]


def model_routes(serving: Serving, available: dict[str, ModelSpec]) -> APIRouter:
    """Return the routes.

    Args:
        serving: The server.
        available: Models that may be loaded, by name. A request names one of these and nothing
            else: no path, no address.
    """
    router = APIRouter(tags=["models"])
    engine = serving.engine

    @router.get("/v1/models", summary="List the models that answer", response_class=Response)
    async def list_models() -> Response:
        return JSONResponse(
            {
                "object": "list",
                "data": [_listed(facts) for facts in engine.models.values()],
                "available": sorted(set(available) - set(engine.models)),
            }
        )

    @router.get("/v1/models/{name}", summary="Tell about a model", response_class=Response)
    async def show_model(name: str) -> Response:
        return JSONResponse(_listed(serving.model(name)))

    @router.post("/v1/models/{name}/load", summary="Load a model", response_class=Response)
    async def load_model(request: Request, name: str) -> Response:
        _check_admin(request)
        if name in engine.models:
            return JSONResponse(_listed(engine.models[name]))
        if name not in available:
            raise ApiError(
                404,
                f"There is no model {name[:80]!r} that this server may load.",
                code="model_not_found",
            )
        return JSONResponse(_listed(await engine.load(available[name])))

    @router.post("/v1/models/{name}/unload", summary="Unload a model", response_class=Response)
    async def unload_model(request: Request, name: str) -> Response:
        _check_admin(request)
        serving.model(name)
        await engine.unload(name)
        return JSONResponse({"id": name, "object": "model", "unloaded": True})

    return router


def _check_admin(request: Request) -> None:
    if not key(request).is_admin:
        raise ApiError(403, "This key may not load or unload models.", code="not_admin")


def _listed(facts: dict[str, Any]) -> dict[str, object]:
    return {
        "id": facts["name"],
        "object": "model",
        "created": facts["created"],
        "owned_by": "autogpt",
        "root": facts["root"] or facts["name"],
        **{name: value for name, value in facts.items() if name not in ("name", "created", "root")},
    }
