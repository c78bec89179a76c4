"""Decoded pictures and sounds, the last ones kept: files are read again in every epoch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from autogpt.data.arrays import array_rows, picture_of_row
from autogpt.data.pictures import decode_picture, read_picture
from autogpt.data.preprocessing import Pixels, Samples
from autogpt.data.sounds import read_sound

__all__ = ["Listener", "MediaStore"]

_KEPT_BYTES = 1 << 30

Listener = Callable[[Samples], npt.NDArray[np.float16]]
"""From samples to the states of an encoder, [F, M]."""


class MediaStore:
    """Decodes pictures and sounds, and keeps the last ones; threads may share it.

    Args:
        sample_rate: Of sounds.
        most_bytes: Memory to keep them in.
        listener: An encoder that listens to sounds.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        most_bytes: int = _KEPT_BYTES,
        listener: Listener | None = None,
    ) -> None:
        self._sample_rate, self._most, self._listener = sample_rate, most_bytes, listener
        self._kept: OrderedDict[str, npt.NDArray[Any]] = OrderedDict()
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._bytes = 0
        self._lock = Lock()

    def picture(self, source: str | bytes) -> Pixels:
        """Return the pixels that a source names, or is, [C, Y, X]."""
        if isinstance(source, bytes):
            return decode_picture(source, name="picture")
        path, mark, row = source.rpartition("#")
        if mark and path.endswith(".npz"):
            with self._lock:
                if path not in self._arrays:
                    self._arrays[path] = array_rows(Path(path))[0]
            return picture_of_row(self._arrays[path][int(row)])
        kept = self._recall(source)
        if kept is None:
            kept = read_picture(source)
            self._keep(source, kept)
        return kept

    def sound(self, source: str | bytes) -> Samples:
        """Return the samples that a source names, or is, [N]."""
        if isinstance(source, bytes):
            return read_sound(source, sample_rate=self._sample_rate)
        kept = self._recall(source)
        if kept is None:
            kept = read_sound(source, sample_rate=self._sample_rate)
            self._keep(source, kept)
        return kept

    def heard(self, source: str | bytes, *, longest: int) -> npt.NDArray[np.float16]:
        """Return what the encoder makes of a sound's first samples, [F, M]."""
        assert self._listener is not None  # whoever asks has given one
        if isinstance(source, bytes):
            return self._listener(self.sound(source)[:longest])
        kept = self._recall(f"heard {source}")
        if kept is None:
            samples = read_sound(source, sample_rate=self._sample_rate)
            kept = self._listener(samples[:longest])
            self._keep(f"heard {source}", kept)
        return kept

    def _recall(self, source: str) -> npt.NDArray[Any] | None:
        with self._lock:
            if source in self._kept:
                self._kept.move_to_end(source)
            return self._kept.get(source)

    def _keep(self, source: str, values: npt.NDArray[Any]) -> None:
        with self._lock:
            self._kept[source] = values
            self._bytes += values.nbytes
            while self._bytes > self._most and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.nbytes
