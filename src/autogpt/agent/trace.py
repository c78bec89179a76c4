"""The trace: what a run did, as spans of OpenTelemetry's GenAI conventions, one JSON line each.

Attribute names are those of the semantic conventions for generative AI (OpenTelemetry, 2025):
``gen_ai.operation.name`` is ``invoke_agent``, ``chat`` or ``execute_tool``. Prompts and results are
left out, as the conventions ask for by default; they are in the journal. ``--otlp`` sends the spans
to a collector that the user named, as OTLP over HTTP in JSON.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from autogpt.core.errors import ResourceError

__all__ = ["Event", "Tracer"]

Json = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something to show while a run goes on.

    Attributes:
        kind: ``goal``, ``plan``, ``choice``, ``call``, ``result``, ``check`` or ``end``.
        text: In a line.
        values: What else is known.
    """

    kind: str
    text: str
    values: Mapping[str, Json] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Json]:
        """Return plain values."""
        return {"kind": self.kind, "text": self.text, **self.values}


class Tracer:
    """Writes spans.

    Args:
        path: Of the file of JSON lines; None: nowhere.
        show: Is told each event.
    """

    def __init__(
        self, path: Path | None = None, *, show: Callable[[Event], None] | None = None
    ) -> None:
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        self._show = show
        self._trace, self._root = secrets.token_hex(16), secrets.token_hex(8)
        self.spans: list[dict[str, Json]] = []

    def event(self, kind: str, text: str, **values: Json) -> None:
        """Tell who looks on."""
        if self._show is not None:
            self._show(Event(kind=kind, text=text, values=values))

    @contextmanager
    def span(self, operation: str, name: str, **attributes: Json) -> Iterator[dict[str, Json]]:
        """Write a span around what is done inside; attributes can be added to what is yielded."""
        begin = time.time_ns()
        own = {"gen_ai.operation.name": operation, **attributes}
        is_root = operation == "invoke_agent"
        status = "ok"
        try:
            yield own
        except BaseException as error:
            own["error.type"], status = type(error).__name__, "error"
            raise
        finally:
            self._write(
                {
                    "name": f"{operation} {name}",
                    "trace_id": self._trace,
                    "span_id": self._root if is_root else secrets.token_hex(8),
                    "parent_span_id": None if is_root else self._root,
                    "kind": "CLIENT" if operation == "chat" else "INTERNAL",
                    "start_time_unix_nano": begin,
                    "end_time_unix_nano": time.time_ns(),
                    "status": status,
                    "attributes": own,
                }
            )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def send(self, address: str) -> None:
        """Send all spans to a collector (OTLP/HTTP, ``/v1/traces``).

        Raises:
            ResourceError: If it does not take them.
        """
        import httpx2

        url = address.rstrip("/") + ("" if address.endswith("/v1/traces") else "/v1/traces")
        try:
            with httpx2.Client(timeout=10, follow_redirects=False, trust_env=False) as client:
                answer = client.post(url, json=otlp(self.spans))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ResourceError(f"The collector {address!r} cannot be reached: {error}.") from error
        if answer.status_code >= 300:
            raise ResourceError(f"The collector {address!r} answers {answer.status_code}.")

    def _write(self, span: dict[str, Json]) -> None:
        self.spans.append(span)
        if self._file is not None:
            self._file.write(json.dumps(span, ensure_ascii=False) + "\n")
            self._file.flush()


def otlp(spans: list[dict[str, Json]]) -> dict[str, Json]:
    """Return spans in the JSON form of OTLP."""

    def value(own: Json) -> dict[str, Json]:
        if isinstance(own, bool):
            return {"boolValue": own}
        if isinstance(own, int):
            return {"intValue": str(own)}
        if isinstance(own, float):
            return {"doubleValue": own}
        return {"stringValue": str(own)}

    kinds = {"CLIENT": 3, "INTERNAL": 1}
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": "autogpt"}}]
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "autogpt.agent"},
                        "spans": [
                            {
                                "traceId": span["trace_id"],
                                "spanId": span["span_id"],
                                **(
                                    {"parentSpanId": span["parent_span_id"]}
                                    if span["parent_span_id"]
                                    else {}
                                ),
                                "name": span["name"],
                                "kind": kinds[span["kind"]],
                                "startTimeUnixNano": str(span["start_time_unix_nano"]),
                                "endTimeUnixNano": str(span["end_time_unix_nano"]),
                                "attributes": [
                                    {"key": key, "value": value(own)}
                                    for key, own in span["attributes"].items()
                                    if own is not None
                                ],
                                "status": {"code": 1 if span["status"] == "ok" else 2},
                            }
                            for span in spans
                        ],
                    }
                ],
            }
        ]
    }
