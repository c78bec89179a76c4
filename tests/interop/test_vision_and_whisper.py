"""Tiny models of others that see and hear, made here, run behind our methods as in transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from autogpt.core.errors import CheckpointError, DataError, UsageError
from autogpt.interop.vision import HubRecognizer
from autogpt.interop.whisper import HubWhisper
from autogpt.llm import load

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library's own making

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _words() -> transformers.PreTrainedTokenizerFast:
    names = ["<pad>", "<eos>", "This", "is", "a", "photo", "of", "cat", "dog", ".", "<unk>"]
    vocab = {word: number for number, word in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def test_a_vit_gives_its_own_labels(tmp_path: Path, picture: Path) -> None:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        **SIZES, image_size=24, patch_size=8, id2label={0: "cat", 1: "狗"}, label2id={}
    )
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessorPil(size={"height": 24, "width": 24})
    processor.save_pretrained(tmp_path)
    ours = load(tmp_path)
    assert isinstance(ours, HubRecognizer)
    assert ours.labels == ("cat", "狗")
    values = processor(images=Image.open(picture), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        wanted = model(values).logits.softmax(-1)[0].tolist()
    found = ours.predict(picture)
    assert [found["cat"], found["狗"]] == pytest.approx(wanted, abs=1e-5)
    assert ours.predict([picture, picture])[1] == pytest.approx(found, abs=1e-6)
    answer = next(ours.run([picture]))
    assert (answer.prompt_tokens, answer.wall_s > 0) == (9, True)  # 3 by 3 patches
    with pytest.raises(UsageError, match="labels of its own"):
        ours.with_labels(["a", "b"])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"x")
    with pytest.raises(DataError, match="not a picture"):
        ours.predict(broken)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_words_are_matched_without_training(tmp_path: Path, picture: Path, kind: str) -> None:
    torch.manual_seed(0)
    vision = {**SIZES, "image_size": 24, "patch_size": 8}
    text = {**SIZES, "vocab_size": 11, "max_position_embeddings": 64, "eos_token_id": 1}
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
        model = transformers.CLIPModel(config).eval()
        processor = transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}
        )
    else:
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
        model = transformers.SiglipModel(config).eval()
        processor = transformers.SiglipImageProcessorPil(size={"height": 24, "width": 24})
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    _words().save_pretrained(tmp_path)
    ours = load(tmp_path)
    with pytest.raises(UsageError, match="there are none"):
        ours.predict(picture)
    found = ours.with_labels(["a cat", "a dog"]).predict(picture)
    assert set(found) == {"a cat", "a dog"}
    total = sum(found.values())
    assert total == pytest.approx(1.0, abs=1e-5) if kind == "clip" else 0 < total < 2
    with pytest.raises(UsageError, match="Two different labels"):
        ours.with_labels(["a cat"])


def test_code_of_a_model_is_never_run(tmp_path: Path) -> None:
    for settings in (
        {"model_type": "whisper", "auto_map": {"AutoModel": "evil.Model"}},
        {"architectures": ["XForImageClassification"], "auto_map": {"AutoModel": "evil.Model"}},
    ):
        (tmp_path / "config.json").write_text(json.dumps(settings))
        with pytest.raises(CheckpointError, match="never run"):
            load(tmp_path)


def _whisper(folder: Path) -> None:
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=300,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_target_positions=16,
        pad_token_id=256,
        bos_token_id=256,
        eos_token_id=256,
        decoder_start_token_id=256,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config.max_length = 8
    model.save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: number for number, letter in enumerate(alphabet)} | {"<|endoftext|>": 256}
    tokenizer = transformers.WhisperTokenizer(vocab=vocab, merges=[])
    tokenizer.save_pretrained(folder)


def test_a_whisper_of_the_hub_writes_for_each_window(tmp_path: Path) -> None:
    _whisper(tmp_path / "model")
    ours = load(tmp_path / "model")
    assert isinstance(ours, HubWhisper)
    chance = np.random.default_rng(0)
    speech, pause = 0.3 * chance.standard_normal(16000 * 20), np.zeros(16000 * 3)
    soundfile.write(tmp_path / "a.wav", np.concatenate([speech, pause, speech]), 16000)
    told: list[float] = []
    found = ours.transcribe(tmp_path / "a.wav", progress=lambda share, _: told.append(share))
    assert found.duration_s == pytest.approx(43, abs=0.01)
    assert told
    assert told[-1] <= 1
    assert found.to_dict()["usage"]["completion_tokens"] > 0  # type: ignore[index]


def test_a_converted_whisper_needs_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"suppress_ids": []}')
    (tmp_path / "model.bin").write_bytes(b"nothing")
    pytest.importorskip("faster_whisper")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be read as a Whisper"):
        load(tmp_path)
