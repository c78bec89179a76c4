"""Tiny models that see or hear."""

from __future__ import annotations

from pathlib import Path

import torch

from autogpt.data.preprocessing import PictureConfig, SoundConfig
from autogpt.models.config import GPTConfig
from autogpt.models.multimodal import MultimodalGPT
from autogpt.models.multimodal_files import Recognition, save_multimodal
from autogpt.tokenizer.bpe import TokenizerConfig
from autogpt.tokenizer.bpe import train as train_tokenizer


def make_multimodal(
    folder: Path, medium: PictureConfig | SoundConfig, recognition: Recognition
) -> Path:
    """Write a tiny model of random weights that sees or hears."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["cat 狗 bird"], TokenizerConfig(), corpus_bytes=20)
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    model = MultimodalGPT(config, medium)
    save_multimodal(model, folder, tokenizer=tokenizer, recognition=recognition)
    return folder
