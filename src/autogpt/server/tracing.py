"""Spans of requests for OpenTelemetry: identifiers, numbers and times, never a body or a key.

A request is a span of kind SERVER below the caller's (``traceparent``); what it waits for its turn
and what the model does are spans in it. They are made when the request is over, from what is logged
of it, so that nothing is spent on them where nobody asked for them.

Names of attributes: the semantic conventions for HTTP and for generative AI (OpenTelemetry, 2025).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from autogpt.core.otlp import resource

__all__ = ["Handled", "Tracing"]

_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
_USAGE = {
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
}
_SENT_EVERY_MS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Handled:
    """A request that is over.

    Attributes:
        method, route, status: Of HTTP.
        request_id: As the client was told.
        traceparent: The header; None where the caller traces nothing.
        seconds: From its first byte to the end of the answer.
        facts: What is logged of it: ``model``, ``waited_s``, ``first_token_s``, tokens.
    """

    method: str
    route: str
    status: int
    request_id: str
    traceparent: str | None
    seconds: float
    facts: Mapping[str, Any]


class Tracing:
    """Sends spans in the background; to be closed.

    Args:
        exporter: Where they go.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=_SENT_EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("autogpt.server")

    def note(self, handled: Handled) -> None:
        """Take a request that is over."""
        end = time.time_ns()
        begin = end - _ns(handled.seconds)
        carrier = {} if handled.traceparent is None else {"traceparent": handled.traceparent}
        span = self._tracer.start_span(
            f"{handled.method} {handled.route}",
            TraceContextTextMapPropagator().extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": handled.method,
                "http.route": handled.route,
                "http.response.status_code": handled.status,
                "autogpt.request_id": handled.request_id,
            },
            start_time=begin,
        )
        if handled.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        if "model" in handled.facts:
            self._note_model(span, handled, begin, end)
        span.end(end)

    def _note_model(self, parent: Span, handled: Handled, begin: int, end: int) -> None:
        """Add the spans of the turn and of the model."""
        facts, inside = handled.facts, set_span_in_context(parent)
        turn = begin + _ns(facts.get("waited_s", 0.0))
        self._tracer.start_span("wait for a turn", inside, start_time=begin).end(turn)
        operation = _OPERATIONS.get(handled.route, "task")
        span = self._tracer.start_span(
            f"{operation} {facts['model']}",
            inside,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.request.model": facts["model"],
                **{_USAGE[name]: facts[name] for name in _USAGE if name in facts},
            },
            start_time=turn,
        )
        if "first_token_s" in facts:
            span.add_event("first token", timestamp=begin + _ns(facts["first_token_s"]))
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _ns(seconds: float) -> int:
    return int(1e9 * seconds)
