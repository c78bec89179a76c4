"""What rounding costs: perplexity of a text with weights, keys and values in fewer bits.

Run: ``python benchmarks/quantization.py MODEL TEXT``. Every form reads the same windows of 512
tokens, the first of each not counted. The truth is float32 in torch. Prints one JSON object: for
each form the perplexity, by how many percent it is above that of bf16 (bf16's own: above float32),
the divergence from float32 in nats a token, how often the likeliest token is the same, and the
seconds that reading took. The truth takes 4 bytes of memory for each token and each of the
vocabulary.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from autogpt.inference.backends import Backend, make_batch
from autogpt.llm import LLM, load

WINDOW = 512
FORMS: dict[str, dict[str, str]] = {
    "float32": {"dtype": "float32"},
    "bfloat16": {"dtype": "bfloat16"},
    "int8": {"quantize": "int8"},
    "int4": {"quantize": "int4"},
    "int8, cache int8": {"quantize": "int8", "cache": "int8"},
    "int4, cache int8": {"quantize": "int4", "cache": "int8"},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path, help="UTF-8 text")
    parser.add_argument("--tokens", type=int, default=16_384, help="of the text's beginning")
    arguments = parser.parse_args()
    text = arguments.text.read_text(encoding="utf-8")
    truth: list[Tensor] = []
    results: dict[str, dict[str, object]] = {}
    for name, settings in FORMS.items():
        llm = load(arguments.model, **settings)  # type: ignore[arg-type] - the forms are right
        ids = llm.tokenizer.encode(text[: 8 * arguments.tokens])[: arguments.tokens]
        results[name] = measure(llm, ids, truth)
    for name, result in results.items():
        base = results["float32" if name in ("float32", "bfloat16") else "bfloat16"]
        ratio = float(str(result["perplexity"])) / float(str(base["perplexity"]))
        result["change_percent"] = round(100 * (ratio - 1), 3)
    print(json.dumps({"tokens": arguments.tokens, "window": WINDOW, "forms": results}, indent=1))


def measure(llm: LLM, ids: list[int], truth: list[Tensor]) -> dict[str, object]:
    """Return the figures of one form; the first that is measured becomes the truth."""
    loss = divergence = same = 0.0
    count, begin, is_truth = 0, time.perf_counter(), not truth
    for index, (window, scores) in enumerate(read(llm._engine._backend, ids)):
        following = torch.tensor(window[1:])
        loss -= float(scores[:-1].gather(1, following[:, None]).sum())
        count += len(following)
        if is_truth:
            truth.append(scores)
        wanted = truth[index]
        divergence += float((wanted.exp() * (wanted - scores)).sum())
        same += float((wanted.argmax(-1) == scores.argmax(-1)).sum())
    return {
        "perplexity": round(math.exp(loss / count), 4),
        "kl": float(f"{divergence / len(ids):.3g}"),
        "same_top": round(same / len(ids), 4),
        "seconds": round(time.perf_counter() - begin, 1),
    }


@torch.inference_mode()
def read(backend: Backend, ids: list[int]) -> Iterator[tuple[list[int], Tensor]]:
    """Yield windows and the log probabilities of what follows each of their tokens."""
    table = list(range(WINDOW // 16))
    for begin in range(0, len(ids) - WINDOW + 1, WINDOW):
        window = ids[begin : begin + WINDOW]
        cache = backend.new_cache(len(table))
        scores = backend.run(make_batch([window], [0], [table]), cache, all_logits=True)
        yield window, scores.log_softmax(-1)


if __name__ == "__main__":
    main()
