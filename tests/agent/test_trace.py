"""Spans as OpenTelemetry has them, to a collector over real HTTP."""

from __future__ import annotations

import contextlib

import pytest

from autogpt.agent.trace import Tracer
from autogpt.core.errors import ResourceError, UsageError
from tests.collector import attributes, collecting


def test_spans_go_to_a_collector() -> None:
    tracer = Tracer()
    with collecting() as collector:
        with contextlib.suppress(KeyError), tracer.span("invoke_agent", "a") as root:
            root["gen_ai.usage.total_tokens"] = 3
            with tracer.span("execute_tool", "find", **{"gen_ai.tool.name": "find", "none": None}):
                pass
            raise KeyError
        tracer.send(collector.address)
    assert collector.paths == ["/v1/traces"]
    inner, outer = collector.spans
    assert [inner.name, outer.name] == ["execute_tool find", "invoke_agent a"]
    assert inner.parent_span_id == outer.span_id
    assert not outer.parent_span_id
    assert [span.span_id.hex() for span in (inner, outer)] == [
        span["span_id"] for span in tracer.spans
    ]
    assert attributes(outer)["gen_ai.usage.total_tokens"] == 3
    assert "none" not in attributes(inner)
    assert outer.status.code == 2
    assert inner.end_time_unix_nano == tracer.spans[0]["end_time_unix_nano"]


def test_a_collector_that_is_not_there() -> None:
    with pytest.raises(ResourceError, match="collector"):
        Tracer().send("http://127.0.0.1:9")
    with pytest.raises(UsageError, match="no address"):
        Tracer().send("localhost:4318")
