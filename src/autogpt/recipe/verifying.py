"""Verify what a user names: a MODEL, or what ``export`` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autogpt.core.refs import resolve
from autogpt.evaluation.verification import Verification, is_export
from autogpt.evaluation.verification import verify as verify_path

__all__ = ["verify"]


def verify(reference: str | Path, *, engines: Sequence[str] | None = None) -> Verification:
    """Check that a model is intact, and that every engine makes the same of it.

    Args:
        reference: Any MODEL, or a folder or file that ``export`` wrote.
        engines: Which to ask, see ``autogpt.evaluation.engines``; default all that run the format.

    Raises:
        UsageError: If there is no such model or engine.
    """
    path = Path(reference).expanduser()
    return verify_path(path if is_export(path) else resolve(reference), engines=engines)
