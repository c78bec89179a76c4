"""What GGUF architectures are called, hold and name here: tables, and how settings are read.

An architecture is a row of ``ARCHITECTURES``: the model family it is, the fields of that family's
``config.json`` from the entries of the file, and its names of tensors. All else follows from the
family's own module, which this one knows nothing of beyond its fields.

Source: GGUF specification, ``gguf.constants`` and the conversion script of llama.cpp (ggml-org,
2023-2026); fields as in the configuration classes of transformers (2025).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.interop.gguf.entries import Entries
from autogpt.interop.gguf.header import Header
from autogpt.interop.gguf.weights import GGUFTensor
from autogpt.models.family import find_family
from autogpt.models.gpt import GPTConfig
from autogpt.nn.positions import Llama3Scaling, inverse_frequencies

__all__ = ["ARCHITECTURES", "Architecture", "Names", "find_architecture", "read_config"]

_ROPE_FACTORS = "rope_freqs.weight"


@dataclass(slots=True)
class Names:
    """The file's names of our weights; the members are those of ``autogpt.models.family``."""

    WEIGHTS: Mapping[str, str]
    TRANSPOSED: frozenset[str] = frozenset()
    PREFIX: str = ""
    IGNORED: tuple[str, ...] = (_ROPE_FACTORS,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """One value of ``general.architecture``.

    Attributes:
        model_type: The family, as Hugging Face calls it.
        tensors: The family's names of tensors to the file's, ``{}`` being the layer.
        fields: More fields of ``config.json``, from the header and the name of the architecture.
        entries: More entries of the file, without the architecture's name before them, from the
            switches: what ``fields`` reads.
        paired: Layers' tensors whose rows pair neighbors, see ``weights``.
        norm_shift: What the family's norms are less by than the file's.
    """

    model_type: str
    tensors: Mapping[str, str]
    fields: Callable[[Header, str], dict[str, Any]] = field(default=lambda _header, _name: {})
    entries: Callable[[GPTConfig], dict[str, int | float]] = field(default=lambda _config: {})
    paired: frozenset[str] = frozenset()
    norm_shift: float = 0.0

    def names(self) -> Names:
        """Return the file's names of our weights."""
        family = find_family(self.model_type)
        known = {ours: self.tensors.get(theirs) for ours, theirs in family.WEIGHTS.items()}
        return Names({ours: name for ours, name in known.items() if name is not None})

    def is_paired(self, name: str) -> bool:
        """Whether the rows of a tensor of the file pair neighbors."""
        _, _, rest = name.partition("blk.")
        return rest.partition(".")[2].rpartition(".")[0] in self.paired

    def shift_of(self, name: str) -> float:
        """Return what is to be added to the numbers of a tensor."""
        return -self.norm_shift if name.endswith("norm.weight") else 0.0


def find_architecture(entries: Entries) -> Architecture:
    """Return what ``general.architecture`` names.

    Raises:
        CheckpointError: If it is missing or not supported; names those that are.
    """
    name = entries.get("general.architecture", str)
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        raise CheckpointError(
            f"{str(entries.path)!r} is of the architecture {name[:60]!r}; supported are "
            f"{', '.join(ARCHITECTURES)}.",
            hint=f"Did you mean {near[0]!r}?" if near else "",
        )
    return ARCHITECTURES[name]


def read_config(header: Header, special_tokens: Mapping[str, object]) -> GPTConfig:
    """Return the switches of the model.

    Args:
        header: The checked header.
        special_tokens: ``bos_token_id``, ``eos_token_id`` and ``pad_token_id``.

    Raises:
        CheckpointError: If a setting is missing, wrong or not supported.
    """
    entries = header.entries
    architecture = find_architecture(entries)
    name = entries.get("general.architecture", str)
    fields = {
        "model_type": architecture.model_type,
        **_sizes(header, name),
        **architecture.fields(header, name),
        **special_tokens,
    }
    try:
        return find_family(architecture.model_type).from_hf(fields)
    except ConfigError as error:
        raise CheckpointError(
            f"{str(header.path)!r} contradicts itself: {error.message}"
        ) from error
    except CheckpointError as error:  # in the words of a config.json, as which it was read
        reason = error.message.replace("config.json", "its header")
        raise CheckpointError(
            f"{str(header.path)!r} cannot be loaded: {reason}", hint=error.hint
        ) from error


def _sizes(header: Header, name: str) -> dict[str, Any]:
    """Return the fields that all architectures here share."""
    entries, tensors = header.entries, header.tensors
    _refuse_experts(entries, name)
    hidden = entries.get(f"{name}.embedding_length", int)
    heads = entries.get(f"{name}.attention.head_count", int)
    width = entries.get(f"{name}.attention.key_length", int, default=hidden // max(heads, 1))
    for key in ("attention.value_length", "rope.dimension_count"):
        if entries.get(f"{name}.{key}", int, default=width) != width:
            raise entries.refused(f"{name}.{key}", f"the width of a head, {width}")
    embedding = tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise CheckpointError(f"{str(header.path)!r} has no matrix 'token_embd.weight'.")
    return {
        "vocab_size": embedding.shape[0],
        "hidden_size": hidden,
        "intermediate_size": entries.get(f"{name}.feed_forward_length", int),
        "num_hidden_layers": entries.get(f"{name}.block_count", int),
        "num_attention_heads": heads,
        "num_key_value_heads": entries.get(f"{name}.attention.head_count_kv", int, default=heads),
        "head_dim": width,
        "max_position_embeddings": entries.get(f"{name}.context_length", int),
        "rms_norm_eps": entries.get(f"{name}.attention.layer_norm_rms_epsilon", float),
        "rope_theta": entries.get(f"{name}.rope.freq_base", float, default=10_000.0),
        "rope_scaling": _rope_scaling(header, name, width),
        "attention_bias": "blk.0.attn_output.bias" in tensors,
        "tie_word_embeddings": "output.weight" not in tensors,
    }


def _refuse_experts(entries: Entries, name: str) -> None:
    key = f"{name}.expert_count"
    if entries.get(key, int, default=0) > 0:
        raise entries.refused(key, "0: mixtures of experts are not supported")


def _rope_scaling(header: Header, name: str, width: int) -> dict[str, Any] | None:
    """Return how rotary positions are stretched, as ``rope_scaling`` of a ``config.json``."""
    entries = header.entries
    if _ROPE_FACTORS in header.tensors:
        return _llama3_scaling(header, name, width)
    kind = entries.get(f"{name}.rope.scaling.type", str, default="none")
    factor = entries.get(f"{name}.rope.scaling.factor", float, default=1.0)
    if kind == "none" or (kind == "linear" and factor == 1.0):
        return None
    return {"rope_type": kind, "factor": factor}


def _llama3_scaling(header: Header, name: str, width: int) -> dict[str, Any]:
    """Return Llama 3's scaling, of which the file has what each frequency is divided by.

    1 / divisor = (1 - s) / F + s, with s = (L f / 2 pi - low) / (high - low) between 0 and 1: F is
    the largest divisor, and s is a line over the frequency f. Multiplying L, low and high by one
    number changes nothing, so low is 1 as in all models; the line gives the other two.
    """
    entry = header.tensors[_ROPE_FACTORS]
    theta = header.entries.get(f"{name}.rope.freq_base", float, default=10_000.0)
    refused = CheckpointError(
        f"{str(header.path)!r} stretches rotary positions in {_ROPE_FACTORS!r} otherwise than "
        "Llama 3 does, which is not supported."
    )
    if width < 2 or width % 2 or entry.shape != (width // 2,) or not 0 < theta < math.inf:
        raise refused
    divisors = GGUFTensor(header.path, entry, torch.float32).read().double()
    frequencies = inverse_frequencies(width, theta=theta).double()
    if not (divisors.isfinite().all() and divisors.min() > 0.999 and divisors.max() > 1.001):
        raise refused
    for scaling in _candidates(divisors, frequencies):
        scaled = inverse_frequencies(width, theta=theta, scaling=scaling).double()
        if torch.allclose(frequencies / scaled, divisors, rtol=1e-3):
            return {
                "rope_type": "llama3",
                "factor": scaling.factor,
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                "original_max_position_embeddings": scaling.original_max_position_embeddings,
            }
    raise refused


def _candidates(divisors: Tensor, frequencies: Tensor) -> Iterator[Llama3Scaling]:
    """Yield the scaling of the published models, then the one that fits."""
    factor = round(float(divisors.max()), 4)

    def scaling(high: float, length: float) -> Llama3Scaling:
        return Llama3Scaling(
            factor=factor,
            low_freq_factor=1.0,
            high_freq_factor=round(high, 4),
            original_max_position_embeddings=round(length),
        )

    yield scaling(4.0, 8192)
    places = ((divisors > 1.001) & (divisors < 0.999 * factor)).nonzero().flatten()
    if len(places) < 2:
        return
    ends = places[[0, -1]]
    kept = (1 / divisors[ends] - 1 / factor) / (1 - 1 / factor)
    rise = float((kept[0] - kept[1]) / (frequencies[ends[0]] - frequencies[ends[1]]))
    start = float(kept[0]) - rise * float(frequencies[ends[0]])
    if start < 0 < rise:  # for any other, high would not be above low
        high = 1 - 1 / start
        length = 2 * math.pi * rise * (high - 1)
        if 1 <= length < 1 << 31:
            yield scaling(high, length)


def _gemma3(header: Header, name: str) -> dict[str, Any]:
    """Return what Gemma 3 has beside: a window in all layers but every sixth, two rotary bases.

    Source: Gemma Team 2025, "Gemma 3 Technical Report"; queries are scaled by the width of a head,
    in the 27B model by that of a share of the hidden size.
    """
    entries = header.entries
    hidden = entries.get(f"{name}.embedding_length", int)
    heads = entries.get(f"{name}.attention.head_count", int)
    layers = entries.get(f"{name}.block_count", int)
    shared = hidden // max(heads, 1)
    width = entries.get(f"{name}.attention.key_length", int, default=shared)
    period = entries.get(f"{name}.attention.sliding_window_pattern", int, default=6)
    if not 1 <= period <= 1 << 16:
        raise entries.refused(f"{name}.attention.sliding_window_pattern", "a number of layers")
    if layers > len(header.tensors):
        raise entries.refused(f"{name}.block_count", f"no more than {len(header.tensors)} tensors")
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": shared if layers == _LAYERS_OF_GEMMA3_27B else width,
        "sliding_window": entries.get(f"{name}.attention.sliding_window", int),
        "sliding_window_pattern": period,
        "layer_types": [
            "sliding_attention" if (layer + 1) % period else "full_attention"
            for layer in range(layers)
        ],
        "rope_local_base_freq": entries.get(f"{name}.rope.freq_base_swa", float, default=10_000.0),
        "final_logit_softcapping": entries.find(f"{name}.final_logit_softcapping", float),
        "attn_logit_softcapping": entries.find(f"{name}.attn_logit_softcapping", float),
    }


_LAYERS_OF_GEMMA3_27B = 62


def _gemma3_entries(config: GPTConfig) -> dict[str, int | float]:
    """Return what :func:`_gemma3` reads.

    Raises:
        ConfigError: If the file cannot say it.
    """
    full = [layer for layer, window in enumerate(config.windows) if window is None]
    period = full[0] + 1 if full else config.num_hidden_layers + 1
    regular = [layer for layer in range(config.num_hidden_layers) if (layer + 1) % period == 0]
    scalar = config.query_pre_attn_scalar
    shared = config.hidden_size // config.num_attention_heads
    large = config.num_hidden_layers == _LAYERS_OF_GEMMA3_27B
    for name, is_sayable in {
        f"sliding_window = {config.sliding_window}": config.sliding_window is not None,
        f"layer_types with full attention in {full}": full == regular,
        f"query_pre_attn_scalar = {scalar}": scalar == (shared if large else config.head_dim),
    }.items():
        if not is_sayable:
            raise ConfigError(f"A GGUF file of the architecture 'gemma3' cannot say {name}.")
    return {
        "attention.sliding_window": config.sliding_window or 0,
        **({"attention.sliding_window_pattern": period} if period != 6 else {}),
        "rope.freq_base_swa": config.rope_local_base_freq or config.rope_theta,
    }


def _qwen2_entries(config: GPTConfig) -> dict[str, int | float]:
    """Return nothing more than other families have.

    Raises:
        ConfigError: If heads are of another width than llama.cpp takes for granted.
    """
    width = config.hidden_size // config.num_attention_heads
    if config.head_dim != width:
        raise ConfigError(
            f"llama.cpp takes heads of qwen2 to be {width} wide, hidden_size / "
            f"num_attention_heads, and head_dim is {config.head_dim}.",
            hint="Export it with --to hf or --to onnx.",
        )
    return {}


_LAYER = "model.layers.{}."
_LLAMA = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    **{
        f"{_LAYER}{theirs}.{kind}": f"blk.{{}}.{name}.{kind}"
        for theirs, name in {
            "self_attn.q_proj": "attn_q",
            "self_attn.k_proj": "attn_k",
            "self_attn.v_proj": "attn_v",
            "self_attn.o_proj": "attn_output",
            "mlp.gate_proj": "ffn_gate",
            "mlp.up_proj": "ffn_up",
            "mlp.down_proj": "ffn_down",
        }.items()
        for kind in ("weight", "bias")
    },
    f"{_LAYER}input_layernorm.weight": "blk.{}.attn_norm.weight",
    f"{_LAYER}post_attention_layernorm.weight": "blk.{}.ffn_norm.weight",
}
_QUERY_KEY_NORM = {
    f"{_LAYER}self_attn.q_norm.weight": "blk.{}.attn_q_norm.weight",
    f"{_LAYER}self_attn.k_norm.weight": "blk.{}.attn_k_norm.weight",
}

ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture(
        model_type="llama",
        tensors=_LLAMA,
        fields=lambda header, _name: {"mlp_bias": "blk.0.ffn_up.bias" in header.tensors},
        paired=frozenset({"attn_q", "attn_k"}),
    ),
    "qwen2": Architecture(model_type="qwen2", tensors=_LLAMA, entries=_qwen2_entries),
    "qwen3": Architecture(model_type="qwen3", tensors=_LLAMA | _QUERY_KEY_NORM),
    "gemma3": Architecture(
        model_type="gemma3_text",
        tensors={
            **_LLAMA,
            **_QUERY_KEY_NORM,
            f"{_LAYER}post_attention_layernorm.weight": "blk.{}.post_attention_norm.weight",
            f"{_LAYER}pre_feedforward_layernorm.weight": "blk.{}.ffn_norm.weight",
            f"{_LAYER}post_feedforward_layernorm.weight": "blk.{}.post_ffw_norm.weight",
        },
        fields=_gemma3,
        entries=_gemma3_entries,
        norm_shift=1.0,
    ),
}
"""GGUF's architectures. A new one is a family in ``autogpt.models`` and a row here."""
