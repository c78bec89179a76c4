"""Spans as OpenTelemetry has them, to a file and to a collector over real HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from autogpt.agent.trace import Tracer, otlp
from autogpt.core.errors import ResourceError


def test_spans_go_to_a_collector() -> None:
    seen: list[tuple[str, dict[str, object]]] = []

    class Collector(BaseHTTPRequestHandler):
        """Takes spans."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.path, json.loads(body)))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    tracer = Tracer()
    try:
        with contextlib.suppress(KeyError), tracer.span("invoke_agent", "a") as root:
            root["gen_ai.usage.total_tokens"] = 3
            with tracer.span("execute_tool", "find", **{"gen_ai.tool.name": "find"}):
                pass
            raise KeyError
        tracer.send(f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert seen[0][0] == "/v1/traces"
    assert seen[0][1] == json.loads(json.dumps(otlp(tracer.spans)))
    spans = otlp(tracer.spans)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [span["name"] for span in spans] == ["execute_tool find", "invoke_agent a"]
    assert spans[0]["parentSpanId"] == spans[1]["spanId"]
    assert spans[1]["status"]["code"] == 2
    with pytest.raises(ResourceError, match="collector"):
        tracer.send("http://127.0.0.1:9")
