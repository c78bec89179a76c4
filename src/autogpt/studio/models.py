"""The models that a person can choose from: on this machine, trained here, or to be had.

Requests know them by name; :func:`model_reference` says which MODEL a name is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogpt.core.catalog import is_short_name, read_catalog
from autogpt.core.errors import UsageError
from autogpt.core.hardware import look
from autogpt.core.hub import HubReference
from autogpt.core.refs import describe, resolve
from autogpt.core.store import stored, unfinished
from autogpt.studio import runs
from autogpt.studio.workspace import Workspace

__all__ = ["adapter_folder", "card", "list_models", "model_reference"]

_CARD, _CONFIG = "README.md", "config.json"
_MOST_CARD_BYTES = 200_000
_RUN, _SERVED = "run:", "served:"


def list_models(workspace: Workspace) -> dict[str, object]:
    """Return what there is and what there could be, as plain values.

    Each has a ``ref`` by which requests name it.
    """
    known, here = read_catalog(), stored()
    names = {model.name for model in here}
    memory = look(workspace.root).memory_bytes
    return {
        "here": [_plain(model.to_dict(), model.name) for model in here],
        "runs": [
            {"ref": f"{_RUN}{run['name']}", **run}
            for run in runs.list_runs(workspace)
            if run["model"]
        ],
        "available": [
            _plain(model.to_dict(), model.name)
            for model in known.models.values()
            if model.name not in names
        ],
        "recommended": [
            _plain(each.to_dict(), each.reference) | {"fits": each.memory_bytes <= memory}
            for each in known.recommended
        ],
        "unfinished": unfinished(),
        "default": known.default,
    }


def _plain(facts: dict[str, Any], reference: str) -> dict[str, Any]:
    facts.pop("path", None)  # whose machine this is is nobody else's business
    return {"ref": reference, **facts}


def card(name: str, workspace: Workspace) -> dict[str, object]:
    """Return what a model says of itself: facts, ``config.json`` and its card in Markdown.

    Raises:
        AutoGPTError: If there is no such model.
    """
    reference = model_reference(name, workspace)
    facts = describe(reference)
    path = resolve(reference) if facts.get("here") else None
    folder = path if path is None or path.is_dir() else path.parent
    facts.pop("path", None)
    facts["name"] = name.removeprefix(_RUN)
    return {
        "ref": name,
        "facts": facts,
        "config": None if folder is None else _json(folder / _CONFIG),
        "card": None if folder is None else _text(folder / _CARD),
    }


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            kept = file.read(_MOST_CARD_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return None
    if kept.startswith("---\n") and "\n---\n" in kept[4:]:  # YAML for the hub, not for people
        kept = kept[4:].split("\n---\n", 1)[1]
    return kept.strip()


def model_reference(
    name: str, workspace: Workspace, served: Mapping[str, str] | None = None
) -> str:
    """Return the MODEL that a request names.

    Args:
        name: ``run:NAME``, ``served:NAME``, a short name or ``hf:org/name``.
        workspace: Where runs are.
        served: The MODEL of each model that is loaded, by its name.

    Raises:
        UsageError: If it is none of these.
    """
    if name.startswith(_SERVED):
        known = (served or {}).get(name.removeprefix(_SERVED))
        if known is None:
            raise UsageError(f"The model {name.removeprefix(_SERVED)!r} is not loaded.")
        return str(Path(known).resolve()) if Path(known).exists() else known
    if name.startswith(_RUN):
        return str(workspace.run(name.removeprefix(_RUN)))
    if name.startswith("hf:"):
        return str(HubReference.parse(name))
    if is_short_name(name):
        return name
    raise UsageError(
        f"{name!r} is not the name of a model.",
        hint="Choose one that is listed, or write hf:organization/name.",
    )


def adapter_folder(name: str, workspace: Workspace) -> str:
    """Return the folder of the LoRA adapter of a run.

    Args:
        name: ``run:NAME``.
        workspace: Where runs are.

    Raises:
        UsageError: If there is no such run, or it has no adapter.
    """
    folder = workspace.run(name.removeprefix(_RUN)) / "adapter"
    if not folder.is_dir():
        raise UsageError(
            f"The run {name.removeprefix(_RUN)!r} has no adapter.",
            hint="Choose one that was taught with LoRA.",
        )
    return str(folder)
