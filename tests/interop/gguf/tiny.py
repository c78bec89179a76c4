"""Tiny GGUF files: what is in one, as plain values to be changed, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, TokenType

from autogpt.tokenizer.pipeline import BYTE_NAMES

WORDS = ["the", "and", "day", "summer", "学", "时", "习"]
TEXT = "and the summer day 学而时习之，不亦说乎？ 12"


@dataclass
class Contents:
    """A GGUF file in memory.

    Attributes:
        entries: Keys and values; whole numbers are written as UINT32, or INT32 in lists.
        tensors: Arrays as they are stored, and the type of their numbers.
    """

    entries: dict[str, Any]
    tensors: dict[str, tuple[np.ndarray, GGMLQuantizationType]] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Write the file with the ``gguf`` package."""
        entries = dict(self.entries)
        writer = gguf.GGUFWriter(path, entries.pop("general.architecture", "none"))
        if alignment := entries.pop("general.alignment", None):
            writer.add_custom_alignment(alignment)
        for key, value in entries.items():
            kind, item = _kinds(value)
            writer.add_key_value(key, value, kind, sub_type=item)
        for name, (array, kind) in self.tensors.items():
            writer.add_tensor(name, array, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def _kinds(value: object) -> tuple[GGUFValueType, GGUFValueType | None]:
    if isinstance(value, list):
        item = _kinds(value[0])[0] if value else GGUFValueType.STRING
        return GGUFValueType.ARRAY, GGUFValueType.INT32 if item == GGUFValueType.UINT32 else item
    if isinstance(value, bool):
        return GGUFValueType.BOOL, None
    if isinstance(value, int):
        return (GGUFValueType.UINT32 if 0 <= value < 1 << 32 else GGUFValueType.INT64), None
    return (GGUFValueType.FLOAT32 if isinstance(value, float) else GGUFValueType.STRING), None


def pack(values: np.ndarray, kind: GGMLQuantizationType) -> tuple[np.ndarray, GGMLQuantizationType]:
    """Return an fp32 array as it is stored; rows must be whole blocks."""
    return gguf.quantize(np.ascontiguousarray(values, dtype=np.float32), kind), kind


def byte_level_entries(pre: str = "qwen2") -> dict[str, Any]:
    """Return the entries of a byte-level vocabulary: the bytes, a few words, special tokens."""
    tokens, merges = list(BYTE_NAMES), []
    for word in WORDS:
        parts = [BYTE_NAMES[byte] for byte in word.encode()]
        for end in range(1, len(parts)):
            left, right = "".join(parts[:end]), parts[end]
            if left + right not in tokens:
                merges.append(f"{left} {right}")
                tokens.append(left + right)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    types = [TokenType.NORMAL] * len(tokens) + [TokenType.CONTROL] * 3 + [TokenType.USER_DEFINED]
    tokens += [*special, "<tool>"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kind) for kind in types],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.padding_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.bos_token_id": tokens.index("<|im_start|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": (
            "{{ bos_token }}{% for m in messages %}{{ m['role'] + ':' + m['content'] + eos_token }}"
            "{% endfor %}"
        ),
    }


def sentencepiece_entries(*, prefix: bool = False) -> dict[str, Any]:
    """Return the entries of a SentencePiece vocabulary with byte fallback, as Gemma's."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    normal = list("▁andthesumry,学时习")
    for word in [*WORDS, "▁the", "▁day", "th", "da", "su", "mm", "▁d", "▁t", "▁▁"]:
        normal += [word[:end] for end in range(1, len(word) + 1)]
    normal = list(dict.fromkeys(normal))
    user = ["\n\n", "   ", "<b>"]
    tokens = [*special, *byte_tokens, *normal, *user]
    types = (
        [TokenType.CONTROL] * 3
        + [TokenType.UNKNOWN]
        + [TokenType.BYTE] * 256
        + [TokenType.NORMAL] * len(normal)
        + [TokenType.USER_DEFINED] * 3
    )
    scores = [0.0] * 260 + [-float(rank) for rank in range(len(normal))] + [0.0] * 3
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": [int(kind) for kind in types],
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": prefix,
    }


def tiny(
    architecture: str = "llama",
    *,
    vocabulary: dict[str, Any] | None = None,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    untied: bool = False,
) -> Contents:
    """Return a model of random weights: 2 layers, width 32, 4 heads of 8, 2 for keys."""
    vocabulary = vocabulary or byte_level_entries()
    name = architecture
    entries: dict[str, Any] = {
        "general.architecture": name,
        f"{name}.block_count": 2,
        f"{name}.context_length": 64,
        f"{name}.embedding_length": 32,
        f"{name}.feed_forward_length": 64,
        f"{name}.attention.head_count": 4,
        f"{name}.attention.head_count_kv": 2,
        f"{name}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{name}.rope.freq_base": 10_000.0,
        **vocabulary,
    }
    width = 8
    if name == "gemma3":
        width = 16
        entries |= {
            f"{name}.attention.key_length": width,
            f"{name}.attention.value_length": width,
            f"{name}.attention.sliding_window": 16,
        }
    random = np.random.default_rng(0)
    tensors: dict[str, tuple[np.ndarray, GGMLQuantizationType]] = {}

    def matrix(tensor: str, rows: int, columns: int) -> None:
        values = random.normal(0, 0.2, (rows, columns)).astype(np.float32)
        tensors[f"{tensor}.weight"] = pack(values, kind)

    def vector(tensor: str, size: int) -> None:
        values = 1 + random.normal(0, 0.1, size).astype(np.float32)
        tensors[tensor] = pack(values, GGMLQuantizationType.F32)

    vocab_size = len(vocabulary["tokenizer.ggml.tokens"])
    matrix("token_embd", vocab_size, 32)
    for layer in range(2):
        block = f"blk.{layer}"
        vector(f"{block}.attn_norm.weight", 32)
        matrix(f"{block}.attn_q", 4 * width, 32)
        matrix(f"{block}.attn_k", 2 * width, 32)
        matrix(f"{block}.attn_v", 2 * width, 32)
        matrix(f"{block}.attn_output", 32, 4 * width)
        if name == "qwen2":
            for letter, size in (("q", 4), ("k", 2), ("v", 2)):
                vector(f"{block}.attn_{letter}.bias", size * width)
        if name in ("qwen3", "gemma3"):
            vector(f"{block}.attn_q_norm.weight", width)
            vector(f"{block}.attn_k_norm.weight", width)
        if name == "gemma3":
            vector(f"{block}.post_attention_norm.weight", 32)
            vector(f"{block}.post_ffw_norm.weight", 32)
        vector(f"{block}.ffn_norm.weight", 32)
        matrix(f"{block}.ffn_gate", 64, 32)
        matrix(f"{block}.ffn_up", 64, 32)
        matrix(f"{block}.ffn_down", 32, 64)
    vector("output_norm.weight", 32)
    if untied:
        matrix("output", vocab_size, 32)
    return Contents(entries, tensors)
