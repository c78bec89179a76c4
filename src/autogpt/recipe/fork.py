"""A fork: a new run that begins with the weights, the tokenizer and the data of another one.

The optimizer begins anew and the rates rise and fall once more over the new budget, which is what
Ibrahim et al. 2024 ("Simple and scalable strategies to continually pre-train large language
models") found to do as well as starting over. The data goes on where the other run stopped. That
run is only read: files that never change are shared by hard links, everything else is copied, so
either may be moved or removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from autogpt.core.config import from_mapping, merge, to_mapping
from autogpt.core.errors import CheckpointError, RunError
from autogpt.core.files import explain_os_errors
from autogpt.models.checkpoint import load_model
from autogpt.models.gpt import GPT
from autogpt.recipe import folder
from autogpt.recipe.prepare import is_prepared_from
from autogpt.recipe.settings import Recipe, read_recipe
from autogpt.training import checkpoints, record
from autogpt.training.checkpoints import RunState
from autogpt.training.optim import Optimizer

__all__ = ["fork"]

_MAY_CHANGE = ("training", "kernels")


def fork(source: Path, out: Path, given: Mapping[str, object], *, names: Sequence[str]) -> Recipe:
    """Set up ``out`` as a run that goes on from ``source`` and has done no step yet.

    Args:
        source: A run folder, finished or stopped.
        out: The new run folder, claimed and empty.
        given: Settings of the new run; of training and kernels alone.
        names: The sources, if the user named them again; they must be those of ``source``.

    Returns:
        The recipe of the new run, which ``--resume`` goes on with.

    Raises:
        RunError: If ``source`` is no run, has no weights yet, or differs from what is asked for.
        CheckpointError: If its weights are damaged.
        ResourceError: If the disk is full.
    """
    if not (source / folder.RECIPE).is_file():
        raise RunError(
            f"{str(source)!r} is not a run folder: it has no {folder.RECIPE}.",
            hint="Name the folder that --out made.",
        )
    recipe = _recipe(source, given)
    if names and not is_prepared_from(names, recipe, source / folder.DATA):
        raise RunError(
            f"The run in {str(source)!r} learned from other data than {names[0]!r} has now.",
            hint="Leave the sources out to go on with the data of that run.",
        )
    model, rows = _weights(source, recipe)
    size = recipe.training.batch_size or 1
    start = to_mapping(recipe.origin) | {"run": str(source), "first_row": -(-rows // size) * size}
    recipe = from_mapping(Recipe, merge(to_mapping(recipe), {"origin": start}))
    with explain_os_errors(out):
        _share(source / folder.DATA, out / folder.DATA)
    folder.save_recipe(out, recipe)
    state = Optimizer(model, recipe.training).state()
    checkpoints.save(out, RunState(record_bytes=0), state)
    return recipe


def _recipe(source: Path, given: Mapping[str, object]) -> Recipe:
    """Return the source's recipe with what was given: a new budget, at least the same again."""
    kept = read_recipe(source / folder.RECIPE)
    folder.check_unchanged(source, kept, given, may_change=_MAY_CHANGE)
    training = dict(merge(kept.get("training", {})))  # type: ignore[arg-type]  # a table
    asked = given.get("training", {})
    assert isinstance(asked, Mapping)  # or it would have been refused with the settings
    if "budget" in asked:
        training.pop("max_steps", None)
        training.pop("enough_steps", None)
    if "batch_size" in asked:
        training.pop("micro_batch_size", None)
    base = {**kept, "training": training}
    base.pop("kernels", None)  # the machine may be another one
    return from_mapping(Recipe, merge(base, given))


def _weights(source: Path, recipe: Recipe) -> tuple[GPT, int]:
    """Return the model of a run, and how many rows of the data it has seen.

    Raises:
        RunError: If the run has no weights yet.
    """
    length, before = recipe.model.context_length, recipe.origin.first_row
    if (source / folder.REPORT).exists():
        entries = record.read(source)
        seen = max((entry.tokens for entry in entries), default=0)
        return load_model(source / folder.MODEL), before + seen // length
    found = checkpoints.latest(source)
    if found is None:
        raise RunError(
            f"The run in {str(source)!r} has no weights yet.", hint="Let it train for a while."
        )
    at, tensors = checkpoints.load(found)
    model = GPT(folder.model_config(source, recipe))
    try:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(tensors[f"master.{name}"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{str(found)!r} is not of the model in its recipe.") from error
    return model, before + at.tokens // length


def _share(source: Path, target: Path) -> None:
    """Give ``target`` what is in ``source``, without copying what never changes."""

    def link(old: str, new: str) -> None:
        try:
            os.link(old, new)
        except OSError:  # another file system, or one without links
            shutil.copy2(old, new)

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=link, ignore=shutil.ignore_patterns(".prepare-*"))
