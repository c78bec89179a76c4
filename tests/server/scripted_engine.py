"""An engine process without a model: it says what its script says.

``python tests/server/scripted_engine.py SCRIPT SOCKET``, where the script is JSON: an object with
``lines``, sent as they are when a text is wanted ("$ID" is the request's number, ``"$LONG"``
as many bytes as no line may have), or ``tokens``, so many for each text, one every ``every_s``
seconds, each of them ``text``.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
from typing import Any

TOO_LONG = (1 << 26) + 1


def command(**script: object) -> list[str]:
    """Return what an ``EngineClient`` runs this script with."""
    return [sys.executable, __file__, json.dumps(script)]


class ScriptedEngine:
    """Answers as an engine with one model would; texts come from the script."""

    def __init__(self, script: dict[str, Any], connection: socket.socket) -> None:
        self._script, self._socket = script, connection
        self._asked: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._rows: dict[tuple[int, int], int] = {}  # tokens so far

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            try:
                message = self._asked.get(
                    timeout=self._script.get("every_s") if self._rows else None
                )
            except queue.Empty:
                self._write()
                continue
            if message is None:
                return
            self._answer(message)

    def _listen(self) -> None:
        with self._socket.makefile("rb") as file:
            for line in file:
                self._asked.put(json.loads(line))
        self._asked.put(None)

    def _answer(self, message: dict[str, Any]) -> None:
        op, number = message["op"], message["id"]
        if op == "load":
            facts = {"name": message["model"], "kind": "writer", "context_length": 512}
            self._say({"re": number, "ok": facts})
        elif op == "probe":
            self._say({"re": number, "ok": {"models": ["tiny"], "seconds": 0.0}})
        elif op == "stats":
            self._say({"re": number, "ok": {"blocks_held": 0, "blocks": 1, "cache_bytes": 0}})
        elif op == "cancel":
            for key in [key for key in self._rows if key[0] == message["request"]]:
                del self._rows[key]
        elif op == "generate" and "lines" in self._script:
            for line in self._script["lines"]:
                self._socket.sendall(_spelled(line, number))
        elif op == "generate":
            for row in range(len(message["prompts"]) * (message["settings"].get("n") or 1)):
                self._rows[number, row] = 0

    def _write(self) -> None:
        """Write a token of every text."""
        news = []
        for number, row in list(self._rows):
            tokens = self._rows[number, row] = self._rows[number, row] + 1
            finish = "length" if tokens == self._script["tokens"] else None
            text = self._script.get("text", " boiler")
            news.append([number, row, text, None, finish, tokens, 128, 0])
            if finish:
                del self._rows[number, row]
        self._say({"at": news, "tokens": 0, "rows": len(self._rows)})

    def _say(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")


def _spelled(line: str, number: int) -> bytes:
    if line == "$LONG":
        return b" " * TOO_LONG
    return line.replace("$ID", str(number)).encode("utf-8", "surrogateescape") + b"\n"


if __name__ == "__main__":
    socket_ = socket.socket(socket.AF_UNIX)
    socket_.connect(sys.argv[2])
    ScriptedEngine(json.loads(sys.argv[1]), socket_).run()
