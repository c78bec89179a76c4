"""Questions to who sits at the terminal: fetch a model that is not here, accept its terms."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from autogpt.core.catalog import License

__all__ = ["accept", "can_ask", "require"]


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


def require(model: str) -> None:
    """Check that a MODEL is here, before anything slow begins; offer to fetch one that is not.

    Raises:
        UsageError: If it is not here, and nobody was there to ask or to say yes.
    """
    from autogpt.core.refs import is_missing, resolve

    if can_ask() and is_missing(model):
        _offer(model)
    resolve(model)


def _offer(model: str) -> None:
    from autogpt.core.catalog import read_catalog
    from autogpt.core.units import format_bytes

    known = read_catalog().models.get(model)
    size = f" ({format_bytes(known.size_bytes)})" if known else ""
    if typer.confirm(f"{model} is not on this machine. Fetch it now{size}?", err=True):
        from autogpt.core.progress import Progress
        from autogpt.core.pull import pull

        with Progress() as progress:
            pull(model, accept=accept, progress=progress)
