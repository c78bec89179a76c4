"""What Prometheus reads at ``/metrics``: counts and times, nothing of what was said."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered", "route", "status")
        self.refusals = self._counter("refusals", "Requests refused unread", "reason")
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts")
        self.cached_tokens = self._counter("cached_tokens", "Of those, not read once more")
        self.completion_tokens = self._counter("completion_tokens", "Tokens written")
        self.first_token = self._histogram("first_token_seconds", "From request to first token")
        self.writing = self._histogram("writing_seconds", "From a request's turn to its end")
        self.seconds = self._histogram("request_seconds", "From request to end of answer")

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Add a figure that is read when it is asked for."""
        Gauge(f"autogpt_{name}", meaning, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"autogpt_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str) -> Histogram:
        return Histogram(f"autogpt_{name}", meaning, buckets=_SECONDS, registry=self.registry)
