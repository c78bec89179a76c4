"""``POST /v1/embeddings``: texts as vectors of length 1, near where the meaning is near."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from autogpt.server.api_errors import ApiError
from autogpt.server.openai import EmbeddingRequest
from autogpt.server.serving import Serving, describe, read, ticket
from autogpt.server.streams import unless_gone

__all__ = ["embedding_routes"]

_EXAMPLES: dict[str, object] = {
    "two texts": {"model": "all-minilm-l6-v2", "input": ["The boiler is broken.", "锅炉坏了。"]}
}


def embedding_routes(serving: Serving) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["understand"])

    @router.post(
        "/v1/embeddings",
        openapi_extra=describe(EmbeddingRequest, _EXAMPLES),
        summary="Turn texts into vectors",
        response_class=Response,
    )
    async def embeddings(request: Request) -> Response:
        asked = await read(request, EmbeddingRequest)
        facts = serving.model(asked.model)
        if "dimension" in facts and (asked.dimensions or 1) > facts["dimension"]:
            raise ApiError(
                400,
                f"dimensions is {asked.dimensions}, the model's vectors have {facts['dimension']}.",
                param="dimensions",
            )
        return await unless_gone(request, _embedded(serving, request, asked))

    return router


async def _embedded(
    serving: Serving, request: Request, asked: EmbeddingRequest
) -> dict[str, object]:
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    await ticket(request).turn(1)
    found: dict[str, Any] = await serving.engine.ask("embed", model=asked.model, texts=texts)
    vectors = np.frombuffer(base64.b64decode(found["vectors"]), dtype=np.float32)
    vectors = vectors.reshape(-1, found["dimension"])
    if asked.dimensions is not None and asked.dimensions < found["dimension"]:
        vectors = vectors[:, : asked.dimensions]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.maximum(lengths, 1e-12)
    serving.metrics.prompt_tokens.inc(found["tokens"])
    return {
        "object": "list",
        "model": asked.model,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()
                if asked.encoding_format == "base64"
                else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": found["tokens"], "total_tokens": found["tokens"]},
    }
