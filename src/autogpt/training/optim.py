"""Muon for the matrices of the blocks, AdamW for the rest, on fp32 masters of the weights.

The model computes in bf16 where that is faster; a bf16 weight would swallow small updates (8 bits
of mantissa), so each weight has a master in fp32 that is stepped and then rounded into the model.
Tensors of one shape and one method are stacked and stepped as one.

Sources: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; AdamW:
Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization". A Muon update is scaled by
sqrt(max(1, rows / columns)), as in Jordan's code. Not here: the learning rate over time.

Letters in shapes: N matrices of one shape, R rows, C columns.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.models.gpt import GPT, GPTConfig

__all__ = ["Optimizer", "OptimizerConfig", "muon_cost", "orthogonalize"]

_STEPS = 5
_USUAL_DECAY = 0.01
_A, _B, _C = 3.4445, -4.7750, 2.0315  # quintic coefficients of Jordan et al. 2024


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """How weights are changed.

    Attributes:
        matrices: Who steps the blocks' matrices.
        lr: AdamW's learning rate, at its peak.
        muon_lr: Muon's learning rate, at its peak.
        momentum: Muon's momentum (Nesterov's).
        beta1: AdamW's decay of the mean gradient.
        beta2: AdamW's decay of the mean square.
        weight_decay: Decoupled, of the blocks' matrices; None leaves it to the plan, or 0.01.
            Embeddings, head, norms and biases are not decayed.
        clip: The largest norm of all gradients together.
    """

    matrices: Literal["muon", "adamw"] = "muon"
    lr: float = 0.003
    muon_lr: float = 0.01
    momentum: float = 0.95
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float | None = None
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if self.matrices not in ("muon", "adamw"):
            raise ConfigError(f"matrices = {self.matrices!r} is unknown, expected muon or adamw.")
        for name in ("lr", "muon_lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} = {getattr(self, name)} must be positive.")
        for name in ("momentum", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} must be from 0 to below 1.")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay = {self.weight_decay} must not be negative.")


def orthogonalize(matrices: Float[Tensor, "N R C"]) -> Float[Tensor, "N R C"]:
    """Return about the nearest semi-orthogonal matrices, by five Newton-Schulz steps.

    Singular values end between some 0.7 and 1.2, which serves as well as exactly 1.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        quintic = torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.baddbmm(x, quintic, x, beta=_A)
    return x if wide else x.mT


def muon_cost(config: GPTConfig, tokens_per_step: int) -> float:
    """Return the operations of Muon's products in a step, relative to those of the model.

    A matrix of R rows and C >= R columns takes 2 R² C + 2 R³ + 2 R² C a Newton-Schulz step; the
    model takes 6 operations a weight and token (Kaplan et al. 2020).
    """
    hidden, width = config.hidden_size, config.head_dim
    inner, shared = config.num_attention_heads * width, config.num_key_value_heads * width
    networks = 2 if config.network == "gelu" else 3
    shapes = [(hidden, inner)] * 2 + [(hidden, shared)] * 2
    shapes += [(hidden, config.intermediate_size)] * networks
    layers = config.num_hidden_layers
    products = layers * _STEPS * sum(_newton_schulz(min(s), max(s)) for s in shapes)
    weights = layers * sum(rows * columns for rows, columns in shapes)
    return products / (6 * (weights + config.vocab_size * hidden) * tokens_per_step)


def _newton_schulz(rows: int, columns: int) -> int:
    return 4 * rows * rows * columns + 2 * rows**3


@dataclass(frozen=True, slots=True)
class _Stack:
    """Weights of one shape and method, with what belongs to them, each ``[N, *shape]`` in fp32."""

    names: tuple[str, ...]
    weights: tuple[nn.Parameter, ...]
    master: Tensor
    gradient: Tensor
    moments: tuple[Tensor, ...]  # Muon: velocity; AdamW: mean, mean square
    method: Literal["muon", "adamw"]
    decay: float


class Optimizer:
    """Gathers gradients, steps the masters and rounds them into the model.

    Args:
        model: Its weights are updated in place; their dtype is the one to compute in.
        config: How.
    """

    def __init__(self, model: GPT, config: OptimizerConfig) -> None:
        self._config = config
        self._steps = 0
        self._empty = True  # whether no gradient was gathered since the last step
        self._stacks = _stacks(model, config)

    @torch.no_grad()
    def gather(self) -> None:
        """Add the gradients of the weights to the fp32 sums, and clear them."""
        for stack in self._stacks:
            gradients = [
                torch.zeros_like(weight) if weight.grad is None else weight.grad
                for weight in stack.weights
            ]
            if self._empty:
                torch._foreach_copy_(list(stack.gradient), gradients)
            else:
                torch._foreach_add_(list(stack.gradient), [part.float() for part in gradients])
            for weight in stack.weights:
                weight.grad = None
        self._empty = False

    @torch.no_grad()
    def step(self, *, scale: float, parts: int = 1) -> float:
        """Apply what was gathered at ``scale`` times the peak learning rates.

        Args:
            scale: Of the learning rates, 0 to 1.
            parts: How often gradients were gathered; the mean is applied.

        Returns:
            The norm of the mean gradient before it was clipped. Where it is no finite number,
            nothing was applied.
        """
        gradients = [stack.gradient for stack in self._stacks]
        norm = float(torch.nn.utils.get_total_norm(gradients)) / parts
        if not math.isfinite(norm):
            return norm
        factor = min(1.0, self._config.clip / norm if norm > 0 else 1.0) / parts
        if factor != 1.0:
            torch._foreach_mul_(gradients, factor)
        self._steps += 1
        for stack in self._stacks:
            if stack.method == "muon":
                self._muon(stack, scale)
            else:
                self._adamw(stack, scale)
            torch._foreach_copy_(list(stack.weights), list(stack.master))
        self._empty = True
        return norm

    def forget(self) -> None:
        """Drop what was gathered."""
        self._empty = True

    def state(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs, by name; the tensors are views, not copies."""
        return dict(self._named())

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], *, steps: int) -> None:
        """Take over what :meth:`state` returned after ``steps``, and round it into the model.

        Raises:
            CheckpointError: If it belongs to another model or method.
        """
        mine = dict(self._named())
        if tensors.keys() != mine.keys() or any(
            tensors[name].shape != tensor.shape for name, tensor in mine.items()
        ):
            raise CheckpointError("The checkpoint's tensors are not those of this model.")
        for name, tensor in mine.items():
            tensor.copy_(tensors[name])
        self._steps = steps
        self._empty = True
        for stack in self._stacks:
            torch._foreach_copy_(list(stack.weights), list(stack.master))

    @torch.no_grad()
    def give_masters(self, model: GPT) -> None:
        """Turn ``model`` to fp32 with the masters as its weights; training ends with this."""
        model.float()
        masters = dict(self._masters())
        for name, weight in model.named_parameters():
            weight.copy_(masters[name])

    def _masters(self) -> Iterator[tuple[str, Tensor]]:
        for stack in self._stacks:
            yield from zip(stack.names, stack.master, strict=True)

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        for name, master in self._masters():
            yield f"master.{name}", master
        for stack in self._stacks:
            for number, moment in enumerate(stack.moments):
                for name, tensor in zip(stack.names, moment, strict=True):
                    yield f"{stack.method}.{number}.{name}", tensor

    def _muon(self, stack: _Stack, scale: float) -> None:
        (velocity,) = stack.moments
        momentum, rate = self._config.momentum, self._config.muon_lr * scale
        velocity.lerp_(stack.gradient, 1 - momentum)
        update = orthogonalize(stack.gradient.lerp(velocity, momentum).to(stack.weights[0].dtype))
        rows, columns = stack.master.shape[1:]
        ratio = max(1.0, rows / columns) ** 0.5
        stack.master.mul_(1 - rate * stack.decay).add_(update, alpha=-rate * ratio)

    def _adamw(self, stack: _Stack, scale: float) -> None:
        mean, square = stack.moments
        torch._fused_adamw_(
            [stack.master],
            [stack.gradient],
            [mean],
            [square],
            [],
            [torch.tensor(float(self._steps))],
            lr=self._config.lr * scale,
            beta1=self._config.beta1,
            beta2=self._config.beta2,
            weight_decay=stack.decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


def _stacks(model: GPT, config: OptimizerConfig) -> list[_Stack]:
    """Group the weights by shape, method and decay, in the order the model names them."""
    groups: dict[tuple[torch.Size, bool], list[tuple[str, nn.Parameter]]] = defaultdict(list)
    for name, weight in model.named_parameters():
        groups[weight.shape, name.startswith("layers.") and weight.ndim == 2].append((name, weight))
    decay = _USUAL_DECAY if config.weight_decay is None else config.weight_decay
    stacks = []
    for (_, is_matrix), members in groups.items():
        method = config.matrices if is_matrix else "adamw"
        master = torch.stack([weight.detach().float() for _, weight in members])
        stacks.append(
            _Stack(
                names=tuple(name for name, _ in members),
                weights=tuple(weight for _, weight in members),
                master=master,
                gradient=torch.zeros_like(master),
                moments=tuple(torch.zeros_like(master) for _ in range(_MOMENTS[method])),
                method=method,
                decay=decay if is_matrix else 0.0,
            )
        )
    return stacks


_MOMENTS = {"muon": 1, "adamw": 2}
