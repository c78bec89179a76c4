"""Heads: the folder that transformers opens, and the same scores there and here."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import transformers

from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.models.family import find_family
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.head_files import Calibration, HeadSettings, load_headed, save_headed
from autogpt.models.heads import HeadConfig, HeadedGPT, put_head
from autogpt.models.weights import write_safetensors
from autogpt.nn.cache import KVCache
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

TEXT = "Shall I compare thee to a summer's day? 學而時習之，不亦說乎？\n" * 8
LENGTHS = torch.tensor([11, 24, 5])

QWEN3 = GPTConfig(
    vocab_size=300,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=64,
    initializer_range=0.2,
    pad_token_id=0,
)
LLAMA = dataclasses.replace(QWEN3, model_type="llama", query_key_norm=False, head_dim=8)
CONFIGS = {
    "qwen3": QWEN3,
    "qwen3-untied": dataclasses.replace(QWEN3, tie_word_embeddings=False),
    "llama": LLAMA,
    "qwen2": dataclasses.replace(
        LLAMA, model_type="qwen2", attention_bias=True, attention_output_bias=False
    ),
    "mistral": dataclasses.replace(LLAMA, model_type="mistral", sliding_window=7),
    "gpt2": dataclasses.replace(
        LLAMA,
        model_type="gpt2",
        norm="layer",
        norm_eps=1e-5,
        network="gelu",
        positions="learned",
        attention_bias=True,
        network_bias=True,
        num_key_value_heads=4,
    ),
}
CLASSES = HeadConfig(kind="sequence", labels=("bad", "good", "差", "好"))
TAGS = HeadConfig(kind="token", labels=("O", "B-PER", "I-PER"))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([TEXT], TokenizerConfig(kind="byte"), corpus_bytes=len(TEXT.encode()))


def model_of(name: str, head: HeadConfig) -> HeadedGPT:
    torch.manual_seed(0)
    model = put_head(GPT(CONFIGS[name]), head)
    with torch.no_grad():
        model.score.weight.normal_()
        if head.kind == "token":
            model.score.bias.normal_()
    return model


def save(model: HeadedGPT, folder: Path, tokenizer: Tokenizer, **settings: float) -> None:
    save_headed(
        model, folder, tokenizer=tokenizer, settings=HeadSettings(**settings), pad_token_id=0
    )


def rows() -> torch.Tensor:
    ids = torch.randint(1, 300, (3, 24), generator=torch.Generator().manual_seed(2))
    place = torch.arange(24)
    return torch.where(place < LENGTHS[:, None], ids, 0)


@torch.inference_mode()
@pytest.mark.parametrize("name", CONFIGS)
def test_a_class_has_the_same_scores_in_transformers(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = model_of(name, CLASSES)
    save(model, tmp_path, tokenizer)
    theirs, found = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert theirs.config.id2label == dict(enumerate(CLASSES.labels))
    mask = (torch.arange(24) < LENGTHS[:, None]).long()
    wanted = theirs.eval()(rows(), attention_mask=mask).logits
    assert float((model.read_rows(rows(), LENGTHS) - wanted).abs().max()) < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("name", CONFIGS)
def test_a_mean_of_all_tokens_is_read_back_and_not_taken_for_a_last_token(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = model_of(name, dataclasses.replace(CLASSES, pooling="mean"))
    save(model, tmp_path, tokenizer)
    found, _ = load_headed(tmp_path)
    assert found.labels == model.labels
    scores = model.read_rows(rows(), LENGTHS)
    assert torch.equal(found.read_rows(rows(), LENGTHS), scores)
    for row, length, score in zip(rows(), LENGTHS, scores, strict=True):
        hidden = model(row[None, :length])[0].mean(0)
        assert torch.allclose(model.score(hidden), score, atol=1e-5)
    _, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert info["missing_keys"]  # transformers says that it has no such head


@torch.inference_mode()
@pytest.mark.parametrize("name", CONFIGS)
def test_a_tag_has_the_same_scores_in_transformers(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = model_of(name, TAGS)
    assert model.config.is_causal == (name in ("gpt2", "mistral"))
    save(model, tmp_path, tokenizer)
    theirs, found = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    mask = (torch.arange(24) < LENGTHS[:, None]).long()
    wanted = theirs.eval()(rows(), attention_mask=mask).logits
    ours = model.read_rows(rows(), LENGTHS)
    assert float((ours - wanted)[mask.bool()].abs().max()) < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("head", [CLASSES, TAGS])
@pytest.mark.parametrize("name", ["qwen3", "gpt2"])
def test_a_row_has_the_same_scores_alone_and_padded(name: str, head: HeadConfig) -> None:
    model = model_of(name, head)
    together = model.read_rows(rows(), LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model.read_rows(rows()[row : row + 1, :length], LENGTHS[row : row + 1])[0]
        padded = together[row] if head.kind == "sequence" else together[row, :length]
        torch.testing.assert_close(alone, padded, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_tag_depends_on_what_follows_and_a_decoder_does_not() -> None:
    ids = rows()[1:2]
    other = ids.clone()
    other[0, -1] = 7
    length = LENGTHS[1:2]
    for name, changes in (("qwen3", True), ("gpt2", False)):
        model = model_of(name, TAGS)
        first = model.read_rows(ids, length)[0, 0]
        assert torch.equal(first, model.read_rows(other, length)[0, 0]) != changes
    model = model_of("qwen3", TAGS)
    with pytest.raises(UsageError, match="cannot continue"):
        model(ids, cache=KVCache(model.config, 1, 30))


@torch.inference_mode()
@pytest.mark.parametrize("head", [CLASSES, TAGS, dataclasses.replace(CLASSES, multi_label=True)])
def test_a_folder_comes_back_as_it_was(
    head: HeadConfig, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = model_of("qwen3-untied", head)
    settings = HeadSettings(
        temperature=1.5,
        threshold=0.25,
        scheme="BIO",
        calibration=Calibration(examples=40, error_before=0.1, error=0.02),
    )
    save_headed(model, tmp_path, tokenizer=tokenizer, settings=settings, pad_token_id=3)
    loaded, found = load_headed(tmp_path)
    assert found == settings
    assert loaded.labels == head
    assert loaded.config == model.config
    assert torch.equal(loaded.read_rows(rows(), LENGTHS), model.read_rows(rows(), LENGTHS))
    half, _ = load_headed(tmp_path, dtype="bfloat16")
    assert half.score.weight.dtype == torch.bfloat16
    (tmp_path / "head.json").unlink()
    with pytest.raises(CheckpointError, match=r"head\.json"):
        load_headed(tmp_path)


def test_what_is_wrong_is_said(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = model_of("qwen3", CLASSES)
    save(model, tmp_path, tokenizer)
    for name in ("manifest.json", "head.json"):
        (tmp_path / name).unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    load_headed(tmp_path)

    def changed(**fields: object) -> None:
        (tmp_path / "config.json").write_text(json.dumps({**config, **fields}))

    changed(id2label={"0": "a", "1": "b"})
    with pytest.raises(CheckpointError, match=r"shape \[4, 32\]"):
        load_headed(tmp_path)
    changed(id2label={"0": "a", "2": "b"})
    with pytest.raises(CheckpointError, match="id2label"):
        load_headed(tmp_path)
    changed(pooling="max")
    with pytest.raises(CheckpointError, match="pooling"):
        load_headed(tmp_path)
    changed(architectures=["Qwen3ForCausalLM"])
    with pytest.raises(CheckpointError, match="no class with a head"):
        load_headed(tmp_path)
    changed()
    (tmp_path / "head.json").write_text('{"format": "autogpt-head-1", "temperature": 0}')
    with pytest.raises(CheckpointError, match=r"head\.json"):
        load_headed(tmp_path)
    (tmp_path / "head.json").unlink()
    with pytest.raises(ConfigError, match="twice"):
        HeadConfig(kind="token", labels=("O", "O"))
    with pytest.raises(ConfigError, match="two labels"):
        HeadConfig(kind="sequence", labels=("one",))


def test_a_head_that_is_not_there_is_not_made_up(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = model_of("qwen3", CLASSES)
    save(model, tmp_path, tokenizer)
    (tmp_path / "manifest.json").unlink()
    weights = [
        (f"model.{name}", weight)
        for name, weight in transformers.AutoModel.from_pretrained(tmp_path).state_dict().items()
    ]
    write_safetensors(tmp_path / "model.safetensors", weights)
    with pytest.raises(CheckpointError, match="not trained"):
        load_headed(tmp_path)


@torch.inference_mode()
def test_a_tagger_of_gemma_sees_half_of_its_window_to_each_side() -> None:
    windowed = dataclasses.replace(
        QWEN3,
        model_type="gemma3_text",
        norm="offset_rms",
        post_norms=True,
        network="geglu",
        num_hidden_layers=1,
        query_pre_attn_scalar=16,
        rope_local_base_freq=500.0,
        sliding_window=8,
    )
    model = put_head(GPT(windowed), TAGS)
    assert (model.config.is_causal, model.config.sliding_window) == (False, 5)
    ids, length = rows()[:1], torch.tensor([24])
    for place, changes in ((13, False), (14, True), (22, True), (23, False)):
        other = ids.clone()
        other[0, place] = 7
        same = torch.equal(
            model.read_rows(ids, length)[0, 18], model.read_rows(other, length)[0, 18]
        )
        assert same != changes


def test_a_window_looks_back() -> None:
    config = find_family("qwen3").to_hf(dataclasses.replace(QWEN3, sliding_window=5))
    with pytest.raises(CheckpointError, match="looks back"):
        find_family("qwen3").from_hf({**config, "is_causal": False})
