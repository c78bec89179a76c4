"""Questions to who sits at the terminal: fetch a model that is not here, accept its terms."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from autogpt.core.catalog import License

__all__ = ["accept", "can_ask", "offer"]


def can_ask() -> bool:
    """Whether someone can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def accept(name: str, terms: License) -> bool:
    """Ask whether the terms of a model are accepted; no, where nobody can answer."""
    if not can_ask():
        return False
    return typer.confirm(
        f"{name} may only be used under the {terms.title} ({terms.url}). Do you accept them?",
        err=True,
    )


def offer(model: str) -> None:
    """Offer to fetch a model that has a name and is not here; where nobody can answer, do nothing.

    Who declines is told by what comes next how to fetch it.
    """
    if not can_ask():
        return
    from autogpt.core.catalog import read_catalog
    from autogpt.core.refs import is_missing
    from autogpt.core.units import format_bytes

    if not is_missing(model):
        return
    known = read_catalog().models.get(model)
    size = f" ({format_bytes(known.size_bytes)})" if known else ""
    if typer.confirm(f"{model} is not on this machine. Fetch it now{size}?", err=True):
        from autogpt.core.progress import Progress
        from autogpt.core.pull import pull

        with Progress() as progress:
            pull(model, accept=accept, progress=progress)
