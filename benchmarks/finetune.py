"""Fine-tuning beside peft and transformers: tokens a second, loss, and peak memory.

    python benchmarks/finetune.py --steps 30 --rounds 3
    python benchmarks/finetune.py --method full --steps 10
    python benchmarks/finetune.py --dtype float32  # where the processor has no bf16
    python benchmarks/finetune.py --data summaries.jsonl --length 512 --packed

Both get the same weights, conversations in each step, targets, rank, learning rate, AdamW and
schedule, in bf16 with fp32 adapters or masters (or all in fp32), and each runs in a process of its
own, in turns. Without ``--packed`` both get rows of one conversation each, padded to the longest
beside it, which is what peft and transformers do; with it ours lie several in a row, as they do in
``autogpt finetune``. Tokens are those of the conversations, not padding. ``--data`` is a file of
``{"source": ..., "target": ...}`` a line; without it conversations of like lengths are made up. The
model has to be pulled before, as ``autogpt models pull smollm2-135m-instruct``.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from autogpt.core.allocator import keep_freed_memory
from autogpt.core.messages import assistant, user
from autogpt.data.batches import Batch
from autogpt.data.lessons import Lessons, lesson_windows
from autogpt.data.preferences import pair_rows
from autogpt.models import adapter_files
from autogpt.models.checkpoint import load_model, save_model
from autogpt.nn.adapters import LoRAConfig, attach
from autogpt.recipe.base_model import open_base
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson, encode_lesson
from autogpt.training.kernels import Kernels
from autogpt.training.objective import learned_tokens
from autogpt.training.settings import TrainingConfig, learning_rate
from autogpt.training.trainer import Trainer

MODEL = "smollm2-135m-instruct"
RANK, RATE = 16, 2e-4
TOPICS = ["the weather", "a late parcel", "opening hours", "a broken lamp", "天气", "退货"]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Micro-batches that were made before, as many for each step; some may be empty."""

    parts: Sequence[Batch]
    batch_size: int
    context_length: int

    def __getitem__(self, index: int) -> Batch:
        return self.parts[index]


def questions(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield what is asked and answered: as in the file, or made up."""
    if args.data:
        lines = Path(args.data).read_text(encoding="utf-8").splitlines()
        random.Random(0).shuffle(lines)
        for row in map(json.loads, lines):
            yield row["source"], row["target"]
        return
    chance, number = random.Random(0), 0
    while True:
        topic = chance.choice(TOPICS)
        words = " ".join(f"{topic} {chance.randrange(100)};" for _ in range(args.length // 8))
        yield f"Question {number} about {words}", f"The answer is: {words}"
        number += 1


def made_steps(args: argparse.Namespace) -> list[list[Lesson]]:
    """Return the conversations of each step, cut to the context."""
    tokenizer = Tokenizer.load(args.folder)
    roles, most = tokenizer.roles, args.length + 1
    tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": roles.bos or ""}
    lessons = []
    for asked, answer in islice(questions(args), args.steps * args.batch):
        turns = [user(asked), assistant(answer)]
        whole = encode_lesson(turns, tokenizer, template=roles.chat_template or "", tokens=tokens)
        start = max(0, len(whole) - most) if args.data else 0  # the end holds the answer
        kept = slice(start, start + most)
        lessons.append(Lesson(whole.token_ids[kept], whole.learned[kept]))
    if len(lessons) < args.steps * args.batch:
        sys.exit(f"{args.data} has too few rows for {args.steps} steps of {args.batch}.")
    return [lessons[at : at + args.batch] for at in range(0, len(lessons), args.batch)]


def count(steps: list[list[Lesson]]) -> int:
    """Return how many tokens they hold, as inputs."""
    return sum(len(lesson) - 1 for step in steps for lesson in step)


def padded(step: list[Lesson], args: argparse.Namespace) -> Iterator[Batch]:
    """Yield the micro-batches of a step, a conversation a row."""
    for at in range(0, len(step), args.micro):
        yield Batch(*pair_rows(step[at : at + args.micro], pad_id=0), None)


def packed(steps: list[list[Lesson]], args: argparse.Namespace) -> Parts:
    """Return the micro-batches of all steps, several conversations a row."""
    size = args.length
    rows = [
        list(
            lesson_windows(
                Lessons.collect(step, context_length=size), batch_size=1, context_length=size
            )
        )
        for step in steps
    ]
    most = max(map(len, rows))
    nothing = Batch(torch.zeros(1, size, dtype=torch.int64), torch.full((1, size), -100), None)
    parts = [part for step in rows for part in step + [nothing] * (most - len(step))]
    return Parts(parts=parts, batch_size=1, context_length=size)


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Train with this package."""
    keep_freed_memory()  # as every run of it does
    steps = made_steps(args)
    if args.packed:
        batches = packed(steps, args)
    else:
        rows = [part for step in steps for part in padded(step, args)]
        batches = Parts(parts=rows, batch_size=args.micro, context_length=args.length)
    torch.manual_seed(0)
    model = load_model(args.folder, dtype=args.dtype, deep=False)
    if args.method == "lora":
        attach(model, LoRAConfig(rank=RANK), shared=adapter_files.shared(model.config))
    config = TrainingConfig(
        max_steps=args.steps,
        batch_size=len(batches.parts) // args.steps * batches.batch_size,
        micro_batch_size=batches.batch_size,
        matrices="adamw",
        lr=RATE if args.method == "lora" else RATE / 10,
        beta2=0.999,
        weight_decay=0.0,
        warmup=0.0,
        decay=1.0,
    )
    use = Kernels(dtype=args.dtype, attention="sdpa", compiled=args.compile, threads=args.threads)
    trainer = Trainer(model, batches, config, use, objective=learned_tokens)
    trainer.warm_up()
    losses, begin = [], time.perf_counter()
    for step in range(args.steps):
        loss, _ = trainer.step(learning_rate(step / args.steps, config))
        trainer._spend(begin, steps=1)
        losses.append(loss)
    return told(losses, count(steps), time.perf_counter() - begin)


def theirs(args: argparse.Namespace) -> dict[str, Any]:
    """Train with peft and transformers, as their documentation does it by hand."""
    import peft
    import transformers

    steps = made_steps(args)
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

    def loss_of(part: Batch) -> torch.Tensor:
        # Their labels are shifted inside: what is learned at a place is the token after it.
        labels = torch.cat([torch.full((len(part.targets), 1), -100), part.targets], 1)
        ids = torch.cat([part.inputs, part.targets[:, -1:].clamp(min=0)], 1)
        mixed = args.method == "full" and dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return model(input_ids=ids, labels=labels).loss

    loss_of(next(padded(steps[0], args))).backward()
    optimizer.zero_grad()
    losses, begin = [], time.perf_counter()
    for number, step in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - number / args.steps)
        parts, total = list(padded(step, args)), 0.0
        learned = sum(part.weight for part in parts)
        for part in parts:
            loss = loss_of(part) * (part.weight / learned)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
    return told(losses, count(steps), time.perf_counter() - begin)


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
    parser.add_argument("--data", help="JSON lines with source and target")
    parser.add_argument("--packed", action="store_true", help="ours, several in a row")
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
                "packed": args.packed,
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
