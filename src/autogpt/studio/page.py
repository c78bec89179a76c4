"""The page itself: files that are ready, with headers that let nothing else in.

No build step and nothing from elsewhere: what the browser runs is what is in ``static/``. The page
holds no secrets, so it needs no key; what it asks for does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import re
import secrets
import time
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from autogpt.core.i18n import interface

__all__ = ["Page", "Tickets", "content_security_policy"]

_TYPES = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html",
    ".json": "application/json", ".svg": "image/svg+xml",
}  # fmt: skip
_TICKET_S = 300.0
# A report is a page of its own in a sandbox: it has no origin, and reaches nothing.
_REPORT_POLICY = (
    "sandbox{sandbox}; default-src 'none'; style-src 'unsafe-inline'; img-src data:;{scripts}"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Tickets:
    """Short-lived names of pages that a new tab or a frame may open, which can send no key."""

    def __init__(self) -> None:
        self._kept: dict[str, Ticket] = {}

    def give(self, path: Path, *, scripts: bool = False) -> str:
        """Return a name that nobody guesses; the page may run its own scripts, or none."""
        now = time.monotonic()
        self._kept = {name: kept for name, kept in self._kept.items() if kept.until > now}
        name = secrets.token_urlsafe(24)
        self._kept[name] = Ticket(path, now + _TICKET_S, scripts=scripts)
        return name

    def take(self, name: str) -> Ticket | None:
        """Return the ticket of a name, while it is good."""
        found = self._kept.get(name)
        return found if found is not None and found.until > time.monotonic() else None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A page, until when it may be opened, and whether its own scripts run."""

    path: Path
    until: float
    scripts: bool

    @property
    def policy(self) -> str:
        """The Content-Security-Policy of the page."""
        if self.scripts:
            return _REPORT_POLICY.format(
                sandbox=" allow-scripts", scripts=" script-src 'unsafe-inline';"
            )
        return _REPORT_POLICY.format(sandbox="", scripts="")


class Page:
    """An ASGI app: ``/``, ``/static/...``, ``/words.json`` and ``/reports/TICKET``.

    Args:
        tickets: Of reports that may be opened.
    """

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        path = scope["path"]
        if request.method not in ("GET", "HEAD"):
            response = Response(status_code=405)
        elif path.startswith("/reports/"):
            response = self._report(path.removeprefix("/reports/"))
        elif path == "/words.json":
            response = _file(json.dumps(interface(), ensure_ascii=False).encode(), ".json")
        else:
            response = _static("/index.html" if path == "/" else path.removeprefix("/static"))
        await response(scope, receive, send)

    def _report(self, name: str) -> Response:
        ticket = self._tickets.take(name)
        if ticket is None or not ticket.path.is_file():
            return Response("This link is no longer good.", status_code=404)
        return Response(
            ticket.path.read_bytes(),
            media_type="text/html; charset=utf-8",
            headers={"content-security-policy": ticket.policy, "referrer-policy": "no-referrer"},
        )


@cache
def content_security_policy() -> str:
    """Return the policy of the page: its own files, and the one import map that is in it."""
    page = _read("/index.html") or b""
    inline = re.search(rb'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline[1] if inline else b"").digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types dompurify",
        )
    )


def _static(path: str) -> Response:
    kept = _read(path)
    if kept is None:
        return Response("There is no such page.", status_code=404, media_type="text/plain")
    return _file(kept, Path(path).suffix)


def _file(content: bytes, suffix: str) -> Response:
    kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    return Response(
        content,
        media_type=f"{kind}; charset=utf-8" if kind != "image/svg+xml" else kind,
        headers={
            "content-security-policy": content_security_policy(),
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
        },
    )


def _read(path: str) -> bytes | None:
    """Return a file of the page; a path that leads elsewhere has none."""
    parts = [part for part in path.split("/") if part]
    if not parts or not all(re.fullmatch(r"[\w-]+(\.[\w-]+)*", part) for part in parts):
        return None
    found: Any = files("autogpt.studio") / "static"
    for part in parts:
        found = found / part
    return found.read_bytes() if found.is_file() else None
