"""From pixels and samples to what a model reads: sizes, frames, chance, batches, speech."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from autogpt.core.errors import ConfigError
from autogpt.data.augmentation import (
    AugmentConfig,
    augmented_mel,
    augmented_pictures,
    augmented_states,
)
from autogpt.data.media_batches import IGNORED, MediaBatches, MediaRow, in_order
from autogpt.data.media_store import MediaStore
from autogpt.data.preprocessing import (
    MediaConfig,
    PictureConfig,
    SoundConfig,
    fitted,
    log_mel,
    mel_filters,
    normalized,
    standardized,
)
from autogpt.data.speech import speech_in, windows_of

GRAY = PictureConfig(height=8, width=8, channels=1, mean=(0.5,), std=(0.25,))


def _noise(seconds: float, rate: int = 16000) -> np.ndarray:
    chance = np.random.default_rng(0)
    return (0.1 * chance.standard_normal(int(seconds * rate))).astype(np.float32)


def test_frames_are_those_of_whisper() -> None:
    sound = SoundConfig()
    samples = _noise(30.0)
    theirs = transformers.WhisperFeatureExtractor()
    filters = torch.from_numpy(theirs.mel_filters.T.astype(np.float32))
    torch.testing.assert_close(mel_filters(16000, 400, 80), filters, atol=1e-6, rtol=1e-4)
    wanted = theirs(samples, sampling_rate=16000, return_tensors="np")["input_features"][0]
    ours = (log_mel(samples, sound) + 4) / 4
    assert ours.shape == wanted.shape == (80, 3000)
    np.testing.assert_allclose(ours.numpy(), wanted, atol=2e-4)


@pytest.mark.parametrize("count", [0, 1, 79, 80, 200, 1234])
def test_the_shortest_sounds_have_a_frame(count: int) -> None:
    sound = SoundConfig(sample_rate=8000, mels=16)
    mel = log_mel(np.zeros(count, dtype=np.float32), sound)
    assert mel.shape == (16, max(1, count // 80))
    assert standardized(mel).isfinite().all()
    assert (standardized(mel).abs() < 1e-3).all()


def test_the_slow_curve_of_a_microphone_does_not_matter_but_peaks_do() -> None:
    mel = torch.from_numpy(np.random.default_rng(0).normal(0, 0.5, (32, 50)).astype(np.float32))
    places = torch.linspace(0, math.pi, 32)[:, None]
    slow, peak = 0.2 * torch.cos(places) - 0.1 * torch.cos(2 * places), torch.cos(9 * places)
    plain = standardized(mel)
    assert torch.allclose(standardized(mel + slow), plain, atol=0.05)
    assert (standardized(mel + peak) - plain).abs().max() > 0.7


def test_gain_does_not_matter() -> None:
    sound = SoundConfig(mels=40)
    samples = _noise(1.0)
    loud, soft = (standardized(log_mel(gain * samples, sound)) for gain in (1.0, 0.05))
    torch.testing.assert_close(loud, soft, atol=2e-3, rtol=0)


def test_pictures_are_fitted_whole_and_in_the_middle() -> None:
    white = np.full((1, 8, 8), 200, dtype=np.uint8)
    assert fitted(white, GRAY) is white
    wide = np.full((3, 10, 40), 90, dtype=np.uint8)
    wide[:, 3:7, 10:30] = 250
    found = fitted(wide, replace(GRAY, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3))
    assert found.shape == (3, 8, 8)
    assert (found[:, 0] == 90).all()  # its border's color above and below
    assert found.max() > 150
    assert fitted(wide, GRAY).shape == (1, 8, 8)
    values = torch.from_numpy(fitted(wide, GRAY)[None]).float()
    torch.testing.assert_close(normalized(values, GRAY), (values / 255 - 0.5) / 0.25)


def test_what_is_left_open_follows_from_the_examples() -> None:
    small = [np.full((1, 28, 27), 128, dtype=np.uint8)]
    found = MediaConfig().picture(small)
    assert (found.height, found.width, found.channels, found.stride) == (28, 28, 1, 4)
    assert found.mean == (0.502,)
    large = [np.zeros((3, 300, 400), dtype=np.uint8), np.zeros((1, 500, 200), dtype=np.uint8)]
    found = MediaConfig().picture(large)
    assert (found.height, found.width, found.channels, found.stride) == (96, 96, 3, 8)
    assert MediaConfig(stride=4, height=64).picture(large).height == 64
    assert MediaConfig().picture([np.zeros((1, 8, 8), dtype=np.uint8)]).stride == 2
    assert MediaConfig().sound([8000]).mels == 32
    assert MediaConfig().sound([8000, 44100]).sample_rate == 16000


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PictureConfig(height=9, width=8, channels=1, mean=(0.5,), std=(0.5,)),
        lambda: PictureConfig(height=8, width=8, channels=2),
        lambda: PictureConfig(height=8, width=8, stride=3),
        lambda: SoundConfig(sample_rate=10),
        lambda: SoundConfig(mels=500),
        lambda: AugmentConfig(flip=2),
        lambda: AugmentConfig(noise=-1),
    ],
)
def test_settings_out_of_range_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError):
        wrong()


def test_chance_comes_from_the_generator_alone() -> None:
    pixels = torch.randint(0, 255, (4, 1, 8, 8)).float()
    config = AugmentConfig()
    one, other, third = (
        augmented_pictures(pixels, config, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    assert one.shape == pixels.shape
    sound = SoundConfig(sample_rate=8000, mels=32)
    mels = [
        augmented_mel(_noise(0.5, 8000), sound, config, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(mels[0], mels[1])
    assert mels[0].shape != mels[2].shape or not torch.equal(mels[0], mels[2])


def test_without_chance_nothing_changes() -> None:
    still = AugmentConfig(
        shift=0, rotate=0, scale=0, shear=0, light=0, speed=0, throat=0, room=0, noise=None,
        silence=0, cut=0, bands=0,
    )  # fmt: skip
    pixels = torch.randint(0, 255, (2, 1, 8, 8)).float()
    found = augmented_pictures(pixels, still, np.random.default_rng(0))
    torch.testing.assert_close(found, pixels, atol=1e-2, rtol=0)
    mirrored = augmented_pictures(pixels, replace(still, flip=1.0), np.random.default_rng(0))
    torch.testing.assert_close(mirrored, pixels.flip(3), atol=1e-2, rtol=0)
    sound = SoundConfig(sample_rate=8000, mels=32)
    samples = _noise(0.5, 8000)
    mel = augmented_mel(samples, sound, still, np.random.default_rng(0))
    wanted = standardized(log_mel(samples[: mel.shape[1] * 80], sound))
    assert abs(mel.shape[1] - 50) <= 1
    torch.testing.assert_close(mel[:, :-2], wanted[:, : mel.shape[1]][:, :-2], atol=0.1, rtol=0)
    states = torch.randn(16, 25)
    assert torch.equal(augmented_states(states, still, np.random.default_rng(0)), states)


def test_what_an_encoder_heard_is_cut_stretched_and_blanked() -> None:
    states = torch.arange(1.0, 41.0).repeat(8, 1)  # [8, 40]: each state is its number
    only = {"speed": 0.0, "bands": 0, "cut": 0.25}
    chance = np.random.default_rng(0)
    kept = [augmented_states(states, AugmentConfig(**only), chance) for _ in range(200)]
    assert {round(float(one[0, 0])) for one in kept} >= {1, 2, 5, 10}
    assert min(one.shape[1] for one in kept) >= 20
    assert max(one.shape[1] for one in kept) == 40
    assert all(torch.equal(one.diff(dim=1), torch.ones(8, one.shape[1] - 1)) for one in kept)
    stretched = AugmentConfig(speed=0.5, bands=0, cut=0)
    sizes = {augmented_states(states, stretched, chance).shape[1] for _ in range(100)}
    assert min(sizes) < 32
    assert max(sizes) > 50
    blanked = augmented_states(states, AugmentConfig(speed=0, cut=0, bands=8), chance)
    assert (blanked == 0).any()
    shortest = augmented_states(states[:, :1], AugmentConfig(cut=0.45), chance)
    assert shortest.shape == (8, 1)


def _batches(folder: Path, **given: object) -> MediaBatches:
    rows = []
    for number in range(5):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((8, 8), 20 * number, dtype=np.uint8)).save(path)
        text = np.array([10 + number, 1], dtype=np.int64)
        rows.append(MediaRow(source=str(path), frames=0, token_ids=text))
    return MediaBatches(
        rows=rows,
        batch_size=2,
        context_length=6,
        seed=3,
        medium=GRAY,
        store=MediaStore(),
        places=lambda _: 4,
        begin_id=0,
        pad_id=2,
        augment=AugmentConfig(),
        **given,  # type: ignore[arg-type]
    )


def test_a_batch_is_a_function_of_its_number(tmp_path: Path) -> None:
    batches = _batches(tmp_path)
    first = batches[0]
    assert first.inputs.tolist()[0][:5] == [2, 2, 2, 2, 0]
    assert (first.targets[:, :4] == IGNORED).all()
    assert first.weight == 4
    again = _batches(tmp_path)[0]
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.inputs, again.inputs)
    seen = [int(batches[at].targets[row, 4]) for at in range(5) for row in range(2)]
    assert sorted(seen) == sorted(list(range(10, 15)) * 2)
    looks = list(in_order(batches, places_at_once=12))
    assert sum(len(look.inputs) for look in looks) == 5
    plain = torch.cat([look.values for look in looks])
    assert sorted(plain[:, 0, 0, 0].tolist()) == pytest.approx(
        [(20 * number / 255 - 0.5) / 0.25 for number in range(5)]
    )


def test_speech_is_found_between_pauses() -> None:
    rate = 8000
    hiss = 0.001 * np.random.default_rng(0).standard_normal(10 * rate)
    for start, end in ((1.0, 2.0), (2.2, 3.0), (6.0, 7.5)):
        part = hiss[int(start * rate) : int(end * rate)]
        part += _noise(2.0, rate)[: len(part)]
    found = speech_in(hiss.astype(np.float32), rate)
    ends = [edge for one in found for edge in (one.start_s, one.end_s)]
    assert ends == pytest.approx([0.85, 3.15, 5.85, 7.65], abs=0.1)
    assert speech_in(np.zeros(rate, dtype=np.float32), rate) == []
    assert speech_in(np.zeros(3, dtype=np.float32), rate) == []


def test_long_speech_is_cut_and_short_speech_joined() -> None:
    rate = 8000
    samples = _noise(10.0, rate)
    samples[int(3.5 * rate) : int(3.6 * rate)] = 0
    cut = list(windows_of(samples, rate, longest_s=4.0))
    assert all(part.end_s - part.start_s <= 4.0 for part in cut)
    assert cut[0].end_s == pytest.approx(3.55, abs=0.1)  # where it is quietest
    assert cut[-1].end_s == pytest.approx(10.0, abs=0.05)
    quiet = np.concatenate([_noise(1, rate), np.zeros(rate), _noise(1, rate)]).astype(np.float32)
    assert len(list(windows_of(quiet, rate, longest_s=30))) == 1
    assert len(list(windows_of(quiet, rate, longest_s=30, join=False))) == 2
