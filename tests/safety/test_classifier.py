"""The classifiers that ship: read what is stored, tell what they learned, alone as in a batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from autogpt.core.errors import CheckpointError
from autogpt.safety.classifier import load_classifier
from autogpt.safety.moderation import plain_post, score_moderation
from autogpt.safety.normalize import normalize
from autogpt.tokenizer.hashed_ngrams import Features, count_features

BOTH = Features(bits=14, shortest=1, longest=4, words=2)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_text_counts_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    together = count_features(texts, BOTH)
    assert together.texts == len(texts)
    for row, text in enumerate(texts):
        alone = count_features([text], BOTH)
        own = together.rows == row
        assert np.array_equal(alone.features, together.features[own])
        assert np.array_equal(alone.weights, together.weights[own])


def test_n_grams_are_what_they_say() -> None:
    def count(text: str, **settings: int) -> int:
        return len(count_features([text], Features(bits=20, **settings)).features)

    assert count("abc", shortest=1, longest=1, words=0) == 4  # with the blank
    assert count("abc", shortest=2, longest=2, words=0) == 4  # " a" ab bc "c "
    assert count("one two three", shortest=9, longest=8, words=3) == 6
    assert count("", shortest=1, longest=1, words=0) == 1
    assert count("学而时习之", shortest=2, longest=2, words=3) == 6
    same = [count_features([text], BOTH).features for text in ("Some  TEXT", "some text")]
    assert np.array_equal(*same)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_classifier("missing", tmp_path)
    (tmp_path / "torn.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(CheckpointError):
        load_classifier("torn", tmp_path)
    tensors = {
        "check": np.zeros(4, np.uint8),
        "idf": np.zeros(4, np.uint8),
        "weight": np.zeros((1, 4), np.int8),
        "scale": np.ones(1, np.float32),
        "bias": np.zeros(1, np.float32),
    }
    metadata = {"classes": '["a"]', "features": json.dumps({"bits": 10})}
    save_file(tensors, tmp_path / "small.safetensors", metadata=metadata)
    with pytest.raises(CheckpointError, match="wrong size"):
        load_classifier("small", tmp_path)


def hate(text: str) -> float:
    spans = score_moderation(normalize(text))
    return max((span.score for span in spans if span.category == "hate"), default=0.0)


def test_what_ships_can_tell() -> None:
    assert load_classifier("moderation_en").classes == ("hate", "offensive", "neither")
    calm = [
        "The boiler works again.",
        "What a lovely summer's day!",
        "学而时习之，不亦说乎？",
        "今天天气很好。",
    ]
    assert all(hate(text) < 0.5 for text in calm)
    harsh = ["I hate those faggots, they should all be shot", "黑人都是垃圾，应该滚出我们的国家"]
    assert all(hate(text) > max(map(hate, calm)) for text in harsh)


def test_users_and_addresses_say_nothing() -> None:
    assert plain_post("@ada see https://x.org/y now").split() == ["@u", "see", "url", "now"]
