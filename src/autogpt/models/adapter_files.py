"""Adapters in the file layout of PEFT: what ours learned opens there, and theirs opens here.

::

    adapter_config.json          rank, alpha, which layers
    adapter_model.safetensors    A and B of each layer, named after the layers of the family

A layer of theirs may be several of ours (GPT-2 has one for queries, keys and values): those share
A, and their B are stacked. Refused is what changes a model in another way than by a product of two
matrices. Not here: layers that compute with an adapter (``nn.adapters``).

Source: PEFT 0.21 (Hugging Face, 2026), ``LoraConfig`` and ``get_peft_model_state_dict``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.files import read_json, write_json
from autogpt.models.config import GPTConfig
from autogpt.models.empty import empty_model
from autogpt.models.family import Family, find_family
from autogpt.models.weights import write_safetensors
from autogpt.nn.adapters import LoRAConfig, low_rank

__all__ = [
    "CONFIG",
    "FOLDER",
    "Adapter",
    "LowRank",
    "add",
    "find_adapter",
    "gather",
    "load",
    "save",
    "shared",
]

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
FOLDER = "adapter"  # of a run
_PREFIX = "base_model.model."
# First values that change the frozen weights as well, so that B A alone is not the whole change.
_CHANGES_BASE = ("corda", "loftq", "lora_ga", "olora", "pissa")
_REFUSED = (  # settings under which a layer computes something else than W x + s B A x
    "alora_invocation_tokens",
    "arrow_config",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
)


@dataclass(frozen=True, slots=True)
class LowRank:
    """The change of one layer: ``scale`` B A, with A [R, I] and B [O, R]."""

    a: Tensor
    b: Tensor
    scale: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """Changes of the layers of a model.

    Attributes:
        layers: By our names, as in ``layers.0.attention.query``.
        name: Where it came from, for messages.
    """

    layers: Mapping[str, LowRank]
    name: str = ""

    @torch.no_grad()
    def changed(self, name: str, weight: Tensor) -> Tensor:
        """Return a weight of the model with its change; the sum is taken in fp32."""
        change = self.layers.get(name.removesuffix(".weight"))
        if change is None:
            return weight
        product = change.b.float() @ change.a.float() * change.scale
        return (weight.float() + product).to(weight.dtype)


def add(adapters: Sequence[Adapter]) -> Callable[[str, Tensor], Tensor]:
    """Return what adds several adapters to each weight as it is read (``keep`` of a loader)."""

    def changed(name: str, weight: Tensor) -> Tensor:
        for adapter in adapters:
            weight = adapter.changed(name, weight)
        return weight

    return changed


def shared(config: GPTConfig) -> list[tuple[str, ...]]:
    """Return the layers of a block that the family's files keep in one, by their last names."""
    groups = _groups(find_family(config.model_type), config)
    found = {tuple(o.rpartition(".")[2] for o in ours) for ours in groups.values() if len(ours) > 1}
    return sorted(found)


def gather(model: nn.Module, trained: Mapping[str, Tensor]) -> Adapter:
    """Return what the adapters of a model in training have learned.

    Args:
        model: With adapters attached.
        trained: Their weights by name, perhaps more precise than in the model; of what is not
            there, the model's are taken.
    """
    of = {id(weight): trained.get(name, weight) for name, weight in model.named_parameters()}
    layers = {
        name: LowRank(of[id(layer.lora_a)].detach(), of[id(layer.lora_b)].detach(), layer.scale)
        for name, layer in low_rank(model)
    }
    return Adapter(layers=layers)


def save(
    folder: Path,
    adapter: Adapter,
    config: GPTConfig,
    made: LoRAConfig,
    *,
    base: str,
    task_type: str = "CAUSAL_LM",
) -> None:
    """Write an adapter as PEFT does.

    Args:
        folder: Made if needed.
        adapter: What to write, in fp32.
        config: The model it belongs to.
        made: How it was made.
        base: What the model is called.
        task_type: PEFT's word for what the model does.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    family = find_family(config.model_type)
    tensors: list[tuple[str, Tensor]] = []
    modules = []
    for theirs, ours in _groups(family, config).items():
        parts = [adapter.layers[name] for name in ours if name in adapter.layers]
        if not parts:
            continue
        modules.append(theirs)
        tensors.append((f"{_PREFIX}{theirs}.lora_A.weight", parts[0].a))
        tensors.append((f"{_PREFIX}{theirs}.lora_B.weight", torch.cat([part.b for part in parts])))
    write_safetensors(folder / WEIGHTS, tensors, dtype=torch.float32)
    write_json(
        folder / CONFIG,
        {
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": bool(family.TRANSPOSED),
            "inference_mode": True,
            "init_lora_weights": True,
            "lora_alpha": made.whole_alpha,
            "lora_dropout": made.dropout,
            "modules_to_save": None,
            "peft_type": "LORA",
            "r": made.rank,
            "target_modules": _targets(modules, _groups(family, config)),
            "task_type": task_type,
            "use_dora": False,
            "use_rslora": made.rslora,
        },
    )


def find_adapter(reference: str | Path) -> Path:
    """Return the folder of an adapter: itself, or the one of a run.

    Raises:
        UsageError: If there is none.
    """
    path = Path(reference).expanduser()
    for folder in (path, path / FOLDER):
        if (folder / CONFIG).is_file():
            return folder
    raise UsageError(
        f"There is no adapter {str(reference)!r}: no {CONFIG} in it.",
        hint="Name a folder that PEFT wrote, or a run of autogpt finetune --method lora.",
    )


def load(reference: str | Path, config: GPTConfig) -> Adapter:
    """Read an adapter that PEFT or :func:`save` wrote.

    Args:
        reference: See :func:`find_adapter`.
        config: The model it is for.

    Raises:
        UsageError: If there is no adapter.
        CheckpointError: If it is damaged, of another model, or does something that is not
            supported.
    """
    folder = find_adapter(reference)
    path = folder / CONFIG
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise CheckpointError(f"{str(path)!r} is not a JSON object.")
    _refuse(settings, path)
    tensors = _read(folder)
    family = find_family(config.model_type)
    sizes = _sizes(config)
    layers: dict[str, LowRank] = {}
    for theirs, ours in _groups(family, config).items():
        names = [f"{_PREFIX}{theirs}.lora_{letter}.weight" for letter in "AB"]
        if not any(name in tensors for name in names):
            continue
        a, b = (_taken(tensors, name, folder) for name in names)
        outputs = [sizes[name][0] for name in ours]
        if a.shape[1:] != (sizes[ours[0]][1],) or b.shape != (sum(outputs), a.shape[0]):
            raise CheckpointError(
                f"The adapter in {str(folder)!r} does not fit the model: {theirs!r} has A of shape "
                f"{list(a.shape)} and B of {list(b.shape)}, the layer is "
                f"{sum(outputs)} x {sizes[ours[0]][1]}."
            )
        scale = _scale(settings, theirs, rank=a.shape[0], path=path)
        for name, part in zip(ours, torch.split(b, outputs), strict=True):
            layers[name] = LowRank(a, part, scale)
    if tensors or not layers:
        unknown = next(iter(tensors), "nothing")
        raise CheckpointError(
            f"The adapter in {str(folder)!r} does not fit the model: it changes {unknown!r}.",
            hint="Load it with the model that adapter_config.json names as "
            f"{settings.get('base_model_name_or_path')!r}.",
        )
    return Adapter(layers=layers, name=str(reference))


def _refuse(settings: Mapping[str, Any], path: Path) -> None:
    """Refuse adapters of another kind.

    Raises:
        CheckpointError: If it is one.
    """
    kind = settings.get("peft_type")
    if kind != "LORA":
        raise CheckpointError(f"{str(path)!r} has peft_type = {kind!r}, only 'LORA' is supported.")
    first = settings.get("init_lora_weights")
    if isinstance(first, str) and first.lower().startswith(_CHANGES_BASE):
        raise CheckpointError(
            f"{str(path)!r} has init_lora_weights = {first!r}, which changes the base model too.",
            hint="Convert it to a plain LoRA with PEFT: save_pretrained(..., "
            "path_initial_model_for_weight_conversion=...).",
        )
    named = [name for name in _REFUSED if settings.get(name)]
    if settings.get("bias", "none") != "none":
        named.append("bias")
    if named:
        raise CheckpointError(
            f"{str(path)!r} sets {named[0]} = {settings[named[0]]!r}, which is not supported."
        )


def _scale(settings: Mapping[str, Any], module: str, *, rank: int, path: Path) -> float:
    """Return alpha / R of a layer, or alpha / sqrt(R).

    Raises:
        CheckpointError: If alpha is no number.
    """
    alpha = settings.get("lora_alpha", 8)
    for pattern, own in (settings.get("alpha_pattern") or {}).items():
        try:
            matches = re.fullmatch(rf"(.*\.)?({pattern})", module)
        except re.error as error:
            raise CheckpointError(
                f"{str(path)!r} has {pattern!r}, not a regular expression, in alpha_pattern."
            ) from error
        if matches:
            alpha = own
            break
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise CheckpointError(f"{str(path)!r} has lora_alpha = {alpha!r}, expected a number.")
    return float(alpha / (rank**0.5 if settings.get("use_rslora") else rank))


def _read(folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    if not path.is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        raise CheckpointError(
            f"{str(folder)!r} has its weights only as a pickle, which is never loaded."
            if pickled
            else f"{str(path)!r} is missing."
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise CheckpointError(
            f"{str(path)!r} is truncated or not a safetensors file: {error}."
        ) from error


def _taken(tensors: dict[str, Tensor], name: str, folder: Path) -> Tensor:
    """Return a matrix, and take it out of what is left to be understood."""
    tensor = tensors.pop(name, None)
    if tensor is None:
        raise CheckpointError(f"The adapter in {str(folder)!r} lacks {name!r}.")
    if tensor.ndim != 2 or not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
        raise CheckpointError(
            f"The adapter in {str(folder)!r} holds {name!r} that is no matrix of finite numbers."
        )
    return tensor.float()


def _groups(family: Family, config: GPTConfig) -> dict[str, list[str]]:
    """Return our layers by the name of theirs that they are, or are parts of."""
    groups: dict[str, list[str]] = {}
    for name in _sizes(config):
        number = re.search(r"\d+", name)
        template = family.WEIGHTS[re.sub(r"\d+", "{}", f"{name}.weight", count=1)]
        theirs = template.format(number[0] if number else "").removesuffix(".weight")
        groups.setdefault(theirs, []).append(name)
    return groups


def _sizes(config: GPTConfig) -> dict[str, tuple[int, int]]:
    """Return outputs and inputs of the linear layers of the blocks, by our names."""
    modules = empty_model(config).named_modules()
    return {
        name: (module.out_features, module.in_features)
        for name, module in modules
        if isinstance(module, nn.Linear) and name.startswith("layers.")
    }


def _targets(modules: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the shortest endings of names that mean these modules and no others."""
    others = set(known) - set(modules)
    endings = set()
    for module in modules:
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            ending = ".".join(parts[-count:])
            if not any(other == ending or other.endswith(f".{ending}") for other in others):
                endings.add(ending)
                break
    return sorted(endings)
