"""Speed of inference, side by side: ours, transformers, llama.cpp and OpenVINO, same weights.

Run: ``python benchmarks/inference.py MODEL.gguf`` with ``xllamacpp`` and ``openvino-genai``
installed beside (contenders that are not are named and left out). Each engine runs in a process of
its own with two threads; they take turns, so that what disturbs the machine disturbs all; medians
are compared. The file is used as it is by engines that read its format, and rewritten as Q8_0, F16
and a Hugging Face folder in float32 for the others. Prints one JSON object:

- ``decode``: tokens/s after the first of one text, from a context of 16; ``batch``: of eight;
- ``prefill``: tokens/s of reading 512 tokens;
- ``ms_16``, ``ms_4096``: milliseconds a token at such contexts; ``ratio_4096``: of them;
- ``kl``: divergence from the float32 weights in nats, over 32 tokens of text;
- ``first_token_s``: from starting the process to the first token; ``peak_rss_mb``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from contenders import NAMES, THREADS, missing

from autogpt.interop.gguf import open_gguf
from autogpt.models.checkpoint import save_model

TEXT = (
    "The boiler in the cellar was built in 1911 and heats eleven rooms. Every autumn the pipes are "
    "bled from the top floor down, the pressure is brought to one and a half bar, and the chimney "
    "is swept by a firm from the next village. In 2019 the burner was replaced, because spares "
    "for the old one could not be found any more; since then the house needs a fifth less oil."
)


class Worker:
    """A contender's process."""

    def __init__(self, name: str, files: dict[str, str]) -> None:
        begin = time.perf_counter()
        script = Path(__file__).with_name("contenders.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), name, json.dumps(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(THREADS)},
        )
        self._answer()
        self.first_token_s = time.perf_counter() - begin

    def ask(self, **command: object) -> dict[str, Any]:
        """Let it do something."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def write(self, rows: int, context: int, tokens: int, seed: int) -> dict[str, Any]:
        """Let it continue random tokens, other ones in every turn: nothing is remembered."""
        choose = random.Random(seed)
        prompts = [[choose.randrange(100, 40_000) for _ in range(context)] for _ in range(rows)]
        return self.ask(do="write", prompts=prompts, tokens=tokens)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("it ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a GGUF file")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=NAMES, help="contenders to compare")
    parser.add_argument(
        "--what", nargs="*", default=["decode", "batch", "prefill", "long", "kl"], help="figures"
    )
    parser.add_argument("--work", type=Path, help="where rewritten models are kept for other runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        files = rewrite_all(arguments.model, work)
        workers: dict[str, Worker] = {}
        left_out: dict[str, str] = {}
        for name in arguments.only:
            reason = missing(name)
            try:
                if reason is None:
                    workers[name] = Worker(name, files)
            except RuntimeError:
                reason = "it could not load the model"
            if reason is not None:
                left_out[name] = reason
        results = measure(workers, arguments.what, arguments.turns, Path(temporary))
        for worker in workers.values():
            worker.close()
    print(json.dumps({"threads": THREADS, "results": results, "left_out": left_out}, indent=1))


def measure(
    workers: dict[str, Worker], what: list[str], turns: int, folder: Path
) -> dict[str, dict[str, object]]:
    """Return the figures of each contender."""
    results: dict[str, dict[str, object]] = {
        name: {"first_token_s": round(worker.first_token_s, 2)} for name, worker in workers.items()
    }

    def in_turns(figure: str, get: Callable[[Worker, int], float], count: int) -> None:
        found: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(count + 1):
            for name, worker in workers.items():
                found[name].append(get(worker, turn))
                print(f"{figure} {turn} {name}: {found[name][-1]:.1f}", file=sys.stderr, flush=True)
        for name, values in found.items():
            results[name][figure] = round(statistics.median(values[1:]), 2)  # the first warms up

    figures: dict[str, Callable[[Worker, int], float]] = {
        "decode": lambda worker, turn: worker.write(1, 16, 64, turn)["rate"],
        "batch": lambda worker, turn: worker.write(8, 16, 48, turn)["rate"],
        "prefill": lambda worker, turn: 512 / worker.write(1, 512, 1, turn)["first_s"],
    }
    for figure, get in figures.items():
        if figure in what:
            in_turns(figure, get, turns)
    for name, worker in workers.items():
        results[name]["peak_rss_mb"] = worker.ask(do="peak")["peak_rss_mb"]
    if "long" in what:
        contexts(workers, results, turns)
    if "kl" in what:
        add_divergence(workers, results, folder)
    return results


def contexts(workers: dict[str, Worker], results: dict[str, dict[str, object]], turns: int) -> None:
    """Add milliseconds a token behind 16 and 4,096 tokens, one after the other in each turn."""
    for name, worker in workers.items():
        pairs = []
        for turn in range(turns + 1):
            pairs.append([1e3 / worker.write(1, n, 33, turn)["rate"] for n in (16, 4096)])
            print(f"long {turn} {name}: {pairs[-1]}", file=sys.stderr, flush=True)
        short, long = (statistics.median(pair[i] for pair in pairs[1:]) for i in (0, 1))
        ratio = statistics.median(pair[1] / pair[0] for pair in pairs[1:])
        results[name] |= {
            "ms_16": round(short, 2),
            "ms_4096": round(long, 2),
            "ratio_4096": round(ratio, 2),
        }


def add_divergence(
    workers: dict[str, Worker], results: dict[str, dict[str, object]], folder: Path
) -> None:
    """Compare each contender's probabilities with those of transformers in float32."""
    ids, begin = TOKENS
    scores: dict[str, np.ndarray] = {}
    for name, worker in workers.items():
        path = folder / f"{name}.npy"
        if worker.ask(do="scores", ids=ids, begin=begin, path=str(path))["has_scores"]:
            scores[name] = np.load(path).astype(np.float64)
    truth = scores.get("transformers fp32")
    for name, found in scores.items():
        if truth is not None:
            kl = (np.exp(truth) * (truth - found)).sum(axis=1).mean()
            results[name]["kl"] = float(f"{kl:.3g}")
            results[name]["same_top"] = round(
                float((truth.argmax(axis=1) == found.argmax(axis=1)).mean()), 4
            )


TOKENS: tuple[list[int], int] = ([], 64)


def rewrite_all(path: Path, work: Path) -> dict[str, str]:
    """Write the model in the other formats; return where each is."""
    file = open_gguf(path)
    tokenizer = file.tokenizer()
    TOKENS[0].extend(tokenizer.encode(TEXT)[:96])
    kinds = {"Q8_0": gguf.GGMLQuantizationType.Q8_0, "F16": gguf.GGMLQuantizationType.F16}
    for name, kind in kinds.items():
        if not (work / f"{name}.gguf").exists():
            rewrite(path, kind, work / f"{name}.gguf")
    if not (work / "folder" / "config.json").exists():
        save_model(file.model(), work / "folder", tokenizer=tokenizer)
    others = {name: str(work / f"{name}.gguf") for name in kinds}
    return {"gguf": str(path), "Q4_1": str(path), "folder": str(work / "folder"), **others}


def rewrite(path: Path, kind: gguf.GGMLQuantizationType, target: Path) -> None:
    """Write a GGUF file again with its matrices in another format."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1])
        else:
            writer.add_key_value(name, field.contents(), field.types[0])
    for tensor in reader.tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if len(tensor.shape) == 1:
            writer.add_tensor(tensor.name, weights)
        else:
            writer.add_tensor(tensor.name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
