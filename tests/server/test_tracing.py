"""Spans of requests, sent to a real collector; what a missing extra says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.collector import attributes, collecting
from tests.server.serving import serving, until

SECRET = "sk-" + "7" * 40
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_requests_are_spans_without_texts_or_keys(model: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"shop {SECRET}\n")
    keys.chmod(0o600)
    with collecting() as collector:
        arguments = (f"tiny={model}", "--api-key-file", str(keys), "--otlp", collector.address)
        with serving(tmp_path / "log", *arguments) as server:
            client = server.client(
                SECRET,
                default_headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
            )
            stream = client.chat.completions.create(
                model="tiny",
                messages=[{"role": "user", "content": "How is 小雨 today?"}],
                max_tokens=5,
                stream=True,
            )
            assert list(stream)
            client.models.list()
        assert until(lambda: len(collector.spans) >= 4)
    spans = {span.name: span for span in collector.spans}
    outer, turn = spans["POST /v1/chat/completions"], spans["wait for a turn"]
    inner = spans["chat tiny"]
    assert "GET /v1/models" in spans
    assert outer.trace_id.hex() == TRACE
    assert outer.parent_span_id.hex() == "b7ad6b7169203331"
    assert turn.parent_span_id == inner.parent_span_id == outer.span_id
    assert outer.start_time_unix_nano <= turn.end_time_unix_nano == inner.start_time_unix_nano
    assert attributes(outer)["http.response.status_code"] == 200
    told = attributes(inner)
    assert told["gen_ai.request.model"] == "tiny"
    assert 1 <= told["gen_ai.usage.output_tokens"] <= 5
    assert told["gen_ai.usage.input_tokens"] > 5
    assert [event.name for event in inner.events] == ["first token"]
    sent = b"".join(collector.bodies)
    for hidden in (SECRET, "小雨", "How is"):
        assert hidden.encode() not in sent


def test_a_missing_extra_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http.trace_exporter'] = None\n"
        "from autogpt.cli.app import main; sys.exit(main())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, "serve", "--otlp", "http://127.0.0.1:4318"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 1
    assert "pip install 'autogpt-transformer[otel]'" in found.stderr
    assert "Traceback" not in found.stderr
