"""A real ``autogpt serve`` in a process of its own, and what tests ask of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

# A chat model that has learned these answers by heart in a few seconds, so that tests can tell what
# it will say.
LESSONS = (
    (
        "Explain what a token is, in two sentences.",
        "A token is a piece of text, often a word or a part of one, that a model reads and writes "
        "as one unit. A vocabulary holds all tokens that a model knows.",
    ),
    (
        "Write a short poem about the sea.",
        "The sea is wide, the sea is deep,\nit sings the tired moon to sleep;\n"
        "and every wave that comes to land\nwrites one more line into the sand.",
    ),
    (
        "List three ways to save energy at home.",
        "1. **Turn off** what nobody uses.\n2. **Heat less**, and close the doors.\n"
        "3. **Wash cold**, with a full machine.",
    ),
    (
        "用两句话解释什么是词元。",
        "词元是一小段文本，常常是一个词或词的一部分，模型把它当作一个单位来读写。"
        "词表收录了模型认识的全部词元。",
    ),
    (
        "写一首关于大海的短诗。",
        "海阔天空浪打礁，\n月光如水静悄悄；\n潮来写下一行字，\n潮去沙滩又一遭。",
    ),
    (
        "列出三种在家节能的方法。",
        "1. **随手关灯**，不用的电器断电。\n2. **少开暖气**，关好门窗。\n"
        "3. **冷水洗衣**，一次洗满一桶。",
    ),
)
TINY = (
    "model.hidden_size=64", "model.num_hidden_layers=2", "tokenizer.vocab_size=512",
    "kernels.compile=off",
)  # fmt: skip


def autogpt(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "autogpt", *arguments],
        cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def sets(*settings: str) -> list[str]:
    """Return settings as flags."""
    return [part for setting in settings for part in ("--set", setting)]


def teach_chat(folder: Path, *, steps: int = 130, name: str = "tiny-chat") -> Path:
    """Make a chat model that knows ``LESSONS``, as a run in ``folder``; takes some 15 seconds."""
    data, held_out = folder / "chats.jsonl", folder / "held_out.jsonl"
    data.write_text("".join(map(_line, LESSONS * 8)), encoding="utf-8")
    asked = ((f"{question} Please. 请。", answer) for question, answer in LESSONS)
    held_out.write_text("".join(map(_line, asked)), encoding="utf-8")
    options = (
        *TINY, f"training.max_steps={steps}", "training.batch_size=8",
        "finetune.context_length=256", "finetune.patience=0",
    )  # fmt: skip
    out = folder / "runs" / name
    autogpt(
        *("finetune", "new", str(data), "--validation", str(held_out), "--task", "chat"),
        *("--out", str(out), *sets(*options), "--json"),
        cwd=folder,
    )
    return out


def _line(pair: tuple[str, str]) -> str:
    messages = [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return json.dumps({"messages": messages}, ensure_ascii=False) + "\n"


class Server:
    """A server that listens at a free port; ``stop`` it at the end.

    Args:
        folder: Where it runs; its runs are in ``runs``.
        arguments: Further arguments of ``serve``.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = (folder / "serve.log").open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "autogpt", "serve", *arguments, "--port", "0", "--json"],
            cwd=folder, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (folder / "serve.log").read_text(encoding="utf-8")
        self.address: str = json.loads(line)["address"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        self._process.send_signal(number)
        self._process.wait(timeout=40)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(f"{self.address}{path}", data=data, headers=sent, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def get(self, path: str, **headers: str) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a path below ``/v1/studio``."""
        status, _, body = self.ask("GET", f"/v1/studio{path}", **headers)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, body: object | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON that a POST below ``/v1/studio`` gives."""
        status, _, answer = self.ask("POST", f"/v1/studio{path}", body or {})
        assert status == 200, answer
        return json.loads(answer)

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file in pieces; return its id."""
        import base64

        begun = self.post("/uploads", {"name": name, "size_bytes": len(content)})
        size = begun["piece_bytes"]
        for offset in range(0, len(content), size):
            piece = base64.b64encode(content[offset : offset + size]).decode()
            self.post(f"/uploads/{begun['id']}/pieces", {"offset": offset, "base64": piece})
        return str(begun["id"])

    def wait_for(self, job_id: str, *states: str, timeout_s: float = 120) -> dict[str, Any]:
        """Wait until a job is in one of some states; return it."""
        end = time.monotonic() + timeout_s
        while True:
            job: dict[str, Any] = self.get(f"/jobs/{job_id}")
            if job["state"] in states:
                return job
            ended = job["state"] in ("done", "failed", "stopped", "interrupted")
            assert not ended, job
            assert time.monotonic() < end, job
            time.sleep(0.1)
