"""Model references: from what the user typed to a model folder in Hugging Face layout, or a file.

A reference is a model folder, a run folder that holds a finished ``model/``, or a ``.gguf`` file.
Only names and the presence of files are looked at; whether the weights are intact is for the
loader to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from autogpt.core.errors import ResourceError, UsageError

__all__ = ["resolve"]

CONFIG = "config.json"
MODEL = "model"
GGUF = ".gguf"

# Any of these marks a folder that training has written to.
_RUN_FILES = ("recipe.toml", "metrics.jsonl", "checkpoints")
_MAX_SUGGESTIONS = 3


def resolve(reference: str | Path) -> Path:
    """Return the model folder, or the ``.gguf`` file, that ``reference`` names.

    Args:
        reference: A folder in Hugging Face layout, a run folder, or a file; ``~`` is the home
            folder.

    Raises:
        UsageError: If there is no such folder, or no finished model in it.
        ResourceError: If the folder may not be read.
    """
    text = str(reference)
    if not text.strip():
        raise UsageError(
            "The model reference is empty.", hint="Name a model folder or a run folder."
        )
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return _inside(path)
        if path.suffix.lower() == GGUF and path.is_file():
            return path
        if path.exists():
            raise _not_a_folder(path)
        raise _missing(path, text)
    except PermissionError as error:
        raise ResourceError(
            f"No permission to read {text!r}.", hint="Choose a folder you can read."
        ) from error
    except OSError as error:
        raise UsageError(
            f"{_shortened(text)!r} cannot be a model: {error.strerror or error}.",
            hint="Name a model folder or a run folder.",
        ) from error


def _inside(folder: Path) -> Path:
    if (folder / CONFIG).is_file():
        return folder
    if (folder / MODEL / CONFIG).is_file():
        return folder / MODEL
    if any((folder / name).exists() for name in _RUN_FILES):
        raise UsageError(
            f"The run {str(folder)!r} has no finished model yet.",
            hint="Train again into another folder; this run did not finish.",
        )
    inner = sorted(str(child) for child in _subfolders(folder) if _is_model(child))
    if inner:
        raise UsageError(
            f"{str(folder)!r} is not a model, it only contains some.",
            hint=f"Name one of them: {_listed(inner)}.",
        )
    raise UsageError(
        f"{str(folder)!r} is neither a model folder ({CONFIG} is missing) nor a run folder.",
        hint="Train a model with: autogpt train SOURCE --out RUN",
    )


def _not_a_folder(path: Path) -> UsageError:
    if (path.parent / CONFIG).is_file():
        return UsageError(
            f"{str(path)!r} is a file of a model folder, not the folder.",
            hint=f"Name the folder: {str(path.parent)!r}.",
        )
    return UsageError(
        f"{str(path)!r} is a file, but a model is a folder in Hugging Face layout or a .gguf file.",
        hint="Name a model folder, a run folder or a .gguf file.",
    )


def _missing(path: Path, text: str) -> UsageError:
    if text.startswith("hf:"):
        name = text.removeprefix("hf:")
        return UsageError(
            f"{_shortened(text)!r} is not on this machine, and models are not downloaded yet.",
            hint=f"Fetch it with: hf download {_shortened(name)} --local-dir FOLDER",
        )
    near = _nearest(path)
    return UsageError(
        f"There is no model {_shortened(text)!r}.",
        hint=f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else "Name a model folder or a run folder; autogpt train SOURCE --out RUN makes one.",
    )


def _nearest(path: Path) -> list[str]:
    """Return existing models with a similar name beside ``path``, or under ``runs/``."""
    candidates = {
        str(child): child.name
        for parent in (path.parent, Path("runs"))
        for child in _subfolders(parent)
        if _is_model(child)
    }
    close = difflib.get_close_matches(
        path.name, set(candidates.values()), n=_MAX_SUGGESTIONS, cutoff=0.6
    )
    near = [full for name in close for full, short in candidates.items() if short == name]
    return near[:_MAX_SUGGESTIONS]


def _subfolders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for child in sorted(folder.iterdir()):
        if child.is_dir():
            yield child


def _is_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / MODEL / CONFIG).is_file()


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MAX_SUGGESTIONS])
    return f"{shown}, ..." if len(names) > _MAX_SUGGESTIONS else shown


def _shortened(text: str, *, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
