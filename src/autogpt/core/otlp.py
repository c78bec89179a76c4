"""Spans to an OpenTelemetry collector over OTLP/HTTP, with the packages of the extra ``otel``.

Nothing is sent anywhere but to the address that the user named: no proxy of the environment and no
redirect is followed. Headers that a collector wants, such as a key, are read by the exporter from
``OTEL_EXPORTER_OTLP_HEADERS``.

Source: the OpenTelemetry protocol, 1.x (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autogpt.core.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["resource", "span_exporter"]

_TIMEOUT_S = 5.0


def span_exporter(address: str) -> SpanExporter:
    """Return what sends spans to a collector.

    Args:
        address: As http://127.0.0.1:4318; ``/v1/traces`` is added where it is not there.

    Raises:
        MissingExtraError: If the packages are not installed.
        UsageError: If it is no address.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"The collector {address!r} is no address.", hint="Write it like http://127.0.0.1:4318."
        )
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        package = "opentelemetry-exporter-otlp-proto-http"
        raise MissingExtraError(package, extra="otel", purpose="--otlp") from error
    session = requests.Session()
    session.trust_env = False
    path = "" if address.endswith("/v1/traces") else "/v1/traces"
    return OTLPSpanExporter(address.rstrip("/") + path, timeout=_TIMEOUT_S, session=session)


def resource() -> Resource:
    """Return who sends the spans."""
    from opentelemetry.sdk.resources import Resource

    return Resource({"service.name": "autogpt"})
