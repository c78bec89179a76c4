from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from autogpt.inference.native.build import INSTRUCTION_SETS, BuildError, Built, build
from autogpt.models.gpt import GPT
from autogpt.models.quantized import Quantization, QuantizedModel, Quantizer


@pytest.fixture(scope="session", params=INSTRUCTION_SETS)
def built(request: pytest.FixtureRequest) -> Built:
    """The decoder for each instruction set that this machine has."""
    try:
        return build(request.param)
    except BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def make_quantized(
    make_model: Callable[..., GPT],
) -> Callable[..., tuple[QuantizedModel, GPT]]:
    """Return a function that makes a model in parts, and the same in torch."""

    def make(quantization: Quantization = "int8", **switches: object) -> tuple[QuantizedModel, GPT]:
        pair = []
        for _ in range(2):
            model, quantizer = make_model(**switches), Quantizer(quantization)
            kept = {name: quantizer(name, weight) for name, weight in model.state_dict().items()}
            model.load_state_dict(kept, assign=True)
            pair.append(quantizer.finish(model))
        return pair[0], pair[1].dequantized(torch.float32)

    return make
