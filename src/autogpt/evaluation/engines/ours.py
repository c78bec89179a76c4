"""This package as an engine: the reference, computed in fp32, token by token with a cache."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import torch

from autogpt.evaluation.engines.engine import Format, Top, top_of
from autogpt.interop.gguf import open_gguf
from autogpt.models.checkpoint import load_model
from autogpt.models.gpt import GPT
from autogpt.nn.cache import KVCache
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["FORMATS", "OwnEngine", "open_engine", "version"]

FORMATS: tuple[Format, ...] = ("hf", "gguf")


def version() -> str:
    """Return the version of this package."""
    return metadata.version("autogpt-transformer")


def open_engine(path: Path) -> OwnEngine:
    """Open a model folder or a GGUF file.

    Raises:
        CheckpointError: If it is damaged or not supported.
    """
    if path.is_dir():
        return OwnEngine(load_model(path, deep=False), Tokenizer.load(path))
    file = open_gguf(path)
    return OwnEngine(file.model(), file.tokenizer())


class OwnEngine:
    """A model of ours.

    Args:
        model: The model.
        tokenizer: Its tokenizer.

    Attributes:
        model: As given.
        tokenizer: As given.
    """

    def __init__(self, model: GPT, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [*self.tokenizer.bos_ids, *self.tokenizer.encode(text)]

    @torch.inference_mode()
    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        """Return what is expected after each of the longest beginnings."""
        cache = KVCache(self.model.config, batch_size=1, capacity=len(token_ids))
        ids = torch.tensor([list(token_ids)])
        first = len(token_ids) - last + 1
        answers = []
        steps = [ids[:, at : at + 1] for at in range(first, ids.shape[1])]
        for part in (ids[:, :first], *steps):
            if not part.shape[1]:
                continue
            hidden = self.model(part, cache=cache)[:, -1]
            answers.append(top_of(self.model.logits(hidden)[0].numpy()))
        return answers

    def close(self) -> None:
        """Free the model."""
        del self.model
