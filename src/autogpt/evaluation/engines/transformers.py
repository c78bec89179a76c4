"""Hugging Face transformers as an engine, in fp32, the whole text in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from autogpt.evaluation.engines.engine import Format, Top, top_of

__all__ = ["FORMATS", "TransformersEngine", "open_engine", "version"]

FORMATS: tuple[Format, ...] = ("hf",)


def version() -> str | None:
    """Return the installed version, if there is one."""
    try:
        return metadata.version("transformers")
    except metadata.PackageNotFoundError:
        return None


def open_engine(path: Path) -> TransformersEngine:
    """Open a model folder; nothing is fetched and no code of the folder is run."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    model.eval()  # type: ignore[no-untyped-call]
    return TransformersEngine(model, tokenizer)


class TransformersEngine:
    """A model of transformers.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:  # noqa: ANN401 - theirs, loaded late
        self._model, self._tokenizer = model, tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids

    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        """Return what is expected after each of the longest beginnings."""
        import torch

        with torch.inference_mode():
            logits = self._model(torch.tensor([list(token_ids)])).logits[0, -last:]
        return [top_of(row.float().numpy()) for row in logits]

    def close(self) -> None:
        """Free the model."""
        del self._model
