"""The encoder of a Whisper as ears: from samples to states that a model of ours reads.

::

    encoder = open_speech_encoder("whisper-base")    # extra "speech"
    encoder(samples).shape                           # [F, 512], a state each 20 ms

It has heard 680,000 hours of many voices (Radford et al. 2022, "Robust Speech Recognition via
Large-Scale Weak Supervision"), so that a new model needs few recordings to tell words, voices or
noises apart. The weights stay where they are and as they are; a run's folder holds their name and
sha256. A sound is given some silence behind, and is not filled up to 30 s as the original does:
0.03 s of a core for half a second of sound in place of 0.5 (docs/log.md). Computed in 8 bits on
a CPU, one sound at a time, so that a sound gives the same states whatever is heard beside it.

Letters in shapes: N samples, F states, M numbers of each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autogpt.core.errors import CheckpointError, MissingExtraError, UsageError
from autogpt.core.files import read_json, sha256_known
from autogpt.core.hardware import usable_cores
from autogpt.core.refs import resolve
from autogpt.data.preprocessing import ENCODED_LONGEST_S, EncoderConfig, Samples
from autogpt.interop.whisper import RATE, is_converted

__all__ = ["SpeechEncoder", "is_speech_encoder", "open_speech_encoder"]

_WEIGHTS = "model.bin"
_BEHIND_S = 1.0  # of silence: what a state says depends on some sound after it
_HOP, _STATE = 160, 320  # samples of a frame of the mel spectrogram, and of a state


class SpeechEncoder:
    """See the module. Made by :func:`open_speech_encoder`; threads may share it.

    Args:
        name: What the user calls it.
        model: Of CTranslate2.
        features: Of faster-whisper.
        sha256: Of the weights.

    Attributes:
        config: What a model's folder says of it.
    """

    def __init__(self, name: str, model: Any, features: Any, *, sha256: str) -> None:  # noqa: ANN401 - of an extra
        self._model, self._features = model, features
        width = self._states(np.zeros(RATE // 10, dtype=np.float32)).shape[1]
        self.config = EncoderConfig(name=name, width=width, sha256=sha256)

    def __call__(self, samples: Samples) -> npt.NDArray[np.float16]:
        """Return the states of at most 28 s of sound, 16,000 samples a second, as ``[F, M]``."""
        longest = round(ENCODED_LONGEST_S * RATE)
        states = self._states(samples[:longest])
        return states[: max(1, -(-len(samples[:longest]) // _STATE))]

    def _states(self, samples: Samples) -> npt.NDArray[np.float16]:
        from ctranslate2 import StorageView

        length = -(-len(samples) // _STATE) * _STATE + round(_BEHIND_S * RATE)
        padded = np.pad(samples.astype(np.float32), (0, length - len(samples)))
        mel = self._features(padded, padding=0)[:, : length // _HOP]
        mel = np.ascontiguousarray(mel[None], dtype=np.float32)
        found = np.array(self._model.encode(StorageView.from_array(mel), to_cpu=True))
        states: npt.NDArray[np.float16] = found[0].astype(np.float16)
        return states


def is_speech_encoder(path: Path) -> bool:
    """Whether a folder's model can be :func:`open_speech_encoder`'s: a converted Whisper."""
    settings = read_json(path / "config.json") if (path / "config.json").is_file() else None
    return isinstance(settings, dict) and is_converted(path, settings)


def open_speech_encoder(name: str, *, expected: EncoderConfig | None = None) -> SpeechEncoder:
    """Open the encoder of a Whisper that CTranslate2 converted, as ``whisper-base``.

    Args:
        name: Any MODEL.
        expected: What a model was taught with.

    Raises:
        UsageError: If there is no such model here, or it is none of that kind.
        CheckpointError: If it is damaged, or not the one that is expected.
        MissingExtraError: If faster-whisper is not installed.
    """
    path = resolve(name)
    if not is_speech_encoder(path):
        raise UsageError(
            f"{name!r} is no Whisper in the layout of CTranslate2, whose encoder could listen.",
            hint="Get one with: autogpt models pull whisper-base",
        )
    sha256 = sha256_known(path, _WEIGHTS)
    if expected is not None and expected.sha256 != sha256:
        raise CheckpointError(
            f"{name!r} is not the encoder that this model was taught with: its weights differ.",
            hint="Get the original again, or teach the model anew.",
        )
    try:
        from ctranslate2.models import Whisper
        from faster_whisper.feature_extractor import FeatureExtractor
    except ImportError as error:
        raise MissingExtraError(
            "faster-whisper", extra="speech", purpose="Whisper's encoder"
        ) from error
    on_gpu = torch.cuda.is_available()
    try:
        model = Whisper(
            str(path),
            device="auto" if on_gpu else "cpu",
            compute_type="int8",
            inter_threads=usable_cores(),  # several sounds at once, each in one thread
            intra_threads=1,
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160].removesuffix(".")
        raise CheckpointError(f"{str(path)!r} cannot be read as a Whisper: {reason}.") from error
    features = FeatureExtractor(feature_size=_mels_of(path))
    return SpeechEncoder(name, model, features, sha256=sha256)


def _mels_of(path: Path) -> int:
    """Return the mel bins it hears: 80, but 128 where its preprocessor says so (large-v3)."""
    file = path / "preprocessor_config.json"
    settings = read_json(file) if file.is_file() else {}
    size = settings.get("feature_size", 80) if isinstance(settings, dict) else 80
    return size if isinstance(size, int) else 80
