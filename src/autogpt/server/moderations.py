"""``POST /v1/moderations``: what the safety rails say of texts (``safety``, no model needed)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from autogpt.safety.rails import Rails
from autogpt.safety.verdict import Verdict
from autogpt.server.openai import ModerationRequest
from autogpt.server.serving import Serving, describe, read, ticket
from autogpt.server.streams import unless_gone

__all__ = ["moderation_routes"]

_NAME = "autogpt-rails"
_EXAMPLES: dict[str, object] = {
    "a text": {"input": "I will find you. 我的卡号是 4111 1111 1111 1111"}
}


def moderation_routes(_: Serving) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["understand"])
    rails = Rails()

    @router.post(
        "/v1/moderations",
        openapi_extra=describe(ModerationRequest, _EXAMPLES),
        summary="Tell what the safety rails find in texts",
        response_class=Response,
    )
    async def moderations(request: Request) -> Response:
        asked = await read(request, ModerationRequest)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        return await unless_gone(request, _moderated(rails, request, texts))

    return router


async def _moderated(rails: Rails, request: Request, texts: Sequence[str]) -> dict[str, object]:
    await ticket(request).turn(1)
    found = [await asyncio.to_thread(rails.check, text) for text in texts]
    return {
        "id": f"modr-{secrets.token_hex(12)}",
        "model": _NAME,
        "results": [_result(verdict) for verdict in found],
    }


def _result(verdict: Verdict) -> dict[str, object]:
    """Return a verdict in OpenAI's form; the categories are our own, and so are the last two."""
    flagged = {span.family for span in verdict.spans}
    names = sorted({*verdict.categories, *flagged})
    return {
        "flagged": verdict.flagged,
        "categories": {name: name in flagged for name in names},
        "category_scores": {name: float(verdict.categories.get(name, 0.0)) for name in names},
        "category_applied_input_types": {name: ["text"] for name in names},
        "action": verdict.action,
        "spans": [span.to_dict() for span in verdict.spans],
    }
