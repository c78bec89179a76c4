"""Trained models that see or hear: labels of pictures and sounds, and transcripts.

::

    digits = autogpt.load("runs/digits")
    digits.predict("scan.png")                    # {"7": 0.99, "1": 0.01, ...}
    for answer in digits.run(paths): print(answer.text, answer.label)
    words = autogpt.load("runs/words")
    words.transcribe("call.wav").text

Both are the one decoder with a prefix (``models.multimodal``). Models of others come behind the
same methods (``interop``). Not here: files (``data``), subtitles (``tasks.transcribe``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
import torch

from autogpt.core.errors import DataError, UsageError
from autogpt.core.examples import Medium
from autogpt.data.media_batches import features, stacked
from autogpt.data.media_store import Listener, MediaStore
from autogpt.data.preprocessing import (
    PictureConfig,
    Samples,
    SoundConfig,
    log_mel,
    standardized,
)
from autogpt.data.sounds import stretches
from autogpt.data.speech import Stretch, windows_of
from autogpt.inference.dictation import Written, write_after
from autogpt.interop.speech_encoder import open_speech_encoder
from autogpt.models.multimodal import MultimodalGPT, places_of
from autogpt.models.multimodal_files import Recognition
from autogpt.tasks.account import shares
from autogpt.tasks.calibration import to_probabilities
from autogpt.tasks.classification import Classification, decide
from autogpt.tasks.transcribe import Segment, Transcript, joined
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["Recognizer", "Transcriber", "begin_of", "label_ids", "listener_of"]

_PLACES_AT_ONCE = 4096  # of a pass, padding included: enough to fill the cores
_TOKENS_A_SECOND = 12  # of speech, at most: some 4 words a second, 3 tokens a word

Source = str | Path | bytes
Skipped = Callable[[str], None]


def begin_of(tokenizer: Tokenizer) -> int:
    """Return the token that stands between a prefix and its text."""
    return tokenizer.bos_ids[0] if tokenizer.bos_ids else tokenizer.pad_id


def label_ids(tokenizer: Tokenizer, labels: Sequence[str]) -> list[list[int]]:
    """Return labels as the tokens that are learned, the one that ends each included."""
    return [[*ids.tolist(), tokenizer.eos_id] for ids in tokenizer.encode_batch(list(labels))]


def listener_of(medium: PictureConfig | SoundConfig) -> Listener | None:
    """Return the encoder that listens for a model, if it has one.

    Raises:
        UsageError: If that is not here.
        CheckpointError: If it is another one.
        MissingExtraError: If faster-whisper is not installed.
    """
    if isinstance(medium, PictureConfig) or medium.encoder is None:
        return None
    return open_speech_encoder(medium.encoder.name, expected=medium.encoder)


class Recognizer:
    """Labels pictures or sounds. Made by ``llm.load``.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        recognition: Its labels.
        listener: The encoder that listens for it, if it has one.

    Attributes:
        labels: What it knows.
        medium: What it looks at or listens to.
    """

    def __init__(
        self,
        model: MultimodalGPT,
        tokenizer: Tokenizer,
        recognition: Recognition,
        *,
        listener: Listener | None = None,
    ) -> None:
        self._model, self._recognition = model.eval(), recognition
        self._begin, self._ids = begin_of(tokenizer), label_ids(tokenizer, recognition.labels)
        self.labels = recognition.labels
        is_picture = isinstance(model.medium, PictureConfig)
        self.medium: Medium = "picture" if is_picture else "sound"
        rate = 16_000 if isinstance(model.medium, PictureConfig) else model.medium.sample_rate
        self._store = MediaStore(sample_rate=rate, most_bytes=1, listener=listener)

    def __repr__(self) -> str:
        return f"Recognizer({len(self.labels)} labels of a {self.medium})"

    @overload
    def predict(  # type: ignore[overload-overlap]  # bytes and text are sequences too
        self, sources: Source
    ) -> dict[str, float]: ...
    @overload
    def predict(self, sources: Sequence[Source]) -> list[dict[str, float]]: ...
    def predict(self, sources: Source | Sequence[Source]) -> object:
        """Return the probability of each label, of a file or of each of several.

        Raises:
            DataError: If a file is broken.
        """
        if isinstance(sources, str | Path | bytes):
            return next(self.run([sources])).probabilities
        return [answer.probabilities for answer in self.run(sources)]

    def run(
        self,
        sources: Sequence[Source],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        skipped: Skipped | None = None,
    ) -> Iterator[Classification]:
        """Yield the answer for each file, in order; its ``text`` is the file.

        Args:
            sources: Files, rows of an array, as ``FILE.npz#ROW``, or the content of files.
            top_k: Keep the probabilities of so many of the likeliest labels.
            threshold: Below this probability there is no answer.
            skipped: Told of each file that is broken; None: the first one is an error.

        Raises:
            DataError: If a file is broken and ``skipped`` is None.
        """
        size = 64 if self.medium == "picture" else 16
        for first in range(0, len(sources), size):
            begin = time.perf_counter()
            some = self._readable(sources[first : first + size], skipped)
            if not some:
                continue
            values, lengths = features(some, self._model.medium, self._store)
            rows = to_probabilities(
                self.scores(values, lengths), temperature=self._recognition.temperature
            )
            tokens = [self._read(int(length)) for length in lengths]
            seconds = shares(tokens, time.perf_counter() - begin)
            for place, (source, row) in enumerate(zip(some, rows.tolist(), strict=True)):
                yield decide(
                    "" if isinstance(source, bytes) else source,
                    dict(zip(self.labels, row, strict=True)),
                    threshold=threshold,
                    top_k=top_k,
                    prompt_tokens=tokens[place],
                    wall_s=seconds[place],
                )

    @torch.inference_mode()
    def scores(self, values: torch.Tensor, lengths: torch.Tensor) -> npt.NDArray[np.float64]:
        """Return the log probability of each label as the text after each prefix, ``[B, L]``."""
        model = self._model
        longest = max(places_of(int(length), model.medium) for length in lengths)
        room = max(1, model.config.max_position_embeddings - longest - 1)
        found = []
        group: list[list[int]] = []
        values = values.to(model.embedding.weight.dtype)
        for ids in [*self._ids, None]:
            if group and (ids is None or sum(map(len, group)) + len(ids) > room + len(group)):
                scored = model.text_scores(values, lengths, group, begin_id=self._begin)
                found.append(scored.double().numpy())
                group = []
            if ids is not None:
                group.append(ids)
        return np.concatenate(found, axis=1)

    def _read(self, length: int) -> int:
        """Return what is read of an input: its places, a beginning, all labels but their ends."""
        return places_of(length, self._model.medium) + 1 + sum(len(ids) - 1 for ids in self._ids)

    def _readable(self, sources: Sequence[Source], skipped: Skipped | None) -> list[str | bytes]:
        named = [one if isinstance(one, bytes) else str(one) for one in sources]
        if skipped is None:
            return named
        read = self._store.picture if self.medium == "picture" else self._store.sound
        found: list[str | bytes] = []
        for source in named:
            try:
                read(source)
            except DataError as error:
                skipped(error.message)
            else:
                found.append(source)
        return found


class Transcriber:
    """Writes down what is said, or what a picture shows. Made by ``llm.load``.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        listener: The encoder that listens for it, if it has one.

    Attributes:
        medium: What it looks at or listens to.
    """

    def __init__(
        self, model: MultimodalGPT, tokenizer: Tokenizer, *, listener: Listener | None = None
    ) -> None:
        self._model, self._tokenizer, self._listener = model.eval(), tokenizer, listener
        self._begin = begin_of(tokenizer)
        self._ends = {tokenizer.eos_id, tokenizer.pad_id}
        self._size = model.medium
        self.medium: Medium = "picture" if isinstance(model.medium, PictureConfig) else "sound"

    def __repr__(self) -> str:
        return f"Transcriber({self.medium})"

    def transcribe(
        self,
        source: Source,
        *,
        language: str | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> Transcript:
        """Return what is said in a sound of any length, in segments with their times.

        Args:
            source: The file.
            language: For models that know several; this one knows what it was taught.
            progress: Told the share that is done, and the newest text.

        Raises:
            DataError: If the file is broken.
            UsageError: If a language is asked for.
        """
        if language is not None:
            raise UsageError(
                "This model knows only the language it was taught.", hint="Leave --language out."
            )
        begin = time.perf_counter()
        if isinstance(self._size, PictureConfig):
            store = MediaStore(most_bytes=1)
            named = source if isinstance(source, bytes) else str(source)
            (written,) = self._write(*features([named], self._size, store))
            segments = [Segment(start_s=0.0, end_s=0.0, text=self._decoded(written))]
            return joined(
                segments,
                read=written.prompt_tokens,
                written=len(written.token_ids),
                begin=begin,
                seconds=0.0,
            )
        return self._from_sound(source, self._size, progress, begin)

    def write(self, values: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the text after each prefix; for measuring."""
        return [self._decoded(one) for one in self._write(values, lengths)]

    def _frames(self, samples: Samples, sound: SoundConfig) -> torch.Tensor:
        if self._listener is not None:
            return torch.from_numpy(self._listener(samples)).float().T
        return standardized(log_mel(samples, sound))

    def _from_sound(
        self,
        source: Source,
        sound: SoundConfig,
        progress: Callable[[float, str], None] | None,
        begin: float,
    ) -> Transcript:
        samples = np.concatenate(list(stretches(source, sample_rate=sound.sample_rate)))
        rate, total = sound.sample_rate, len(samples) / sound.sample_rate
        segments, read, count = [], 0, 0
        whole = [Stretch(0.0, total)] if total <= sound.seconds else None  # as it was taught
        for window in whole or windows_of(samples, rate, longest_s=sound.seconds, join=False):
            part = samples[int(window.start_s * rate) : int(window.end_s * rate)]
            (written,) = self._write(*stacked([self._frames(part, sound)]))
            text = self._decoded(written)
            read += written.prompt_tokens
            count += len(written.token_ids)
            if text:
                segments.append(_segment(window, text))
            if progress is not None:
                progress(window.end_s / total, text)
        return joined(segments, read=read, written=count, begin=begin, seconds=total)

    def _write(self, values: torch.Tensor, lengths: torch.Tensor) -> list[Written]:
        frame_s = 0.0 if isinstance(self._size, PictureConfig) else self._size.frame_s
        seconds = int(lengths.max()) * frame_s
        return write_after(
            self._model,
            values.to(self._model.embedding.weight.dtype),
            lengths,
            begin_id=self._begin,
            ends=self._ends,
            max_tokens=64 + int(seconds * _TOKENS_A_SECOND),
        )

    def _decoded(self, written: Written) -> str:
        return self._tokenizer.decode(list(written.token_ids)).strip()


def _segment(window: Stretch, text: str) -> Segment:
    return Segment(start_s=round(window.start_s, 2), end_s=round(window.end_s, 2), text=text)
