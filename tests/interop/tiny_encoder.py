"""A sentence encoder of BERT's form that knows a few words, made by hand: nothing is trained.

Each word that it knows has the direction of its kind, every other word none, so that the vector of
a text points to the kinds of the words in it. One folder of 10 kB, in Hugging Face layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import transformers

__all__ = ["make_encoder"]

_WIDTH = 8


def make_encoder(folder: Path, kinds: Mapping[str, Sequence[str]]) -> Path:
    """Write an encoder.

    Args:
        folder: Where to.
        kinds: Words by kind, at most four of them.
    """
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [word for own in kinds.values() for word in own]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(
        folder
    )
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=64,
    )
    model = transformers.BertModel(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(float("LayerNorm.weight" in name))
        for number, own in enumerate(kinds.values()):
            for word in own:
                # Of mean 0, as the norms make it anyway.
                row = model.embeddings.word_embeddings.weight[words.index(word)]
                row[2 * number], row[2 * number + 1] = 1.0, -1.0
    model.save_pretrained(folder)
    return folder
