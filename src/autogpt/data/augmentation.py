"""Chance for pictures and sounds in training: what changes them and not what they are.

A picture is moved, turned, scaled, sheared and lit a little differently; it is mirrored only where
that is asked for, since a mirrored letter is another one. A sound is played faster or slower
(Ko et al. 2015, "Audio Augmentation for Speech Recognition"), moved in time, cut at its ends, heard
in another room (a smooth curve over frequency, and noise), comes from a longer or shorter throat
(Jaitly and Hinton 2013, "Vocal Tract Length Perturbation"), and loses bands of time and frequency
(Park et al. 2019, "SpecAugment"). Where an encoder has listened, its states are stretched, cut and
blanked likewise; rooms, throats and noise it knows already. All of it follows from a generator that
the caller seeds, so that a batch is the same in a resumed run.

Letters in shapes: as in ``preprocessing``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.data.preprocessing import Samples, SoundConfig, log_mel, standardized

__all__ = ["AugmentConfig", "augmented_mel", "augmented_pictures", "augmented_states"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """How much chance there is in training; 0 turns each off.

    Attributes:
        shift: Of pictures, the farthest move, in parts of their size.
        rotate: The largest turn, in degrees.
        scale: The largest change of size: 0.1 is from 1/1.1 to 1.1 times.
        shear: The largest shear, in parts of the height.
        light: The largest change of contrast and brightness, in parts of their range.
        flip: The share of pictures that are mirrored left to right.
        speed: Of sounds, the largest change of speed, as ``scale``.
        throat: The largest change of the frequency axis, as ``scale``.
        room: Deviation of a smooth random curve over frequency, in log10 units.
        noise: White noise down to so many decibels below the sound; None: none.
        silence: The longest silence put before and after, in seconds.
        cut: The largest share that is cut off at either end, of sounds with a label: people do not
            always press the button in time. Of sounds with a transcript nothing is.
        bands: Bands of frequency that are blanked, each of up to a fifth of the bins; as many of
            time, each of up to a tenth of the frames.
    """

    shift: float = 0.1
    rotate: float = 12.0
    scale: float = 0.12
    shear: float = 0.1
    light: float = 0.1
    flip: float = 0.0
    speed: float = 0.15
    throat: float = 0.1
    room: float = 0.6
    noise: float | None = 5.0
    silence: float = 0.1
    cut: float = 0.25
    bands: int = 2

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        ranges = {
            "shift": 0.5, "rotate": 180.0, "scale": 1.0, "shear": 0.5, "light": 0.9, "flip": 1.0,
            "speed": 0.5, "throat": 0.5, "room": 2.0, "silence": 5.0, "cut": 0.45, "bands": 8,
        }  # fmt: skip
        for name, most in ranges.items():
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"{name} = {getattr(self, name)} must be from 0 to {most}.")
        if self.noise is not None and not 0 <= self.noise <= 100:
            raise ConfigError(f"noise = {self.noise} must be from 0 to 100 decibels.")


def augmented_pictures(
    pixels: Float[Tensor, "B C Y X"], config: AugmentConfig, chance: np.random.Generator
) -> Float[Tensor, "B C Y X"]:
    """Return pictures, each changed in a way of its own; values stay from 0 to 255."""
    count = len(pixels)

    def up_to(most: float) -> Tensor:
        return torch.from_numpy(chance.uniform(-most, most, count).astype(np.float32))

    angle, shear = up_to(math.radians(config.rotate)), up_to(config.shear)
    factor = torch.exp(up_to(math.log1p(config.scale)))
    right, down = up_to(2 * config.shift), up_to(2 * config.shift)  # of -1 to 1
    sign = torch.from_numpy(np.where(chance.random(count) < config.flip, -1.0, 1.0)).float()
    contrast, brightness = 1 + up_to(config.light), up_to(255 * config.light / 2)
    cosine, sine = torch.cos(angle) / factor, torch.sin(angle) / factor
    rows = [
        torch.stack([sign * cosine, shear - sine, right], dim=1),
        torch.stack([sign * sine, cosine, down], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    if not config.light:
        return moved
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    lit = (moved - mean) * contrast.view(-1, 1, 1, 1) + mean + brightness.view(-1, 1, 1, 1)
    return lit.clamp(0, 255)


def augmented_mel(
    samples: Samples, sound: SoundConfig, config: AugmentConfig, chance: np.random.Generator
) -> Float[Tensor, "M F"]:
    """Return the standardized log-mel frames of a sound that was changed."""
    mel = log_mel(_spoken(samples, sound, config, chance), sound)
    mel = _throat(mel, _factor(config.throat, chance))
    if config.room:
        places = torch.linspace(0, math.pi, mel.shape[0])
        for wave in range(1, 4):  # a curve without sharp edges, as of a room or a microphone
            mel = (
                mel
                + float(chance.normal(0, config.room / wave)) * torch.cos(wave * places)[:, None]
            )
    return _blanked(standardized(mel), config.bands, chance)


def augmented_states(
    states: Float[Tensor, "M F"], config: AugmentConfig, chance: np.random.Generator
) -> Float[Tensor, "M F"]:
    """Return the states of an encoder, changed."""
    first, last = _kept(states.shape[1], config, chance)
    states = states[:, first:last]
    size = max(1, round(states.shape[1] / _factor(config.speed, chance)))
    states = F.interpolate(states[None], size, mode="linear", align_corners=False)[0]
    return _blanked(states, config.bands, chance)


def _blanked(
    values: Float[Tensor, "M F"], bands: int, chance: np.random.Generator
) -> Float[Tensor, "M F"]:
    values = values.clone()
    for _ in range(bands):
        for axis, share in ((0, 0.2), (1, 0.1)):
            size = values.shape[axis]
            width = int(chance.integers(0, max(1, int(share * size)) + 1))
            first = int(chance.integers(0, size - width + 1))
            values.narrow(axis, first, width).zero_()
    return values


def _kept(size: int, config: AugmentConfig, chance: np.random.Generator) -> tuple[int, int]:
    """Return where what is not cut off begins and ends; at each end, a third is left whole."""
    if not config.cut:
        return 0, size
    before, after = (
        int(max(0.0, share) * config.cut * size) for share in chance.uniform(-0.5, 1, 2)
    )
    return before, max(before + 1, size - after)


def _spoken(
    samples: Samples, sound: SoundConfig, config: AugmentConfig, chance: np.random.Generator
) -> Samples:
    """Cut, change speed, put silence around and noise over it all."""
    first, last = _kept(len(samples), config, chance)
    samples = samples[first:last]
    factor = _factor(config.speed, chance)
    places = np.arange(0, len(samples) - 1, factor)
    if len(places) > 1:
        samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    most = int(config.silence * sound.sample_rate)
    before, after = chance.integers(0, most + 1, 2)
    loud = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    samples = np.pad(samples, (int(before), int(after)))
    if config.noise is not None:
        below = chance.uniform(config.noise, config.noise + 40)
        noise = chance.standard_normal(len(samples)) * loud * 10 ** (-below / 20)
        samples = samples + noise.astype(np.float32)
    longest = int(sound.seconds * sound.sample_rate)
    return samples[:longest].astype(np.float32)


def _factor(most: float, chance: np.random.Generator) -> float:
    return float(np.exp(chance.uniform(-1, 1) * math.log1p(most)))


def _throat(mel: Float[Tensor, "M F"], factor: float) -> Float[Tensor, "M F"]:
    """Return frames whose frequency axis is stretched, its end repeated where that is needed."""
    if factor == 1.0:
        return mel
    bins = mel.shape[0]
    places = (torch.arange(bins) * factor).clamp(max=bins - 1)
    low = places.floor().long()
    high = (low + 1).clamp(max=bins - 1)
    share = (places - low)[:, None]
    return mel[low] * (1 - share) + mel[high] * share
