"""Write a model as an ONNX graph: token ids, keys and values in; scores, keys and values out.

::

    input_ids [B, T]  attention_mask [B, S + T]  position_ids [B, T]
    past_key_values.0.key [B, K, S, E]  ...        ->  logits [B, T, V]
                                                       present.0.key [B, K, S + T, E]  ...

Batch, new and cached tokens are dynamic: the same graph reads a prompt (S = 0) and goes on one
token at a time (T = 1). Names and shapes are those of optimum and transformers.js, so their
runtimes take the file. It is the model's own forward pass that is traced, with a cache that joins
(:class:`JoiningCache`) in place of one that is allocated; weights are fp32 and lie beside the
graph where they are larger than protobuf's limit of 2 GB would allow.

Source: ONNX specification (2025); ``torch.onnx.export`` with ``dynamo=True`` (torch 2.9).
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autogpt.core.errors import MissingExtraError
from autogpt.core.files import explain_os_errors
from autogpt.models.gpt import GPT
from autogpt.nn.cache import Cache, Span

__all__ = ["MODEL", "JoiningCache", "write_onnx"]

MODEL = "model.onnx"
_OPSET = 20


class JoiningCache(Cache):
    """Keys and values that come in from outside, and go out joined with the new ones.

    Args:
        past: Keys and values of each layer, ``[B, K, S, E]``.
        mask: Where the new tokens may look, ``[B, 1, T, S + T]``.
        positions: Of the new tokens.

    Attributes:
        present: Joined, layer after layer, as the model asks.
    """

    def __init__(
        self, past: Sequence[tuple[Tensor, Tensor]], mask: Tensor, positions: Tensor
    ) -> None:
        self._past, self._mask, self._positions = past, mask, positions
        self.present: list[tuple[Tensor, Tensor]] = []

    @property
    def longest(self) -> int:
        """0: the length is not known while a graph is made, and no check depends on it."""
        return 0

    def positions(self, count: int) -> Tensor:
        """Return the given positions."""
        del count
        return self._positions

    def mask(self, count: int) -> Tensor:
        """Return the given mask."""
        del count
        return self._mask

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Join the new keys and values of a layer to those before."""
        past_keys, past_values = self._past[layer]
        joined = torch.cat((past_keys, key), dim=2), torch.cat((past_values, value), dim=2)
        self.present.append(joined)
        return joined

    def store(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Not for packed models.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError

    def spans(self, layer: int, *, window: int | None = None) -> Iterator[Span]:
        """Not for packed models.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError

    def advance(self, count: int) -> None:
        """Count nothing: the next call brings its own past."""


class _Graph(nn.Module):
    """The model as a function of tensors alone."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        past_key_values: list[tuple[Tensor, Tensor]],
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        total = attention_mask.shape[1]
        length = input_ids.shape[1]
        places = torch.arange(total, device=input_ids.device)
        own = places[total - length :]
        mask = (places <= own[:, None])[None, None] & attention_mask.bool()[:, None, None, :]
        # A row of padding sees nothing; let it see itself, or its softmax would be no number.
        mask = mask | (places == own[:, None])[None, None]
        cache = JoiningCache(past_key_values, mask, position_ids)
        hidden = self._through(input_ids, cache, own[:, None] - places)
        return self.model.logits(hidden), cache.present

    def _through(self, input_ids: Tensor, cache: JoiningCache, distance: Tensor) -> Tensor:
        """Go through the blocks one by one, as those with a window see less than the cache says."""
        hidden = None
        for place, window in enumerate(self.model.windows):
            mask = cache.mask(input_ids.shape[1])
            hidden = self.model(
                input_ids,
                cache=cache,
                hidden=hidden,
                blocks=slice(place, place + 1),
                mask=mask if window is None else mask & (distance < window)[None, None],
            )
        output: Tensor = self.model.norm(hidden)
        return output


def write_onnx(folder: Path, model: GPT) -> None:
    """Write ``model.onnx`` into a folder.

    Args:
        folder: Where to; made if needed.
        model: The model, not packed; computed in fp32.

    Raises:
        MissingExtraError: If onnx or onnxscript is not installed.
        ResourceError: If the disk is full or the folder cannot be written.
    """
    config = model.config
    try:
        import onnx  # noqa: F401 - asked for here, so that a missing one is told by its name
        import onnxscript  # noqa: F401
    except ImportError as error:
        name = error.name or "onnx"
        raise MissingExtraError(name, extra="onnx", purpose="Writing ONNX graphs") from error
    graph = _Graph(model.float().eval())
    attention, model.attention = model.attention, "explicit"
    shape = (2, config.num_key_value_heads, 3, config.head_dim)
    past = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(config.num_hidden_layers)]
    free = torch.export.Dim.DYNAMIC
    pair = ({0: free, 2: free}, {0: free, 2: free})
    layers = range(config.num_hidden_layers)
    names = [f"{layer}.{kind}" for layer in layers for kind in ("key", "value")]
    try:
        with _quiet(), explain_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            torch.onnx.export(
                graph,
                (
                    torch.ones(2, 4, dtype=torch.int64),
                    torch.ones(2, 7, dtype=torch.int64),
                    torch.arange(3, 7)[None].expand(2, 4),
                    past,
                ),
                folder / MODEL,
                input_names=[
                    "input_ids",
                    "attention_mask",
                    "position_ids",
                    *(f"past_key_values.{name}" for name in names),
                ],
                output_names=["logits", *(f"present.{name}" for name in names)],
                opset_version=_OPSET,
                dynamic_shapes={
                    "input_ids": {0: free, 1: free},
                    "attention_mask": {0: free, 1: free},
                    "position_ids": {0: free, 1: free},
                    "past_key_values": [pair for _ in layers],
                },
                dynamo=True,
                external_data=_is_large(model),
                verbose=False,
            )
    finally:
        model.attention = attention


def _is_large(model: GPT) -> bool:
    """Whether the weights come near protobuf's limit of 2 GB."""
    return sum(weight.numel() for weight in model.parameters()) * 4 > 1_500_000_000


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own notes from the user; its errors are errors."""
    loggers: list[Any] = [
        logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")
    ]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
