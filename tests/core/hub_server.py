"""A hub on the loopback interface: real HTTP, the two requests that a download makes."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """What the hub says of one repository, and what it gives."""

    files: dict[str, bytes]
    license: str = "apache-2.0"
    large: set[str] = field(default_factory=set)  # stored with Git LFS: listed with their sha256
    given: dict[str, bytes] = field(default_factory=dict)  # in place of what is listed

    def listed(self) -> dict[str, object]:
        siblings = []
        for name, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": blob}
            if name in self.large:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        return {
            "id": "x", "sha": COMMIT, "siblings": siblings, "tags": [], "private": False,
            "cardData": {"license": self.license}, "gated": False, "downloads": 0, "likes": 0,
        }  # fmt: skip


@dataclass
class HubServer:
    """Its repositories, its faults, and what it was asked for."""

    repos: dict[str, Repo] = field(default_factory=dict)
    break_after: int | None = None  # close each connection after so many bytes of a file
    ignore_ranges: bool = False
    pause: threading.Event | None = None  # hold each file after its first bytes until this is set
    status: dict[str, tuple[int, str]] = field(default_factory=dict)  # by path: code, error code
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range
    endpoint: str = ""

    @property
    def file_requests(self) -> list[tuple[str, str | None]]:
        return [each for each in self.requests if "/resolve/" in each[0]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that were killed, which is what some tests do."""


@contextmanager
def serve() -> Iterator[HubServer]:
    hub = HubServer()
    server = _Server(hub)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        if hub.pause:
            hub.pause.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        hub, path = self.server.hub, self.path.split("?")[0]
        hub.requests.append((path, self.headers["Range"]))
        about = re.fullmatch(r"/api/models/(.+?)(?:/revision/(.+))?", path)
        file = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)
        if path in hub.status:
            self.refuse(*hub.status[path])
        elif about:
            self.tell(*about.groups())
        elif file:
            self.give(hub.repos[file[1]], file[3])

    def refuse(self, code: int, error: str) -> None:
        self.answer(code, {"X-Error-Code": error} if error else {}, b"")

    def answer(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.write(body)

    def write(self, body: bytes) -> None:
        hub = self.server.hub
        if hub.pause:
            self.wfile.write(body[:1000])
            self.wfile.flush()
            hub.pause.wait(20)
            body = body[1000:]
        if hub.break_after is not None and len(body) > hub.break_after:
            body = body[: hub.break_after]
            self.close_connection = True
        self.wfile.write(body)

    def tell(self, repo: str, revision: str | None) -> None:
        held = self.server.hub.repos.get(repo)
        if held is None:
            self.refuse(404, "RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            self.refuse(404, "RevisionNotFound")
        else:
            body = json.dumps(held.listed()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def give(self, held: Repo, name: str) -> None:
        content = held.given.get(name, held.files[name])
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        start = int(asked[1]) if asked and not self.server.hub.ignore_ranges else 0
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        headers = {"Content-Range": place} if start else {}
        self.answer(206 if start else 200, headers, content[start:])
