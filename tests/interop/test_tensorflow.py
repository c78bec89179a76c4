"""Exports for TensorFlow; needs the extra ``tensorflow``: ``make test-tensorflow``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("keras_hub", reason="the extra 'tensorflow' is not installed")

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.interop.tensorflow import SETTINGS, import_keras_hub
from autogpt.models.checkpoint import load_model, save_model
from autogpt.models.gpt import GPT
from autogpt.recipe.exporting import export
from autogpt.tokenizer.bpe import Tokenizer
from tests.evaluation.test_verification import TEXT, tokenizer
from tests.interop.gguf.test_writing import tiny

__all__ = ["tokenizer"]

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("case", ["qwen3", "qwen3-untied"])
def test_keras_hub_makes_the_same_of_it_and_trains_it(
    tokenizer: Tokenizer,
    case: str,
    tmp_path: Path,
) -> None:
    model = tiny(tokenizer, case, max_position_embeddings=256)
    save_model(model, tmp_path / "model", tokenizer=tokenizer)
    found = export(tmp_path / "model", to="tensorflow", out=tmp_path / "keras")
    assert found.verification is not None
    (report,) = found.verification.engines
    assert report.engine == "keras_hub"
    assert report.status == "equal", report.reason
    assert report.difference is not None
    assert report.difference < 1e-3
    keras_hub = import_keras_hub()
    task = keras_hub.models.CausalLM.from_preset(str(tmp_path / "keras"), preprocessor=None)
    ids = np.array([tokenizer.encode(TEXT)[:32]] * 4, dtype=np.int32)
    task.compile(optimizer="adam", loss="sparse_categorical_crossentropy", jit_compile=False)
    given = {"token_ids": ids[:, :-1], "padding_mask": np.ones_like(ids[:, :-1])}
    history = task.fit(given, ids[:, 1:], epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    task.save_to_preset(str(tmp_path / "trained"))
    with pytest.raises(CheckpointError, match="no folder 'huggingface'"):
        export(tmp_path / "trained", to="hf", out=tmp_path / "back")
    shutil.copytree(tmp_path / "keras" / SETTINGS, tmp_path / "trained" / SETTINGS)
    found = export(tmp_path / "trained", to="hf", out=tmp_path / "back")
    assert found.verification is not None
    assert found.verification.is_fine
    ours = load_model(tmp_path / "back", dtype="float32")
    logits = _logits(ours, ids[:1]).numpy()
    theirs = np.asarray(task({"token_ids": ids[:1], "padding_mask": np.ones_like(ids[:1])}))
    np.testing.assert_allclose(logits, theirs, atol=1e-3)
    assert np.abs(logits - _logits(model, ids[:1]).numpy()).max() > 1e-3  # it was trained


def _logits(model: GPT, ids: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return model.float().eval().logits(model(torch.from_numpy(ids).long()))


def test_what_keras_hub_computes_otherwise_is_refused(
    tokenizer: Tokenizer,
    tmp_path: Path,
) -> None:
    save_model(tiny(tokenizer, "llama", norm_eps=1e-5), tmp_path / "m", tokenizer=tokenizer)
    with pytest.raises(ConfigError, match="rms_norm_eps"):
        export(tmp_path / "m", to="tensorflow", out=tmp_path / "keras")
    wide = tiny(tokenizer, "llama", head_dim=32, norm_eps=1e-6, rope_scaling=None)
    assert wide.config.hidden_size != 32 * wide.config.num_attention_heads
    save_model(wide, tmp_path / "wide", tokenizer=tokenizer)
    with pytest.raises(ConfigError, match="KerasHub cannot read this model"):
        export(tmp_path / "wide", to="tensorflow", out=tmp_path / "keras")
