from __future__ import annotations

from pathlib import Path

import pytest

import autogpt.data
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

QUICKSTART = Path(autogpt.data.__file__).parent / "quickstart"


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """English and Chinese, about 300 kB."""
    names = ("tinyshakespeare.txt", "lunyu.txt", "tang300.txt")
    return [(QUICKSTART / name).read_text(encoding="utf-8")[:120_000] for name in names]


@pytest.fixture(scope="session")
def corpus_bytes(corpus: list[str]) -> int:
    return sum(len(text.encode()) for text in corpus)


@pytest.fixture(scope="session")
def tokenizer(corpus: list[str], corpus_bytes: int) -> Tokenizer:
    return train(corpus, TokenizerConfig(kind="bpe", vocab_size=1024), corpus_bytes=corpus_bytes)


@pytest.fixture(scope="session")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    tokenizer.save(path)
    return path
