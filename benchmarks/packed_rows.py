"""Measure a step of training on packed texts: each attended to by itself, or all under one mask.

Rows are filled with texts of random lengths, as ``autogpt finetune`` packs them; a step is forward
and backward of all layers, in turns within one process. One JSON object on standard output: seconds
of each turn, medians, and their ratio.
``python benchmarks/packed_rows.py smollm2-135m-instruct [--dtype float32] [--tokens 150]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from autogpt.core.allocator import keep_freed_memory
from autogpt.models import gpt as decoder
from autogpt.models.gpt import GPT
from autogpt.nn.documents import Documents, find_documents
from autogpt.recipe.base_model import open_base

LEARNED = 15  # every so many tokens have a loss, as the answers of pairs do


def packed(rows: int, length: int, mean: float, seed: int) -> Tensor:
    """Return the number of the text that each token is of, ``[rows, length]``."""
    torch.manual_seed(seed)
    numbers = torch.empty(rows, length, dtype=torch.long)
    for row in numbers:
        begin = text = 0
        while begin < length:
            size = max(8, int(mean / 2 + torch.empty(1).exponential_(2 / mean)))
            row[begin : begin + size] = text
            begin, text = begin + size, text + 1
    return numbers


def seconds(model: GPT, token_ids: Tensor, texts: Tensor) -> float:
    """Return the time of a step."""
    begin = time.perf_counter()
    model(token_ids, document_ids=texts)[:, ::LEARNED].float().pow(2).mean().backward()
    passed = time.perf_counter() - begin
    model.zero_grad()
    return passed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a folder, a GGUF file or a name that was pulled")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--length", type=int, default=896)
    parser.add_argument("--tokens", type=float, default=150, help="of a text, on average")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    model = open_base(args.model).read(args.dtype).train()
    texts = packed(args.rows, args.length, args.tokens, seed=0)
    token_ids = torch.randint(0, model.config.vocab_size, texts.shape)
    ways: dict[str, Callable[[Tensor], Documents | None]] = {
        "mask": lambda _: None,
        "text_by_text": find_documents,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.turns + 1):  # the first warms up
        for name, way in ways.items():
            decoder.find_documents = way
            times[name].append(seconds(model, token_ids, texts))
    medians = {name: statistics.median(turns[1:]) for name, turns in times.items()}
    result = {
        **vars(args),
        "texts": int(texts[:, -1].sum()) + args.rows,
        "turns_s": {name: [round(one, 3) for one in turns[1:]] for name, turns in times.items()},
        "medians_s": {name: round(one, 3) for name, one in medians.items()},
        "ratio": round(medians["mask"] / medians["text_by_text"], 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
