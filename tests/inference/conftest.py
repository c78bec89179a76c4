from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

TEXT = "Shall I compare thee to a summer's day? Thou art more lovely. 學而時習之，不亦說乎？\n" * 8


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    return train([TEXT], settings, corpus_bytes=len(TEXT.encode()))


@pytest.fixture(scope="session")
def make_model(tokenizer: Tokenizer) -> Callable[..., GPT]:
    """Return a function that makes tiny models whose weights are random, but large enough to
    have opinions: greedy text does not just repeat itself.
    """

    def make(**switches: object) -> GPT:
        settings: dict[str, object] = {
            "vocab_size": tokenizer.vocab_size,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 64,
        }
        config = GPTConfig(**settings | switches)  # type: ignore[arg-type] - any switch
        torch.manual_seed(0)
        model = GPT(config)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn_like(parameter)
                parameter.add_(0.3 * noise)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def model(make_model: Callable[..., GPT]) -> GPT:
    return make_model()
