"""A tiny model of random weights, for scripts whose figures do not depend on what is said."""

from __future__ import annotations

from pathlib import Path

import torch

from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.bpe import TokenizerConfig, train

TEXT = "Shall I compare thee to a summer's day? Thou art more lovely. 學而時習之，不亦說乎？\n" * 8


def make_model(folder: Path, *, context: int = 2048) -> Path:
    """Write the model, if it is not there; return where."""
    if (folder / "config.json").exists():
        return folder
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    tokenizer = train([TEXT], settings, corpus_bytes=len(TEXT.encode()))
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=context,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )
    torch.manual_seed(0)
    save_model(GPT(config), folder, tokenizer=tokenizer)
    return folder


def endless_bias(folder: Path) -> dict[str, int]:
    """Return the logit bias with which a text does not end before its tokens do."""
    from autogpt.tokenizer.bpe import Tokenizer

    return {str(end): -100 for end in Tokenizer.load(folder).special_ids.values()}
