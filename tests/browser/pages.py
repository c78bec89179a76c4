"""What the browser tests are given: a page of the studio, words, and a camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

from tests.studio.serving import Server

__all__ = ["Shoot", "Studio", "Words"]

Words = Callable[..., str]
"""A text of the catalogue: ``words("room.chat", "zh")``."""


class Shoot(Protocol):
    """Takes a picture of a page, if pictures are wanted."""

    def __call__(self, page: Page, name: str) -> None: ...


class Studio:
    """A page of the studio, and all it did that it should not."""

    def __init__(self, context: BrowserContext, server: Server, language: str) -> None:
        self.server, self.language = server, language
        self.wrong: list[str] = []
        context.on("request", self._requested)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))

    def open(self, room: str = "chat") -> Page:
        """Go to a room, and wait until it is there: not the heading of the room before it."""
        self.page.goto(f"{self.server.address}/#/{room}")
        name = room.partition("/")[0]
        self.page.locator(f'main[data-room="{name}"] h1').wait_for(state="attached")
        return self.page

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((self.server.address, "blob:", "data:")):
            self.wrong.append(f"asked another host: {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console {message.type}: {message.text}")
