"""The models that a person can choose from: on this machine, trained here, or to be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autogpt.core.catalog import read_catalog
from autogpt.core.hardware import look
from autogpt.core.refs import describe, resolve
from autogpt.core.store import stored, unfinished
from autogpt.studio import runs
from autogpt.studio.requests import model_reference
from autogpt.studio.workspace import Workspace

__all__ = ["card", "list_models"]

_CARD, _CONFIG = "README.md", "config.json"
_MOST_CARD_BYTES = 200_000


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
            {"ref": f"run:{run['name']}", **run}
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
    facts["name"] = name.removeprefix("run:")
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
