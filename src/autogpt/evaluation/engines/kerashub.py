"""KerasHub on TensorFlow as an engine, the whole text in one pass; tokens are ours."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from autogpt.evaluation.engines.engine import Format, Top, top_of
from autogpt.interop.tensorflow import SETTINGS, import_keras_hub
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["FORMATS", "KerasEngine", "open_engine", "version"]

FORMATS: tuple[Format, ...] = ("tensorflow",)


def version() -> str | None:
    """Return the installed version, if there is one, with TensorFlow's."""
    if importlib.util.find_spec("tensorflow") is None:
        return None
    try:
        own, backend = metadata.version("keras-hub"), importlib.import_module("tensorflow")
    except metadata.PackageNotFoundError:
        return None
    return f"{own} (tensorflow {backend.__version__})"


def open_engine(path: Path) -> KerasEngine:
    """Open a preset."""
    keras_hub = import_keras_hub()
    task = keras_hub.models.CausalLM.from_preset(str(path), preprocessor=None, dtype="float32")
    return KerasEngine(task, Tokenizer.load(path / SETTINGS))


class KerasEngine:
    """A model of KerasHub.

    Args:
        task: The model.
        tokenizer: The one beside it.
    """

    def __init__(self, task: Any, tokenizer: Tokenizer) -> None:  # noqa: ANN401 - theirs
        self._task, self._tokenizer = task, tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [*self._tokenizer.bos_ids, *self._tokenizer.encode(text)]

    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        """Return what is expected after each of the longest beginnings."""
        ids = np.array([list(token_ids)], dtype=np.int32)
        logits = np.asarray(self._task({"token_ids": ids, "padding_mask": np.ones_like(ids)}))
        return [top_of(row) for row in logits[0, -last:]]

    def close(self) -> None:
        """Free the model."""
        del self._task
