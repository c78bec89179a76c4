"""Compare training speed with a plain loop over transformers' LlamaForCausalLM, side by side.

Every contender is a process of its own with the same sizes, the same random tokens and the same
number of rows; the processes take turns, a few steps each, while the others wait. Ours runs the
package's own training step. One JSON object on standard output: tokens/s (medians over turns),
ratios, peak memory, and the share of this machine's own bf16 matrix-product rate that the model's
operations (6 per weight and token, and attention) reach.

``python benchmarks/training.py [--sizes 10M 30M] [--turns 5] [--steps 3]``; about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

VOCAB, LENGTH, ROWS = 8192, 256, 16


@dataclass(frozen=True)
class Size:
    """The sizes of a model; heads are 64 wide, embeddings tied."""

    hidden: int
    layers: int
    intermediate: int


SIZES = {"10M": Size(320, 6, 896), "30M": Size(512, 8, 1408)}
CONTENDERS = (
    "transformers_bf16",
    "transformers_fp32",
    "autogpt",
    "autogpt_muon",
)


def matmul_gflops() -> float:
    """Return the rate of a 2048 x 2048 bf16 matrix product, the median of 15."""
    import torch

    a, b = (torch.randn(2048, 2048).bfloat16() for _ in range(2))
    times = []
    for _ in range(18):
        begin = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begin)
    return 2 * 2048**3 / statistics.median(times[3:]) / 1e9


def transformers_step(size: Size, *, bf16: bool):
    """Return a function that does one step of a plain loop, and the number of weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB,
            hidden_size=size.hidden,
            intermediate_size=size.intermediate,
            num_hidden_layers=size.layers,
            num_attention_heads=size.hidden // 64,
            num_key_value_heads=size.hidden // 64,
            max_position_embeddings=LENGTH,
            tie_word_embeddings=True,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    tokens = torch.randint(VOCAB, (ROWS, LENGTH))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step, sum(weight.numel() for weight in model.parameters())


def autogpt_step(size: Size, *, matrices: str):
    """Return a function that does one step of our trainer, and the number of weights."""
    import numpy as np

    from autogpt.data.batches import Batches
    from autogpt.data.shards import TokenShard
    from autogpt.models.counting import parameter_count
    from autogpt.models.gpt import GPT, GPTConfig
    from autogpt.training import kernels, plan
    from autogpt.training.settings import TrainingConfig
    from autogpt.training.trainer import Trainer

    config = GPTConfig(
        vocab_size=VOCAB,
        hidden_size=size.hidden,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.hidden // 64,
        num_key_value_heads=size.hidden // 64,
        head_dim=64,
        max_position_embeddings=LENGTH,
    )
    ids = np.random.default_rng(0).integers(VOCAB, size=1 << 20, dtype=np.uint16)
    shard = TokenShard(
        tokens=ids, starts=np.zeros(1, np.uint64), total_bytes=len(ids), vocab_size=VOCAB
    )
    training = plan.batch_sizes(TrainingConfig(batch_size=ROWS, matrices=matrices), config)
    batches = Batches(
        shard=shard, batch_size=training.micro_batch_size, context_length=LENGTH, seed=0
    )
    settings = kernels.KernelConfig(compile="on")
    chosen = kernels.choose(settings, config, length=LENGTH, masked=False, budget_s=3600)
    trainer = Trainer(GPT(config), batches, training, chosen)
    trainer.warm_up()
    return lambda: trainer.step(1.0), parameter_count(config)


def work(contender: str, size: Size) -> None:
    """Be one contender: for each line read, do that many steps and answer with their seconds."""
    import torch

    torch.manual_seed(0)
    if contender.startswith("transformers"):
        step, weights = transformers_step(size, bf16=contender.endswith("bf16"))
    else:
        step, weights = autogpt_step(size, matrices="muon" if "muon" in contender else "adamw")
    for _ in range(3):
        step()
    print(weights, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            step()
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": seconds, "peak_kb": peak}), flush=True)


class Contender:
    """A contender's process."""

    def __init__(self, name: str, size: str) -> None:
        begin = time.perf_counter()
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--contender", name, "--sizes", size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.weights = int(self._read())
        self.ready_s = time.perf_counter() - begin
        self.speeds: list[float] = []
        self.peak_mb = 0.0

    def turn(self, steps: int) -> None:
        """Do some steps and keep the speed in tokens/s."""
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        answer = json.loads(self._read())
        self.speeds.append(steps * ROWS * LENGTH / answer["seconds"])
        self.peak_mb = answer["peak_kb"] / 1024

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} failed; see above")
        return line


def compare(size: str, turns: int, steps: int, gflops: float) -> dict[str, object]:
    """Let the contenders take turns at one size."""
    contenders = {}
    for name in CONTENDERS:
        contenders[name] = Contender(name, size)
        print(f"{size} {name} ready", file=sys.stderr)
    for _ in range(turns):
        for contender in contenders.values():
            contender.turn(steps)
    for contender in contenders.values():
        contender.close()
    speed = {name: statistics.median(c.speeds) for name, c in contenders.items()}
    shape = SIZES[size]
    weights = contenders["autogpt"].weights
    operations = 6 * weights + 12 * shape.layers * shape.hidden * LENGTH  # Chowdhery et al. 2022
    return {
        "weights": {name: c.weights for name, c in contenders.items()},
        "tokens_per_s": {name: round(value) for name, value in speed.items()},
        "tokens_per_s_turns": {
            name: [round(v) for v in c.speeds] for name, c in contenders.items()
        },
        "times_transformers_bf16": round(speed["autogpt"] / speed["transformers_bf16"], 2),
        "times_transformers_fp32": round(speed["autogpt"] / speed["transformers_fp32"], 2),
        "muon_times_transformers_bf16": round(
            speed["autogpt_muon"] / speed["transformers_bf16"], 2
        ),
        "operations_per_token": operations,
        "share_of_bf16_matmul_rate": {
            name: round(value * operations / gflops / 1e9, 3) for name, value in speed.items()
        },
        "peak_rss_mb": {name: round(c.peak_mb) for name, c in contenders.items()},
        "rss_of_transformers_bf16": round(
            contenders["autogpt"].peak_mb / contenders["transformers_bf16"].peak_mb, 2
        ),
        "ready_s": {name: round(c.ready_s, 1) for name, c in contenders.items()},
    }


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        work(arguments.contender, SIZES[arguments.sizes[0]])
        return
    import torch

    gflops = matmul_gflops()
    results = {
        size: compare(size, arguments.turns, arguments.steps, gflops) for size in arguments.sizes
    }
    print(
        json.dumps(
            {
                "rows": ROWS,
                "length": LENGTH,
                "vocabulary": VOCAB,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "bf16_matmul_gflops": round(gflops),
                "sizes": results,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
