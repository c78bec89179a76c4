"""Is the C++ decoder faster than torch on this machine? Asked once, and remembered.

Where the compiler finds no vector instructions for it, or torch has better ones, it may not be.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from autogpt.core.memo import recall, remember
from autogpt.inference.backends import Backend, TorchBackend, make_batch
from autogpt.inference.native.build import Built
from autogpt.inference.packing import pack_model
from autogpt.models.gpt import GPT
from autogpt.models.quantized import QuantizedModel, Quantizer

__all__ = ["is_faster"]

_logger = logging.getLogger(__name__)

_LAYERS = 2
_STEPS = 15
_AGREEMENT = 0.05  # of the scores' norm: far above rounding, far below an error


class _Make(Protocol):
    def __call__(self, quantized: QuantizedModel, built: Built) -> Backend: ...


def is_faster(built: Built, quantized: QuantizedModel, make: _Make) -> bool:
    """Whether two layers as wide as the model's run faster in C++, and give what torch gives.

    Args:
        built: The decoder.
        quantized: The model in question; it is not changed.
        make: Makes the back end to try.
    """
    config = quantized.config
    sizes = [config.hidden_size, config.intermediate_size, config.head_dim, torch.get_num_threads()]
    key = f"native-{built.key}-{quantized.quantization}-{'-'.join(map(str, sizes))}"
    known = recall(key)
    if known is None:
        known = _measure(built, quantized, make)
        if known["is_faster"]:  # a slow one may only have met a busy machine: it is tried again
            remember(key, known)
    if not known.get("agrees"):
        _logger.warning("the compiled decoder computes wrong numbers here; torch is used")
        return False
    if not known.get("is_faster"):
        _logger.warning("torch is faster than the compiled decoder here; it is used")
        return False
    return True


def _measure(built: Built, quantized: QuantizedModel, make: _Make) -> dict[str, object]:
    few = quantized.config.with_layers(_LAYERS)
    shape = replace(few, vocab_size=256, max_position_embeddings=64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT(shape).eval()
    quantizer = Quantizer(quantized.quantization)
    weights = model.state_dict()
    kept = {name: quantizer(name, weight) for name, weight in weights.items()}
    model.load_state_dict(kept, assign=True)
    small = quantizer.finish(model)
    native = make(small, built)
    dense = small.dequantized(torch.bfloat16)
    sides = (native, TorchBackend(dense, pack_model(dense)))
    caches = [side.new_cache(1) for side in sides]
    times: list[list[float]] = [[], []]
    scores: list[Tensor] = []
    with torch.inference_mode():
        for position in range(_STEPS):
            batch = make_batch([[position]], [position], [[0]])
            scores = []
            for side, cache, spent in zip(sides, caches, times, strict=True):
                begin = time.perf_counter()
                scores.append(side.run(batch, cache))
                spent.append(1e6 * (time.perf_counter() - begin))
    # The least of each: what else runs on the machine only ever adds.
    native_us, torch_us = map(min, times)
    distance = (scores[0] - scores[1]).norm() / scores[1].norm()
    return {
        "agrees": bool(distance < _AGREEMENT),
        "is_faster": native_us < torch_us,
        "native_us": round(native_us, 1),
        "torch_us": round(torch_us, 1),
    }
