"""For those who run the server: is it well (``/health``), how much does it do (``/metrics``)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from autogpt.core.errors import AutoGPTError
from autogpt.server.engine_client import EngineClient
from autogpt.server.serving import Serving

__all__ = ["operation_routes"]

_PROBED_EVERY_S = 1.0  # whoever asks oftener is told what the last probe found
_PROBE_S = 20.0  # a busy engine answers between two steps


def operation_routes(serving: Serving) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["operate"])
    probe = _Probe(serving.engine)

    @router.get(
        "/health", summary="Run every model once, and tell how it went", response_class=Response
    )
    async def health() -> Response:
        found = await probe.ask()
        status = 200 if found["status"] == "ok" else 503
        return JSONResponse(found, status_code=status)

    @router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def metrics() -> Response:
        await _read_cache(serving)
        return Response(serving.metrics.text(), media_type="text/plain; version=0.0.4")

    return router


class _Probe:
    """Runs the models for whoever asks at the same time, and not too often."""

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._last: tuple[float, int, dict[str, Any]] | None = None

    async def ask(self) -> dict[str, Any]:
        if self._engine.state != "ready":
            return {"status": self._engine.state}
        async with self._lock:
            now, restarts = time.monotonic(), self._engine.restarts
            if (
                self._last is None
                or self._last[1] != restarts
                or now - self._last[0] > _PROBED_EVERY_S
            ):
                self._last = (now, restarts, await self._probe())
            return self._last[2]

    async def _probe(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_PROBE_S):
                found = await self._engine.ask("probe")
        except AutoGPTError as error:
            return {"status": "failed", "reason": error.code}
        except TimeoutError:
            return {"status": "failed", "reason": "timeout"}
        return {
            "status": "ok",
            "models": found["models"],
            "forward_pass_s": round(found["seconds"], 4),
        }


async def _read_cache(serving: Serving) -> None:
    """Ask the engine how full its cache is."""
    if serving.engine.state != "ready":
        return
    try:
        async with asyncio.timeout(_PROBE_S):
            found = await serving.engine.ask("stats")
    except (AutoGPTError, TimeoutError):
        return
    serving.engine.blocks_held, serving.engine.blocks = found["blocks_held"], found["blocks"]
    serving.engine.cache_bytes = found["cache_bytes"]
