"""Closed by default: raw requests against a real server with keys."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.serving import Served, serving, until

KEY, OTHER = "k" * 30, "o" * 30
BODY = json.dumps({"model": "tiny", "prompt": "Thou", "max_tokens": 2}).encode()


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("keys")
    keys = folder / "keys"
    digest = hashlib.sha256(OTHER.encode()).hexdigest()
    keys.write_text(f"# keys\nshop {KEY}\nops sha256:{digest} admin\n")
    keys.chmod(0o600)
    arguments = (f"tiny={model}", "--api-key-file", str(keys), "--rate", "600")
    with serving(folder / "log", *arguments, "--allow-origin", "https://good.example") as served:
        yield served


def exchange(port: int, data: bytes, *, seconds: float = 20.0) -> bytes:
    """Return all that the server answers until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        found = b""
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                found += piece
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        return found


def ask(
    server: Served,
    *,
    method: str = "POST",
    path: str = "/v1/completions",
    body: bytes = BODY,
    **headers: str,
) -> tuple[int, str]:
    """Send one request with headers like ``host_``; return the status and the answer."""
    given = {
        "Host": f"127.0.0.1:{server.port}",
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    answer = exchange(server.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return int(answer.split()[1]), answer.decode("utf-8", "replace")


def test_a_key_is_needed_everywhere(server: Served) -> None:
    assert ask(server)[0] == 200
    assert ask(server, authorization=f"Bearer {OTHER}")[0] == 200
    for path in ("/v1/models", "/health", "/metrics", "/docs", "/openapi.json", "/", "/none"):
        assert ask(server, method="GET", path=path, body=b"", authorization="")[0] == 401
    for wrong in (f"Bearer {KEY}x", "Bearer ", KEY, f"Basic {KEY}", "Bearer k"):
        assert ask(server, authorization=wrong)[0] == 401
    assert ask(server, method="GET", path="/health", body=b"")[0] == 200


def test_who_sends_too_much_is_told_so(server: Served) -> None:
    """Also where the whole body is sent before the answer is read."""
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = exchange(server.port, head.encode() + 20 * chunk + b"0\r\n\r\n")
    assert answer.split()[1] == b"413"
    assert b"request_too_large" in answer


def test_who_leaves_within_a_body_is_no_failure_of_the_server(server: Served) -> None:
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    before = len(server.log.read_text().splitlines())
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode())
        time.sleep(0.2)

    def line() -> dict[str, object]:
        told = server.log.read_text().splitlines()[before:]
        return json.loads(told[0]) if told else {}

    assert until(line)
    assert line()["status"] == 499
    assert "Traceback" not in server.log.read_text()


def test_what_openapi_refers_to_is_there(server: Served) -> None:
    told = ask(server, method="GET", path="/openapi.json", body=b"")[1].partition("\r\n\r\n")[2]
    known = json.loads(told)["components"]["schemas"]
    used = set(re.findall(r'"#/components/schemas/(\w+)"', told))
    assert used
    assert used <= set(known)


def test_errors_are_told_in_the_language_of_the_client(server: Served) -> None:
    chinese = {"accept_language": "zh-CN,zh;q=0.9"}
    wrong = json.dumps({"model": "none", "prompt": "你好"}).encode()
    for answer, said in (
        (ask(server, authorization="", **chinese), "缺少 API 密钥或密钥有误"),
        (ask(server, body=wrong, **chinese), "这里没有模型 'none'"),
        (ask(server, body=b"[]", **chinese), "请求体应是一个 JSON 对象。"),
        (ask(server, body=b"[]"), "The body must be a JSON object."),
    ):
        told = json.loads(answer[1].partition("\r\n\r\n")[2])
        assert said in told["error"]["message"]


def test_the_host_must_be_ours(server: Served) -> None:
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "x"):
        assert ask(server, host=host)[0] == 403
    for host in ("localhost", f"localhost:{server.port}", f"[::1]:{server.port}"):
        assert ask(server, host=host)[0] == 200
    assert ask(server, host="")[0] == 400


def test_pages_of_other_origins_may_not_ask(server: Served) -> None:
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", "file://"):
        assert ask(server, origin=origin)[0] == 403
    assert ask(server, sec_fetch_site="cross-site")[0] == 403
    assert ask(server, origin=f"http://127.0.0.1:{server.port}")[0] == 200
    status, answer = ask(server, origin="https://good.example")
    assert status == 200
    assert "access-control-allow-origin: https://good.example" in answer
    status, answer = ask(
        server, method="OPTIONS", body=b"", authorization="", origin="https://good.example"
    )
    assert status == 204
    assert "access-control-allow-headers: authorization, content-type" in answer
    assert ask(server, method="OPTIONS", body=b"", origin="https://evil.example")[0] == 403


def test_only_json_is_read(server: Served) -> None:
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert ask(server, content_type=kind)[0] == 415
    assert ask(server, content_type="application/json; charset=utf-16")[0] == 415
    assert ask(server, content_type="Application/JSON; charset=UTF-8")[0] == 200
    assert ask(server, content_encoding="gzip")[0] == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model":"tiny","prompt":"a","temperature":NaN}',
        b'{"model":"tiny","prompt":"a","temperature":Infinity}',
        b'{"model":"tiny","prompt":"a","temperature":1e999}',
        b'{"model":"tiny","prompt":"a","seed":' + b"9" * 5000 + b"}",
        b'{"model":"tiny","prompt":"\\ud800"}',
        b'{"model":"tiny","prompt":"a","user":"\\udfff\\ud800"}',
        b'{"\\ud800":1,"model":"tiny"}',
        b'{"model":"tiny","prompt":"\xff"}',
        b'{"model":"tiny","model":"tiny","prompt":"a"}',
        b'{"model":"tiny","prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"tiny","prompt":"a","logit_bias":{"a":1}}',
        b'{"model":"tiny","prompt":"a","logit_bias":{"999999":1}}',
        b'{"model":"tiny","prompt":"a","n":true}',
        b'{"model":"tiny","prompt":"a","max_tokens":"5"}',
        b'{"model":"tiny","prompt":[999999]}',
        b'{"model":"tiny","prompt":[1,"a"]}',
        '{"model":"tiny","prompt":"a"}'.encode("utf-16"),
        b"\xef\xbb\xbf" + BODY,
    ],
)
def test_malformed_bodies_are_the_clients_fault(server: Served, body: bytes) -> None:
    status, answer = ask(server, body=body)
    assert status == 400
    error = json.loads(answer.partition("\r\n\r\n")[2])["error"]
    assert error["type"] == "invalid_request_error"


def test_too_large(server: Served) -> None:
    assert ask(server, content_length=str(50 << 20), body=b"{")[0] == 413
    assert ask(server, filler="x" * 100_000)[0] in (400, 431)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    status, _ = ask(
        server, body=chunk * 40 + b"0\r\n\r\n", content_length="", transfer_encoding="chunked"
    )
    assert status == 413


def test_smuggling(server: Served) -> None:
    status, _ = ask(server, transfer_encoding="chunked", body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert status == 400
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    twice = head + "Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}"
    assert b" 400 " in exchange(server.port, twice.encode())[:20]
    assert b" 400 " in exchange(server.port, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")[:20]


def test_who_may_load(server: Served) -> None:
    assert ask(server, path="/v1/models/tiny/load", body=b"")[0] == 403
    assert ask(server, path="/v1/models/tiny/load", authorization=f"Bearer {OTHER}")[0] == 200


def test_slow_headers_end(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
        begin = time.monotonic()
        assert b" 408 " in connection.recv(1000)[:20]
        assert 5 < time.monotonic() - begin < 20


def test_nothing_of_bodies_or_keys_is_logged(server: Served) -> None:
    body = json.dumps({"model": "tiny", "prompt": "sesame 芝麻", "max_tokens": 2}).encode()
    assert ask(server, body=body)[0] == 200
    assert ask(server, body=body.replace(b'"tiny"', b"1"))[0] == 400
    log = server.log.read_text()
    assert "sesame" not in log
    assert KEY not in log
    line = json.loads(log.splitlines()[-1])
    assert line["status"] == 400
    assert line["key"] == "shop"
    assert line["request_id"].startswith("req_")


def test_one_tenants_beginnings_are_not_anothers(server: Served) -> None:
    prompt = "Shall I compare thee to a summer's day? " * 20
    body = json.dumps({"model": "tiny", "prompt": prompt, "max_tokens": 2}).encode()

    def reused(key: str) -> int:
        status, answer = ask(server, body=body, authorization=f"Bearer {key}")
        assert status == 200
        usage = json.loads(answer.partition("\r\n\r\n")[2])["usage"]
        return int(usage["prompt_tokens_details"]["cached_tokens"])

    assert reused(KEY) == 0
    assert reused(KEY) > 0
    assert reused(OTHER) == 0
