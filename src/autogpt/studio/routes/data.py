"""``/uploads``: files come in pieces, are listed, looked into, removed."""

from __future__ import annotations

import asyncio
import base64
import binascii
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request

from autogpt.core.errors import UsageError
from autogpt.core.i18n import translated
from autogpt.core.refs import resolve
from autogpt.server.serving import Serving, read
from autogpt.studio.looking import look
from autogpt.studio.models import model_reference
from autogpt.studio.requests import PieceRequest, UploadRequest
from autogpt.studio.routes.base import language_of, served
from autogpt.studio.uploads import MOST_PIECE_BYTES, Uploads
from autogpt.studio.workspace import Workspace

__all__ = ["DataRoutes"]


class DataRoutes:
    """See the module."""

    def __init__(self, workspace: Workspace, serving: Serving) -> None:
        self._workspace, self._serving = workspace, serving
        self._uploads = Uploads(workspace)

    def add(self, router: APIRouter) -> None:
        """Add the routes."""
        router.add_api_route("/uploads", self.list, methods=["GET"])
        router.add_api_route("/uploads", self.begin, methods=["POST"])
        router.add_api_route("/uploads/{upload_id}/pieces", self.receive, methods=["POST"])
        router.add_api_route("/uploads/{upload_id}/look", self.look, methods=["GET"])
        router.add_api_route("/uploads/{upload_id}", self.remove, methods=["DELETE"])

    def list(self) -> dict[str, object]:
        """List what is there."""
        return {"uploads": [upload.to_dict() for upload in self._uploads.all()]}

    async def begin(self, request: Request) -> dict[str, object]:
        """Make room for a file."""
        asked = await read(request, UploadRequest)
        upload = await asyncio.to_thread(self._uploads.begin, asked.name, asked.size_bytes)
        return upload.to_dict() | {"piece_bytes": MOST_PIECE_BYTES}

    async def receive(self, request: Request, upload_id: str) -> dict[str, object]:
        """Take a piece of it."""
        asked = await read(request, PieceRequest)
        try:
            piece = base64.b64decode(asked.base64, validate=True)
        except binascii.Error as error:
            raise UsageError("The piece is not base64.") from error
        if len(piece) > MOST_PIECE_BYTES:
            raise UsageError(f"A piece has at most {MOST_PIECE_BYTES} bytes.")
        upload = await asyncio.to_thread(self._uploads.receive, upload_id, asked.offset, piece)
        return upload.to_dict()

    async def look(
        self, request: Request, upload_id: str, model: str | None = None
    ) -> dict[str, object]:
        """Say what it holds, in the tokens of a model, or of one that would be new."""
        upload = self._uploads.whole(upload_id)
        tokenizer = None
        if model and model != "new":
            tokenizer = await asyncio.to_thread(self._tokenizer_of, model)
        found = await look(upload.path, tokenizer=tokenizer)
        language = language_of(request)
        for problem in [*found.get("problems", ()), found.get("error")]:
            for name in ("text", "message", "hint"):
                if problem and name in problem:
                    problem[name] = translated(problem[name], language)
        return {**upload.to_dict(), **found}

    def remove(self, upload_id: str) -> dict[str, object]:
        """Delete it."""
        self._uploads.remove(upload_id)
        return {"removed": upload_id}

    def _tokenizer_of(self, model: str) -> Path | None:
        """Return the folder of a model's tokenizer; None where it is not a folder."""
        path = resolve(model_reference(model, self._workspace, served(self._serving)))
        return path if (path / "tokenizer.json").is_file() else None
