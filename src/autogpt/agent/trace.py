"""The trace: what a run did, as spans of OpenTelemetry's GenAI conventions, one JSON line each.

Attribute names are those of the semantic conventions for generative AI (OpenTelemetry, 2025):
``gen_ai.operation.name`` is ``invoke_agent``, ``chat`` or ``execute_tool``. Prompts and results are
left out, as the conventions ask for by default; they are in the journal. ``--otlp`` sends the spans
to a collector that the user named.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from autogpt.core.errors import ResourceError
from autogpt.core.otlp import resource, span_exporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

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
            MissingExtraError: If what sends them is not installed.
            ResourceError: If it does not take them.
        """
        exporter = span_exporter(address)
        from opentelemetry.sdk.trace.export import SpanExportResult

        found = exporter.export([_readable(span) for span in self.spans])
        exporter.shutdown()
        if found is not SpanExportResult.SUCCESS:
            raise ResourceError(
                f"The collector {address!r} does not take the spans.",
                hint="See that it runs and takes OTLP over HTTP at this address.",
            )

    def _write(self, span: dict[str, Json]) -> None:
        self.spans.append(span)
        if self._file is not None:
            self._file.write(json.dumps(span, ensure_ascii=False) + "\n")
            self._file.flush()


def _readable(span: dict[str, Json]) -> ReadableSpan:
    """Return a span as OpenTelemetry's exporters take it."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: str) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        trace_id = int(span["trace_id"], 16)
        return SpanContext(trace_id, int(span_id, 16), is_remote=False, trace_flags=flags)

    parent = span["parent_span_id"]
    return ReadableSpan(
        span["name"],
        context(span["span_id"]),
        None if parent is None else context(parent),
        resource(),
        {key: own for key, own in span["attributes"].items() if own is not None},
        kind=SpanKind[span["kind"]],
        status=Status(StatusCode.OK if span["status"] == "ok" else StatusCode.ERROR),
        start_time=span["start_time_unix_nano"],
        end_time=span["end_time_unix_nano"],
        instrumentation_scope=InstrumentationScope("autogpt.agent"),
    )
