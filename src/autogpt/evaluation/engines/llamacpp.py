"""llama.cpp as an engine, through ``xllamacpp``: its server, in this process, on the loopback.

Flash attention is off and keys and values are kept in fp32, so that nothing is rounded but the
weights of the file and, in quantized ones, what they are multiplied with.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from autogpt.evaluation.engines.engine import TOP, Format, Top

__all__ = ["FORMATS", "LlamaCppEngine", "open_engine", "version"]

FORMATS: tuple[Format, ...] = ("gguf",)
_CONTEXT = 512  # more than the prompts have
_TIMEOUT_S = 120.0
_SURELY = 1e6


def version() -> str | None:
    """Return the installed version, if there is one."""
    try:
        return metadata.version("xllamacpp")
    except metadata.PackageNotFoundError:
        return None


def open_engine(path: Path) -> LlamaCppEngine:
    """Open a GGUF file."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = _CONTEXT
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.port = 0
    params.warmup = False
    params.verbosity = -1
    params.fit_params = False
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    threads = os.cpu_count() or 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    with _quiet():
        return LlamaCppEngine(xllamacpp.Server(params))


class LlamaCppEngine:
    """A server of llama.cpp.

    Args:
        server: Of xllamacpp.
    """

    def __init__(self, server: Any) -> None:  # noqa: ANN401 - theirs, without types
        import httpx2

        self._server = server
        self._client = httpx2.Client(
            base_url=server.listening_address, timeout=_TIMEOUT_S, trust_env=False
        )
        # The server tells of no token that ends a text or is half a character; so it is made to
        # write a letter, which does not change the log probabilities that it reports.
        self._letter = self.encode("a")[-1]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        answer = self._post("/tokenize", {"content": text, "add_special": True})
        return [int(token_id) for token_id in answer["tokens"]]

    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        """Return what is expected after each of the longest beginnings."""
        first = len(token_ids) - last + 1
        return [self._next(token_ids[:end]) for end in range(first, len(token_ids) + 1)]

    def close(self) -> None:
        """Stop the server."""
        self._client.close()
        with _quiet():
            del self._server

    def _next(self, token_ids: Sequence[int]) -> Top:
        answer = self._post(
            "/completion",
            {
                "prompt": list(token_ids),
                "n_predict": 1,
                "n_probs": TOP,
                "temperature": 0.0,
                "cache_prompt": True,
                "logit_bias": [[self._letter, _SURELY]],
            },
        )
        found = answer["completion_probabilities"][0]["top_logprobs"]
        return tuple((int(one["id"]), float(one["logprob"])) for one in found[:TOP])

    def _post(self, route: str, body: dict[str, object]) -> Any:  # noqa: ANN401 - JSON
        response = self._client.post(route, json=body)
        response.raise_for_status()
        return response.json()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a C++ library prints to standard error from the user's terminal."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
