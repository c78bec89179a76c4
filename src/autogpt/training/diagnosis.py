"""Where a step went wrong: the first value that is no number, or the largest gradient, and a batch.

Computed after the fact and eagerly, from the same weights and micro-batches, so that a run in good
health pays nothing for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autogpt.data.batches import Learnable
from autogpt.models.trainable import Trainable
from autogpt.training.kernels import eager

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What is suspected.

    Attributes:
        where: In words, as in ``the output of layers.3.mlp``.
        part: The number of the micro-batch, counted from the run's first.
        batch: That micro-batch.
        loss: Its loss in nats a token; it may be no number.
    """

    where: str
    part: int
    batch: Learnable
    loss: float


def diagnose(
    model: Trainable, parts: Sequence[tuple[int, Learnable]], loss: Callable[[Any], Tensor]
) -> Diagnosis:
    """Compute a step again and look at everything on the way; gradients are thrown away.

    Args:
        model: With the weights that the step began with.
        parts: The step's micro-batches by their number; at least one.
        loss: Of a micro-batch.
    """
    worst: Diagnosis | None = None
    for number, batch in parts:
        with eager(), _first_broken_output(model) as broken:
            value = loss(batch)
            value.backward()  # type: ignore[no-untyped-call]  # torch's stub
        where = _broken_weight(model) or next(iter(broken), None)
        if where is None and not math.isfinite(float(value.detach())):
            where = "the loss itself"
        where = where or _broken_gradient(model)
        suspect = where or f"the gradient of {_largest_gradient(model)} (the largest)"
        model.zero_grad(set_to_none=True)
        found = Diagnosis(where=suspect, part=number, batch=batch, loss=float(value.detach()))
        if where is not None:
            return found
        if worst is None or found.loss > worst.loss:
            worst = found
    assert worst is not None  # a step has micro-batches
    return worst


@contextmanager
def _first_broken_output(model: nn.Module) -> Iterator[list[str]]:
    """Give a list that gets the name of each module that makes a number into none, in order."""
    found: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def look(_module: nn.Module, _inputs: tuple[object, ...], output: object) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                found.append(f"the output of {name}")

        return look

    handles = [
        module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _broken_weight(model: nn.Module) -> str | None:
    broken = (n for n, w in model.named_parameters() if not bool(torch.isfinite(w).all()))
    name = next(broken, None)
    return None if name is None else f"the weight {name}"


def _broken_gradient(model: nn.Module) -> str | None:
    """Return the first of them on the way back: the last by name."""
    for name, weight in reversed(list(model.named_parameters())):
        if weight.grad is not None and not bool(torch.isfinite(weight.grad).all()):
            return f"the gradient of {name}"
    return None


def _largest_gradient(model: nn.Module) -> str:
    norms = {n: float(w.grad.norm()) for n, w in model.named_parameters() if w.grad is not None}
    return max(norms, key=lambda name: norms[name], default="no weight")
