"""The first model of somebody new: the bundled plays and classics, in about two minutes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from autogpt.core.config import merge
from autogpt.core.progress import Progress
from autogpt.recipe.pipeline import train
from autogpt.recipe.result import TrainResult

__all__ = ["QUICKSTART_SETTINGS", "quickstart"]

_PROMPTS = ("KING:\n", "What is ", "My lord, ", "子曰：“", "子贡问", "曾子曰：“")
# Half of the plays, so that the classics, a seventh of their size, get a fair share of the time.
# Ten passes over so little text are learned by heart with less decay (docs/log.md).
QUICKSTART_SETTINGS: dict[str, object] = {
    "read": {"block_chars": 16_384, "max_chars": 600_000},
    "tokenizer": {"vocab_size": 3072},
    "model": {"preset": "tiny", "context_length": 128},
    "training": {"budget": "2m", "weight_decay": 1.0},
}


def quickstart(
    *,
    out: Path | str,
    settings: Mapping[str, object] | None = None,
    begun: float | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train on the bundled plays and classics for about two minutes."""
    with as_file(files("autogpt.data") / "quickstart") as texts:
        return train(
            sorted(str(path) for path in texts.glob("*.txt")),
            out=out,
            settings=merge(QUICKSTART_SETTINGS, settings or {}),
            prompts=_PROMPTS,
            begun=begun,
            progress=progress,
        )
