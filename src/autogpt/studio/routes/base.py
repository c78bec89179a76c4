"""What the endpoints share: an admin key is asked for, errors are told in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from autogpt.core.errors import AutoGPTError, DataError, ResourceError, RunError, UsageError
from autogpt.core.i18n import Language, accepted, localized
from autogpt.server.api_errors import ApiError
from autogpt.server.serving import Serving, key
from autogpt.studio.runs import only_continues

__all__ = ["StudioRoute", "language_of", "loaded", "served"]

_STATUS: tuple[tuple[type[AutoGPTError], int], ...] = (
    (UsageError, 400), (DataError, 422), (RunError, 409), (ResourceError, 507),
)  # fmt: skip


class StudioRoute(APIRoute):
    """A route of the studio."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the checks around it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            try:
                if not key(request).is_admin:
                    raise ApiError(403, "The studio needs an admin key.", code="not_admin")
                return await handle(request)
            except AutoGPTError as error:
                status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
                told = localized(error, language_of(request))
                return JSONResponse({"error": told}, status_code=status)

        return checked


def language_of(request: Request) -> Language:
    """Return the language that a request's reader likes best."""
    return accepted(request.headers.get("accept-language"))


def loaded(serving: Serving) -> list[dict[str, Any]]:
    """Return what is known of each model that is loaded."""
    references = served(serving)
    return [
        {
            **facts,
            "answers_messages": facts.get("answers_messages", False)
            and not only_continues(references.get(name, "")),
        }
        for name, facts in serving.engine.models.items()
    ]


def served(serving: Serving) -> dict[str, str]:
    """Return the MODEL of each model that is loaded, by its name."""
    return {spec.name: spec.reference for spec in serving.engine.specs.values()}
