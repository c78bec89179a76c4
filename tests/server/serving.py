"""A real server in a process of its own, with a tiny model."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import torch

from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.bpe import TokenizerConfig, train

PLAIN = ("--port", "0", "--json", "--no-studio", "--policy", "off")
TEXT = "Shall I compare thee to a summer's day? Thou art more lovely. 學而時習之，不亦說乎？\n" * 8


def make_model(folder: Path, *, context: int = 2048, seed: int = 0) -> Path:
    """Write a model of random weights that are large enough to have opinions."""
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    tokenizer = train([TEXT], settings, corpus_bytes=len(TEXT.encode()))
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=context,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )
    torch.manual_seed(seed)
    save_model(GPT(config), folder, tokenizer=tokenizer)
    return folder


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    process: subprocess.Popen[str]
    address: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self, key: str = "none", **options: object) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.address}/v1", api_key=key, max_retries=0, timeout=60, **options
        )

    def engine_pid(self) -> int:
        """Return the engine process: the server's only child."""
        task = Path(f"/proc/{self.process.pid}/task")
        found = [
            int(word)
            for thread in task.iterdir()
            for word in (thread / "children").read_text().split()
        ]
        assert len(found) == 1
        return found[0]


@contextlib.contextmanager
def serving(log: Path, *arguments: str) -> Iterator[Served]:
    """Run ``autogpt serve`` on a free port until the block ends."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "autogpt", "serve", *arguments, *PLAIN],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert process.stdout is not None
        output = process.stdout
        threading.Thread(target=lambda: lines.put(output.readline()), daemon=True).start()
        line = lines.get(timeout=60)
        assert line, log.read_text()
        yield Served(process, json.loads(line)["address"], log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        output.close()


def until(condition: object, *, seconds: float = 10.0) -> bool:
    """Wait until a condition holds; return whether it came to."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False
