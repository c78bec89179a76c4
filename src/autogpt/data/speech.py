"""Where in a sound somebody speaks, and how it is cut into stretches that a model can hear.

By loudness: a frame of 30 ms counts as speech where it rises clearly above the background, which is
what the quietest tenth of the frames are; pauses shorter than a third of a second belong to speech.
That suits speech in quiet and in steady noise, and is no judge of music; Whisper brings a trained
detector of its own. Not here: transcripts.

Source: energy-based detection as surveyed in Rabiner and Sambur 1975, "An Algorithm for Determining
the Endpoints of Isolated Utterances"; the adaptive threshold is ours.

Letters in shapes: N samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autogpt.data.preprocessing import Samples

__all__ = ["Stretch", "speech_in", "windows_of"]

_FRAME_S = 0.03
_PAUSE_S = 0.35  # shorter ones are within a sentence
_MARGIN_S = 0.15  # kept before and after, for sounds that begin softly
_LEAST_S = 0.06  # a click is shorter
_ABOVE_DB = 8.0  # over the background
_SHARE = 0.35  # of the way from the background to the loud frames
_SILENT_DB = -70.0  # of full scale: nothing below is speech


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a sound, in seconds from its beginning."""

    start_s: float
    end_s: float


def speech_in(samples: Samples, sample_rate: int) -> list[Stretch]:
    """Return where somebody speaks, in order and without overlap.

    Args:
        samples: From -1 to 1.
        sample_rate: Samples a second.
    """
    size = max(1, int(_FRAME_S * sample_rate))
    count = len(samples) // size
    if count == 0:
        return []
    frames = samples[: count * size].reshape(count, size)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    loudness = 10 * np.log10(power + 1e-12)  # dB of full scale
    background, loud = np.percentile(loudness, [10, 95])
    threshold = max(background + max(_ABOVE_DB, _SHARE * (loud - background)), _SILENT_DB)
    if loud - background < _ABOVE_DB:  # as loud everywhere: speech without a pause, or silence
        threshold = _SILENT_DB
    is_speech = loudness > threshold
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_speech.astype(np.int8), [0]])))
    found: list[list[float]] = []
    for first, last in edges.reshape(-1, 2):
        start, end = first * _FRAME_S, last * _FRAME_S
        if found and start - found[-1][1] < _PAUSE_S:
            found[-1][1] = end
        else:
            found.append([start, end])
    total = len(samples) / sample_rate
    return [
        Stretch(max(0.0, start - _MARGIN_S), min(total, end + _MARGIN_S))
        for start, end in found
        if end - start >= _LEAST_S
    ]


def windows_of(
    samples: Samples, sample_rate: int, *, longest_s: float, join: bool = True
) -> Iterator[Stretch]:
    """Yield stretches of speech, none longer than a model can hear.

    What is longer is cut where it is quietest in its last third; neighbors are joined as far as
    they fit, so that sentences keep their context.

    Args:
        samples: From -1 to 1.
        sample_rate: Samples a second.
        longest_s: Of a stretch.
        join: Whether neighbors are joined.
    """
    begin: Stretch | None = None
    for stretch in speech_in(samples, sample_rate):
        for part in _cut(samples, sample_rate, stretch, longest_s):
            if begin is None:
                begin = part
            elif join and part.end_s - begin.start_s <= longest_s:
                begin = Stretch(begin.start_s, part.end_s)
            else:
                yield begin
                begin = part
    if begin is not None:
        yield begin


def _cut(
    samples: Samples, sample_rate: int, stretch: Stretch, longest_s: float
) -> Iterator[Stretch]:
    start = stretch.start_s
    while stretch.end_s - start > longest_s:
        first, last = (int((start + part * longest_s) * sample_rate) for part in (2 / 3, 1.0))
        size = max(1, int(_FRAME_S * sample_rate))
        part = samples[first:last]
        count = max(1, len(part) // size)
        power = np.square(part[: count * size], dtype=np.float64).reshape(count, -1).sum(axis=1)
        end = (first + (int(power.argmin()) + 0.5) * size) / sample_rate
        yield Stretch(start, end)
        start = end
    yield Stretch(start, stretch.end_s)
