"""What the routes of one server share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from autogpt.server.admission import Admission, Ticket
from autogpt.server.api_errors import ApiError
from autogpt.server.bodies import Wire, parse
from autogpt.server.config import ServerConfig
from autogpt.server.engine_client import EngineClient
from autogpt.server.generation import Ask, Piece, Usage, write
from autogpt.server.keys import Key
from autogpt.server.metrics import Metrics
from autogpt.server.rails import Rails

__all__ = ["Serving", "describe", "read"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """The parts of one server."""

    config: ServerConfig
    engine: EngineClient
    admission: Admission
    metrics: Metrics
    rails: Rails | None

    def model(self, name: str) -> dict[str, Any]:
        """Return what is known of a loaded model.

        Raises:
            ApiError: 404, if it is not loaded.
        """
        if name not in self.engine.models:
            raise ApiError(
                404,
                f"There is no model {name[:80]!r} here; GET /v1/models lists them.",
                code="model_not_found",
                param="model",
            )
        return self.engine.models[name]

    def write(self, ask: Ask, request: Request, usage: Usage) -> AsyncGenerator[list[Piece], None]:
        """Return what is written, as it is; see ``generation.write``.

        Raises:
            ApiError: 404, if there is no such model; 400, if it does not write.
        """
        facts = self.model(ask.model)
        if facts["kind"] != "writer" and ask.picture is None:
            raise ApiError(
                400, f"The model {ask.model!r} is a {facts['kind']}, it does not write.",
                param="model",
            )  # fmt: skip
        request.state.facts |= {"model": ask.model}
        return write(
            ask,
            ticket(request),
            self.engine,
            usage=usage,
            metrics=self.metrics,
            facts=request.state.facts,
            rails=self.rails,
            most_tokens=self.config.limits.most_tokens,
        )


def ticket(request: Request) -> Ticket:
    """Return the ticket of a request that was let in."""
    found = request.state.ticket
    assert isinstance(found, Ticket)  # every POST has one
    return found


def key(request: Request) -> Key:
    """Return the key that a request was sent with."""
    found = request.state.key
    assert isinstance(found, Key)
    return found


async def read(request: Request, model: type[Wire]) -> Wire:
    """Return a checked request.

    Raises:
        ApiError: If its body is wrong, too large or too slow.
    """
    return parse(await request.body(), model)


def describe(
    model: type[Wire], examples: dict[str, object], *, streams: bool = False
) -> dict[str, Any]:
    """Return what OpenAPI says of a route whose body is read by :func:`read`."""
    content: dict[str, Any] = {
        "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    answers: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if streams:
        answers["text/event-stream"] = {"schema": {"type": "string"}}
    error = {
        "description": "Refused, or failed; the body says why.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {"description": "The answer.", "content": answers},
            "4XX": error,
            "5XX": error,
        },
    }
