"""What a model is given of a picture or a sound: how large, how fine, and from which numbers.

::

    picture    uint8 pixels [C, Y, X] -> scaled to fit, padded -> (pixel / 255 - mean) / std
    sound      samples -> log-mel frames [M, F] -> without the tilt of room and microphone
               or, where a pretrained encoder listens first: samples -> its states [M, F]

The settings are part of a model (``config.json``, ``preprocessing``), because weights only make
sense of numbers like those they learned from. Frames are those of Whisper: windows of 25 ms every
10 ms, a Slaney mel filterbank, log10 floored at 8 below the loudest (Radford et al. 2022, "Robust
Speech Recognition via Large-Scale Weak Supervision", section 2.2, and ``whisper/audio.py``). What
is ours: see :func:`standardized`. Not here: files (``pictures``, ``sounds``), chance
(``augmentation``).

Letters in shapes: C channels, Y rows of pixels, X columns, N samples, M mel bins (or numbers of an
encoder's state), F frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import ConfigError

__all__ = [
    "ENCODED_LONGEST_S",
    "EncoderConfig",
    "MediaConfig",
    "PictureConfig",
    "Pixels",
    "Samples",
    "SoundConfig",
    "fitted",
    "frames_of",
    "log_mel",
    "mel_filters",
    "normalized",
    "standardized",
]

Pixels = npt.NDArray[np.uint8]  # [C, Y, X]
Samples = npt.NDArray[np.float32]  # [N], from -1 to 1

_STRIDES = (1, 2, 4, 8, 16)
_SMALL, _USUAL = 64, 96  # pixels: up to which pictures keep their size, and what others get
_WINDOW_S, _HOP_S = 0.025, 0.010
_ENCODED_S = 0.020  # from one state of Whisper's encoder to the next
_ENCODED_RATE = 16_000
ENCODED_LONGEST_S = 28.0  # of a sound: it hears 30 s at once, with some silence behind
_FLOOR = 8.0  # log10 units below the loudest place
_RANGE = 5.0  # log10 units below it that a voice is followed down to: below are rooms
_SPREAD = 1.2  # of it, about, so that frames have a deviation of 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureConfig:
    """How pictures are read.

    Attributes:
        height: Pixels; a multiple of the stride.
        width: Pixels; a multiple of the stride.
        channels: 1, gray, or 3, red, green and blue.
        stride: Pixels between two neighboring places that the model reads, in both directions.
        mean: Of each channel, from 0 to 1.
        std: Of each channel.
    """

    height: int
    width: int
    channels: int = 3
    stride: int = 4
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if self.stride not in _STRIDES:
            raise ConfigError(f"stride = {self.stride}, expected one of {_STRIDES}.")
        for name in ("height", "width"):
            size = getattr(self, name)
            if not 0 < size <= 1024 or size % self.stride:
                raise ConfigError(
                    f"{name} = {size} must be a multiple of stride = {self.stride}, up to 1,024."
                )
        if self.channels not in (1, 3):
            raise ConfigError(f"channels = {self.channels}, expected 1 or 3.")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ConfigError(f"mean and std need a number for each of {self.channels} channels.")
        if min(self.std) <= 0:
            raise ConfigError(f"std = {self.std} must be positive.")

    @property
    def rows(self) -> int:
        """Rows of places that the model reads."""
        return self.height // self.stride

    @property
    def columns(self) -> int:
        """Columns of places that the model reads."""
        return self.width // self.stride


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """Whose encoder listens or reads first, and stays as it is.

    Attributes:
        name: Of a Whisper or a sentence encoder, as MODEL is written everywhere.
        width: Numbers of each of its states, or of a text's vector.
        sha256: Of its weights; others mean something else by their numbers.
    """

    name: str
    width: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundConfig:
    """How sounds are read.

    Attributes:
        sample_rate: Samples a second; what is given in another rate is resampled.
        mels: Mel bins from 0 to half the sample rate.
        stride: Stretches of 10 ms for each place that the model reads.
        seconds: The longest stretch that is read at once.
        encoder: Listens in place of mel bins, and gives a frame each 20 ms; None: nobody.
    """

    sample_rate: int = 16_000
    mels: int = 80
    stride: int = 4
    seconds: float = 30.0
    encoder: EncoderConfig | None = None

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if not 4_000 <= self.sample_rate <= 48_000:
            raise ConfigError(f"sample_rate = {self.sample_rate} must be from 4,000 to 48,000.")
        if not 8 <= self.mels <= 128:
            raise ConfigError(f"mels = {self.mels} must be from 8 to 128.")
        if self.stride not in (1, 2, 4, 8):
            raise ConfigError(f"stride = {self.stride}, expected 1, 2, 4 or 8.")
        if not 0.1 <= self.seconds <= 120:
            raise ConfigError(f"seconds = {self.seconds} must be from 0.1 to 120.")
        if self.encoder is not None and (self.stride < 2 or self.sample_rate != _ENCODED_RATE):
            raise ConfigError("An encoder hears 16,000 samples a second, with a stride of 2 to 8.")

    @property
    def window(self) -> int:
        """Samples that a frame is computed from: 25 ms."""
        return round(_WINDOW_S * self.sample_rate)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return round(self.frame_s * self.sample_rate)

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return _HOP_S if self.encoder is None else _ENCODED_S

    @property
    def bins(self) -> int:
        """Numbers of a frame: M."""
        return self.mels if self.encoder is None else self.encoder.width

    @property
    def halvings(self) -> int:
        """How often two neighboring frames become one before the model reads them."""
        return self.stride.bit_length() - (1 if self.encoder is None else 2)


# -- pictures --------------------------------------------------------------------------------------


def fitted(pixels: Pixels, config: PictureConfig) -> Pixels:
    """Return a picture in the model's size: scaled to fit, whole, and centered on its border color.

    A picture that has the size already is returned as it is. Shrinking averages (antialiased).
    """
    pixels = _in_channels(pixels, config.channels)
    height, width = pixels.shape[1:]
    if (height, width) == (config.height, config.width):
        return pixels
    scale = min(config.height / height, config.width / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    image = torch.from_numpy(np.ascontiguousarray(pixels))[None]
    if inner != (height, width):
        image = F.interpolate(image.float(), inner, mode="bilinear", antialias=True)
        image = image.round().clamp(0, 255).to(torch.uint8)
    border = np.concatenate(
        [pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1
    )
    canvas = np.empty((config.channels, config.height, config.width), dtype=np.uint8)
    canvas[:] = np.median(border, axis=1).astype(np.uint8)[:, None, None]
    top, left = (config.height - inner[0]) // 2, (config.width - inner[1]) // 2
    canvas[:, top : top + inner[0], left : left + inner[1]] = image[0].numpy()
    return canvas


def _in_channels(pixels: Pixels, channels: int) -> Pixels:
    if pixels.shape[0] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=0)
    weights = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601 (1982)
    gray = np.tensordot(weights, pixels.astype(np.float64), axes=1)
    return gray.round().astype(np.uint8)[None]


def normalized(pixels: Float[Tensor, "B C Y X"], config: PictureConfig) -> Float[Tensor, "B C Y X"]:
    """Return (pixel / 255 - mean) / std of pixels from 0 to 255."""
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (config.mean, config.std))
    return (pixels / 255.0 - mean) / std


# -- sounds ----------------------------------------------------------------------------------------


def frames_of(samples: int, config: SoundConfig) -> int:
    """Return how many frames :func:`log_mel`, or the encoder, makes of so many samples."""
    if config.encoder is not None:
        return max(1, -(-samples // config.hop))
    return max(1, samples // config.hop)


def log_mel(samples: Samples, config: SoundConfig) -> Float[Tensor, "M F"]:
    """Return Whisper's log-mel frames of a sound, in log10 of power, floored.

    A frame is centered on its place; the ends are mirrored. The last, incomplete hop is dropped.
    """
    wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    least = max(config.hop, config.window // 2 + 1)  # mirroring needs half a window
    if len(wave) < least:
        wave = F.pad(wave, (0, least - len(wave)))
    spectrum = torch.stft(
        wave,
        config.window,
        config.hop,
        window=torch.hann_window(config.window),
        return_complex=True,
    )
    power = spectrum[:, :-1].abs() ** 2  # [window / 2 + 1, F]
    mel = mel_filters(config.sample_rate, config.window, config.mels) @ power
    log = mel.clamp(min=1e-10).log10()
    return torch.maximum(log, log.max() - _FLOOR)[:, : frames_of(len(samples), config)]


def standardized(mel: Float[Tensor, "M F"]) -> Float[Tensor, "M F"]:
    """Return frames without what a microphone, its gain and a room add to every one of them.

    The mean spectrum of the louder half of the range is fitted by a constant and two slow waves,
    which is what such things do to a voice, and this fit is taken off. It keeps the vowels, whose
    peaks are narrower; taking the whole mean off, as cepstral mean normalization does (Atal 1974),
    loses them in sounds of one word (docs/log.md).
    """
    mel = torch.maximum(mel, mel.max() - _RANGE)
    loudness = mel.mean(dim=0)  # [F]
    loud = loudness >= (loudness.max() + loudness.min()) / 2
    fit: Tensor = _tilt_of(mel.shape[0]) @ mel[:, loud].mean(dim=1)
    return (mel - fit[:, None]) / _SPREAD


@lru_cache(maxsize=8)
def _tilt_of(mels: int) -> Float[Tensor, "M M"]:
    """Return the projection of a spectrum onto a constant and two slow waves."""
    places = torch.linspace(0, math.pi, mels)
    waves = torch.stack([torch.cos(n * places) for n in range(3)], dim=1)  # [M, 3]
    projection: Tensor = waves @ torch.linalg.pinv(waves)
    return projection


@lru_cache(maxsize=8)
def mel_filters(sample_rate: int, window: int, mels: int) -> Float[Tensor, "M W"]:
    """Return triangular filters from a power spectrum to mel bins, each of area 1 in hertz.

    Source: Slaney 1998, "Auditory Toolbox": linear up to 1 kHz, logarithmic above; what librosa
    calls ``htk=False, norm="slaney"`` and Whisper ships as a table.
    """
    edges = _hertz(np.linspace(0.0, _mel(sample_rate / 2), mels + 2))  # [M + 2]
    bins = np.fft.rfftfreq(window, 1.0 / sample_rate)  # [W]
    slopes = (bins - edges[:, None]) / np.diff(edges)[:, None].repeat(len(bins), 1)[
        [*range(mels + 1), mels]
    ]
    rising, falling = slopes[:mels], 1.0 - slopes[1 : mels + 1]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters *= (2.0 / (edges[2:] - edges[:mels]))[:, None]
    return torch.from_numpy(filters.astype(np.float32))


def _mel(hertz: float) -> float:
    if hertz < 1000.0:
        return hertz * 3.0 / 200.0
    return 15.0 + 27.0 * math.log(hertz / 1000.0) / math.log(6.4)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * 200.0 / 3.0
    return np.where(mel < 15.0, linear, 1000.0 * np.exp((mel - 15.0) * math.log(6.4) / 27.0))


# -- what a user may say ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaConfig:
    """How pictures or sounds are to be read; None leaves it to the examples.

    Attributes:
        height: See :class:`PictureConfig`; by default small pictures stay as they are, others
            become 96 pixels high and wide.
        width: As ``height``.
        channels: By default 1 if all pictures are gray.
        stride: By default 2 for the smallest pictures, 4 up to 64 pixels, 8 beyond; 4 of sounds.
        sample_rate: By default 8,000 where the sounds have no more, else 16,000.
        mels: By default 32 at 8,000 samples a second, else 40: fewer than show a voice's pitch.
        seconds: The longest sound.
        encoder: The name of a Whisper whose encoder listens first, as whisper-base: it has heard
            many voices, so that few recordings suffice. None: learn to hear from nothing.
    """

    height: int | None = None
    width: int | None = None
    channels: int | None = None
    stride: int | None = None
    sample_rate: int | None = None
    mels: int | None = None
    seconds: float = 30.0
    encoder: str | None = None

    def picture(self, pixels: Sequence[Pixels]) -> PictureConfig:
        """Return how such pictures are read."""
        height, width = (
            int(np.median([max(one.shape[1:]) if mixed else one.shape[axis] for one in pixels]))
            for axis in (1, 2)
            for mixed in [len({one.shape[1:] for one in pixels}) > 1]
        )
        longest = max(height, width)
        if longest > _SMALL:
            height = width = _USUAL
        stride = self.stride or (2 if longest <= 12 else 4 if longest <= _SMALL else 8)
        height, width = (
            -(-(given or size) // stride) * stride
            for given, size in ((self.height, height), (self.width, width))
        )
        channels = self.channels or max(one.shape[0] for one in pixels)
        shape = PictureConfig(
            height=height,
            width=width,
            channels=channels,
            stride=stride,
            mean=(0.5,) * channels,
            std=(0.5,) * channels,
        )
        values = np.stack([fitted(one, shape) for one in pixels]) / 255.0  # [N, C, Y, X]
        mean, std = values.mean(axis=(0, 2, 3)), values.std(axis=(0, 2, 3))
        return replace(
            shape,
            mean=tuple(round(float(value), 4) for value in mean),
            std=tuple(round(max(float(value), 0.01), 4) for value in std),
        )

    def sound(self, rates: Sequence[int], *, encoder: EncoderConfig | None = None) -> SoundConfig:
        """Return how sounds of such sample rates are read, perhaps by an encoder.

        Raises:
            ConfigError: If a setting does not suit the encoder.
        """
        if encoder is not None:
            rate = self.sample_rate or _ENCODED_RATE
            seconds = min(self.seconds, ENCODED_LONGEST_S)
            return SoundConfig(
                sample_rate=rate, stride=self.stride or 4, seconds=seconds, encoder=encoder
            )
        rate = self.sample_rate or (8_000 if max(rates) <= 8_000 else 16_000)
        return SoundConfig(
            sample_rate=rate,
            mels=self.mels or (32 if rate <= 8_000 else 40),
            stride=self.stride or 4,
            seconds=self.seconds,
        )
