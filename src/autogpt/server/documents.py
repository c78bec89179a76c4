"""``/openapi.json`` and ``/docs``: what the server can do, in one page without scripts."""

from __future__ import annotations

import html
import json
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, JSONResponse, Response

from autogpt.server.openai import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ModerationRequest,
    TaskRequest,
)
from autogpt.server.openai_responses import ResponseRequest

__all__ = ["document_routes"]

_BODIES = (
    *(ChatRequest, CompletionRequest, EmbeddingRequest),
    *(ModerationRequest, ResponseRequest, TaskRequest),
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#8882;padding:.7rem;overflow:auto}code{font-family:ui-monospace,monospace}"
    "summary{cursor:pointer}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def document_routes(app: FastAPI) -> APIRouter:
    """Return the routes, which tell of the others of ``app``."""
    router = APIRouter(include_in_schema=False)
    kept: dict[str, Any] = {}

    def schema() -> dict[str, Any]:
        if not kept:
            kept.update(_schema(app))
        return kept

    @router.get("/openapi.json", response_class=Response)
    async def openapi() -> Response:
        return JSONResponse(schema())

    @router.get("/docs", response_class=Response)
    async def docs() -> Response:
        return HTMLResponse(_page(schema()), headers={"content-security-policy": _POLICY})

    return router


def _schema(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()
    _, bodies = models_json_schema(
        [(body, "validation") for body in _BODIES], ref_template="#/components/schemas/{model}"
    )
    nullable = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    error = {
        "type": "object",
        "properties": {"message": {"type": "string"}, "type": {"type": "string"}}
        | {"param": nullable, "code": nullable},
        "required": ["message", "type", "param", "code"],
    }
    components = found.setdefault("components", {})
    components["schemas"] = {
        **bodies["$defs"],
        "Error": {"type": "object", "properties": {"error": error}, "required": ["error"]},
    }
    for route in (route for methods in found["paths"].values() for route in methods.values()):
        route["responses"].pop("422", None)  # FastAPI's own: what is wrong is 400 here
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{}, {"key": []}]
    return found


def _page(schema: dict[str, Any]) -> str:
    """Return the page: each route, what it takes, and examples to copy."""
    parts = []
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts.append(f"<p>{html.escape(route.get('summary', ''))}</p>")
            for kind, content in route.get("requestBody", {}).get("content", {}).items():
                parts += _examples(path, kind, content)
                parts.append(_fields(schema, content["schema"]))
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>AutoGPT API</title>'
        f"<style>{_STYLE}</style><h1>AutoGPT API</h1><p>OpenAI's fields; the same as data: "
        f'<a href="/openapi.json">/openapi.json</a>.</p>{body}</html>'
    )


def _examples(path: str, kind: str, content: dict[str, Any]) -> list[str]:
    found = []
    for name, example in content.get("examples", {}).items():
        data = json.dumps(example["value"], ensure_ascii=False, indent=1).replace("'", "'\\''")
        command = f"curl http://127.0.0.1:8000{path} -H 'content-type: {kind}' -d '{data}'"
        found.append(
            f"<details><summary>{html.escape(name)}</summary>"
            f"<pre><code>{html.escape(command)}</code></pre></details>"
        )
    return found


def _fields(schema: dict[str, Any], wanted: dict[str, Any]) -> str:
    name = wanted.get("$ref", "").rpartition("/")[2]
    properties = schema["components"]["schemas"].get(name, wanted).get("properties", {})
    return f"<p>Fields: {', '.join(f'<code>{html.escape(key)}</code>' for key in properties)}.</p>"
