"""The runs of a workspace: what each was, how it goes, what it gave; read from their folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogpt.core.config import flatten, read_toml
from autogpt.core.errors import AutoGPTError, RunError
from autogpt.studio.workspace import Workspace, safe_name

__all__ = ["describe", "list_runs", "only_continues", "remove", "report", "settings"]

METRICS, REPORT, RECIPE, PLAN = "metrics.jsonl", "report.html", "recipe.toml", "plan.json"
SAMPLES = "samples.jsonl"
_cache: dict[Path, tuple[tuple[float, int], dict[str, Any]]] = {}


def list_runs(workspace: Workspace) -> list[dict[str, object]]:
    """Return every run of a workspace in short, the newest first."""
    folders = [
        folder
        for folder in workspace.root.iterdir()
        if folder.is_dir() and safe_name(folder.name) == folder.name and _is_run(folder)
    ]
    return sorted((describe(folder) for folder in folders), key=lambda run: -run["changed_at"])  # type: ignore[operator]


def describe(folder: Path) -> dict[str, object]:
    """Return a run in short, as plain values."""
    metrics = folder / METRICS
    times = [path.stat().st_mtime for path in (folder, metrics) if path.exists()]
    recipe = _recipe(folder)
    task = recipe.get("finetune", {})
    return {
        "name": folder.name,
        "kind": "finetune" if task else "train",
        "task": task.get("task"),
        "base": Path(str(task.get("base"))).name if task.get("base") else None,
        "finished": (folder / REPORT).is_file(),
        "model": (folder / "model" / "config.json").is_file(),
        "adapter": (folder / "adapter").is_dir(),
        "changed_at": max(times, default=0.0),
        "budget": recipe.get("training", {}).get("budget"),
        "planned": _planned(folder),
        **_figures(metrics),
    }


def settings(folder: Path) -> dict[str, object]:
    """Return everything that was decided for a run, by dotted name."""
    return dict(flatten(_recipe(folder)))


def only_continues(reference: str) -> bool:
    """Whether a MODEL is a run that has learned to go on with text, and nothing else.

    Its tokenizer has a chat template all the same, for those who teach it to chat later.
    """
    path = Path(reference)
    folder = next((one for one in (path, path.parent) if (one / RECIPE).is_file()), None)
    if folder is None:
        return False
    return str(_recipe(folder).get("finetune", {}).get("task", "text")) == "text"


def report(folder: Path) -> Path:
    """Return a run's report.

    Raises:
        RunError: If there is none yet.
    """
    path = folder / REPORT
    if not path.is_file():
        raise RunError(f"The run {folder.name!r} has no report yet.", hint="It has not finished.")
    return path


def remove(folder: Path) -> None:
    """Delete a run."""
    shutil.rmtree(folder)


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (RECIPE, METRICS, REPORT))


def _recipe(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_toml(folder / RECIPE)) if (folder / RECIPE).is_file() else {}
    except AutoGPTError:
        return {}


def _planned(folder: Path) -> Mapping[str, Any] | None:
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {name: plan.get(name) for name in ("budget_s", "parameters", "tokens", "steps")} | {
        "predicted": plan.get("predicted")
    }


def _figures(metrics: Path) -> dict[str, Any]:
    """Return the last figures of a record; read again only where it has changed."""
    empty: dict[str, Any] = dict.fromkeys(
        ("steps", "tokens", "elapsed_s", "loss", "val_loss", "val_bits_per_byte", "tokens_per_s")
    )
    if not metrics.is_file():
        return empty
    stat = metrics.stat()
    stamp = (stat.st_mtime, stat.st_size)
    known = _cache.get(metrics)
    if known is not None and known[0] == stamp:
        return known[1]
    found = dict(empty)
    with metrics.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
                validation = entry["kind"] == "validation"
            except (ValueError, KeyError, TypeError):
                continue
            for name in ("tokens", "elapsed_s"):
                found[name] = entry.get(name, found[name])
            found["steps"] = entry.get("step", found["steps"])
            if validation:
                found["val_loss"] = entry.get("loss", found["val_loss"])
                found["val_bits_per_byte"] = entry.get("bits_per_byte", found["val_bits_per_byte"])
            else:
                found["loss"] = entry.get("loss", found["loss"])
                found["tokens_per_s"] = entry.get("tokens_per_s", found["tokens_per_s"])
    _cache[metrics] = (stamp, found)
    return found
