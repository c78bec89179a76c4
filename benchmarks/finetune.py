"""Fine-tuning beside peft and transformers: tokens a second, loss, and peak memory.

    python benchmarks/finetune.py --steps 30 --rounds 3
    python benchmarks/finetune.py --method full --steps 10
    python benchmarks/finetune.py --dtype float32  # where the processor has no bf16

Both get the same weights, rows, order, targets, rank, learning rate, AdamW and schedule, in bf16
with fp32 adapters or masters (or all in fp32), and each runs in a process of its own, in turns.
Peft has no packing, so that both get rows of one conversation each; what packing gains comes on
top. Tokens are those of the conversations, not padding. The model has to be pulled before, as
``autogpt models pull smollm2-135m-instruct``.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from autogpt.core.messages import assistant, user
from autogpt.data.batches import Batch
from autogpt.data.preferences import pair_rows
from autogpt.models import adapter_files
from autogpt.models.checkpoint import load_model, save_model
from autogpt.nn.adapters import LoRAConfig, attach
from autogpt.recipe.base_model import open_base
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import encode_lesson
from autogpt.training.kernels import Kernels
from autogpt.training.objective import learned_tokens
from autogpt.training.trainer import Trainer, TrainingConfig, learning_rate

MODEL = "smollm2-135m-instruct"
RANK, RATE = 16, 2e-4
TOPICS = ["the weather", "a late parcel", "opening hours", "a broken lamp", "天气", "退货"]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that were made before; batch ``i`` holds those from ``i * batch_size`` on."""

    inputs: torch.Tensor
    targets: torch.Tensor
    batch_size: int

    @property
    def context_length(self) -> int:
        """T."""
        return self.inputs.shape[1]

    def __getitem__(self, index: int) -> Batch:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return Batch(self.inputs[rows], self.targets[rows], None)


def made_rows(args: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return inputs and targets of all steps, cut to the context, and how many tokens they hold."""
    tokenizer, chance = Tokenizer.load(args.folder), random.Random(0)
    roles = tokenizer.roles
    tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": roles.bos or ""}
    lessons = []
    for number in range(args.steps * args.batch):
        topic = chance.choice(TOPICS)
        words = " ".join(f"{topic} {chance.randrange(100)};" for _ in range(args.length // 8))
        turns = [user(f"Question {number} about {words}"), assistant(f"The answer is: {words}")]
        lesson = encode_lesson(turns, tokenizer, template=roles.chat_template or "", tokens=tokens)
        lessons.append(lesson)
    inputs, targets = pair_rows(lessons, pad_id=tokenizer.pad_id)
    inputs, targets = inputs[:, : args.length].contiguous(), targets[:, : args.length].contiguous()
    count = sum(min(len(lesson) - 1, args.length) for lesson in lessons)
    return inputs, targets, count


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Train with this package."""
    inputs, targets, tokens = made_rows(args)
    torch.manual_seed(0)
    model = load_model(args.folder, dtype=args.dtype, deep=False)
    if args.method == "lora":
        attach(model, LoRAConfig(rank=RANK), shared=adapter_files.shared(model.config))
    config = TrainingConfig(
        max_steps=args.steps,
        batch_size=args.batch,
        micro_batch_size=args.micro,
        matrices="adamw",
        lr=RATE if args.method == "lora" else RATE / 10,
        beta2=0.999,
        weight_decay=0.0,
        warmup=0.0,
        decay=1.0,
    )
    use = Kernels(dtype=args.dtype, attention="sdpa", compiled=args.compile, threads=args.threads)
    rows = Rows(inputs=inputs, targets=targets, batch_size=args.micro)
    trainer = Trainer(model, rows, config, use, objective=learned_tokens)
    trainer.warm_up()
    losses, begin = [], time.perf_counter()
    for step in range(args.steps):
        loss, _ = trainer.step(learning_rate(step / args.steps, config))
        trainer._spend(begin, steps=1)
        losses.append(loss)
    return told(losses, tokens, time.perf_counter() - begin)


def theirs(args: argparse.Namespace) -> dict[str, Any]:
    """Train with peft and transformers, as their documentation does it by hand."""
    import peft
    import transformers

    inputs, targets, tokens = made_rows(args)
    torch.manual_seed(0)
    dtype = getattr(torch, args.dtype)
    model = transformers.AutoModelForCausalLM.from_pretrained(args.folder, dtype=dtype)
    rate = RATE
    if args.method == "lora":
        settings = peft.LoraConfig(
            r=RANK,
            lora_alpha=2 * RANK,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        model = peft.get_peft_model(model, settings)
    else:  # weights in fp32, products in bf16: the usual way to keep masters
        rate, model = RATE / 10, model.float()
    model.train()
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate, betas=(0.9, 0.999), weight_decay=0.0)

    def loss_of(rows: slice) -> torch.Tensor:
        wanted = targets[rows]
        # Their labels are shifted inside: what is learned at a place is the token after it.
        labels = torch.cat([torch.full((len(wanted), 1), -100), wanted], 1)
        ids = torch.cat([inputs[rows], wanted[:, -1:].clamp(min=0)], 1)
        mixed = args.method == "full" and dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return model(input_ids=ids, labels=labels).loss

    loss_of(slice(0, args.micro)).backward()
    optimizer.zero_grad()
    losses, begin = [], time.perf_counter()
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / args.steps)
        first, total = step * args.batch, 0.0
        learned = int((targets[first : first + args.batch] != -100).sum())
        for start in range(first, first + args.batch, args.micro):
            rows = slice(start, start + args.micro)
            share = int((targets[rows] != -100).sum()) / learned
            loss = loss_of(rows) * share
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
    return told(losses, tokens, time.perf_counter() - begin)


def told(losses: list[float], tokens: int, seconds: float) -> dict[str, Any]:
    """Return what one side did."""
    return {
        "tokens_per_s": tokens / seconds,
        "seconds": seconds,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "losses": [round(loss, 4) for loss in losses],
    }


def main() -> None:
    """Run both sides in turns and print what they did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=("lora", "full"), default="lora")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8, help="rows a step")
    parser.add_argument("--micro", type=int, default=4, help="rows at once")
    parser.add_argument("--length", type=int, default=256, help="tokens of a row, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compile", action="store_true", help="of ours; compiling is not counted")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.side:
        print(json.dumps({"ours": ours, "theirs": theirs}[args.side](args)))
        return
    with tempfile.TemporaryDirectory(prefix="autogpt-") as folder:
        base = open_base(args.model)
        save_model(base.read("bfloat16"), Path(folder), tokenizer=base.tokenizer)
        compare(args, folder)


def compare(args: argparse.Namespace, folder: str) -> None:
    """Run both sides on the model in a folder."""
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "theirs": []}
    for _ in range(args.rounds):
        for side, results in found.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--side", side]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
    speeds = {
        side: statistics.median(result["tokens_per_s"] for result in results)
        for side, results in found.items()
    }
    peaks = {side: max(r["peak_rss_mib"] for r in results) for side, results in found.items()}
    curves = {side: results[0]["losses"] for side, results in found.items()}
    last = max(1, args.steps // 5)
    print(
        json.dumps(
            {
                "method": args.method,
                "dtype": args.dtype,
                "tokens_per_s": {side: round(speed) for side, speed in speeds.items()},
                "times_as_fast": round(speeds["ours"] / speeds["theirs"], 2),
                "peak_rss_mib": {side: round(peak) for side, peak in peaks.items()},
                "loss_at_the_end": {
                    side: round(statistics.mean(losses[-last:]), 4)
                    for side, losses in curves.items()
                },
                "losses": curves,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
