"""How pictures and sounds are taught: the label or the text that is written after each.

Both tasks put a stem on the model and learn it together with the model's weights (or adapters).
Labels end by choosing a temperature on the validation examples, as heads do; the error reported
with it is honest: each half is judged with the temperature of the other. ``examples.html`` in the
run folder shows what was right and wrong, to look at and to listen to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from autogpt.core.errors import DataError, UsageError
from autogpt.core.examples import Example, Medium, Observed
from autogpt.core.hardware import usable_cores
from autogpt.data.augmentation import AugmentConfig
from autogpt.data.batches import Learnable
from autogpt.data.media_batches import MediaBatches, MediaRow, in_groups, in_order
from autogpt.data.media_store import MediaStore
from autogpt.data.preprocessing import ENCODED_LONGEST_S, PictureConfig, SoundConfig, frames_of
from autogpt.data.sounds import facts_of
from autogpt.evaluation.media_page import EXAMPLES, Shown, write_media_page
from autogpt.evaluation.metrics.transcripts import error_rates
from autogpt.interop.speech_encoder import SpeechEncoder, open_speech_encoder
from autogpt.llm.media import Recognizer, Transcriber, begin_of, label_ids
from autogpt.models.gpt import GPT
from autogpt.models.multimodal import MultimodalGPT, places_of, put_stem
from autogpt.models.multimodal_files import Recognition, save_multimodal
from autogpt.models.trainable import Trainable
from autogpt.recipe.teaching import Classroom, Taught
from autogpt.tasks.calibration import (
    expected_calibration_error,
    fit_temperature,
    to_probabilities,
)
from autogpt.tokenizer.lessons import Lesson
from autogpt.training.kernels import eager
from autogpt.training.objective import media_tokens

__all__ = ["RecognizeTeacher", "TranscribeTeacher"]

_LOOK_PLACES = 4096  # of a batch of validation: enough to fill the cores
_LOOKED_AT = 256  # files that tell how large pictures are
_LABEL_ROOM = 64  # tokens behind a prefix, so that many labels are scored in one pass
_MOST_SHOWN = 48
_FROM_NOTHING = (
    "hearing is learned from nothing: best for voices that were recorded. For any voice, name "
    "whisper-base in place of new"
)
_ROOM = 1.25  # of the longest example: what is slowed down by chance still fits

Scores = npt.NDArray[np.float64]


class _MediaTeacher:
    """What both have in common.

    Args:
        room: What it is given.
    """

    task: Literal["recognize", "transcribe"]

    def __init__(self, room: Classroom) -> None:
        self._room, self._tokenizer, self._seed = room, room.tokenizer, room.recipe.seed
        self._train = [_observed(example, self.task) for example in room.train]
        self._valid = [_observed(example, self.task) for example in room.validation]
        medium = self._train[0].medium
        if medium != self._valid[0].medium:
            raise DataError(
                f"The training examples are {medium}s, those of validation are not.",
                hint="Give validation examples of the same kind.",
            )
        self.medium: Medium = medium
        self._listener = self._open_listener()
        self._store = MediaStore()
        self._size = self._sized()
        if isinstance(self._size, SoundConfig):
            rate = self._size.sample_rate
            self._store = MediaStore(sample_rate=rate, listener=self._listener)
        self._rows = [self._encoded(part) for part in (self._train, self._valid)]
        self._looks: MediaBatches | None = None
        self._figures: dict[str, float] = {}

    @property
    def longest(self) -> int:
        """Places and tokens of the longest example, stretched as far as chance may."""
        return 1 + max(self._most(row) for rows in self._rows for row in rows)

    def shown(self, count: int) -> Sequence[Lesson | Example]:
        """Return the first examples."""
        return self._train[:count]

    def model(self, gpt: GPT) -> Trainable:
        """Return the model with a stem on it."""
        return put_stem(gpt, self._size)

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Return what the loop needs.

        Raises:
            DataError: If an example does not fit the context.
        """
        del model
        if self._listener is not None:
            self._listen()
        for rows in self._rows:
            for row in rows:
                if self._most(row) > context_length:
                    raise DataError(
                        f"{row.source!r} with its text takes {self._most(row)} places, more than "
                        f"the context of {context_length}.",
                        hint="Set finetune.context_length higher, or media.stride.",
                    )
        train, looks = (
            MediaBatches(
                rows=rows,
                batch_size=1,
                context_length=round(sum(map(self._taken, rows)) / len(rows)),
                seed=self._seed,
                medium=self._size,
                store=self._store,
                places=self._places,
                begin_id=begin_of(self._tokenizer),
                pad_id=self._tokenizer.pad_id,
                augment=self._augment,
            )
            for rows in self._rows
        )
        self._looks = looks
        return Taught(
            batches=train,
            rows_in=lambda epochs: epochs * len(train.rows),
            validation=self._in_order,
            objective=media_tokens,
            fill=1.0,
            tokens=sum(map(self._taken, train.rows)),
            validation_tokens=sum(map(self._taken, looks.rows)),
            learned_bytes=None,
            fingerprint=train.fingerprint([one.digest for one in self._train])
            + looks.fingerprint([one.digest for one in self._valid]),
            same_shapes=isinstance(self._size, PictureConfig) and self._same_texts(),
        )

    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return what was found when the model was saved, which came before."""
        del model, taught
        return self._figures

    # -- parts -------------------------------------------------------------------------------------

    @property
    def _augment(self) -> AugmentConfig:
        return self._room.recipe.augment

    def _open_listener(self) -> SpeechEncoder | None:
        name = self._room.recipe.media.encoder
        if name is None:
            if self.medium == "sound":
                self._room.shown.say(_FROM_NOTHING)
            return None
        if self.medium == "picture":
            raise DataError(
                f"The encoder {name!r} listens to sounds, but the examples are pictures.",
                hint="Teach pictures from 'new', without media.encoder.",
            )
        return open_speech_encoder(name)

    def _listen(self) -> None:
        """Let the encoder hear every sound once, several at a time; what it makes of it is kept."""
        size, rows = self._size, [row for part in self._rows for row in part]
        assert isinstance(size, SoundConfig)  # an encoder was opened for sounds
        longest, begin = round(size.seconds * size.sample_rate), time.monotonic()
        with ThreadPoolExecutor(usable_cores()) as pool:
            heard = pool.map(lambda row: self._store.heard(row.source, longest=longest), rows)
            for done, _ in enumerate(heard, start=1):
                left_s = (len(rows) - done) * (time.monotonic() - begin) / done
                tail = f"listening to {done:,} of {len(rows):,} sounds"
                self._room.shown.update(done / len(rows), tail, left_s=left_s)

    def _sized(self) -> PictureConfig | SoundConfig:
        """Return how the examples are to be read, from a look at some of them."""
        wanted, step = self._room.recipe.media, max(1, len(self._train) // _LOOKED_AT)
        some = self._train[::step][:_LOOKED_AT]
        if self.medium == "picture":
            return wanted.picture([self._store.picture(example.source) for example in some])
        rates = [facts_of(example.source).sample_rate for example in some]
        sound = wanted.sound(rates, encoder=self._listener.config if self._listener else None)
        # What is no longer than the examples is read whole later, as they were (``llm.media``).
        longest = max(self._seconds(example) for example in (*self._train, *self._valid))
        return replace(sound, seconds=round(min(sound.seconds, _ROOM * longest + 0.1), 2))

    def _seconds(self, example: Observed) -> float:
        seconds, most = facts_of(example.source).seconds, self._room.recipe.media.seconds
        most = min(most, ENCODED_LONGEST_S) if self._listener else most
        if seconds > most:
            raise DataError(
                f"{example.source!r} is {seconds:.0f} s long, more than the {most:g} s that are "
                "read at once.",
                hint="Cut it, with its text, into shorter files"
                + ("." if self._listener else "; or set media.seconds higher."),
            )
        return seconds

    def _encoded(self, examples: Sequence[Observed]) -> list[MediaRow]:
        ids = label_ids(self._tokenizer, [example.text for example in examples])
        rows = []
        for example, own in zip(examples, ids, strict=True):
            rows.append(
                MediaRow(
                    source=example.source,
                    frames=self._frames(example),
                    token_ids=np.array(own, dtype=np.int64),
                )
            )
        return rows

    def _frames(self, example: Observed) -> int:
        if isinstance(self._size, PictureConfig):
            return 0
        seconds = self._seconds(example)
        return frames_of(round(seconds * self._size.sample_rate), self._size)

    def _places(self, frames: int) -> int:
        return places_of(frames, self._size)

    def _taken(self, row: MediaRow) -> int:
        return self._places(row.frames) + len(row.token_ids)

    def _most(self, row: MediaRow) -> int:
        augment, frames = self._augment, row.frames
        if isinstance(self._size, SoundConfig):
            silence = math.ceil(augment.silence / self._size.frame_s)
            most = math.ceil(frames * (1 + augment.speed)) + 2 * silence
            frames = min(most, max(frames, round(self._size.seconds / self._size.frame_s)))
        return self._places(frames) + len(row.token_ids)

    def _same_texts(self) -> bool:
        return len({len(row.token_ids) for rows in self._rows for row in rows}) == 1

    def _in_order(self) -> Iterator[Learnable]:
        assert self._looks is not None  # teach was called
        return in_order(self._looks, places_at_once=_LOOK_PLACES)

    def _groups(self) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Yield validation examples without chance: their numbers, features and frames."""
        looks = self._looks
        assert looks is not None  # teach was called
        for numbers in in_groups(looks, places_at_once=_LOOK_PLACES):
            batch = looks.gather([looks.rows[number] for number in numbers])
            yield numbers, batch.values, batch.lengths

    def _page(self, answers: Sequence[tuple[str, float]]) -> None:
        """Write ``examples.html``: what was wrong first, most sure first."""
        shown = [
            Shown(
                source=example.source,
                medium=example.medium,
                expected=example.text,
                predicted=text,
                confidence=sure,
                place=example.place,
            )
            for example, (text, sure) in zip(self._valid, answers, strict=True)
        ]
        write_media_page(
            self._room.room.parent / EXAMPLES, shown, title=self.task, most=_MOST_SHOWN
        )


class RecognizeTeacher(_MediaTeacher):
    """Teaches which label a picture or a sound has.

    Args:
        room: What it is given.

    Raises:
        DataError: If there is only one label, or validation has one that training does not.
        UsageError: If an example is of another kind.
    """

    task = "recognize"

    def __init__(self, room: Classroom) -> None:
        super().__init__(room)
        labels = sorted({example.text for example in self._train})
        if len(labels) < 2:
            raise DataError(
                f"The training examples have the labels {labels}, at least two were expected.",
                hint="Give a folder for each label.",
            )
        for example in self._valid:
            if example.text not in labels:
                raise DataError(
                    f"The label {example.text!r} ({example.place}) is in the validation examples "
                    "only."
                )
        self._recognition = Recognition(task="recognize", labels=tuple(labels))

    @property
    def longest(self) -> int:
        """As of any, with room for labels side by side."""
        return super().longest + _LABEL_ROOM

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder, calibrated on the validation examples."""
        assert isinstance(model, MultimodalGPT)  # as this teacher made it
        recognizer = Recognizer(model, self._tokenizer, self._recognition, listener=self._listener)
        labels = self._recognition.labels
        scores = np.zeros((len(self._valid), len(labels)))
        with eager():
            for numbers, values, lengths in self._groups():
                scores[numbers] = recognizer.scores(values, lengths)
        targets = np.array([labels.index(example.text) for example in self._valid])
        temperature, before, after = _calibrated(scores, targets, seed=self._seed)
        self._figures = {
            "accuracy": float((scores.argmax(axis=1) == targets).mean()),
            "temperature": temperature,
            "calibration_error_before": before,
            "calibration_error": after,
        }
        chances = to_probabilities(scores, temperature=temperature)
        self._page([(labels[int(row.argmax())], float(row.max())) for row in chances])
        save_multimodal(
            model,
            folder,
            tokenizer=self._tokenizer,
            recognition=Recognition(
                task="recognize",
                labels=labels,
                temperature=temperature,
                calibration_error=after,
            ),
            dtype="float32",
        )


class TranscribeTeacher(_MediaTeacher):
    """Teaches to write down what is said in a sound, or shown in a picture.

    Args:
        room: What it is given.

    Raises:
        UsageError: If an example is of another kind.
    """

    task = "transcribe"

    @property
    def _augment(self) -> AugmentConfig:
        return replace(super()._augment, cut=0.0)  # or the text would say what is not heard

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder."""
        assert isinstance(model, MultimodalGPT)  # as this teacher made it
        transcriber = Transcriber(model, self._tokenizer, listener=self._listener)
        written = [""] * len(self._valid)
        with eager():
            for numbers, values, lengths in self._groups():
                for number, text in zip(numbers, transcriber.write(values, lengths), strict=True):
                    written[number] = text
        expected = [example.text for example in self._valid]
        self._figures = dict(error_rates(expected, written))
        self._page([(text, math.nan) for text in written])
        save_multimodal(
            model,
            folder,
            tokenizer=self._tokenizer,
            recognition=Recognition(task="transcribe"),
            dtype="float32",
        )


def _calibrated(
    scores: Scores, targets: npt.NDArray[np.int64], *, seed: int
) -> tuple[float, float, float]:
    """Return the temperature, and the calibration error without it and with it."""
    temperature = fit_temperature(scores, targets)
    order = np.random.default_rng(seed).permutation(len(scores))
    honest = np.empty_like(scores)
    halves = order[::2], order[1::2]
    for own, other in (halves, halves[::-1]):
        usual = fit_temperature(scores[other], targets[other])
        honest[own] = to_probabilities(scores[own], temperature=usual)
    before, after = (
        expected_calibration_error(rows.max(axis=1), rows.argmax(axis=1) == targets)
        for rows in (to_probabilities(scores), honest)
    )
    return temperature, before, after


def _observed(example: Example, task: str) -> Observed:
    if not isinstance(example, Observed):
        raise UsageError(
            f"The task {task!r} cannot learn from a {type(example).__name__.lower()} "
            f"({example.place})."
        )
    return example
