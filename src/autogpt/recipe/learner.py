"""What learns in a fine-tuning run: a base with a head, a stem or adapters, some blocks frozen.

And what comes out: a model's folder, and of LoRA an adapter's. Not here: the loop (``finetune``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.core.files import read_json, write_json
from autogpt.models import adapter_files
from autogpt.models.gpt import GPT
from autogpt.models.trainable import Trainable
from autogpt.nn import adapters
from autogpt.recipe import folder
from autogpt.recipe.base_model import NEW, BaseModel
from autogpt.recipe.settings import HEADS, FinetuneRecipe
from autogpt.recipe.teaching import Teacher
from autogpt.tasks import asking

__all__ = ["count", "is_lora", "learner", "save_learned", "with_layers"]

_FROZEN_SHARE = 5 / 8  # of the blocks under the head of a class (docs/log.md)


def learner(recipe: FinetuneRecipe, base: BaseModel, teacher: Teacher) -> Trainable:
    """Return what is trained, with the weights of the base, in the dtype to compute in."""
    gpt = base.read(recipe.kernels.dtype)
    own = {name for name, _ in gpt.named_parameters()}
    model = teacher.model(gpt)
    model.dropout = recipe.finetune.dropout
    if recipe.finetune.method == "full":
        for weight in model.parameters():
            weight.requires_grad = True
        _freeze(model, _frozen_layers(recipe, model))
        return model
    adapters.attach(model, recipe.lora, shared=adapter_files.shared(base.config))
    for name, weight in model.named_parameters():
        if name not in own and not name.endswith(("lora_a", "lora_b")):
            weight.requires_grad = True  # a head is new, so it learns
    return model.to(getattr(torch, recipe.kernels.dtype))


def with_layers(recipe: FinetuneRecipe, model: Trainable) -> FinetuneRecipe:
    """Write down which blocks there are and which learn."""
    if recipe.finetune.task not in HEADS:
        return recipe
    chosen = replace(
        recipe.finetune, layers=len(model.layers), frozen_layers=_frozen_layers(recipe, model)
    )
    return replace(recipe, finetune=chosen)


def save_learned(
    recipe: FinetuneRecipe,
    base: BaseModel,
    teacher: Teacher,
    model: Trainable,
    tensors: Mapping[str, Tensor],
    out: Path,
) -> Trainable:
    """Write weights as a model folder, and of LoRA as an adapter; return the whole model.

    Args:
        recipe: Of the run.
        base: What was taught.
        teacher: Who taught it.
        model: What was trained; it is used up.
        tensors: Masters of the weights that learned, by name.
        out: Where to.
    """
    if recipe.finetune.method == "lora" or recipe.finetune.frozen_layers:
        model = learner(_in_fp32(recipe), base, teacher)
    model.float()
    with torch.no_grad():
        weights = dict(model.named_parameters())
        for name, tensor in tensors.items():
            weights[name].copy_(tensor)
    if is_lora(recipe, model):
        adapter_files.save(
            out / adapter_files.FOLDER,
            adapter_files.gather(model, {}),
            base.config,
            recipe.lora,
            base=recipe.finetune.base,
        )
    adapters.merge(model)
    teacher.save(model.eval(), out / folder.MODEL)
    asked = out / folder.MODEL / asking.FILE
    if is_lora(recipe, model) and asked.is_file():
        write_json(out / adapter_files.FOLDER / asking.FILE, read_json(asked))
    return model


def _frozen_layers(recipe: FinetuneRecipe, model: Trainable) -> int:
    chosen = recipe.finetune
    if chosen.frozen_layers is not None:
        return chosen.frozen_layers
    if chosen.task != "classify" or chosen.base == NEW or chosen.method == "lora":
        return 0
    return int(_FROZEN_SHARE * len(model.layers))


def _freeze(model: Trainable, layers: int) -> None:
    """Keep the first blocks, and what is before them, from learning.

    Raises:
        ConfigError: If no block would learn.
    """
    if not layers:
        return
    if layers >= len(model.layers):
        raise ConfigError(
            f"finetune.frozen_layers = {layers} leaves none of {len(model.layers)} blocks to learn."
        )
    learning = {id(weight) for block in model.layers[layers:] for weight in block.parameters()}
    in_blocks = {id(weight) for weight in model.layers.parameters()}
    for name, weight in model.named_parameters():
        if name.startswith("embedding.") or id(weight) in in_blocks - learning:
            weight.requires_grad = False


def _in_fp32(recipe: FinetuneRecipe) -> FinetuneRecipe:
    """Return a recipe whose base is read as precisely as it is stored."""
    return replace(recipe, kernels=replace(recipe.kernels, dtype="float32"))


def is_lora(recipe: FinetuneRecipe, model: Trainable) -> bool:
    """Whether there is an adapter that can be used without what is around the model."""
    return recipe.finetune.method == "lora" and type(model) is GPT


def count(model: Trainable) -> int:
    """Return the weights of a model, without adapters."""
    return sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if not name.endswith(("lora_a", "lora_b"))
    )
