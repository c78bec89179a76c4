"""What ``inference.py`` compares: each engine in a process of its own that obeys short commands.

Run by ``inference.py``, never by hand. A command is one JSON line, so is an answer. Every engine
has two methods: ``write`` greedily continues prompts of token ids, and ``scores`` gives the log
probabilities of what follows tokens of a text, where the engine can say them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

THREADS = 2


@dataclass(frozen=True)
class Times:
    """Seconds from the call to the first token, and from there to the last; tokens after it."""

    first_s: float
    rest_s: float
    rest_tokens: int


class Contender(Protocol):
    """An engine with the model loaded."""

    def write(self, prompts: list[list[int]], tokens: int) -> Times:
        """Continue prompts together, ``tokens`` each."""

    def scores(self, ids: list[int], begin: int) -> np.ndarray | None:
        """Return log probabilities after each token from ``begin`` on, ``[T - begin, V]``."""


class Ours:
    """This package."""

    def __init__(
        self,
        path: Path,
        quantize: Literal["int8", "int4"] | None,
        cache: Literal["float16", "int8"] = "float16",
    ) -> None:
        import torch

        from autogpt.llm import load

        torch.set_num_threads(THREADS)
        llm = load(path, dtype="bfloat16", quantize=quantize, cache=cache)
        self._engine = llm._engine

    def write(self, prompts: list[list[int]], tokens: int) -> Times:
        """See :class:`Contender`."""
        from autogpt.inference.sampling import SamplingParams

        self._engine._ends = frozenset()
        params = SamplingParams(max_tokens=tokens, temperature=0.0)
        begin = time.perf_counter()
        marks = []
        for index, _ in enumerate(self._engine.generate(prompts, params), 1):
            if index % len(prompts) == 0:
                marks.append(time.perf_counter())
        rest = (len(marks) - 1) * len(prompts)
        return Times(marks[0] - begin, marks[-1] - marks[0], rest)

    def scores(self, ids: list[int], begin: int) -> np.ndarray | None:
        """See :class:`Contender`."""
        import torch

        from autogpt.inference.backends import make_batch

        backend = self._engine._backend
        table = list(range(-(-len(ids) // 16)))
        with torch.inference_mode():
            cache = backend.new_cache(len(table))
            logits = backend.run(make_batch([ids], [0], [table]), cache, all_logits=True)
            return logits[begin:].log_softmax(-1).numpy()


class Transformers:
    """Hugging Face transformers, ``generate`` with its defaults."""

    def __init__(self, folder: Path, dtype: str) -> None:
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        torch.set_num_threads(THREADS)
        kind = getattr(torch, dtype)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=kind).eval()

    def write(self, prompts: list[list[int]], tokens: int) -> Times:
        """See :class:`Contender`."""
        import torch
        from transformers import GenerationConfig, LogitsProcessor

        marks = []

        class Clock(LogitsProcessor):
            def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ANN401, ARG002
                marks.append(time.perf_counter())
                return scores

        settings = GenerationConfig(
            max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        ids = torch.tensor(prompts)
        begin = time.perf_counter()
        with torch.inference_mode():
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=settings,
                logits_processor=[Clock()],
            )
        return Times(marks[0] - begin, marks[-1] - marks[0], (tokens - 1) * len(prompts))

    def scores(self, ids: list[int], begin: int) -> np.ndarray | None:
        """See :class:`Contender`."""
        import torch

        with torch.inference_mode():
            logits = self._model(torch.tensor([ids])).logits[0, begin:].float()
            return logits.log_softmax(-1).numpy()


class LlamaCpp:
    """llama.cpp's server through the wheel ``xllamacpp``, called in the process."""

    def __init__(self, path: Path) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.kv_unified = 5120, 8, True
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
        params.verbosity = 0
        self._server = xllamacpp.Server(params)

    def write(self, prompts: list[list[int]], tokens: int) -> Times:
        """See :class:`Contender`."""
        begin = time.perf_counter()
        with ThreadPoolExecutor(len(prompts)) as pool:
            times = list(pool.map(lambda prompt: self._one(prompt, tokens), prompts))
        if len(prompts) == 1:
            return Times(times[0][0], times[0][1], tokens - 1)
        # Requests start one after the other: the whole is what counts, reading taken off.
        whole = time.perf_counter() - begin
        return Times(times[0][0], whole - times[0][0], (tokens - 1) * len(prompts))

    def _one(self, prompt: list[int], tokens: int) -> tuple[float, float]:
        answer = self._server.handle_completions(
            {
                "prompt": prompt,
                "max_tokens": tokens,
                "temperature": 0,
                "ignore_eos": True,
                "cache_prompt": False,
            }
        )
        timings = answer["timings"]
        return timings["prompt_ms"] / 1e3, timings["predicted_ms"] / 1e3

    def scores(self, ids: list[int], begin: int) -> np.ndarray | None:
        """See :class:`Contender`."""
        rows = []
        for end in range(begin + 1, len(ids) + 1):
            answer = self._server.handle_completions(
                {"prompt": ids[:end], "max_tokens": 1, "temperature": 0, "logprobs": 1 << 20}
            )
            top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            row = np.zeros(len(top), dtype=np.float32)
            row[[entry["id"] for entry in top]] = [entry["logprob"] for entry in top]
            rows.append(row)
        return np.stack(rows)


class OpenVino:
    """openvino-genai with its own reader of GGUF files."""

    def __init__(self, path: Path) -> None:
        import openvino_genai

        self._genai = openvino_genai
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size = 1
        scheduler.enable_prefix_caching = False
        self._pipe = openvino_genai.LLMPipeline(
            str(path), "CPU", scheduler_config=scheduler, INFERENCE_NUM_THREADS=THREADS
        )

    def write(self, prompts: list[list[int]], tokens: int) -> Times:
        """See :class:`Contender`."""
        import openvino

        config = self._genai.GenerationConfig(
            max_new_tokens=tokens, do_sample=False, ignore_eos=True, apply_chat_template=False
        )
        ids = openvino.Tensor(np.array(prompts, dtype=np.int64))
        mask = openvino.Tensor(np.ones((len(prompts), len(prompts[0])), dtype=np.int64))
        begin = time.perf_counter()
        result = self._pipe.generate(self._genai.TokenizedInputs(ids, mask), config)
        whole = time.perf_counter() - begin
        first = result.perf_metrics.get_ttft().mean / 1e3
        return Times(first, whole - first, (tokens - 1) * len(prompts))

    def scores(self, ids: list[int], begin: int) -> np.ndarray | None:  # noqa: ARG002
        """OpenVINO's pipeline does not say them."""
        return None


def make(name: str, files: dict[str, str]) -> Contender:
    """Load the model into the contender of that name."""
    gguf, folder = Path(files["gguf"]), Path(files["folder"])
    match name.split():
        case ["ours", "torch"]:
            return Ours(folder, None)
        case ["ours", "torch", "int4"]:
            # As on a machine without a compiler: no decoder is found.
            os.environ["CXX"] = "none"
            return Ours(gguf, "int4")
        case ["ours", "int8" | "int4" as bits]:
            return Ours(gguf, bits)
        case ["ours", "int8" | "int4" as bits, "kv8"]:
            return Ours(gguf, bits, "int8")
        case ["transformers", dtype]:
            return Transformers(folder, {"fp32": "float32", "bf16": "bfloat16"}[dtype])
        case ["llama.cpp", kind]:
            return LlamaCpp(Path(files[kind]))
        case ["openvino", kind]:
            return OpenVino(Path(files[kind]))
    raise ValueError(name)


NAMES = (
    *("ours int4", "ours int8", "ours int4 kv8", "ours int8 kv8", "ours torch", "ours torch int4"),
    *("transformers fp32", "transformers bf16"),
    *("llama.cpp Q4_1", "llama.cpp Q8_0", "llama.cpp F16", "openvino Q8_0", "openvino F16"),
)
PACKAGES = {"llama.cpp": "xllamacpp", "openvino": "openvino_genai", "transformers": "transformers"}


def missing(name: str) -> str | None:
    """Return why a contender cannot take part."""
    package = PACKAGES.get(name.split()[0])
    if package is None or importlib.util.find_spec(package):
        return None
    return f"{package} is not installed"


def rate(times: Sequence[Times]) -> float:
    """Return tokens a second after the first."""
    return sum(one.rest_tokens for one in times) / sum(one.rest_s for one in times)


def obey(contender: Contender, command: dict[str, Any]) -> dict[str, Any]:
    """Do one command."""
    if command["do"] == "write":
        times = contender.write(command["prompts"], command["tokens"])
        return {"first_s": times.first_s, "rate": rate([times]) if times.rest_tokens else None}
    if command["do"] == "scores":
        scores = contender.scores(command["ids"], command["begin"])
        if scores is not None:
            np.save(command["path"], scores)
        return {"has_scores": scores is not None}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_rss_mb": round(peak)}


def main() -> None:
    """Load the model, write a first token, then obey."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # engines print
    contender = make(sys.argv[1], json.loads(sys.argv[2]))
    contender.write([list(range(100, 116))], 1)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(contender, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
