"""What a model family is: config.json <-> switches, and their weight names <-> ours.

A family is a module with the members of :class:`Family`, named in ``autogpt.models.FAMILIES``.
Here are also the helpers those modules share to read a ``config.json``, which comes from outside
and is trusted in nothing. Not here: weights themselves (``checkpoint``).

Source: configuration classes of transformers 4.57 and 5 (2025).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from autogpt.core.errors import CheckpointError
from autogpt.models import FAMILIES
from autogpt.models.gpt import GPTConfig
from autogpt.nn.positions import Llama3Scaling

__all__ = [
    "Family",
    "find_family",
    "only",
    "read",
    "read_rope",
    "read_sizes",
    "read_special_tokens",
    "shared_fields",
    "write_rope",
    "write_sizes",
]

T = TypeVar("T", int, float, bool, str)


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


def read(config: Mapping[str, Any], name: str, kind: type[T], *, default: T | None = None) -> T:
    """Return a field of ``config.json``; a missing or null one is ``default``.

    Raises:
        CheckpointError: If it is missing without default, or of another type.
    """
    value = config.get(name)
    if value is None:
        if default is None:
            raise CheckpointError(f"config.json has no {name!r}.")
        return default
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CheckpointError(
            f"config.json says {name} = {value!r}, expected {_KINDS.get(kind, kind.__name__)}."
        )
    return value


_KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}


def only(config: Mapping[str, Any], name: str, *, allowed: Sequence[object]) -> None:
    """Refuse a config that asks for something this Transformer does not do.

    Args:
        config: The ``config.json``.
        name: A field of it; missing or null is fine.
        allowed: The values that are.

    Raises:
        CheckpointError: If the field has another value.
    """
    value = config.get(name)
    if value is not None and value not in allowed:
        raise CheckpointError(
            f"config.json asks for {name} = {value!r}, but only "
            f"{' or '.join(map(repr, allowed))} is supported."
        )


def read_token_ids(config: Mapping[str, Any], name: str) -> int | tuple[int, ...] | None:
    """Return a field that holds a token id, several, or nothing.

    Raises:
        CheckpointError: If it holds something else.
    """
    value = config.get(name)
    if value is None:
        return None
    ids = value if isinstance(value, list) else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in ids):
        raise CheckpointError(f"config.json says {name} = {value!r}, expected token ids.")
    return tuple(ids) if isinstance(value, list) else ids[0]


def read_token_id(config: Mapping[str, Any], name: str) -> int | None:
    """Return a field that holds one token id or nothing.

    Raises:
        CheckpointError: If it holds something else.
    """
    return None if config.get(name) is None else read(config, name, int)


def read_special_tokens(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the special tokens' fields of :class:`GPTConfig`."""
    return {
        "bos_token_id": read_token_id(config, "bos_token_id"),
        "eos_token_id": read_token_ids(config, "eos_token_id"),
        "pad_token_id": read_token_id(config, "pad_token_id"),
    }


def read_rope(config: Mapping[str, Any]) -> tuple[float, Llama3Scaling | None]:
    """Return base and scaling of rotary positions.

    transformers 4 writes ``rope_theta`` and ``rope_scaling``; transformers 5 puts both into
    ``rope_parameters``.

    Raises:
        CheckpointError: If the scaling is of a kind that is not supported.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise CheckpointError(f"config.json says rope_scaling = {rope!r}, expected an object.")
    only(config, "partial_rotary_factor", allowed=[1.0])
    only(rope, "partial_rotary_factor", allowed=[1.0])
    default_theta = read(config, "rope_theta", float, default=10_000.0)
    theta = read(rope, "rope_theta", float, default=default_theta)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default":
        return theta, None
    if kind != "llama3":
        raise CheckpointError(
            f"config.json asks for rotary scaling of type {kind!r}, but only 'default' or 'llama3' "
            "is supported."
        )
    return theta, Llama3Scaling(
        factor=read(rope, "factor", float),
        low_freq_factor=read(rope, "low_freq_factor", float),
        high_freq_factor=read(rope, "high_freq_factor", float),
        original_max_position_embeddings=read(
            rope,
            "original_max_position_embeddings",
            int,
            default=read(config, "max_position_embeddings", int),
        ),
    )


def write_rope(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of :func:`read_rope`, in the layout that transformers 4 and 5 both read."""
    scaling = config.rope_scaling
    if scaling is None:
        return {"rope_theta": config.rope_theta, "rope_scaling": None}
    return {
        "rope_theta": config.rope_theta,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_max_position_embeddings,
        },
    }


def read_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of :class:`GPTConfig` that Llama and its descendants name alike."""
    heads = read(config, "num_attention_heads", int)
    hidden = read(config, "hidden_size", int)
    theta, scaling = read_rope(config)
    return {
        "vocab_size": read(config, "vocab_size", int),
        "hidden_size": hidden,
        "intermediate_size": read(config, "intermediate_size", int),
        "num_hidden_layers": read(config, "num_hidden_layers", int),
        "num_attention_heads": heads,
        "num_key_value_heads": read(config, "num_key_value_heads", int, default=heads),
        "head_dim": read(config, "head_dim", int, default=hidden // max(heads, 1)),
        "max_position_embeddings": read(config, "max_position_embeddings", int),
        "norm_eps": read(config, "rms_norm_eps", float, default=1e-6),
        "rope_theta": theta,
        "rope_scaling": scaling,
        "attention_bias": read(config, "attention_bias", bool, default=False),
        "tie_word_embeddings": read(config, "tie_word_embeddings", bool, default=False),
        "initializer_range": read(config, "initializer_range", float, default=0.02),
        **read_special_tokens(config),
    }


def write_sizes(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of :func:`read_sizes` that :func:`shared_fields` does not have."""
    return {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_position_embeddings,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "attention_bias": config.attention_bias,
        "attention_dropout": 0.0,
        **write_rope(config),
    }


def shared_fields(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of ``config.json`` that every family has.

    A missing token is written as null: the classes' own defaults would name token 2, or 50,256.
    """
    eos = config.eos_token_id
    return {
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_word_embeddings,
        "initializer_range": config.initializer_range,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": list(eos) if isinstance(eos, tuple) else eos,
        "pad_token_id": config.pad_token_id,
        "use_cache": True,
    }
