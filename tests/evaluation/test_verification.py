"""Engines that are installed make the same of a model, and what is wrong with one is told."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tests.interop.gguf.test_writing import tiny

from autogpt.core.errors import UsageError
from autogpt.evaluation.engines import ENGINES
from autogpt.evaluation.engines.comparison import compare
from autogpt.evaluation.engines.engine import PROMPTS, Case, Top, make_cases, open_module
from autogpt.evaluation.engines.ours import OwnEngine, open_engine
from autogpt.evaluation.verification import Verification, read_cases, verify, write_cases
from autogpt.interop.gguf.writing import GGUF_TYPES, GGUFType, write_gguf
from autogpt.models.checkpoint import save_model
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

TEXT = "Shall I compare thee to a summer's day? 學而時習之，不亦說乎？ 12 34\n" * 8


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    return train([TEXT], settings, corpus_bytes=len(TEXT.encode()))


def folder(tokenizer: Tokenizer, path: Path, case: str = "qwen3") -> Path:
    model = tiny(tokenizer, case, max_position_embeddings=256)
    save_model(model, path, tokenizer=tokenizer)
    return path


def report(found: Verification, engine: str) -> object:
    return next(one for one in found.engines if one.engine == engine)


@pytest.mark.parametrize("case", ["qwen3", "llama", "qwen2"])
def test_a_folder_is_the_same_in_transformers(
    tokenizer: Tokenizer, case: str, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    found = verify(folder(tokenizer, tmp_path, case))
    assert found.is_fine, found.fault
    assert {check.name: check.status for check in found.checks} == {
        "manifest": "ok", "weights": "ok", "tokenizer": "ok", "chat template": "ok",
    }  # fmt: skip
    for one in found.engines:
        assert one.status == "equal"
        assert one.same_tokens
        assert one.same_top
        assert one.difference is not None
        assert one.difference < 1e-3
    assert [one.engine for one in found.engines] == ["autogpt", "transformers"]
    assert json.loads(json.dumps(found.to_dict()))["ok"]


@pytest.mark.parametrize("kind", GGUF_TYPES)
def test_a_gguf_file_is_the_same_in_llama_cpp(
    tokenizer: Tokenizer, kind: GGUFType, tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    path = tmp_path / "m.gguf"
    model = tiny(tokenizer, "qwen3", max_position_embeddings=256)
    with torch.no_grad():  # to the scale of a trained model, which the tolerances are for
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                model.get_parameter(name).mul_(0.25)
    write_gguf(path, model, tokenizer, kind=kind)
    found = verify(path)
    assert found.is_fine, found.fault
    assert [one.status for one in found.engines] == ["equal", "equal"]
    assert found.checks[0].status == "absent"


@pytest.mark.parametrize("case", ["llama", "llama-3", "qwen2", "gemma3", "qwen3-untied"])
def test_every_architecture_runs_in_llama_cpp(
    tokenizer: Tokenizer, case: str, tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    path = tmp_path / "m.gguf"
    write_gguf(path, tiny(tokenizer, case, max_position_embeddings=256), tokenizer, kind="f32")
    found = verify(path, engines=["llama.cpp"])
    assert found.is_fine, found.fault


def test_an_altered_file_is_told(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = folder(tokenizer, tmp_path)
    settings = path / "generation_config.json"
    settings.write_text(settings.read_text().replace("}", " }"))
    found = verify(path)
    assert not found.is_intact
    assert found.engines == ()
    assert "generation_config.json" in found.fault


def test_weights_that_are_no_numbers_are_told(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = folder(tokenizer, tmp_path)
    (path / "manifest.json").unlink()
    weights = path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4:] = struct.pack("<f", float("nan"))
    weights.write_bytes(data)
    found = verify(path)
    assert [check.status for check in found.checks[:2]] == ["absent", "fault"]
    assert "weights is at fault" in found.fault


def test_another_tokenizer_is_told(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = folder(tokenizer, tmp_path)
    other = train(
        ["and now for something else 学而时习之" * 30],
        TokenizerConfig(kind="bpe", vocab_size=300),
        corpus_bytes=1500,
    )
    engine = open_engine(path)
    cases = make_cases(engine, most_tokens=256)
    found = compare(OwnEngine(engine.model, other), cases, name="x", version="1", tolerance=1e-3)
    assert found.status == "differs"
    assert not found.same_tokens
    assert "is cut into other tokens: from place" in found.reason


class _Shifted:
    """An engine that puts a token before every text, or computes something else."""

    def __init__(self, engine: OwnEngine, *, bos: int | None = None, shift: float = 0.0) -> None:
        self._engine, self._bos, self._shift = engine, bos, shift

    def encode(self, text: str) -> list[int]:
        return [*([] if self._bos is None else [self._bos]), *self._engine.encode(text)]

    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        answers = self._engine.expect(token_ids, last)
        return [tuple((i, p + self._shift) for i, p in top) for top in answers]

    def close(self) -> None:
        """Nothing to free."""


def test_a_token_before_the_text_and_other_numbers_are_told(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    engine = open_engine(folder(tokenizer, tmp_path))
    cases = make_cases(engine, most_tokens=256)
    assert len(cases) == len(PROMPTS)
    assert all(len(case.answers) == 6 for case in cases)
    found = compare(_Shifted(engine, bos=7), cases, name="x", version="1", tolerance=1e-3)
    assert "a token (7) is put before" in found.reason.lower()
    found = compare(_Shifted(engine, shift=0.01), cases, name="x", version="1", tolerance=1e-3)
    assert found.same_tokens
    assert "differ by 0.01, more than 0.001" in found.reason
    assert compare(engine, cases, name="x", version="1", tolerance=1e-4).status == "equal"


def test_answers_are_kept_in_a_file(tmp_path: Path) -> None:
    case = Case("学", (1, 2), (1, 2, 3), (((3, -0.5), (4, -1.0)), ((5, -0.1), (6, -3.0))))
    write_cases(tmp_path / "e.json", [case])
    assert read_cases(tmp_path / "e.json") == [case]


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no model that can be verified"):
        verify(tmp_path)
    with pytest.raises(UsageError, match="There is no engine 'torch'"):
        verify(tmp_path, engines=["torch"])


def test_every_engine_opens_or_says_that_it_is_missing() -> None:
    for name in ENGINES:
        module = open_module(name)
        assert module.FORMATS
        assert module.version() is None or module.version()


def test_a_missing_engine_is_no_fault(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_module("transformers"), "version", lambda: None)
    found = verify(folder(tokenizer, tmp_path))
    assert found.is_fine
    assert report(found, "transformers").status == "missing"  # type: ignore[attr-defined]
    assert torch.is_tensor(torch.ones(1))
