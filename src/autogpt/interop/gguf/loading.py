"""Open a GGUF file: the model, the tokenizer and the settings that a Hugging Face folder gives.

Not here: running the model, names of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gguf.constants import GGMLQuantizationType
from torch import Tensor

from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf.families import Architecture, Names, find_architecture, read_config
from autogpt.interop.gguf.header import Header, read_header
from autogpt.interop.gguf.vocabulary import Vocabulary, read_vocabulary
from autogpt.interop.gguf.weights import GGUFTensor, PackedTensor
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.stored_form import build_model, check_weights
from autogpt.models.weights import StoredTensor, StoredWeights
from autogpt.nn.attention import AttentionForm
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["GGUFFile", "open_gguf"]

_LEAST_TABLE_BYTES = 1 << 25  # 32 MiB: a context of 65,536 with heads of 64

_SAMPLING = {
    "temperature": ("general.sampling.temp", float),
    "top_k": ("general.sampling.top_k", int),
    "top_p": ("general.sampling.top_p", float),
    "min_p": ("general.sampling.min_p", float),
    "repetition_penalty": ("general.sampling.penalty_repeat", float),
}


def open_gguf(path: Path | str) -> GGUFFile:
    """Check the header and the settings of a GGUF file; its weights are not read.

    Raises:
        CheckpointError: If the file is missing, damaged, of an unsupported model, or one of the
            parts of a model.
        ResourceError: If the file may not be read.
    """
    header = read_header(Path(path))
    parts = header.entries.get("split.count", int, default=1)
    if parts > 1:
        raise CheckpointError(
            f"{str(path)!r} is one of {parts} parts of a model.",
            hint="Join them with llama.cpp: llama-gguf-split --merge FIRST_PART WHOLE_FILE",
        )
    vocabulary = read_vocabulary(header.entries)
    config = read_config(header, vocabulary.special_tokens())
    _check_tables(header, config)
    return GGUFFile(header, config, vocabulary)


@dataclass(frozen=True)
class GGUFFile:
    """A GGUF file whose header is sound.

    Attributes:
        header: What the file holds.
        config: The switches of its model.
        vocabulary: Its tokens.
    """

    header: Header
    config: GPTConfig
    vocabulary: Vocabulary

    def model(
        self,
        *,
        dtype: Literal["auto", "float32", "bfloat16"] = "float32",
        attention: AttentionForm = "sdpa",
        keep: Callable[[str, Tensor], Tensor] | None = None,
        take: Callable[[str, StoredTensor], Tensor | None] | None = None,
    ) -> GPT:
        """Read the weights, one tensor after the other.

        Args:
            dtype: Of the model; "auto" is float32 unless the embedding is stored as 16 bit floats.
            attention: See :class:`GPT`.
            keep: See ``build_model``.
            take: Likewise.

        Returns:
            The model, on the CPU, in evaluation mode.

        Raises:
            CheckpointError: If a weight is missing, unknown, of the wrong shape, or not finite.
        """
        source = self._source(self._dtype(dtype))
        return build_model(
            self.config,
            source,
            names=self._names,
            dtype="auto",
            attention=attention,
            keep=keep,
            take=take,
        )

    def tokenizer(self) -> Tokenizer:
        """Build the tokenizer.

        Raises:
            CheckpointError: If it is of an unknown kind, or does not fit together.
        """
        return self.vocabulary.tokenizer()

    def generation(self) -> dict[str, Any]:
        """Return what the file asks of sampling, as a ``generation_config.json`` does."""
        entries = self.header.entries
        values = {name: entries.find(key, kind) for name, (key, kind) in _SAMPLING.items()}
        return {name: value for name, value in values.items() if value is not None}

    def packed(self) -> Iterator[PackedTensor]:
        """Yield the weights as they are stored, memory-mapped, by the names of our model.

        An embedding that is the head too comes once.

        Raises:
            CheckpointError: If a weight is missing, unknown or of the wrong shape.
        """
        source = self._source(torch.float32)
        places = check_weights(self.config, source, names=self._names)
        file = np.memmap(self.header.path, dtype=np.uint8, mode="r")
        if file.size != self.header.size_bytes:
            raise CheckpointError(f"{str(self.header.path)!r} changed while it was read.")
        for name, place in places.items():
            yield self._tensor(place, torch.float32).packed(name, file)

    @cached_property
    def _architecture(self) -> Architecture:
        return find_architecture(self.header.entries)

    @cached_property
    def _names(self) -> Names:
        return self._architecture.names()

    def _source(self, dtype: torch.dtype) -> StoredWeights:
        places = {name: self._tensor(name, dtype) for name in self.header.tensors}
        return StoredWeights(self.header.path, places, settings="its header")

    def _tensor(self, name: str, dtype: torch.dtype) -> GGUFTensor:
        return GGUFTensor(
            self.header.path,
            self.header.tensors[name],
            dtype,
            self.config.head_dim if self._architecture.is_paired(name) else None,
            self._architecture.shift_of(name),
        )

    def _dtype(self, dtype: str) -> torch.dtype:
        if dtype != "auto":
            wanted: torch.dtype = getattr(torch, dtype)
            return wanted
        kind = self.header.tensors["token_embd.weight"].kind
        return {
            GGMLQuantizationType.F16: torch.float16,
            GGMLQuantizationType.BF16: torch.bfloat16,
        }.get(kind, torch.float32)


def _check_tables(header: Header, config: GPTConfig) -> None:
    """Refuse a context so long that its tables of positions are out of proportion to the file.

    They hold a sine and a cosine in fp32 for each position and dimension of a head, and are the
    one thing whose size no tensor of the file vouches for.
    """
    size = 2 * 4 * config.max_position_embeddings * config.head_dim
    if size > max(_LEAST_TABLE_BYTES, header.size_bytes):
        raise CheckpointError(
            f"{str(header.path)!r} asks for a context of {config.max_position_embeddings} tokens, "
            f"whose positions alone would take {size} bytes, more than all of the file."
        )
