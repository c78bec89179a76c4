"""The fields of a Hugging Face ``config.json`` that several families share, read and written.

What is read comes from outside and is trusted in nothing: a wrong type, or a wish that this
Transformer cannot fulfill, is one sentence. Not here: rotary positions (``hf_rope``), what only
one family has (its module).

Source: configuration classes of transformers 4.57 and 5 (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, get_args

from autogpt.core.errors import CheckpointError
from autogpt.models.config import GPTConfig, LayerType

__all__ = [
    "only",
    "read",
    "read_sizes",
    "read_special_tokens",
    "read_windows",
    "shared_fields",
    "write_layer_types",
    "write_sizes",
]

T = TypeVar("T", int, float, bool, str)

_USUAL_WINDOW = 4096  # where transformers' classes find no sliding_window
_MOST_LAYERS = 100_000  # far beyond any model; a typo must not fill the memory with layer types


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
    if isinstance(value, int) and abs(value) >= 2**63:  # would overflow in torch, or as a float
        raise CheckpointError(
            f"config.json gives {name} a number beyond what this machine can hold."
        )
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
        allowed: The values that are; none: the field must be absent or null.

    Raises:
        CheckpointError: If the field has another value.
    """
    value = config.get(name)
    if value is None or value in allowed:
        return
    only = f"but only {' or '.join(map(repr, allowed))} is supported"
    raise CheckpointError(
        f"config.json asks for {name} = {value!r}, {only if allowed else 'which is not supported'}."
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


def read_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of :class:`GPTConfig` that Llama and its descendants name alike."""
    heads = read(config, "num_attention_heads", int)
    hidden = read(config, "hidden_size", int)
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
        "tie_word_embeddings": read(config, "tie_word_embeddings", bool, default=False),
        "initializer_range": read(config, "initializer_range", float, default=0.02),
        "is_causal": read(config, "is_causal", bool, default=True),
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
        "rms_norm_eps": config.norm_eps,
        "attention_dropout": 0.0,
    }


def read_windows(
    config: Mapping[str, Any], *, enabled: bool = True, slides: Callable[[int], bool]
) -> dict[str, Any]:
    """Return sliding window and layer types of :class:`GPTConfig`, in their simplest form.

    Args:
        config: The ``config.json``.
        enabled: Whether it wants a window at all.
        slides: Whether layer ``i`` has the window, where the config does not say.

    Raises:
        CheckpointError: If there are other types of layers, their number is wrong, a window is
            wanted without saying how wide, or by a model that says it does not look back.
    """
    window = None
    if enabled and config.get("sliding_window", _USUAL_WINDOW) is not None:
        window = read(config, "sliding_window", int, default=_USUAL_WINDOW)
    kinds = _layer_types(config)
    if kinds is None and window is not None:
        count = read(config, "num_hidden_layers", int)
        if count > _MOST_LAYERS:
            raise CheckpointError(
                f"config.json says num_hidden_layers = {count}, expected at most {_MOST_LAYERS}."
            )
        kinds = ["sliding_attention" if slides(i) else "full_attention" for i in range(count)]
    if kinds is None or "sliding_attention" not in kinds:
        return {"sliding_window": None, "layer_types": None}
    if window is None:
        raise CheckpointError(
            "config.json says layer_types has 'sliding_attention', but has no sliding window."
        )
    if config.get("is_causal") is False:
        raise CheckpointError(
            "config.json says is_causal = false beside a sliding window, which looks back."
        )
    mixed = "full_attention" in kinds
    return {"sliding_window": window, "layer_types": tuple(kinds) if mixed else None}


def _layer_types(config: Mapping[str, Any]) -> list[str] | None:
    kinds, known = config.get("layer_types"), get_args(LayerType)
    if kinds is None:
        return None
    if not isinstance(kinds, list):
        raise CheckpointError(f"config.json says layer_types = {kinds!r}, expected a list.")
    for kind in kinds:
        if kind not in known:
            raise CheckpointError(
                f"config.json asks for layer_types {kind!r}, but only "
                f"{' or '.join(map(repr, known))} is supported."
            )
    count = read(config, "num_hidden_layers", int)
    if len(kinds) != count:
        raise CheckpointError(
            f"config.json says layer_types names {len(kinds)} layers, expected "
            f"num_hidden_layers = {count}."
        )
    return kinds


def write_layer_types(config: GPTConfig) -> list[LayerType]:
    """Return ``layer_types``, spelled out for each layer."""
    return ["full_attention" if width is None else "sliding_attention" for width in config.windows]


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
        "use_cache": config.is_causal,
        # transformers 4.57 and 5 read it too, and build the mask accordingly.
        **({} if config.is_causal else {"is_causal": False}),
    }
