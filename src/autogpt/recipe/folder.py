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

from autogpt.core.config import dump_toml, from_mapping, read_toml, to_mapping
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
    for where, old, new in _differences(kept, asked, given):
        if where not in _MAY_CHANGE and new != "auto":
            raise RunError(
                f"The run in {str(out)!r} has {where} = {old!r}, not {new!r}: that cannot change "
                "any more.",
                hint="Leave it out to go on, or train into another folder.",
            )
    return from_mapping(Recipe, _updated(kept, asked, given))


def save_recipe(out: Path, recipe: Recipe) -> None:
    """Write ``recipe.toml``."""
    write_text(out / RECIPE, dump_toml(to_mapping(recipe)))


def _begun(out: Path) -> bool:
    path = out / record.METRICS
    return path.exists() and path.stat().st_size > 0


def _differences(
    kept: Mapping[str, object],
    asked: Mapping[str, object],
    given: Mapping[str, object],
    where: str = "",
) -> Iterator[tuple[str, object, object]]:
    """Yield (setting, kept value, asked value) wherever the user named another value."""
    for key, value in given.items():
        old, new = kept.get(key), asked.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, value, f"{where}{key}.")
        elif old != new:
            yield f"{where}{key}", old, new


def _updated(
    kept: Mapping[str, object], asked: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    """Return the kept settings with the asked values of the given keys, "auto" left out."""
    result = dict(kept)
    for key, value in given.items():
        old, new = kept.get(key), asked.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and isinstance(new, Mapping):
            result[key] = _updated(old, new, value)
        elif new != "auto":
            result[key] = new
    return result
