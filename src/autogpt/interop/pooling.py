"""From the vectors of a text's tokens to one vector, as a sentence encoder's folder asks.

``modules.json`` lists the steps: the encoder, which vectors are pooled and how, whether the result
has length 1. A folder without it gives the mean. A step that is not known is an error: leaving it
out would give other vectors than the model's authors mean.

Source: the library sentence-transformers (v2 to v5), ``models/Pooling.py`` for the definitions;
Reimers and Gurevych, "Sentence-BERT" (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from autogpt.core.catalog import safe_name
from autogpt.core.errors import CheckpointError
from autogpt.core.files import read_json

__all__ = ["Steps", "pool", "read_object", "read_steps"]

# In the order in which the library joins the vectors of several modes.
_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "lasttoken")
_OLD_KEYS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """What happens to a text before the encoder, and to its vectors after it.

    Attributes:
        modes: How vectors are pooled; those of several modes are joined.
        max_tokens: Longer texts are cut; None is what the encoder can take.
        lower_case: Whether texts are lowered first.
        prompts: Words that go before a text, by name, as in "query".
        default_prompt: The name of those that always do.
    """

    modes: tuple[str, ...] = ("mean",)
    max_tokens: int | None = None
    lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        CheckpointError: If the file is missing or is not one.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{str(path)!r} is not a JSON object.")
    return value


def read_steps(folder: Path) -> Steps:
    """Return the steps of an encoder's folder.

    Raises:
        CheckpointError: If a file is broken, or a step is not known.
    """
    modes: tuple[str, ...] = ("mean",)
    for kind, path in _modules(folder):
        if kind == "Pooling":
            modes = _modes(path / "config.json")
        elif kind not in ("Transformer", "Normalize"):
            raise CheckpointError(f"{str(folder)!r} has the step {kind!r}, which is not supported.")
    length = _optional(folder / "sentence_bert_config.json")
    words = _optional(folder / "config_sentence_transformers.json")
    prompts = words.get("prompts") or {}
    limit = length.get("max_seq_length")
    default = words.get("default_prompt_name")
    if (
        not isinstance(prompts, dict)
        or not (limit is None or (isinstance(limit, int) and limit > 0))
        or not (default is None or default in prompts)
    ):
        raise CheckpointError(f"The sentence encoder's settings in {str(folder)!r} are broken.")
    return Steps(
        modes=modes,
        max_tokens=limit,
        lower_case=bool(length.get("do_lower_case")),
        prompts={str(name): str(text) for name, text in prompts.items()},
        default_prompt=default,
    )


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Return the kind and the folder of each step."""
    path = folder / "modules.json"
    modules = read_json(path) if path.is_file() else []
    found = []
    for module in modules if isinstance(modules, list) else [None]:
        kind = module.get("type") if isinstance(module, dict) else None
        place = module.get("path", "") if isinstance(module, dict) else None
        if not isinstance(kind, str) or not isinstance(place, str):
            raise CheckpointError(f"{str(path)!r} is not a list of steps.")
        if place and not safe_name(place):
            raise CheckpointError(f"{str(path)!r} leads out of the folder: {place!r}.")
        found.append((kind.rpartition(".")[2], folder / place))
    return found


def _modes(path: Path) -> tuple[str, ...]:
    """Return how vectors are pooled; v5 of the library names it, before there was a switch each."""
    config = read_object(path)
    named = config.get("pooling_mode")
    if isinstance(named, str):
        named = [named]
    if named is None:
        switches = {key for key, on in config.items() if key.startswith("pooling_mode_") and on}
        named = [mode for mode, key in _OLD_KEYS.items() if key in switches]
        named += sorted(switches - set(_OLD_KEYS.values()))
    if not isinstance(named, list) or not named or not set(named) <= set(_MODES):
        raise CheckpointError(
            f"{str(path)!r} pools by {named!r}, which is not supported, only {', '.join(_MODES)}."
        )
    if config.get("include_prompt") is False:
        raise CheckpointError(f"{str(path)!r} leaves out the prompt, which is not supported.")
    return tuple(mode for mode in _MODES if mode in named)


def _optional(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def pool(
    vectors: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"], modes: tuple[str, ...]
) -> Float[Tensor, "B M"]:
    """Return one vector a text: M is D times the number of modes.

    Args:
        vectors: Of the tokens.
        mask: Where there are tokens, not padding; one or more in each row.
        modes: See :class:`Steps`.
    """
    weights = mask.unsqueeze(-1).to(vectors.dtype)  # [B, T, 1]
    pooled = []
    for mode in modes:
        if mode == "cls":
            pooled.append(vectors[torch.arange(len(vectors)), mask.int().argmax(1)])
        elif mode == "lasttoken":
            last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
            pooled.append(vectors[torch.arange(len(vectors)), last])
        elif mode == "max":
            pooled.append(vectors.masked_fill(weights == 0, float("-inf")).amax(1))
        else:
            count = weights.sum(1)
            divisor = count.sqrt() if mode == "mean_sqrt_len_tokens" else count
            pooled.append((vectors * weights).sum(1) / divisor)
    return torch.cat(pooled, dim=-1)
