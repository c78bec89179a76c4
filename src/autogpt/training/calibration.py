"""How long a training step takes here: real forward and backward passes of single parts.

A step is made of blocks, head with loss, and the optimizer. Each is timed alone, at a few widths,
and costs between are interpolated in the logarithm of the width; so one calibration of three to
fifteen seconds serves every candidate of a plan. It is remembered for this machine. A short budget
has it do without the widest and without a second look.

What compiling gains is not timed here, which would take half a minute, but known from the runs
before (``kernels``), and so is how far the forecast was off then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch

from autogpt.core.memo import recall, remember
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.attention import document_mask
from autogpt.nn.documents import find_documents
from autogpt.training.objective import next_token_loss
from autogpt.training.optim import Optimizer, OptimizerConfig

__all__ = ["MEASURING", "PART_TOKENS", "StepCosts", "correct", "measure"]

WIDTHS = (64, 128, 256, 512)
_FEWEST = 3  # of them, however little time there is
_DEARER = 4.0  # times, from one width to the next, at most
_WHOLE_S = 20.0  # so much time allows all
PART_TOKENS = 2048
MEASURING = 0.04
"""Share of a budget of time that may go into measuring, at most."""

_REPEATS = 3
_ROUNDS = 2
_MEMORY = 0.5  # weight of the newest run in the correction


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCosts:
    """Seconds by width, for a micro-batch of :data:`PART_TOKENS` tokens.

    Attributes:
        block_s: Forward and backward of a block.
        head_s: Embedding, head and loss, forward and backward, a thousand tokens of vocabulary.
        block_step_s: The optimizer's step of a block's weights.
        head_step_s: The optimizer's step of a thousand embeddings.
        correction: What real micro-batches took, relative to this.
    """

    block_s: Mapping[str, float]
    head_s: Mapping[str, float]
    block_step_s: Mapping[str, float]
    head_step_s: Mapping[str, float]
    correction: float = 1.0

    def part_s(self, config: GPTConfig) -> float:
        """Return the seconds of a micro-batch's forward and backward passes."""
        width, thousands = config.hidden_size, config.vocab_size / 1000
        blocks = config.num_hidden_layers * _between(self.block_s, width)
        return self.correction * (blocks + thousands * _between(self.head_s, width))

    def update_s(self, config: GPTConfig) -> float:
        """Return the seconds of the optimizer's step."""
        width, thousands = config.hidden_size, config.vocab_size / 1000
        blocks = config.num_hidden_layers * _between(self.block_step_s, width)
        return blocks + thousands * _between(self.head_step_s, width)


def measure(
    *,
    dtype: str,
    length: int,
    masked: bool,
    compiled: bool,
    speedup: float,
    allowed_s: float = math.inf,
) -> StepCosts:
    """Time the parts, or recall what they took.

    Args:
        dtype: To compute in.
        length: Tokens of a row.
        masked: Whether documents are packed, which needs a mask.
        compiled: Whether the run will be compiled.
        speedup: What compiling gains.
        allowed_s: Seconds that measuring may take, about.
    """
    key = f"parts, {dtype}, length {length}, {masked=}, {torch.get_num_threads()} threads"
    known = recall(key)
    if known is None or (allowed_s >= _WHOLE_S and not _is_whole(known)):
        known = _measured(getattr(torch, dtype), length, masked=masked, allowed_s=allowed_s)
        remember(key, known)
    tables = cast("dict[str, dict[str, float]]", known)
    corrected = recall(_correction_key(compiled=compiled)) or {}
    correction = float(cast(float, corrected.get("factor", 1.0)))
    return StepCosts(**tables, correction=correction / (speedup if compiled else 1.0))


def correct(costs: StepCosts, config: GPTConfig, *, part_s: float, compiled: bool) -> None:
    """Remember what a real micro-batch took, for the next plan."""
    key = _correction_key(compiled=compiled)
    old = float(cast(float, (recall(key) or {}).get("factor", 1.0)))
    ratio = part_s / costs.part_s(config)
    if math.isfinite(ratio) and ratio > 0:
        remember(key, {"factor": old * ratio**_MEMORY})


def _correction_key(*, compiled: bool) -> str:
    return f"correction, {compiled=}"


def _between(table: Mapping[str, float], width: int) -> float:
    """Return the cost at ``width``, on the line through its neighbors in log-log."""
    known = sorted((int(name), seconds) for name, seconds in table.items())
    for (low, low_s), (high, high_s) in pairwise(known):
        if width <= high or high == known[-1][0]:
            share = math.log(width / low) / math.log(high / low)
            return math.exp((1 - share) * math.log(low_s) + share * math.log(high_s))
    raise ValueError("a table needs two widths")


def _is_whole(known: Mapping[str, object]) -> bool:
    widths = known.get("block_s")
    return isinstance(widths, Mapping) and len(widths) == len(WIDTHS)


def _measured(
    dtype: torch.dtype, length: int, *, masked: bool, allowed_s: float
) -> dict[str, dict[str, float]]:
    """Return the tables; each is the faster of two looks, if time allows, and rises with the width.

    What else the machine does may slow down one figure, never speed one up.
    """
    begin, took_s = time.perf_counter(), 0.0
    found: dict[int, dict[str, float]] = {}
    for _ in range(_ROUNDS):
        for number, width in enumerate(WIDTHS):
            needed = number < _FEWEST and width not in found
            mark = time.perf_counter()
            if not needed and mark - begin + _DEARER * took_s > allowed_s:
                break
            costs = _at_width(width, dtype, length, masked=masked)
            took_s = time.perf_counter() - mark
            best = found.get(width, costs)
            found[width] = {name: min(best[name], seconds) for name, seconds in costs.items()}
        took_s = 0.0
    tables: dict[str, dict[str, float]] = {}
    for name in found[WIDTHS[0]]:
        each = [costs[name] for costs in found.values()]
        rising = [min(each[place:]) for place in range(len(each))]
        tables[name] = {str(w): seconds for w, seconds in zip(found, rising, strict=True)}
    return tables


def _at_width(width: int, dtype: torch.dtype, length: int, *, masked: bool) -> dict[str, float]:
    vocab = 2000
    heads = max(1, width // 64)
    model = GPT(
        GPTConfig(
            vocab_size=vocab,
            hidden_size=width,
            intermediate_size=math.ceil(width * 8 / 3 / 64) * 64,
            num_hidden_layers=1,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=width // heads,
            max_position_embeddings=length,
        )
    ).to(dtype)
    rows = max(1, PART_TOKENS // length)
    ids = torch.arange(rows * length).view(rows, length) % vocab
    hidden = torch.randn(rows, length, width, dtype=dtype, requires_grad=True)
    texts = ids // 100
    mask = (find_documents(texts) or document_mask(texts)) if masked else None
    rotation = None if model.rotary is None else model.rotary(length, None)
    block = model.layers[0]

    def forward_block() -> torch.Tensor:
        output: torch.Tensor = block(hidden, rotation=rotation, mask=mask, cache=None, form="sdpa")
        return output.sum()

    scale = PART_TOKENS / (rows * length)
    block_s = scale * _seconds(lambda: forward_block().backward())  # type: ignore[no-untyped-call]
    head_s = scale * _seconds(
        lambda: next_token_loss(model, hidden + model.embedding(ids), ids).backward()  # type: ignore[no-untyped-call]
    )
    optimizer = Optimizer(model, OptimizerConfig())
    optimizer.gather()
    update_s = _seconds(lambda: optimizer.step(scale=0.0))
    weights = sum(weight.numel() for weight in block.parameters())
    # AdamW's share is a pass over memory, alike for every weight; Muon's products are the rest.
    adamw = Optimizer(model, OptimizerConfig(matrices="adamw"))
    adamw.gather()
    plain_s = _seconds(lambda: adamw.step(scale=0.0))
    head_step_s = plain_s * vocab * width / (vocab * width + weights)
    return {
        "block_s": block_s,
        "head_s": head_s / (vocab / 1000),
        "block_step_s": max(update_s - head_step_s, 1e-6),
        "head_step_s": head_step_s / (vocab / 1000),
    }


def _seconds(work: Callable[[], object]) -> float:
    """Return the fastest of a few, after one to touch the memory."""
    work()
    times: list[float] = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)
