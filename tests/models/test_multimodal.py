"""The decoder with a prefix: alone and in a batch, with and without a cache, saved and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError
from autogpt.data.preprocessing import EncoderConfig, PictureConfig, SoundConfig
from autogpt.inference.dictation import write_after
from autogpt.models.config import GPTConfig
from autogpt.models.gpt import GPT
from autogpt.models.multimodal import MultimodalGPT, places_of, put_stem
from autogpt.models.multimodal_files import (
    Recognition,
    load_multimodal,
    save_multimodal,
)
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig
from autogpt.tokenizer.bpe import train as train_tokenizer

PICTURE = PictureConfig(height=12, width=8, channels=1, stride=4, mean=(0.5,), std=(0.5,))
SOUND = SoundConfig(sample_rate=8000, mels=16, stride=4)
HEARD = SoundConfig(encoder=EncoderConfig(name="whisper-base", width=16, sha256="0" * 64))


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def _config(vocab_size: int = 48) -> GPTConfig:
    return GPTConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=64,
        initializer_range=0.2,
    )


def _model(medium: PictureConfig | SoundConfig, vocab_size: int = 48) -> MultimodalGPT:
    torch.manual_seed(0)
    model = MultimodalGPT(_config(vocab_size), medium)
    for weight in model.stem.parameters():
        weight.data += 0.05 * torch.randn_like(weight)  # places and biases begin at 0
    return model.eval()


def _media(medium: PictureConfig | SoundConfig) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    if isinstance(medium, PictureConfig):
        return torch.randn(3, 1, 12, 8), torch.zeros(3, dtype=torch.long)
    lengths = torch.tensor([23, 40, 9])
    values = torch.randn(3, 16, 40) * (torch.arange(40) < lengths[:, None])[:, None]
    return values, lengths


@pytest.mark.parametrize("medium", [PICTURE, SOUND, HEARD])
def test_a_row_reads_the_same_alone_and_in_a_batch(medium: PictureConfig | SoundConfig) -> None:
    model = _model(medium)
    values, lengths = _media(medium)
    places = [places_of(int(length), medium) for length in lengths]
    ids = torch.randint(0, 48, (3, max(places) + 4), generator=torch.Generator().manual_seed(2))
    together = model.read_media(ids, values, lengths)
    for row, (count, length) in enumerate(zip(places, lengths.tolist(), strict=True)):
        part = (
            values[row : row + 1]
            if isinstance(medium, PictureConfig)
            else values[row : row + 1, :, :length]
        )
        alone = model.read_media(ids[row : row + 1, : count + 4], part, lengths[row : row + 1])
        torch.testing.assert_close(together[row, : count + 4], alone[0], atol=1e-5, rtol=1e-4)


def test_a_prefix_sees_itself_and_no_text_behind_it() -> None:
    model = _model(PICTURE)
    values, lengths = _media(PICTURE)
    ids = torch.randint(0, 48, (3, 10), generator=torch.Generator().manual_seed(2))
    before = model.read_media(ids, values, lengths)
    other = ids.clone()
    other[:, 8:] = 1
    after = model.read_media(other, values, lengths)
    torch.testing.assert_close(before[:, :8], after[:, :8])  # 6 places, <begin>, one token
    changed = values.clone()
    changed[:, :, -1, -1] += 5  # the last place
    assert not torch.allclose(model.read_media(ids, changed, lengths)[:, 0], before[:, 0])


@pytest.mark.parametrize("medium", [PICTURE, SOUND, HEARD])
def test_texts_side_by_side_score_as_they_would_alone(medium: PictureConfig | SoundConfig) -> None:
    model = _model(medium)
    values, lengths = _media(medium)
    texts = [[5, 1], [6, 7, 8, 1], [5, 9, 1], [2]]
    found = model.text_scores(values, lengths, texts, begin_id=0)
    assert found.shape == (3, 4)
    for row, length in enumerate(lengths.tolist()):
        part = (
            values[row : row + 1]
            if isinstance(medium, PictureConfig)
            else values[row : row + 1, :, :length]
        )
        count = places_of(length, medium)
        for number, text in enumerate(texts):
            ids = torch.tensor([[0] * (count + 1) + text[:-1]])
            hidden = model.read_media(ids, part, lengths[row : row + 1])[0, count:]
            chances = model.logits(hidden).log_softmax(-1)
            wanted = chances[torch.arange(len(text)), torch.tensor(text)].sum()
            assert abs(float(found[row, number] - wanted)) < 1e-4


@pytest.mark.parametrize("medium", [PICTURE, SOUND, HEARD])
def test_writing_with_a_cache_is_choosing_the_likeliest_again_and_again(
    medium: PictureConfig | SoundConfig,
) -> None:
    model = _model(medium)
    values, lengths = _media(medium)
    found = write_after(model, values, lengths, begin_id=0, ends={1}, max_tokens=6)
    for row, length in enumerate(lengths.tolist()):
        part = (
            values[row : row + 1]
            if isinstance(medium, PictureConfig)
            else values[row : row + 1, :, :length]
        )
        count = places_of(length, medium)
        text: list[int] = []
        chance = 0.0
        for _ in range(6):
            ids = torch.tensor([[0] * (count + 1) + text])
            hidden = model.read_media(ids, part, lengths[row : row + 1])[0, -1]
            best, token_id = model.logits(hidden).log_softmax(-1).max(-1)
            chance += float(best)
            if int(token_id) == 1:
                break
            text.append(int(token_id))
        assert found[row].token_ids == tuple(text)
        assert abs(found[row].logprob - chance) < 1e-3
        assert found[row].is_cut == (len(text) == 6)


def test_sounds_are_halved_rounding_up() -> None:
    for frames in (1, 2, 3, 5, 8, 9, 40):
        model = _model(SOUND)
        values = torch.randn(1, 16, frames)
        prefix = model.stem(values, torch.tensor([frames]))
        assert prefix.embeddings.shape[1] == places_of(frames, SOUND)
        assert int(prefix.lengths) == places_of(frames, SOUND)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["cat", "狗", "bird"], TokenizerConfig(), corpus_bytes=20)


@pytest.mark.parametrize("medium", [PICTURE, SOUND, HEARD])
def test_a_folder_gives_the_same_model_back(
    tmp_path: Path, tokenizer: Tokenizer, medium: PictureConfig | SoundConfig
) -> None:
    model = _model(medium, tokenizer.vocab_size)
    recognition = Recognition(task="recognize", labels=("cat", "狗"), temperature=1.5)
    save_multimodal(model, tmp_path, tokenizer=tokenizer, recognition=recognition)
    again, said = load_multimodal(tmp_path)
    assert said == recognition
    assert again.medium == medium
    values, lengths = _media(medium)
    ids = torch.zeros(3, 14, dtype=torch.long)
    assert torch.equal(
        again.read_media(ids, values, lengths), model.read_media(ids, values, lengths)
    )
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["text_config"]["model_type"] == "qwen3"
    assert settings["preprocessing"]["medium"] in ("picture", "sound")


def test_a_damaged_folder_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    recognition = Recognition(task="transcribe")
    model = _model(SOUND, tokenizer.vocab_size)
    save_multimodal(model, tmp_path, tokenizer=tokenizer, recognition=recognition)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "manifest.json").unlink()
    for change, words in (
        ({"preprocessing": None}, "does not say how"),
        ({"preprocessing": {**settings["preprocessing"], "mels": 4}}, "mels = 4"),
        ({"preprocessing": {**settings["preprocessing"], "mels": 24}}, "config.json asks for"),
        ({"recognition": {"task": "sing"}}, "sing"),
        ({"text_config": 3}, "no text_config"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({**settings, **change}))
        with pytest.raises(CheckpointError, match=words):
            load_multimodal(tmp_path)


def test_a_stem_keeps_what_the_body_knows() -> None:
    torch.manual_seed(0)
    body = GPT(_config()).eval()
    ids = torch.randint(0, 48, (1, 5))
    wanted = body(ids)
    model = put_stem(body, PICTURE)
    assert torch.equal(model(ids), wanted)
