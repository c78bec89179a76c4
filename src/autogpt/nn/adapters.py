"""Low-rank adapters: small matrices beside frozen ones, which learn in their place.

::

    y = W x + s B A x        W [O, I] frozen; A [R, I] random; B [O, R] zero, so nothing at first

Layers that read the same input and are computed as one product (queries, keys and values; gate
and up) stay one product: their frozen weights lie side by side in memory, and so do their A.

Sources: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"; the scale s is
alpha / R there, and alpha / sqrt(R) in Kalajdzievski 2023, "A Rank Stabilization Scaling Factor
for Fine-Tuning with LoRA". Not here: files (``models.adapter_files``), what is trained.

Letters in shapes: B batch, T tokens, I input, O output, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from autogpt.core.errors import ConfigError

__all__ = ["LoRAConfig", "LoRALinear", "attach", "low_rank", "merge", "project_adapted", "remove"]

_SAME_INPUT = (("query", "key", "value"), ("gate", "up"))
_TARGETS = {
    "attention": ("query", "key", "value", "output"),
    "network": ("gate", "up", "down"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LoRAConfig:
    """How adapters are made.

    Attributes:
        rank: R; more can learn more, and takes more memory.
        alpha: Of the scale; None is twice the rank.
        dropout: Share of the inputs of A that are dropped in training.
        rslora: Whether the scale is alpha / sqrt(R) instead of alpha / R.
        targets: Which linear layers of the blocks get one.
    """

    rank: int = 16
    alpha: float | None = None
    dropout: float = 0.0
    rslora: bool = False
    targets: Literal["all", "attention", "network"] = "all"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if self.rank < 1:
            raise ConfigError(f"rank = {self.rank} must be at least 1.")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            raise ConfigError(f"alpha = {self.alpha} must be positive.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout = {self.dropout} must be from 0 to below 1.")
        if self.targets not in ("all", *_TARGETS):
            raise ConfigError(
                f"targets = {self.targets!r} is unknown, expected all, {', '.join(_TARGETS)}."
            )

    @property
    def whole_alpha(self) -> float:
        """Alpha, decided."""
        return 2.0 * self.rank if self.alpha is None else self.alpha

    @property
    def scale(self) -> float:
        """What B A x is multiplied by."""
        return self.whole_alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers that get an adapter."""
        if self.targets == "all":
            return tuple(name for names in _TARGETS.values() for name in names)
        return _TARGETS[self.targets]


class LoRALinear(nn.Linear):
    """A frozen linear layer with an adapter beside it.

    Args:
        layer: Its weight and bias are shared, and do not learn any more.
        config: Of the adapter.
        lora_a: A, if it is shared with another layer that reads the same input.

    Attributes:
        lora_a: A; uniform up to 1 / sqrt(I), as in the code of Hu et al.
        lora_b: B; zero.
        joined: The weights of this layer and of those beside it, as one matrix; of the first alone.
    """

    def __init__(
        self, layer: nn.Linear, config: LoRAConfig, *, lora_a: nn.Parameter | None = None
    ) -> None:
        inputs, outputs = layer.in_features, layer.out_features
        super().__init__(inputs, outputs, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        device = layer.weight.device
        if lora_a is None:
            bound = 1 / math.sqrt(inputs)
            drawn = torch.empty(config.rank, inputs, device=device).uniform_(-bound, bound)
            lora_a = nn.Parameter(drawn)
        self.lora_a = lora_a
        self.lora_b = nn.Parameter(torch.zeros(outputs, config.rank, device=device))
        self.scale, self.dropout = config.scale, config.dropout
        self.joined: Tensor | None = None
        self.train(layer.training)

    def forward(self, input: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:  # noqa: A002 - torch's name
        """Apply the layer and its adapter."""
        low = F.linear(self._dropped(input), self.lora_a) * self.scale
        return _add(F.linear(input, self.weight, self.bias), low, self.lora_b)

    def _dropped(self, hidden: Tensor) -> Tensor:
        return F.dropout(hidden, self.dropout, self.training) if self.dropout else hidden


def project_adapted(
    hidden: Float[Tensor, "*B I"], layers: Sequence[LoRALinear]
) -> tuple[Float[Tensor, "*B _"], ...]:
    """Apply several layers with adapters to the same input: one product for W, and one for A."""
    first, sizes = layers[0], [layer.out_features for layer in layers]
    biases = tuple(layer.bias for layer in layers if layer.bias is not None)
    base = F.linear(hidden, _joined(layers), torch.cat(biases) if biases else None)
    dropped = first._dropped(hidden)
    if all(layer.lora_a is first.lora_a for layer in layers):
        lows = [F.linear(dropped, first.lora_a)] * len(layers)
    else:
        low = F.linear(dropped, torch.cat(tuple(layer.lora_a for layer in layers)))
        lows = list(torch.split(low, [len(layer.lora_a) for layer in layers], dim=-1))
    parts = zip(torch.split(base, sizes, dim=-1), lows, layers, strict=True)
    return tuple(_add(part, low * layer.scale, layer.lora_b) for part, low, layer in parts)


def _joined(layers: Sequence[LoRALinear]) -> Tensor:
    joined = layers[0].joined
    if joined is None or joined.dtype != layers[0].weight.dtype:
        return torch.cat([layer.weight for layer in layers])
    return joined


def _add(base: Tensor, low: Tensor, lora_b: Tensor) -> Tensor:
    """Return base + B low, in one pass over the outputs."""
    flat = torch.addmm(base.flatten(0, -2), low.flatten(0, -2), lora_b.t())
    return flat.view(*base.shape[:-1], -1)


def attach(
    model: nn.Module,
    config: LoRAConfig,
    *,
    shared: Sequence[Sequence[str]] = (),
    blocks: str = "layers",
) -> int:
    """Give a model adapters, and freeze everything else.

    The model should be in the dtype to train in already: what is joined then stays joined.

    Args:
        model: Changed in place. The first A are drawn from torch's generator.
        config: How.
        shared: Layers of a parent that are one layer in the family's own files, so that they have
            one A, as in ``("query", "key", "value")``.
        blocks: The module whose linear layers count.

    Returns:
        How many layers got one.
    """
    model.requires_grad_(requires_grad=False)
    count = 0
    for parent in list(model.get_submodule(blocks).modules()):
        made: dict[str, LoRALinear] = {}
        for name, layer in list(parent.named_children()):
            if name not in config.layers or not isinstance(layer, nn.Linear):
                continue
            group = next((names for names in shared if name in names), ())
            of_group = next((made[other].lora_a for other in group if other in made), None)
            made[name] = LoRALinear(layer, config, lora_a=of_group)
            setattr(parent, name, made[name])
        for names in _SAME_INPUT:
            if all(name in made for name in names):
                _join([made[name] for name in names])
        count += len(made)
    return count


@torch.no_grad()
def _join(layers: Sequence[LoRALinear]) -> None:
    """Let the frozen weights of layers lie side by side in memory."""
    joined = torch.cat([layer.weight for layer in layers])
    parts = torch.split(joined, [layer.out_features for layer in layers])
    for layer, part in zip(layers, parts, strict=True):
        layer.weight = nn.Parameter(part, requires_grad=False)
    layers[0].joined = joined


def low_rank(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """Yield the layers that have an adapter, by name."""
    for name, module in model.named_modules():
        if isinstance(module, LoRALinear):
            yield name, module


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Turn layers with adapters into plain ones that compute the same; the sum is taken in fp32."""
    for name, layer in list(low_rank(model)):
        change = layer.lora_b.float() @ layer.lora_a.float() * layer.scale
        weight = (layer.weight.float() + change).to(layer.weight.dtype)
        _replace(model, name, layer, nn.Parameter(weight, requires_grad=False))


def remove(model: nn.Module) -> None:
    """Take the adapters away: the layers are what they were before, to the bit."""
    for name, layer in list(low_rank(model)):
        _replace(model, name, layer, nn.Parameter(layer.weight, requires_grad=False))


def _replace(model: nn.Module, name: str, layer: LoRALinear, weight: nn.Parameter) -> None:
    plain = nn.Linear(
        layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta"
    )
    plain.weight, plain.bias = weight, layer.bias
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, plain.train(layer.training))
