"""onnxruntime as an engine: a graph with keys and values going in and out, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from autogpt.evaluation.engines.engine import Format, Top, top_of
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["FORMATS", "OnnxEngine", "open_engine", "version"]

FORMATS: tuple[Format, ...] = ("onnx",)
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def version() -> str | None:
    """Return the installed version, if there is one."""
    try:
        return metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:
        return None


def open_engine(path: Path) -> OnnxEngine:
    """Open a folder with ``model.onnx`` and a tokenizer."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(path / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return OnnxEngine(session, Tokenizer.load(path))


class OnnxEngine:
    """A session of onnxruntime.

    Args:
        session: Its graph takes ``input_ids``, ``attention_mask``, ``position_ids`` and
            ``past_key_values.N.key`` and ``.value``, and gives ``logits`` and ``present.N...``.
        tokenizer: The folder's, as any user of the graph reads it.
    """

    def __init__(self, session: Any, tokenizer: Tokenizer) -> None:  # noqa: ANN401 - theirs
        self._session, self._tokenizer = session, tokenizer
        self._past = [one for one in session.get_inputs() if one.name.startswith("past")]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [*self._tokenizer.bos_ids, *self._tokenizer.encode(text)]

    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        """Return what is expected after each of the longest beginnings."""
        past = {
            one.name: np.zeros((1, one.shape[1], 0, one.shape[3]), dtype=_TYPES[one.type])
            for one in self._past
        }
        names = ["logits", *(name.replace("past_key_values", "present") for name in past)]
        first = len(token_ids) - last + 1
        answers, read = [], 0
        for end in range(first, len(token_ids) + 1):
            new = np.array([list(token_ids[read:end])], dtype=np.int64)
            given = {
                "input_ids": new,
                "attention_mask": np.ones((1, end), dtype=np.int64),
                "position_ids": np.arange(read, end, dtype=np.int64)[None],
                **past,
            }
            logits, *present = self._session.run(names, given)
            past = dict(zip(past, present, strict=True))
            answers.append(top_of(logits[0, -1]))
            read = end
        return answers

    def close(self) -> None:
        """Free the session."""
        del self._session
