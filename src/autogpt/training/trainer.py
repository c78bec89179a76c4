"""The only training loop: batches in, a trained model out, on a budget of time or of steps.

The learning rate follows the elapsed share of the budget (warmup, stable, decay: Hu et al. 2024,
"MiniCPM"), so a machine that slows down still finishes its decay. Not here: files, reports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.core.units import parse_duration
from autogpt.data.batches import Batch, Batches, windows
from autogpt.data.shards import TokenShard
from autogpt.models.gpt import GPT
from autogpt.training.optim import Optimizer
from autogpt.training.record import Entry

__all__ = ["Outcome", "TrainingConfig", "evaluate", "train_model"]

_LOG_EVERY_S = 1.0
_SDPA_FROM = 384  # tokens; below, torch's bf16 backward on a CPU loses to the explicit form
_COMPILE_FROM_S = 90.0  # seconds; at 112 s compiling, some 50 s of it, still won (docs/log.md)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        budget: Wall time for the whole run, as in ``10m``.
        max_steps: Replaces the budget; the schedule then follows steps.
        batch_size: Sequences a step.
        matrix_lr: Muon's learning rate.
        vector_lr: AdamW's learning rate.
        momentum: Muon's momentum.
        weight_decay: Of the matrices.
        clip: Largest gradient norm.
        warmup: Share of the budget in which the rate rises.
        decay: Share of the budget, at the end, in which it falls to 0.
        compile: Whether torch.compile is used; "auto" where the budget earns it back.
        dtype: To compute in; "auto" measures which is faster.
    """

    budget: str = "10m"
    max_steps: int | None = None
    batch_size: int = 16
    matrix_lr: float = 0.02
    vector_lr: float = 0.003
    momentum: float = 0.95
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: float = 0.02
    decay: float = 0.4
    compile: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
            UsageError: If the budget is not a duration.
        """
        parse_duration(self.budget)
        for name in ("max_steps", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"training.{name} = {value} must be at least 1.")
        for name in ("matrix_lr", "vector_lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"training.{name} = {getattr(self, name)} must be positive.")
        for name in ("momentum", "weight_decay", "warmup", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"training.{name} = {getattr(self, name)} must be in [0, 1).")
        for name, known in (
            ("compile", ("auto", "on", "off")),
            ("dtype", ("auto", "float32", "bfloat16")),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"training.{name} = {getattr(self, name)!r}: expected {', '.join(known)}."
                )

    @property
    def budget_s(self) -> float:
        """The budget in seconds."""
        return parse_duration(self.budget)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a loop did: steps, tokens, seconds, and whether it came to its planned end."""

    steps: int
    tokens: int
    train_s: float
    completed: bool
    dtype: str
    compiled: bool


def _faster_dtype() -> torch.dtype:
    """Return bfloat16 where its matrix product is measured to be faster than float32's here."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(512, 512, dtype=dtype)
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - begin)
        seconds[dtype] = min(times)
    return min(seconds, key=lambda dtype: seconds[dtype])


def _loss(model: GPT, inputs: Tensor, targets: Tensor, document_ids: Tensor | None) -> Tensor:
    """Return the mean cross-entropy of the next token, in nats."""
    logits = model.logits(model(inputs, document_ids=document_ids))
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _rate(share: float, config: TrainingConfig) -> float:
    """Return the learning rate as a share of its peak; the first step already learns a little."""
    rising = max(0.01, share / config.warmup) if config.warmup else 1.0
    falling = (1 - share) / config.decay if config.decay else 1.0
    return max(0.0, min(1.0, rising, falling))


def train_model(
    model: GPT,
    batches: Batches,
    config: TrainingConfig,
    *,
    budget_s: float,
    log: Callable[[Entry, float], None],
) -> Outcome:
    """Train ``model`` in place; Ctrl-C ends the loop cleanly after the current step.

    Args:
        model: Its weights; become bf16 where that is faster.
        batches: What it learns from.
        config: How.
        budget_s: Seconds this loop may take, compiling included.
        log: Called about once a second with an entry and the share of the budget done.
    """
    dtype = _faster_dtype() if config.dtype == "auto" else getattr(torch, config.dtype)
    compiled = config.compile == "on" or (
        config.compile == "auto" and config.max_steps is None and budget_s >= _COMPILE_FROM_S
    )
    optimizer = Optimizer(
        model,
        matrix_lr=config.matrix_lr,
        vector_lr=config.vector_lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        compute_dtype=dtype,
    )
    model.to(dtype).train()
    short = batches.context_length < _SDPA_FROM
    model.attention = "explicit" if compiled and short else "sdpa"
    loss_of = torch.compile(_loss, dynamic=False) if compiled else _loss
    begin = last = time.perf_counter()
    step, share, last_step, completed = 0, 0.0, 0, True
    batch_tokens = batches.batch_size * batches.context_length
    try:
        while share < 1:
            loss, norm = _step(model, batches[step], optimizer, config, loss_of, share)
            step += 1
            now = time.perf_counter()
            share = step / config.max_steps if config.max_steps else (now - begin) / budget_s
            if now - last >= _LOG_EVERY_S or share >= 1 or step == 1:
                entry = Entry(
                    kind="train",
                    step=step,
                    tokens=step * batch_tokens,
                    elapsed_s=now - begin,
                    loss=loss,
                    learning_rate=config.matrix_lr * _rate(share, config),
                    gradient_norm=norm,
                    tokens_per_s=(step - last_step) * batch_tokens / (now - last),
                )
                log(entry, min(share, 1.0))
                last, last_step = now, step
    except KeyboardInterrupt:
        completed = False
    return Outcome(
        steps=step,
        tokens=step * batch_tokens,
        train_s=time.perf_counter() - begin,
        completed=completed,
        dtype=str(dtype).removeprefix("torch."),
        compiled=compiled,
    )


def _step(
    model: GPT,
    batch: Batch,
    optimizer: Optimizer,
    config: TrainingConfig,
    loss_of: Callable[[GPT, Tensor, Tensor, Tensor | None], Tensor],
    share: float,
) -> tuple[float, float]:
    loss = loss_of(model, batch.inputs, batch.targets, batch.document_ids)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
    norm = optimizer.step(scale=_rate(share, config), clip=config.clip)
    return float(loss.detach()), norm


@torch.inference_mode()
def evaluate(model: GPT, shard: TokenShard, *, context_length: int) -> tuple[float, float]:
    """Return (nats per token, bits per byte of text) over the whole shard."""
    model.eval()
    total, count = 0.0, 0
    for batch in windows(shard, batch_size=16, context_length=context_length):
        loss = _loss(model, batch.inputs, batch.targets, batch.document_ids)
        scored = int((batch.targets != -100).sum())
        total, count = total + float(loss) * scored, count + scored
    return total / count, total / math.log(2) / shard.total_bytes
