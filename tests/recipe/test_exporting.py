"""Exports are written, verified, and refused where they differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.evaluation.test_verification import TEXT, folder, tokenizer
from tests.interop.gguf.test_writing import tiny

from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.core.files import verify_manifest
from autogpt.evaluation.verification import Verification, verify
from autogpt.llm import load
from autogpt.models.checkpoint import save_model
from autogpt.recipe import exporting
from autogpt.recipe.exporting import export
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["tokenizer"]


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = folder(tokenizer, tmp_path_factory.mktemp("model"))
    (path / "LICENSE").write_text("terms")
    return path


def said(path: Path) -> str:
    return load(path).generate(TEXT[:30], max_tokens=12, temperature=0).text


def test_gguf_as_a_file(model: Path, tmp_path: Path) -> None:
    found = export(model, to="gguf", out=tmp_path / "m.gguf", dtype="f32")
    assert found.verification is not None
    assert found.verification.is_fine
    assert set(found.files) == {"m.gguf", "m.Modelfile"}
    assert (tmp_path / "m.Modelfile").read_text().startswith("FROM ./m.gguf\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.Modelfile", "m.gguf"]
    assert said(tmp_path / "m.gguf") == said(model)


def test_gguf_in_a_folder(model: Path, tmp_path: Path) -> None:
    found = export(model, to="gguf", out=tmp_path / "new", dtype="q8_0")
    assert found.path.suffix == ".gguf"
    assert found.path.is_file()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        found.path.name, "Modelfile", "manifest.json", "LICENSE",
    }  # fmt: skip
    assert verify(found.path, engines=["autogpt"]).checks[0].status == "ok"
    json.dumps(found.to_dict())


def test_hf_in_shards_and_back_from_gguf(model: Path, tmp_path: Path) -> None:
    export(model, to="gguf", out=tmp_path / "m.gguf", dtype="f32", check=False)
    found = export(tmp_path / "m.gguf", to="hf", out=tmp_path / "hf", shard_bytes=40_000)
    assert found.verification is not None
    assert {one.engine for one in found.verification.engines} >= {"autogpt", "transformers"}
    names = {path.name for path in (tmp_path / "hf").iterdir()}
    assert "model.safetensors.index.json" in names
    assert "model.safetensors" not in names
    verify_manifest(tmp_path / "hf")
    assert said(tmp_path / "hf") == said(model)


def test_hf_in_bfloat16(model: Path, tmp_path: Path) -> None:
    export(model, to="hf", out=tmp_path / "hf", dtype="bfloat16")
    half = (model / "model.safetensors").stat().st_size / 2
    assert (tmp_path / "hf" / "model.safetensors").stat().st_size == pytest.approx(half, rel=0.1)


def test_onnx_reads_in_a_batch_and_goes_on_with_its_cache(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    ort = pytest.importorskip("onnxruntime")
    found = export(model, to="onnx", out=tmp_path / "onnx")
    assert found.verification is not None
    assert [one.status for one in found.verification.engines] == ["equal"]
    assert found.verification.engines[0].difference < 1e-4  # type: ignore[operator]
    session = ort.InferenceSession(str(tmp_path / "onnx" / "model.onnx"))
    names = {one.name for one in session.get_inputs()}
    assert {"input_ids", "attention_mask", "position_ids", "past_key_values.1.value"} <= names
    # two rows, the second one padded on the left
    ids = np.array([[5, 6, 7, 8], [0, 0, 9, 10]])
    mask = np.array([[1, 1, 1, 1], [0, 0, 1, 1]])
    given = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": np.maximum(mask.cumsum(1) - 1, 0),
    }
    for one in session.get_inputs():
        if one.name.startswith("past"):
            given[one.name] = np.zeros((2, one.shape[1], 0, one.shape[3]), dtype=np.float32)
    logits = session.run(["logits"], given)[0]
    llm = load(model, dtype="float32")
    with torch.inference_mode():
        for row, tokens in enumerate(([5, 6, 7, 8], [9, 10])):
            expected = llm.model.logits(llm.model(torch.tensor([tokens])))[0, -1].numpy()
            np.testing.assert_allclose(logits[row, -1], expected, atol=1e-4)


@pytest.mark.parametrize("case", ["gemma3", "mistral"])
def test_onnx_keeps_to_sliding_windows(tokenizer: Tokenizer, case: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    changes = {"sliding_window": 6} if case == "mistral" else {}
    save_model(tiny(tokenizer, case, **changes), tmp_path / "m", tokenizer=tokenizer)
    found = export(tmp_path / "m", to="onnx", out=tmp_path / "onnx")  # prompts are longer than 6
    assert found.verification is not None
    (report,) = found.verification.engines
    assert report.status == "equal", report.reason
    assert report.difference is not None
    assert report.difference < 1e-4


def test_what_is_taken_or_unknown_is_told_before_anything_is_read(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("x")
    with pytest.raises(UsageError, match="already exists"):
        export(model, to="hf", out=tmp_path / "there")
    with pytest.raises(UsageError, match="--dtype is 'q9'; gguf has f32, f16"):
        export(model, to="gguf", out=tmp_path / "m.gguf", dtype="q9")


def test_a_family_without_a_name_in_the_format(
    tokenizer: Tokenizer,
    tmp_path: Path,
) -> None:
    from tests.evaluation.inspection.test_trace import FAMILIES

    changes = {**FAMILIES["gpt2"], "model_type": "gpt2"}
    save_model(tiny(tokenizer, "qwen3", **changes), tmp_path / "gpt2", tokenizer=tokenizer)
    with pytest.raises(ConfigError, match="cannot be written as GGUF"):
        export(tmp_path / "gpt2", to="gguf", out=tmp_path / "m.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpt2"]


def test_an_export_that_differs_is_refused_and_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_other_weights(path: Path) -> Verification:
        data = bytearray((path / "model.safetensors").read_bytes())
        data[-2000:] = bytes(2000)
        (path / "model.safetensors").write_bytes(data)
        return verify(path)

    monkeypatch.setattr(exporting, "verify", with_other_weights)
    with pytest.raises(CheckpointError, match="was refused, because it is not the same model"):
        export(model, to="hf", out=tmp_path / "hf")
    assert list(tmp_path.iterdir()) == []
