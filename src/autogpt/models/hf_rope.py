"""Rotary positions in a Hugging Face ``config.json``, in the layouts of transformers 4 and 5.

transformers 4 writes ``rope_theta``, ``rope_scaling`` and, for layers with a sliding window,
``rope_local_base_freq``; transformers 5 puts all of them into ``rope_parameters``, which is nested
by type of layer where types differ. Both are read; written is the former, which both read.

Not supported: scaling that depends on how long the text has become ("dynamic", "longrope"), since
keys in a cache cannot be turned again; and positions that turn a part of each head.

Source: ``modeling_rope_utils.py`` and the configuration classes of transformers 4.57 and 5 (2025).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from autogpt.core.errors import CheckpointError
from autogpt.models.config import GPTConfig, LayerType
from autogpt.models.hf_config import only, read
from autogpt.nn.positions import LinearScaling, Llama3Scaling, RopeScaling, YarnScaling

__all__ = ["read_rope", "read_rope_by_layer_type", "write_rope"]

_TYPES: dict[type[RopeScaling], str] = {
    LinearScaling: "linear",
    Llama3Scaling: "llama3",
    YarnScaling: "yarn",
}


def read_rope(config: Mapping[str, Any], *, theta: float = 10_000.0) -> dict[str, Any]:
    """Return base and scaling of rotary positions, as fields of :class:`GPTConfig`.

    Args:
        config: The ``config.json``.
        theta: The base where it names none.

    Raises:
        CheckpointError: If the scaling is of a kind that is not supported, or a field is wrong.
    """
    rope = _rope_object(config)
    if rope.keys() & set(get_args(LayerType)):
        raise CheckpointError(
            "config.json gives rotary positions for each type of layer, which is not supported for "
            f"model_type = {config.get('model_type')!r}."
        )
    return {
        "rope_theta": _read_theta(config, rope, theta),
        "rope_scaling": _read_scaling(config, rope),
    }


def read_rope_by_layer_type(
    config: Mapping[str, Any], *, theta: float, local_theta: float
) -> dict[str, Any]:
    """Return the fields of :func:`read_rope`, and the base of layers with a sliding window.

    Args:
        config: The ``config.json``.
        theta: The base of layers without window where it names none.
        local_theta: The base of layers with a window where it names none.

    Raises:
        CheckpointError: As :func:`read_rope`; also if layers with a window are stretched.
    """
    rope = _rope_object(config)
    nested = rope.keys() & set(get_args(LayerType))
    local = rope.get("sliding_attention") or {} if nested else {}
    rope = rope.get("full_attention") or {} if nested else rope
    if _type(local) != "default":
        raise CheckpointError(
            f"config.json asks for rotary scaling of type {_type(local)!r} in layers with a "
            "sliding window, but only 'default' is supported there."
        )
    local_theta = read(config, "rope_local_base_freq", float, default=local_theta)
    return {
        "rope_theta": _read_theta(config, rope, theta),
        "rope_scaling": _read_scaling(config, rope),
        "rope_local_base_freq": read(local, "rope_theta", float, default=local_theta),
    }


def write_rope(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of :func:`read_rope`, in the layout that transformers 4 and 5 both read."""
    scaling = config.rope_scaling
    fields = None if scaling is None else {"rope_type": _TYPES[type(scaling)], **asdict(scaling)}
    return {"rope_theta": config.rope_theta, "rope_scaling": fields}


def _rope_object(config: Mapping[str, Any]) -> Mapping[str, Any]:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise CheckpointError(f"config.json says rope_scaling = {rope!r}, expected an object.")
    only(config, "partial_rotary_factor", allowed=[1.0])
    for part in (rope, *(rope.get(kind) or {} for kind in get_args(LayerType))):
        if not isinstance(part, Mapping):
            raise CheckpointError(
                f"config.json says rope_parameters has {part!r}, expected an object."
            )
        only(part, "partial_rotary_factor", allowed=[1.0])
    return rope


def _type(rope: Mapping[str, Any]) -> str:
    return str(rope.get("rope_type") or rope.get("type") or "default")


def _read_theta(config: Mapping[str, Any], rope: Mapping[str, Any], default: float) -> float:
    outer = read(config, "rope_theta", float, default=default)
    return read(rope, "rope_theta", float, default=outer)


def _read_scaling(config: Mapping[str, Any], rope: Mapping[str, Any]) -> RopeScaling | None:
    kind = _type(rope)
    if kind == "default":
        return None
    if kind not in _TYPES.values():
        raise CheckpointError(
            f"config.json asks for rotary scaling of type {kind!r}, but only 'default', "
            f"{' or '.join(map(repr, _TYPES.values()))} is supported."
        )
    factor = read(rope, "factor", float)
    if kind == "linear":
        return LinearScaling(factor=factor)
    longest = read(config, "max_position_embeddings", int)
    length = read(rope, "original_max_position_embeddings", int, default=longest)
    if kind == "llama3":
        return Llama3Scaling(
            factor=factor,
            low_freq_factor=read(rope, "low_freq_factor", float),
            high_freq_factor=read(rope, "high_freq_factor", float),
            original_max_position_embeddings=length,
        )
    return YarnScaling(
        factor=factor,
        original_max_position_embeddings=length,
        attention_factor=_attention_factor(rope, factor),
        beta_fast=read(rope, "beta_fast", float, default=32.0),
        beta_slow=read(rope, "beta_slow", float, default=1.0),
        truncate=read(rope, "truncate", bool, default=True),
    )


def _attention_factor(rope: Mapping[str, Any], factor: float) -> float:
    """Return what yarn multiplies sines and cosines with: 0.1 ln(factor) + 1, unless it is given.

    Source: Peng et al. 2023, "YaRN", equation 22; with ``mscale``: DeepSeek-AI 2024, "DeepSeek-V2".
    """
    if rope.get("attention_factor") is not None:
        return read(rope, "attention_factor", float)

    def sharpened(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    over = read(rope, "mscale", float, default=0.0)
    under = read(rope, "mscale_all_dim", float, default=0.0)
    return sharpened(over) / sharpened(under) if over and under else sharpened(1.0)
