"""Whisper, which writes down speech in 99 languages, by ``faster-whisper`` or ``transformers``.

::

    listener = autogpt.load("whisper-base")          # extra "speech"
    listener.transcribe("call.mp3").text             # the language is found by itself
    listener.transcribe("call.mp3", language="zh").segments

A folder that CTranslate2 converted runs in faster-whisper, several times as fast as the original
on a CPU; a folder of Hugging Face's runs in transformers. Long files are heard in windows of up to
30 seconds where somebody speaks: faster-whisper brings the detector Silero VAD, for transformers
it is our own (``data.speech``). Nothing is ever fetched here and no code of a model is run.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from autogpt.core.errors import CheckpointError, MissingExtraError, UsageError
from autogpt.core.examples import Medium
from autogpt.core.files import read_json
from autogpt.core.hardware import usable_cores
from autogpt.data.preprocessing import Samples
from autogpt.data.sounds import stretches
from autogpt.data.speech import windows_of
from autogpt.interop.transformers import explained, refuse_foreign_code, without_bars
from autogpt.models.weights import open_weights
from autogpt.tasks.transcribe import Segment, Transcript, joined

__all__ = ["FasterWhisper", "HubWhisper", "is_converted", "is_whisper", "load_whisper"]

RATE = 16_000
_CONVERTED = "model.bin"  # CTranslate2's own format: tensors with names, no pickle
_WINDOW_S = 30.0
_WINDOWS_AT_ONCE = 4

Progress = Callable[[float, str], None]
Dtype = Literal["auto", "float32", "bfloat16"]


def is_whisper(path: Path) -> bool:
    """Whether a folder holds a Whisper that :func:`load_whisper` reads."""
    if not (path / "config.json").is_file():
        return False
    settings = read_json(path / "config.json")
    if not isinstance(settings, dict):
        return False
    return settings.get("model_type") == "whisper" or is_converted(path, settings)


def is_converted(path: Path, settings: dict[str, Any]) -> bool:
    """Whether a folder with such a ``config.json`` is a Whisper in CTranslate2's layout."""
    return (path / _CONVERTED).is_file() and "suppress_ids" in settings


def load_whisper(path: Path, *, dtype: Dtype = "auto") -> FasterWhisper | HubWhisper:
    """Read a folder.

    Args:
        path: In CTranslate2's or in Hugging Face's layout.
        dtype: To compute in; "auto" is 8 bits with faster-whisper on a CPU, and what the weights
            are stored as in transformers.

    Raises:
        MissingExtraError: If faster-whisper, or transformers, is not installed.
        CheckpointError: If a file is missing or damaged, or the model brings code of its own.
    """
    settings = read_json(path / "config.json")
    if is_converted(path, settings):
        return FasterWhisper(_converted(path, dtype))
    refuse_foreign_code(path, settings)
    with open_weights(path):  # refuses pickles and torn files, in words of our own
        pass
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "transformers", extra="transformers", purpose="A Whisper of the hub"
        ) from error
    with explained(path, what="a Whisper"), without_bars(transformers):
        loaded: Any = transformers.WhisperForConditionalGeneration.from_pretrained(
            path,
            dtype="auto" if dtype == "auto" else getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        model, found = loaded
        processor = transformers.WhisperProcessor.from_pretrained(path, local_files_only=True)
    missing = sorted(name for name in found["missing_keys"] if name != "proj_out.weight")
    if missing:
        raise CheckpointError(f"The weights in {str(path)!r} lack {missing[0]!r}.")
    return HubWhisper(model.eval(), processor)


def _converted(path: Path, dtype: Dtype) -> Any:  # noqa: ANN401 - of an extra
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise MissingExtraError(
            "faster-whisper", extra="speech", purpose="A converted Whisper"
        ) from error
    if not (path / "tokenizer.json").is_file():  # else it would be fetched
        raise CheckpointError(f"{str(path / 'tokenizer.json')!r} is missing.")
    kind = "int8" if dtype == "auto" else dtype
    try:
        return WhisperModel(
            str(path),
            device="cpu" if not torch.cuda.is_available() else "auto",
            compute_type=kind,
            cpu_threads=usable_cores(),
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160].removesuffix(".")
        raise CheckpointError(f"{str(path)!r} cannot be read as a Whisper: {reason}.") from error


class FasterWhisper:
    """A Whisper in faster-whisper. Made by :func:`load_whisper`.

    Args:
        model: Of that library.

    Attributes:
        medium: What it listens to.
    """

    medium: Medium = "sound"

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - of an extra
        self._model = model

    def __repr__(self) -> str:
        return "FasterWhisper()"

    def transcribe(
        self,
        source: str | Path | bytes,
        *,
        language: str | None = None,
        progress: Progress | None = None,
    ) -> Transcript:
        """Return what is said in a sound of any length, in segments with their times.

        Args:
            source: The file, or its content.
            language: Two letters, as "en" or "zh"; None: found from the first half minute.
            progress: Told the share that is done, and the newest text.

        Raises:
            DataError: If the file is broken.
            UsageError: If the language is unknown.
        """
        begin = time.perf_counter()
        samples = _samples(source)
        total = len(samples) / RATE
        known = self._model.supported_languages
        if language is not None and language not in known:
            raise UsageError(
                f"The language {language!r} is unknown.",
                hint=f"Known are two-letter codes: {', '.join(sorted(known)[:12])}, ...",
            )
        found, facts = self._model.transcribe(
            samples, language=language, vad_filter=True, beam_size=5
        )
        segments, tokens = [], 0
        for part in found:
            end = min(total, part.end)
            segments.append(
                Segment(start_s=round(part.start, 2), end_s=round(end, 2), text=part.text.strip())
            )
            tokens += len(part.tokens)
            if progress is not None:
                progress(end / total, part.text.strip())
        return joined(
            segments, read=0, written=tokens, begin=begin, seconds=total, language=facts.language
        )


class HubWhisper:
    """A Whisper in transformers. Made by :func:`load_whisper`.

    Args:
        model: Of that library.
        processor: Its features and tokenizer.

    Attributes:
        medium: What it listens to.
    """

    medium: Medium = "sound"

    def __init__(self, model: Any, processor: Any) -> None:  # noqa: ANN401 - of an extra
        self._model, self._processor = model, processor

    def __repr__(self) -> str:
        return "HubWhisper()"

    def transcribe(
        self,
        source: str | Path | bytes,
        *,
        language: str | None = None,
        progress: Progress | None = None,
    ) -> Transcript:
        """As :meth:`FasterWhisper.transcribe`; a segment is a window of up to 30 seconds."""
        begin = time.perf_counter()
        samples = _samples(source)
        total = len(samples) / RATE
        windows = list(windows_of(samples, RATE, longest_s=_WINDOW_S))
        segments: list[Segment] = []
        written = 0
        for first in range(0, len(windows), _WINDOWS_AT_ONCE):
            some = windows[first : first + _WINDOWS_AT_ONCE]
            parts = [samples[int(w.start_s * RATE) : int(w.end_s * RATE)] for w in some]
            texts, count = self._heard(parts, language)
            written += count
            for window, text in zip(some, texts, strict=True):
                if text:
                    start, end = round(window.start_s, 2), round(window.end_s, 2)
                    segments.append(Segment(start_s=start, end_s=end, text=text))
            if progress is not None:
                progress(some[-1].end_s / total, texts[-1])
        return joined(
            segments, read=0, written=written, begin=begin, seconds=total, language=language
        )

    @torch.inference_mode()
    def _heard(self, parts: Sequence[Samples], language: str | None) -> tuple[list[str], int]:
        features = self._processor.feature_extractor(
            parts, sampling_rate=RATE, return_tensors="pt"
        ).input_features
        many = getattr(self._model.generation_config, "is_multilingual", False)
        asked = {"language": language, "task": "transcribe"} if many else {}
        try:
            ids = self._model.generate(features.to(self._model.dtype), **asked)
        except ValueError as error:
            if language is None:
                raise
            raise UsageError(f"The language {language!r} is unknown to this model.") from error
        texts = self._processor.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts], int(ids.numel())


def _samples(source: str | Path | bytes) -> Samples:
    return np.concatenate(list(stretches(source, sample_rate=RATE)))
