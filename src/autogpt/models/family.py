"""What a model family is: config.json <-> switches, and their weight names <-> ours.

A family is a module with the members of :class:`Family`, named in ``autogpt.models.FAMILIES``.
Not here: reading the fields of a ``config.json`` (``hf_config``, ``hf_rope``), weights themselves
(``stored_form``).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

from autogpt.core.errors import CheckpointError
from autogpt.models import FAMILIES
from autogpt.models.config import GPTConfig

__all__ = ["Family", "find_family"]


class Family(Protocol):
    """The members of a family's module."""

    WEIGHTS: Mapping[str, str]
    """Our names to theirs, ``{}`` being the layer. Names of ours that map to the same name of
    theirs are parts of one tensor, stacked in this order."""

    TRANSPOSED: frozenset[str]
    """Names of theirs whose matrices are stored as [in, out] rather than [out, in]."""

    PREFIX: str
    """What their names begin with, and older files of theirs leave out."""

    IGNORED: tuple[str, ...]
    """Endings of tensors of theirs that are no weights, such as a stored causal mask."""

    def from_hf(self, config: Mapping[str, Any]) -> GPTConfig:
        """Return the switches for a ``config.json``."""

    def to_hf(self, config: GPTConfig) -> dict[str, Any]:
        """Return the ``config.json`` for the switches."""


def find_family(model_type: object) -> Family:
    """Return the family of that Hugging Face ``model_type``.

    Raises:
        CheckpointError: If there is none; names the supported ones.
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        near = difflib.get_close_matches(str(model_type), FAMILIES, n=1)
        raise CheckpointError(
            f"Models of type {model_type!r} are not supported, only {', '.join(FAMILIES)}.",
            hint=f"Did you mean {near[0]!r}?" if near else "",
        )
    return cast("Family", importlib.import_module(FAMILIES[model_type]))
