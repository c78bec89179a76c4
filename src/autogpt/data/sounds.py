"""A sound's file to samples: WAV, FLAC, MP3, OGG and what else libsndfile reads, mono, at one rate.

Channels are averaged; any rate and depth is brought to the rate that is asked for (soxr, high
quality). Long files are read in stretches, so that an hour takes no more memory than a minute. A
file that is no sound, cut off, or has no samples is refused in one sentence. Not here: features
(``preprocessing``), who speaks when (``speech``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autogpt.core.errors import DataError, MissingExtraError
from autogpt.core.units import format_duration
from autogpt.data.preprocessing import Samples

__all__ = ["SOUNDS", "SoundFacts", "facts_of", "read_sound", "resampled", "stretches"]

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".au", ".w64")
_BLOCK_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundFacts:
    """What a sound file says of itself.

    Attributes:
        sample_rate: Samples a second.
        channels: How many.
        seconds: How long it is.
    """

    sample_rate: int
    channels: int
    seconds: float


def facts_of(path: Path | str | bytes) -> SoundFacts:
    """Return what a file says of itself.

    Raises:
        DataError: If it is missing, empty, or not a sound.
        MissingExtraError: If soundfile is not installed.
    """
    with _opened(path) as file:
        facts = SoundFacts(
            sample_rate=file.samplerate,
            channels=file.channels,
            seconds=max(0, file.frames) / file.samplerate,
        )
    if facts.seconds == 0:
        raise DataError(f"{_name(path)!r} has no samples: it is a sound of length zero.")
    return facts


def read_sound(
    path: Path | str | bytes, *, sample_rate: int, longest_s: float | None = None
) -> Samples:
    """Return the samples of a file, mono, from -1 to 1.

    Args:
        path: The file, or its content.
        sample_rate: Wanted, in hertz.
        longest_s: Seconds that are not to be exceeded; None: any.

    Raises:
        DataError: If it is missing, not a sound, cut off, of length zero, or longer.
        MissingExtraError: If soundfile or soxr is not installed.
    """
    facts = facts_of(path)
    if longest_s is not None and facts.seconds > longest_s:
        raise DataError(
            f"{_name(path)!r} is {format_duration(facts.seconds)} long, more than the "
            f"{format_duration(longest_s)} that are read at once.",
            hint="Cut it into shorter files, each with its own text.",
        )
    return np.concatenate(list(stretches(path, sample_rate=sample_rate)))


def stretches(path: Path | str | bytes, *, sample_rate: int) -> Iterator[Samples]:
    """Yield the samples of a file one stretch of about half a minute after another; all join up.

    Raises:
        DataError: As :func:`read_sound`.
        MissingExtraError: If soundfile or soxr is not installed.
    """
    with _opened(path) as file:
        resampler = None
        if file.samplerate != sample_rate:
            resampler = _soxr().ResampleStream(
                file.samplerate, sample_rate, 1, dtype="float32", quality="HQ"
            )
        count, block = 0, round(_BLOCK_S * file.samplerate)
        while True:
            try:
                part = file.read(block, dtype="float32", always_2d=True)
            except RuntimeError as error:  # libsndfile's, of what it cannot decode
                raise _damaged(path, str(error)) from error
            count += len(part)
            is_last = len(part) < block
            mono = part.mean(axis=1, dtype=np.float32) if part.shape[1] > 1 else part[:, 0]
            if not np.isfinite(mono).all():
                raise _damaged(path, "it holds NaN or infinity")
            if resampler is not None:
                mono = resampler.resample_chunk(np.ascontiguousarray(mono), last=is_last)
            if len(mono):
                yield mono
            if is_last:
                break
        expected = file.frames
    if count == 0:
        raise DataError(f"{_name(path)!r} has no samples: it is a sound of length zero.")
    if 0 < count < 0.9 * expected:
        raise _damaged(path, f"{count} of {expected} samples are there")


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return samples of one rate in another.

    Raises:
        MissingExtraError: If soxr is not installed.
    """
    if rate == wanted:
        return samples
    converted: Samples = _soxr().resample(samples, rate, wanted, quality="HQ")
    return converted.astype(np.float32)


def _opened(path: Path | str | bytes) -> Any:  # noqa: ANN401 - of a package without types
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: libsndfile itself is missing
        raise MissingExtraError("soundfile", extra="media", purpose="Reading sounds") from error
    try:
        size = len(path) if isinstance(path, bytes) else Path(path).stat().st_size
    except OSError as error:
        raise DataError(f"{_name(path)!r} cannot be read: {error.strerror or error}.") from error
    if size == 0:
        raise DataError(f"{_name(path)!r} is empty, a sound was expected.")
    try:
        return soundfile.SoundFile(io.BytesIO(path) if isinstance(path, bytes) else Path(path))
    except (RuntimeError, OSError, TypeError, ValueError) as error:
        raise DataError(
            f"{_name(path)!r} is not a sound, or a damaged one.",
            hint="Sounds are WAV, FLAC, MP3, OGG or OPUS.",
        ) from error


def _name(path: Path | str | bytes) -> str:
    return "sound" if isinstance(path, bytes) else str(path)


def _soxr() -> Any:  # noqa: ANN401 - a module that may be missing
    try:
        import soxr
    except ImportError as error:
        raise MissingExtraError("soxr", extra="media", purpose="Another sample rate") from error
    return soxr


def _damaged(path: Path | str | bytes, reason: str) -> DataError:
    short = " ".join(reason.split())[:120].removesuffix(".")
    return DataError(f"{_name(path)!r} is a damaged or cut off sound: {short}.")
