"""The run folder: who holds it, and whether a run in it can be begun or gone on with.

::

    recipe.toml       everything that was decided
    data/             prepared tokens, tokenizer, what was read and removed
    checkpoints/      while the run is not finished
    metrics.jsonl, tensorboard/, curves.png, report.html
    model/            the result, in Hugging Face layout
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autogpt.core.config import dump_toml, from_mapping, merge, read_toml, to_mapping
from autogpt.core.errors import RunError
from autogpt.core.files import explain_os_errors, write_text
from autogpt.recipe.settings import Recipe
from autogpt.training import record

__all__ = ["begin", "claimed", "go_on", "save_recipe"]

RECIPE = "recipe.toml"
MODEL = "model"
REPORT = "report.html"
_MAY_CHANGE = frozenset(
    f"training.{name}"
    for name in (
        *("budget", "max_steps", "checkpoint_every", "validations", "warmup", "decay"),
        *("lr", "muon_lr", "momentum", "beta1", "beta2", "weight_decay", "clip"),
    )
)


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold the run folder, so that two runs never write into one; leave none that stayed empty.

    Raises:
        RunError: If another process holds it.
    """
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
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
        (out / "data").rmdir()
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


def go_on(out: Path, given: Mapping[str, object]) -> Recipe | None:
    """Return the recipe of the run in ``out``, with what may still change taken from ``given``.

    Args:
        out: The run folder.
        given: The settings the user named this time.

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
            hint="Train into another folder for a new run.",
        )
    kept = read_toml(out / RECIPE)
    asked = to_mapping(from_mapping(Recipe, given))
    changes: dict[str, object] = {}
    for path in _leaves(given):
        where, old, new = ".".join(path), _at(kept, path), _at(asked, path)
        if new in (old, "auto"):
            continue
        if where not in _MAY_CHANGE:
            raise RunError(
                f"The run in {str(out)!r} has {where} = {old!r}, not {new!r}: that cannot change "
                "any more.",
                hint="Leave it out to go on, or train into another folder.",
            )
        room, name = path
        changes = merge(changes, {room: {name: new}})
    return from_mapping(Recipe, merge(kept, changes))


def save_recipe(out: Path, recipe: Recipe) -> None:
    """Write ``recipe.toml``."""
    write_text(out / RECIPE, dump_toml(to_mapping(recipe)))


def _begun(out: Path) -> bool:
    path = out / record.METRICS
    return path.exists() and path.stat().st_size > 0


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
