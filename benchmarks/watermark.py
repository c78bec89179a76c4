"""How surely watermarks are found, how often unmarked text is taken for marked, and what they cost.

    python benchmarks/watermark.py                              # simulated text, prints JSON
    python benchmarks/watermark.py --model smollm2-135m-instruct     # what they cost a real model

Simulated text draws each token from one of 40 distributions over 8,192 tokens with the entropy that
is named. Unmarked text is as random; a rate of 1 in 10,000 is held against that many texts. What a
mark costs is time of the processor, on one thread, so that other work does not count.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import get_args

import torch

sys.path.insert(0, str(Path(__file__).parent / "quality"))
from linear import share

from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import RowSampler, choose
from autogpt.inference.watermark import Method, Watermark, detect

VOCAB = 8192


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--unmarked", type=int, default=20_000)
    parser.add_argument("--entropies", type=float, nargs="*", default=[1.0, 2.0, 3.0])
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=5, help="Of each way, for --model.")
    args = parser.parse_args()
    if args.model:
        print(json.dumps(cost(args.model, rounds=args.rounds), indent=1))
        return
    print(json.dumps({method: found(method, args) for method in get_args(Method)}, indent=1))


def found(method: Method, args: argparse.Namespace) -> dict[str, object]:
    """Return detection rates by entropy and length, and the rate of false alarms."""
    watermark = Watermark(method=method, key="secret")
    rates: dict[str, object] = {}
    for entropy in args.entropies:
        logits = torch.stack([distribution(seed, entropy) for seed in range(40)])
        texts = [write(logits, watermark, seed) for seed in range(args.texts)]
        for length in (100, 200):
            hits = sum(detect(text[:length], watermark).is_marked for text in texts)
            rates[f"found_at_{entropy:g}_nats_{length}_tokens"] = share(hits, len(texts))
    chance = torch.Generator().manual_seed(7)
    plain = torch.randint(0, VOCAB, (args.unmarked, 200), generator=chance).tolist()
    alarms = sum(detect(text, watermark).is_marked for text in plain)
    return {**rates, "false_alarms": {"texts": alarms, **share(alarms, len(plain))}}


def write(logits: torch.Tensor, watermark: Watermark | None, seed: int) -> list[int]:
    """Return 200 tokens."""
    sampler = RowSampler(
        SamplingParams(watermark=watermark, temperature=1.0, seed=seed), VOCAB, [1, 2, 3, 4], 0
    )
    order = torch.randint(0, len(logits), (200,), generator=torch.Generator().manual_seed(seed))
    token_ids = []
    for row in order.tolist():
        (choice,) = choose(logits[row : row + 1], [sampler])
        sampler.push(choice.token_id)
        token_ids.append(choice.token_id)
    return token_ids


def distribution(seed: int, entropy: float) -> torch.Tensor:
    """Return random logits, scaled to an entropy in nats."""
    logits = torch.randn(VOCAB, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    low, high = 0.01, 60.0
    for _ in range(40):
        middle = math.sqrt(low * high)
        p = torch.softmax(logits * middle, -1)
        value = float(-(p * p.clamp(min=1e-300).log()).sum())
        low, high = (middle, high) if value > entropy else (low, middle)
    return (logits * low).float()


def cost(model: str, *, rounds: int) -> dict[str, object]:
    """Return tokens per second with and without a mark, the best of some runs in turns."""
    from autogpt.llm import load

    torch.set_num_threads(1)
    llm = load(model, policy=None)
    best: dict[str, float] = {}
    for each in range(rounds + 1):
        for name in ("none", *get_args(Method)):
            settings = {} if name == "none" else {"watermark": name, "watermark_key": "secret"}
            begin = time.process_time()
            done = llm.generate("Once upon a time", max_tokens=96, seed=0, **settings)
            speed = done.usage.completion_tokens / (time.process_time() - begin)
            if each:  # the first time is slower
                best[name] = max(best.get(name, 0.0), speed)
    return {
        "tokens_per_s": {name: round(speed, 1) for name, speed in best.items()},
        "overhead": {name: round(best["none"] / speed - 1, 4) for name, speed in best.items()},
    }


if __name__ == "__main__":
    main()
