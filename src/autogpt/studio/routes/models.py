"""``/models``: what there is, its cards; load, unload, remove."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request

from autogpt.core.errors import UsageError
from autogpt.core.store import remove as remove_stored
from autogpt.server.engine_client import EngineError, ModelSpec
from autogpt.server.serving import Serving, read
from autogpt.studio.models import adapter_folder, card, list_models, model_reference
from autogpt.studio.requests import LoadRequest
from autogpt.studio.routes.base import loaded, served
from autogpt.studio.workspace import Workspace

__all__ = ["ModelRoutes"]


class ModelRoutes:
    """See the module."""

    def __init__(self, workspace: Workspace, serving: Serving) -> None:
        self._workspace, self._serving, self._engine = workspace, serving, serving.engine

    def add(self, router: APIRouter) -> None:
        """Add the routes."""
        router.add_api_route("/models", self.everything, methods=["GET"])
        router.add_api_route("/models/card", self.card, methods=["GET"])
        router.add_api_route("/models/load", self.load, methods=["POST"])
        router.add_api_route("/models/unload", self.unload, methods=["POST"])
        router.add_api_route("/models/remove", self.remove, methods=["POST"])

    async def everything(self) -> dict[str, object]:
        """List what there is and what could be."""
        found = await asyncio.to_thread(list_models, self._workspace)
        return {**found, "loaded": self._loaded()}

    async def card(self, ref: str) -> dict[str, object]:
        """Return what a model says of itself."""
        return await asyncio.to_thread(card, ref, self._workspace)

    async def load(self, request: Request) -> dict[str, object]:
        """Let the server answer with a model."""
        asked = await read(request, LoadRequest)
        reference = model_reference(asked.model, self._workspace)
        name = asked.name or asked.model.removeprefix("run:").rpartition("/")[2]
        if name in self._engine.models:
            raise UsageError(f"A model called {name!r} is loaded already.")
        options: dict[str, object] = {"quantize": asked.quantize} if asked.quantize else {}
        root = None
        if asked.adapter is not None:
            options["adapters"] = [adapter_folder(asked.adapter, self._workspace)]
            same = (one for one, kept in served(self._serving).items() if kept == reference)
            root = next(same, None)
        spec = ModelSpec(name=name, reference=reference, options=options, root=root)
        try:
            await self._engine.load(spec)
        except EngineError as error:  # no path of this machine leaves it
            message = error.message.replace(f"{self._workspace.root}/", "")
            raise EngineError(error.kind, message, error.hint) from error
        return {"loaded": self._loaded()}

    async def unload(self, request: Request) -> dict[str, object]:
        """Take a model out of the engine."""
        asked = await read(request, LoadRequest)
        self._serving.model(asked.model)
        await self._engine.unload(asked.model)
        return {"loaded": self._loaded()}

    async def remove(self, request: Request) -> dict[str, object]:
        """Delete a stored model."""
        asked = await read(request, LoadRequest)
        return {"freed_bytes": await asyncio.to_thread(remove_stored, asked.model)}

    def _loaded(self) -> list[dict[str, object]]:
        references = served(self._serving)
        return [
            {
                **facts,
                "reference": self._named(references.get(str(facts["name"]), "")),
                **self._options(str(facts["name"])),
            }
            for facts in loaded(self._serving)
        ]

    def _options(self, name: str) -> dict[str, object]:
        """Return how a model was loaded: the bits of its weights, the run of its adapter."""
        spec = self._engine.specs.get(name)
        options = {} if spec is None else spec.options
        adapters = options.get("adapters")
        folder = Path(str(adapters[0])) if isinstance(adapters, list) and adapters else None
        is_run = folder is not None and folder.name == "adapter"
        return {
            "quantize": options.get("quantize"),
            "adapter": None if folder is None else folder.parent.name if is_run else folder.name,
        }

    def _named(self, reference: str) -> str:
        """Return what the page calls a MODEL: no path of this machine leaves it."""
        path = Path(reference)
        if not path.exists():
            return reference
        path = path.resolve()
        return f"run:{path.name}" if path.parent == self._workspace.root else path.name
