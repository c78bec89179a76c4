"""Measure how long it takes to look inside a model that reads 1,000 tokens, and the page's size.

The parts are timed one by one: the pass with what it takes down, expectations of all tokens, the
logit lens, the page; beside them, the same forward pass without anybody looking. One JSON object.
``python benchmarks/inspection.py [--model smollm2-135m-instruct] [--tokens 1000] [--repeats 3]``
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import autogpt
from autogpt.evaluation.inspection.page import render_page

TEXT = Path(autogpt.__file__).parent / "data" / "quickstart" / "tinyshakespeare.txt"
LIMIT_S = 5.0


def seconds(do: Callable[[], object], repeats: int) -> float:
    """Return the median wall time."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        do()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    gpt = autogpt.load(arguments.model)
    ids = gpt.tokenizer.encode(TEXT.read_text(encoding="utf-8")[: 8 * arguments.tokens])
    text = gpt.tokenizer.decode(ids[: arguments.tokens - len(gpt.tokenizer.bos_ids)])

    @torch.inference_mode()
    def forward() -> None:
        gpt.model(torch.tensor([ids[: arguments.tokens]]))

    forward()
    plain_s = seconds(forward, arguments.repeats)
    found = gpt.inspect(text, name=arguments.model)
    inspect_s = seconds(lambda: gpt.inspect(text), arguments.repeats)
    begin = time.perf_counter()
    page = render_page(found, language="en")
    result = {
        "model": arguments.model,
        "tokens": len(found.tokens),
        "threads": torch.get_num_threads(),
        "forward_s": plain_s,
        "inspect_s": inspect_s,
        "page_s": time.perf_counter() - begin,
        "page_bytes": len(page.encode()),
        "kept_weights_per_row": found.attention.kept,
        "loss": found.loss,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        "limit_s": LIMIT_S,
        "within_limit": inspect_s <= LIMIT_S,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
