"""A tiny Whisper, made and converted here, listens for models of ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from ctranslate2.converters import TransformersConverter

from autogpt.core.errors import AutoGPTError, CheckpointError, DataError, UsageError
from autogpt.core.progress import Progress
from autogpt.interop.speech_encoder import open_speech_encoder
from autogpt.llm import load
from autogpt.llm.media import Recognizer, Transcriber
from autogpt.recipe.finetune import finetune

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own making
SETTINGS = {
    "model": {
        "preset": "tiny", "hidden_size": 32, "num_hidden_layers": 2, "head_dim": 16,
        "num_key_value_heads": 2,
    },
    "kernels": {"dtype": "float32", "attention": "sdpa", "compile": "off", "threads": 1},
    "training": {
        "batch_size": 8, "validations": 1, "lr": 0.01, "muon_lr": 0.05, "max_steps": 30,
    },
    "augment": {"bands": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def ears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper with random weights in the layout of CTranslate2."""
    room = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=51865,  # as of multilingual ones, which the converter knows
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=32,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    encoder = model.model.encoder
    for weight in (encoder.conv1.weight, encoder.conv2.weight):
        weight.data *= 10  # or all states would be about the same
    model.generation_config.alignment_heads = [[0, 0]]
    model.generation_config.lang_to_id = {"<|en|>": 50259}
    model.save_pretrained(room / "hub")
    words = ["<|endoftext|>", *map(chr, range(33, 127))]
    tokenizer = transformers.WhisperTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[]
    )
    tokenizer.save_pretrained(room / "hub")
    TransformersConverter(str(room / "hub")).convert(str(room / "ears"), force=True)
    assert (room / "ears" / "model.bin").is_file()
    return room / "ears"


def tones(folder: Path, count: int = 12) -> Path:
    for word, pitch in (("low", 300), ("high", 2500)):
        (folder / word).mkdir(parents=True)
        chance = np.random.default_rng(pitch)
        for number in range(count):
            time = np.arange(int(chance.uniform(0.25, 0.6) * 16000)) / 16000
            wave = 0.3 * np.sin(2 * np.pi * pitch * chance.uniform(0.9, 1.1) * time)
            soundfile.write(folder / word / f"{number}.wav", wave, 16000)
            (folder / word / f"{number}.txt").write_text(word)
    return folder


def test_a_state_each_20_ms_whatever_is_heard_beside_it(ears: Path) -> None:
    encoder = open_speech_encoder(str(ears))
    chance = np.random.default_rng(0)
    for count, states in ((1, 1), (320, 1), (321, 2), (8000, 25), (16000 * 40, 1400)):
        samples = 0.1 * chance.standard_normal(count).astype(np.float32)
        found = encoder(samples)
        assert found.shape == (states, 32)
        assert np.isfinite(found).all()
        assert (found == encoder(samples)).all()


def test_the_states_are_those_of_the_original(ears: Path) -> None:
    """Computed by transformers over 30 s of the same sound, in fp32 and not in 8 bits."""
    sound = 0.2 * np.sin(2 * np.pi * 440 * np.arange(16000 * 2) / 16000).astype(np.float32)
    original = transformers.WhisperModel.from_pretrained(ears.parent / "hub").encoder.eval()
    features = transformers.WhisperFeatureExtractor()(
        sound, sampling_rate=16000, return_tensors="pt"
    )
    with torch.inference_mode():
        wanted = original(features["input_features"]).last_hidden_state[0, :50].numpy()
    found = open_speech_encoder(str(ears))(sound)[:50].astype(np.float32)
    both = zip(wanted, found, strict=True)
    alike = [np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in both]
    assert np.median(alike) > 0.98


def test_sounds_are_recognized_with_its_ears(ears: Path, tmp_path: Path) -> None:
    data = tones(tmp_path / "tones")
    result = finetune(
        str(ears),
        str(data),
        task="recognize",
        out=tmp_path / "run",
        settings=SETTINGS,
        progress=Progress(quiet=True),
    )
    assert result.metrics["accuracy"] == 1
    kept = json.loads((tmp_path / "run" / "model" / "config.json").read_text())["preprocessing"]
    assert kept["encoder"]["name"] == str(ears)
    assert kept["encoder"]["width"] == 32
    model = load(tmp_path / "run")
    assert isinstance(model, Recognizer)
    files = [data / "low" / "3.wav", data / "high" / "3.wav"]
    low, high = model.predict(files)
    assert low["low"] > 0.5 > high["low"]
    assert model.predict(files[0].read_bytes()) == pytest.approx(model.predict(files[0]))

    # Other ears mean something else by their numbers; without any, it says how to get them.
    shutil.copytree(ears, tmp_path / "ears")
    settings = tmp_path / "run" / "model" / "config.json"
    (tmp_path / "run" / "model" / "manifest.json").unlink()
    text = settings.read_text()
    settings.write_text(text.replace(kept["encoder"]["sha256"], "0" * 64))
    with pytest.raises(CheckpointError, match="its weights differ"):
        load(tmp_path / "run")
    settings.write_text(text.replace(str(ears), "whisper-gone"))
    with pytest.raises(AutoGPTError, match="whisper-gone"):
        load(tmp_path / "run")


def test_sounds_are_written_down_with_its_ears(ears: Path, tmp_path: Path) -> None:
    data = tones(tmp_path / "tones")
    settings = {**SETTINGS, "media": {"encoder": str(ears)}}
    settings["training"] = {**SETTINGS["training"], "max_steps": 60}
    finetune(
        "new",
        str(data),
        task="transcribe",
        out=tmp_path / "run",
        settings=settings,
        progress=Progress(quiet=True),
    )
    model = load(tmp_path / "run")
    assert isinstance(model, Transcriber)
    assert model.transcribe(data / "high" / "1.wav").text == "high"
    assert model.transcribe(data / "low" / "1.wav").text == "low"


def test_what_cannot_listen_is_told_at_once(ears: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\ngood,a\nbad,b\n")
    with pytest.raises(UsageError, match="listens to sounds"):
        finetune(str(ears), str(rows), task="classify", out=tmp_path / "a")
    with pytest.raises(UsageError, match="in the layout of CTranslate2"):
        open_speech_encoder(str(ears.parent / "hub"))
    broken = tmp_path / "broken"
    shutil.copytree(ears, broken)
    (broken / "model.bin").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read as a Whisper"):
        open_speech_encoder(str(broken))
    pictures = tmp_path / "pictures.npz"
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    np.savez(pictures, images=images, labels=np.arange(40) % 2)
    with pytest.raises(DataError, match="the examples are pictures"):
        finetune(str(ears), str(pictures), task="recognize", out=tmp_path / "b")
