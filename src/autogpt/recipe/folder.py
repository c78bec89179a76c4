"""The run folder: who holds it, and whether a run in it can be begun or gone on with.

::

    recipe.toml       everything that was decided
    data/             prepared tokens, tokenizer, what was read and removed
    checkpoints/      while the run is not finished
    metrics.jsonl, samples.jsonl, schedule.f64, tensorboard/, curves.png, report.html
    model/            the result, in Hugging Face layout
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from autogpt.core.budget import parse_budget
from autogpt.core.config import from_mapping, merge, to_mapping
from autogpt.core.errors import RunError, UsageError
from autogpt.core.files import explain_os_errors, fsync_folder
from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import build_config
from autogpt.recipe.settings import FinetuneRecipe, Recipe, read_recipe, write_recipe
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.training import checkpoints, record

__all__ = [
    "begin",
    "check_unchanged",
    "claimed",
    "go_on",
    "model_config",
    "save_recipe",
    "with_whole_budget",
]

RECIPE = "recipe.toml"
DATA = "data"
TOKENIZER = "tokenizer"
MODEL = "model"
REPORT = "report.html"
EXAMPLES, FORECAST = "examples.json", "forecast.json"  # of fine-tuning
_MAY_CHANGE = frozenset(
    f"training.{name}"
    for name in (
        *(
            "budget",
            "max_steps",
            "micro_batch_size",
            "checkpoint_every",
            "validations",
            "warmup",
            "decay",
        ),
        *("lr", "muon_lr", "momentum", "beta1", "beta2", "weight_decay", "clip"),
    )
) | {"parallel.strategy"}


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold the run folder, so that two runs never write into one; leave none that stayed empty.

    Raises:
        RunError: If another process holds it.
    """
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        fsync_folder(out.parent)
        descriptor = os.open(out / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{str(out)!r} is in use by another run.",
                hint="Wait for it, or choose another folder.",
            ) from error
        yield
    finally:
        os.close(descriptor)
        _remove_if_empty(out)


def _remove_if_empty(out: Path) -> None:
    """Take away what a run made that failed before it had anything to keep."""
    with contextlib.suppress(OSError):
        (out / DATA).rmdir()
    if [path.name for path in out.iterdir()] == [".lock"]:
        with contextlib.suppress(OSError):
            (out / ".lock").unlink()
            out.rmdir()


def begin(out: Path) -> None:
    """Check that a new run may be put into ``out``.

    Raises:
        RunError: If it holds the record of a run.
    """
    if _begun(out):
        raise RunError(
            f"{str(out)!r} already holds a run.",
            hint="Add --resume if it was stopped, choose another folder, or remove this one.",
        )


R = TypeVar("R", Recipe, FinetuneRecipe)


def go_on(out: Path, given: Mapping[str, object], *, kind: type[R]) -> R | None:
    """Return the recipe of the run in ``out``, with what may still change taken from ``given``.

    Args:
        out: The run folder.
        given: The settings the user named this time.
        kind: Of recipe.

    Returns:
        None if no run was begun there.

    Raises:
        RunError: If that run is finished, or was begun with other settings.
    """
    if not _begun(out) or not (out / RECIPE).exists():
        return None
    if (out / REPORT).exists():  # written last
        raise RunError(
            f"The run in {str(out)!r} is finished: there is nothing to resume.",
            hint=f"Train on from it with --from {out} --budget +10m and another --out.",
        )
    kept = read_recipe(out / RECIPE)
    changes = check_unchanged(out, kept, given, may_change=_MAY_CHANGE, kind=kind)
    settings = merge(kept, changes)
    changed, training = changes.get("training"), settings.get("training")
    if isinstance(changed, dict) and isinstance(training, dict) and "budget" in changed:
        training.pop("enough_steps", None)  # they were enough for the budget it had
    return from_mapping(kind, settings)


def with_whole_budget(
    given: Mapping[str, object], *, out: Path, resume: bool, fork: bool
) -> dict[str, object]:
    """Return settings in which a budget like ``+10m`` is what the run in ``out`` has in all.

    Raises:
        UsageError: If there is nothing to add it to.
    """
    training = given.get("training")
    budget = training.get("budget") if isinstance(training, Mapping) else None
    if not isinstance(budget, str) or not budget.startswith("+"):
        return dict(given)
    whole = budget[1:]
    if resume and _begun(out) and (out / RECIPE).exists():
        so_far = from_mapping(Recipe, read_recipe(out / RECIPE)).training
        if so_far.max_steps is not None:
            raise UsageError(
                f"The run in {str(out)!r} is bound by its steps, not by a budget.",
                hint=f"Give more than --set training.max_steps={so_far.max_steps} instead.",
            )
        whole = str(parse_budget(so_far.budget).plus(parse_budget(whole)))
    elif not fork:
        raise UsageError(
            f"The budget {budget!r} adds to a run, and there is none.",
            hint=f"Give --budget {whole}, or add --resume or --from RUN.",
        )
    return merge(given, {"training": {"budget": whole}})


def check_unchanged(
    out: Path,
    kept: Mapping[str, object],
    given: Mapping[str, object],
    *,
    may_change: Collection[str],
    kind: type[Recipe] | type[FinetuneRecipe] = Recipe,
) -> dict[str, object]:
    """Return what ``given`` changes of the settings of the run in ``out``.

    Args:
        out: The run folder, for messages.
        kept: Its settings, everything decided.
        given: The settings the user named.
        may_change: Settings, and rooms of settings, that are not bound.
        kind: Of recipe.

    Raises:
        RunError: If it changes anything else.
    """
    asked = to_mapping(from_mapping(kind, given))
    changes: dict[str, object] = {}
    for path in _leaves(given):
        where, old, new = ".".join(path), _at(kept, path), _at(asked, path)
        if new in (old, "auto"):
            continue
        if where not in may_change and path[0] not in may_change:
            raise RunError(
                f"The run in {str(out)!r} has {where} = {old!r}, not {new!r}: that cannot change "
                "any more.",
                hint="Leave it out to go on, or train into another folder.",
            )
        *rooms, name = path
        changes = merge(changes, {rooms[0]: {name: new}} if rooms else {name: new})
    return changes


def model_config(out: Path, recipe: Recipe) -> GPTConfig:
    """Return the sizes of the model of a run that was begun.

    Raises:
        AutoGPTError: If its tokenizer is missing or damaged.
    """
    tokenizer = Tokenizer.load(out / DATA / TOKENIZER)
    return build_config(
        recipe.model,
        tokenizer.vocab_size,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )


def save_recipe(out: Path, recipe: Recipe | FinetuneRecipe) -> None:
    """Write ``recipe.toml``."""
    write_recipe(out / RECIPE, recipe)


def _begun(out: Path) -> bool:
    """Whether there is a record, or a checkpoint from before its first line."""
    path = out / record.METRICS
    written = path.exists() and path.stat().st_size > 0
    return written or any((out / checkpoints.FOLDER).glob("step-*"))


def _leaves(settings: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """Yield where each single setting stands, as in ``("training", "lr")``."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from ((name, *path) for path in _leaves(value))
        else:
            yield (name,)


def _at(settings: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = settings
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
