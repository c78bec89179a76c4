"""Muon for the matrices of the blocks, AdamW for the rest, on fp32 masters of the weights.

The model computes in bf16 where that is faster; a bf16 weight would swallow small updates (8 bits
of mantissa), so each weight has a master in fp32 that is stepped and then rounded into the model.
Tensors of one shape and one method are stacked and stepped as one.

Sources: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; AdamW:
Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization". A Muon update is scaled by
sqrt(max(1, rows / columns)), as in Jordan's code. Not here: the learning rate over time, and how
the model lies in several processes (``layout``).

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
from autogpt.models.config import GPTConfig
from autogpt.models.trainable import Trainable
from autogpt.training.layout import Layout

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
    """Weights of one shape and method, with what belongs to them, each ``[N, *shape]`` in fp32.

    Of a sharded model, master, gradient and moments have this process's rows only.
    """

    shape: torch.Size  # of a whole weight
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
        model: Its weights that require gradients are updated in place; their dtype is the one to
            compute in. Others stay as they are, and have no master.
        config: How.
        layout: How the model lies in the processes that train it.
    """

    def __init__(
        self, model: Trainable, config: OptimizerConfig, layout: Layout | None = None
    ) -> None:
        self._config = config
        self._layout = layout or Layout()
        self._steps = 0
        self._empty = True  # whether no gradient was gathered since the last step
        self._stacks = _stacks(model, config, self._layout)
        self._muon_stacks = [stack for stack in self._stacks if stack.method == "muon"]
        self._muon_shapes = tuple((len(s.names), *s.shape) for s in self._muon_stacks)
        self._layout.align([stack.master for stack in self._stacks])
        self._round()

    @torch.no_grad()
    def gather(self) -> None:
        """Add the gradients of the weights to the fp32 sums, and clear them."""
        for stack in self._stacks:
            gradients = [
                self._layout.local(torch.zeros_like(w) if w.grad is None else w.grad)
                for w in stack.weights
            ]
            if self._empty:
                torch._foreach_copy_(list(stack.gradient), gradients)
            else:
                torch._foreach_add_(list(stack.gradient), [part.float() for part in gradients])
            for weight in stack.weights:
                weight.grad = None
        self._empty = False

    @torch.no_grad()
    def step(self, *, scale: float, parts: float = 1) -> float:
        """Apply what was gathered at ``scale`` times the peak learning rates.

        Args:
            scale: Of the learning rates, 0 to 1.
            parts: How often gradients were gathered, in all processes, each time by its weight;
                the mean is applied.

        Returns:
            The norm of the mean gradient before it was clipped. Where it is no finite number,
            nothing was applied.
        """
        gradients = [stack.gradient for stack in self._stacks]
        self._layout.add_up(gradients)
        norm = self._layout.norm(gradients) / parts
        if not math.isfinite(norm):
            return norm
        factor = min(1.0, self._config.clip / norm if norm > 0 else 1.0) / parts
        if factor != 1.0:
            torch._foreach_mul_(gradients, factor)
        self._steps += 1
        for stack in self._stacks:
            if stack.method == "adamw":
                self._adamw(stack, scale)
        self._muon(scale)
        self._round()
        self._empty = True
        return norm

    def forget(self) -> None:
        """Drop what was gathered."""
        self._empty = True

    @torch.no_grad()
    def _round(self) -> None:
        """Round the masters into the model."""
        for stack in self._stacks:
            weights = [self._layout.local(weight) for weight in stack.weights]
            torch._foreach_copy_(weights, list(stack.master))

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
        self._round()

    @torch.no_grad()
    def give_masters(self, model: Trainable) -> None:
        """Turn ``model`` to fp32 with the masters as its weights; training ends with this.

        Args:
            model: The model in training, or, where that is sharded, a whole one on its device.
        """
        model.float()
        weights = dict(model.named_parameters())
        for stack in self._stacks:
            for name, master in zip(stack.names, stack.master, strict=True):
                weights[name].copy_(self._layout.whole(master, stack.shape))

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        for stack in self._stacks:
            for name, master in zip(stack.names, stack.master, strict=True):
                yield f"master.{name}", self._layout.named(master, stack.shape)
        for stack in self._stacks:
            for number, moment in enumerate(stack.moments):
                for name, tensor in zip(stack.names, moment, strict=True):
                    named = self._layout.named(tensor, stack.shape)
                    yield f"{stack.method}.{number}.{name}", named

    def _muon(self, scale: float) -> None:
        rate = self._config.muon_lr * scale
        updates = (self._momentum(stack) for stack in self._muon_stacks)
        whole = self._layout.orthogonalized(updates, self._muon_shapes, orthogonalize)
        for stack, update in zip(self._muon_stacks, whole, strict=True):
            rows, columns = stack.shape
            ratio = max(1.0, rows / columns) ** 0.5
            stack.master.mul_(1 - rate * stack.decay).add_(update, alpha=-rate * ratio)

    def _momentum(self, stack: _Stack) -> Tensor:
        """Take the gradients into the velocity, and return what Nesterov's momentum makes of it."""
        (velocity,), momentum = stack.moments, self._config.momentum
        velocity.lerp_(stack.gradient, 1 - momentum)
        return stack.gradient.lerp(velocity, momentum).to(stack.weights[0].dtype)

    def _adamw(self, stack: _Stack, scale: float) -> None:
        mean, square = stack.moments
        torch._fused_adamw_(
            [stack.master],
            [stack.gradient],
            [mean],
            [square],
            [],
            [torch.tensor(float(self._steps), device=stack.master.device)],
            lr=self._config.lr * scale,
            beta1=self._config.beta1,
            beta2=self._config.beta2,
            weight_decay=stack.decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


def _stacks(model: Trainable, config: OptimizerConfig, layout: Layout) -> list[_Stack]:
    """Group the weights by shape, method and decay, in the order the model names them."""
    groups: dict[tuple[torch.Size, bool], list[tuple[str, nn.Parameter]]] = defaultdict(list)
    in_blocks = {id(weight) for weight in model.layers.parameters()}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            is_matrix = id(weight) in in_blocks and weight.ndim == 2
            groups[weight.shape, is_matrix].append((name, weight))
    decay = _USUAL_DECAY if config.weight_decay is None else config.weight_decay
    masters = [
        torch.stack([layout.local(weight.detach()).float() for _, weight in members])
        for members in groups.values()
    ]
    stacks = []
    kinds = zip(groups.items(), masters, layout.gradients(masters), strict=True)
    for ((shape, is_matrix), members), master, gradient in kinds:
        method = config.matrices if is_matrix else "adamw"
        stacks.append(
            _Stack(
                shape=shape,
                names=tuple(name for name, _ in members),
                weights=tuple(weight for _, weight in members),
                master=master,
                gradient=gradient,
                moments=tuple(torch.zeros_like(master) for _ in range(_MOMENTS[method])),
                method=method,
                decay=decay if is_matrix else 0.0,
            )
        )
    return stacks


_MOMENTS = {"muon": 1, "adamw": 2}
