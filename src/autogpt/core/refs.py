"""Model references: from what the user typed to a model on this machine.

::

    runs/mine                       a run folder that holds a finished ``model/``
    models/qwen                     a model folder in Hugging Face layout
    models/small.gguf               a packed model
    smollm2-135m-instruct           a short name of the catalog, once it was pulled
    hf:Qwen/Qwen3-0.6B              a model of the hub, once it was pulled; also with @REVISION

What exists as a path is meant as a path. Only names, sizes and the presence of files are looked
at; whether the weights are intact is for the loader to say. Nothing is fetched here (``pull``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autogpt.core import store
from autogpt.core.catalog import is_short_name, nearest, read_catalog
from autogpt.core.errors import ResourceError, UsageError
from autogpt.core.files import MANIFEST
from autogpt.core.hub import HubReference
from autogpt.core.units import format_bytes

__all__ = ["describe", "is_missing", "resolve"]

CONFIG = "config.json"
MODEL = "model"
PACKED = ".gguf"

# Any of these marks a folder that training has written to.
_RUN_FILES = ("recipe.toml", "metrics.jsonl", "checkpoints")
_MAX_SUGGESTIONS = 3


def resolve(reference: str | Path) -> Path:
    """Return what ``reference`` names: a folder in Hugging Face layout, or a ``.gguf`` file.

    Args:
        reference: A model folder, a run folder, a ``.gguf`` file, a short name, or
            ``hf:organization/name[@revision]``; ``~`` is the home folder.

    Raises:
        UsageError: If there is no such model here, or no finished one in it; says how to get it.
        CheckpointError: If a file of a stored model is missing, truncated or altered.
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
        if path.suffix.lower() == PACKED and path.is_file():
            return path
        if path.exists():
            raise _not_a_folder(path)
        named = _by_name(text)
        if named is None:
            raise _missing(path, text)
        return named
    except PermissionError as error:
        raise ResourceError(
            f"No permission to read {text!r}.", hint="Choose a folder you can read."
        ) from error
    except OSError as error:
        raise UsageError(
            f"{_shortened(text)!r} cannot be a model: {error.strerror or error}.",
            hint="Name a model folder or a run folder.",
        ) from error


def is_missing(reference: str) -> bool:
    """Whether ``reference`` is a name that can be pulled, of a model that is not here yet."""
    known = reference.startswith("hf:") or reference in read_catalog().models
    return known and not Path(reference).exists() and _by_name(reference) is None


def describe(
    reference: str, *, catalog: Path | None = None, verify: bool = False
) -> dict[str, object]:
    """Return what is known of a model, here or not, as plain values.

    Args:
        reference: Any MODEL.
        catalog: A file with more names, see ``read_catalog``.
        verify: Compare every sha256, not only sizes.

    Raises:
        UsageError: If there is no such model, or there is nothing to verify it by.
        CheckpointError: If a file is missing, truncated or altered.
    """
    known = read_catalog(catalog)
    listed = known.models.get(reference)
    facts: dict[str, object] = listed.to_dict() if listed else {"name": reference}
    if listed:
        facts["license_url"] = known.license_of(listed.license).url
    if listed and store.find(reference) is None and not Path(reference).exists():
        if verify:
            raise _missing(Path(reference), reference)
        return {**facts, "here": False}
    path = resolve(reference)
    folder = path if path.is_dir() else path.parent
    if store.holds(path):
        facts |= store.read(folder).to_dict()
    else:
        facts |= {"path": str(path), "size_bytes": store.size_bytes(path)}
    facts["here"] = True
    if verify and not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{str(path)!r} has no {MANIFEST}, so there is nothing to verify it by.",
            hint="Models that autogpt trained or pulled have one.",
        )
    if (folder / MANIFEST).is_file():
        store.check(folder, reference, deep=verify)
        facts["verified"] = "sha256" if verify else "sizes"
    return facts


def _by_name(text: str) -> Path | None:
    """Return a model that has a name, if it is on this machine."""
    if not text.startswith("hf:"):
        there = store.find(text) if is_short_name(text) else None
        return there.path if there else None
    reference = HubReference.parse(text)
    there = store.find(str(reference))
    return there.path if there else _in_hub_cache(reference)


def _in_hub_cache(reference: HubReference) -> Path | None:
    """Return what other programs have fetched, from the cache they share (``HF_HOME``)."""
    from huggingface_hub import try_to_load_from_cache

    wanted = reference.file or CONFIG
    found = try_to_load_from_cache(reference.repo, wanted, revision=reference.revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    if reference.file:
        return Path(found)
    return folder if any(folder.glob("*.safetensors")) else None


def _inside(folder: Path) -> Path:
    if (folder / CONFIG).is_file():
        return folder
    if (folder / MODEL / CONFIG).is_file():
        return folder / MODEL
    packed = sorted(folder.glob(f"*{PACKED}"))
    if len(packed) == 1:
        return packed[0]
    if packed:
        raise UsageError(
            f"{str(folder)!r} holds {len(packed)} {PACKED} files.",
            hint=f"Name one of them: {_listed([str(path) for path in packed])}.",
        )
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
        f"{str(path)!r} is a file, but a model is a folder in Hugging Face layout, or {PACKED}.",
        hint="Name a model folder or a run folder.",
    )


def _missing(path: Path, text: str) -> UsageError:
    catalog = read_catalog()
    if text.startswith("hf:") or text in catalog.models:
        known = catalog.models.get(text)
        size = f" ({format_bytes(known.size_bytes)})" if known else ""
        return UsageError(
            f"The model {_shortened(text)!r} is not on this machine.",
            hint=f"Fetch it{size} with: autogpt models pull {_shortened(text)}",
        )
    near = _nearest(path, [*catalog.models, *(model.name for model in store.stored())])
    return UsageError(
        f"There is no model {_shortened(text)!r}.",
        hint=f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else "Name a model folder or a run folder; autogpt train SOURCE --out RUN makes one.",
    )


def _nearest(path: Path, names: list[str]) -> list[str]:
    """Return models with a similar name: beside ``path``, under ``runs/``, or in ``names``."""
    candidates = {name: name for name in names} | {
        str(child): child.name
        for parent in (path.parent, Path("runs"))
        for child in _subfolders(parent)
        if _is_model(child)
    }
    close = nearest(path.name, set(candidates.values()), most=_MAX_SUGGESTIONS)
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
