"""Errors as OpenAI's API tells them: a status, and ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from http import HTTPStatus

from autogpt.core.errors import AutoGPTError, RefusedError, UsageError
from autogpt.core.i18n import Language, translated
from autogpt.server.engine_client import EngineError, EngineLostError

__all__ = ["SAFE_HEADERS", "ApiError", "WholeAnswer", "new_request_id", "to_api_error"]

SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""That every answer has."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
}


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: Of HTTP.
        message: What happened.
        hint: What to do; told in the same text.
        code: A word for programs.
        param: The field that is wrong, as in ``messages.0.content``.
        retry_after_s: After how many seconds it is worth asking again.
        close: Whether the connection ends with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint
        self.code, self.param = code, param
        self.retry_after_s, self.close = retry_after_s, close

    def body(self, language: Language = "en") -> bytes:
        """Return the body of the answer."""
        return json.dumps({"error": self.fields(language)}).encode()

    def fields(self, language: Language = "en") -> dict[str, object]:
        """Return the ``error`` object."""
        kind = _TYPES.get(self.status, "server_error")
        between = "" if language == "zh" else " "
        told = between.join(translated(one, language) for one in (self.message, self.hint) if one)
        return {"message": told, "type": kind, "param": self.param, "code": self.code}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of the answer, without its length."""
        headers = [(b"content-type", b"application/json")]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers

    def whole_answer(self, language: Language = "en") -> WholeAnswer:
        """Return an answer of HTTP that ends the connection."""
        body = self.body(language)
        headers = [
            *((name, value) for name, value in self.headers() if name != b"connection"),
            *SAFE_HEADERS,
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        first = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nx-request-id: "
        rest = b"".join(b"\r\n%b: %b" % header for header in headers)
        return WholeAnswer(first.encode(), rest + b"\r\n\r\n" + body)


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer made of bytes that are ready; ``bytes()`` of it has a new id each time."""

    before: bytes
    after: bytes

    def __bytes__(self) -> bytes:
        return self.before + new_request_id().encode() + self.after


def new_request_id() -> str:
    """Return the name that a request has in its answer and in the log."""
    return f"req_{secrets.token_hex(12)}"


def to_api_error(error: Exception) -> ApiError:
    """Return how an error is told to a client; nothing of what is not the client's is shown."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, EngineLostError):
        return ApiError(503, error.message, hint=error.hint, code="engine_lost", retry_after_s=2)
    if isinstance(error, RefusedError):
        return ApiError(400, error.message, hint=error.hint, code="content_policy_violation")
    if isinstance(error, EngineError):
        if error.kind in ("usage", "config", "data", "refused"):
            return ApiError(400, error.message, hint=error.hint, code=_code(error.message))
        if error.kind in ("checkpoint", "missing_extra", "resource", "license"):
            return ApiError(500, error.message, hint=error.hint, code=error.kind)
        return ApiError(500, "The engine failed on this request.", code="engine_failed")
    if isinstance(error, UsageError):
        return ApiError(400, error.message, hint=error.hint)
    if isinstance(error, AutoGPTError):
        return ApiError(500, error.message, hint=error.hint, code=error.code)
    return ApiError(500, "The server failed on this request.", code="internal")


def _code(message: str) -> str | None:
    return (
        "context_length_exceeded" if "context" in message and "prompt" in message.lower() else None
    )
