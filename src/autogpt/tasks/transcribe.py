"""Transcripts: what was said and when, as text, JSON or subtitles; no model is known here.

Subtitles follow SubRip (a number, ``00:00:00,000 --> 00:00:02,500``, the text) and WebVTT (W3C
2019).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from autogpt.core.errors import UsageError
from autogpt.tasks.account import USAGE
from autogpt.tasks.base import Progress, Task
from autogpt.tasks.recognize import content_of, media_schema
from autogpt.tasks.schema import object_schema

__all__ = [
    "FORMATS",
    "TASK",
    "Segment",
    "Transcribe",
    "Transcript",
    "TranscriptFormat",
    "joined",
    "rendered",
]

TranscriptFormat = Literal["text", "json", "srt", "vtt"]
FORMATS: tuple[TranscriptFormat, ...] = ("text", "json", "srt", "vtt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start_s: Seconds from the beginning.
        end_s: Likewise.
        text: What was said.
    """

    start_s: float
    end_s: float
    text: str

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``transcribe --json``."""
        return {"start_s": self.start_s, "end_s": self.end_s, "text": self.text}


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """What was said in a sound.

    Attributes:
        text: All of it.
        segments: Its parts, in order.
        language: Two letters, where the model tells.
        duration_s: Of the sound.
        prompt_tokens: What the model read.
        completion_tokens: What it wrote.
        wall_s: What it took.
    """

    text: str
    segments: tuple[Segment, ...]
    language: str | None = None
    duration_s: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    wall_s: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``transcribe --json``."""
        factor = self.wall_s / self.duration_s if self.duration_s else None
        return {
            "text": self.text,
            "segments": [segment.to_dict() for segment in self.segments],
            "language": self.language,
            "duration_s": round(self.duration_s, 3),
            "usage": {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
            },
            "timing": {
                "wall_s": round(self.wall_s, 3),
                "real_time_factor": None if factor is None else round(factor, 4),
            },
        }


def joined(
    segments: Sequence[Segment],
    *,
    read: int,
    written: int,
    begin: float,
    seconds: float,
    language: str | None = None,
) -> Transcript:
    """Return segments as one transcript.

    Args:
        segments: In order.
        read: Places and tokens that the model read, where it tells.
        written: Tokens that it wrote.
        begin: When the work began, by ``time.perf_counter``.
        seconds: Of the sound.
        language: Two letters, where it is known.
    """
    texts = [segment.text.strip() for segment in segments if segment.text.strip()]
    text = ""
    for part in texts:
        wide = text and not (_is_wide(text[-1]) or _is_wide(part[0]))
        text += f" {part}" if wide else part
    return Transcript(
        text=text,
        segments=tuple(segments),
        language=language,
        duration_s=seconds,
        prompt_tokens=read,
        completion_tokens=written,
        wall_s=time.perf_counter() - begin,
    )


def _is_wide(letter: str) -> bool:
    """Whether a script sets no space between sentences: Chinese, Japanese and their marks."""
    return "\u3000" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef"


def rendered(transcript: Transcript, form: TranscriptFormat) -> str:
    """Return a transcript as a file holds it.

    Raises:
        UsageError: If there is no such form.
    """
    if form == "text":
        return transcript.text
    if form == "json":
        return json.dumps(transcript.to_dict(), ensure_ascii=False)
    if form not in FORMATS:
        raise UsageError(f"There is no form {form!r}.", hint=f"Forms: {', '.join(FORMATS)}.")
    mark = "," if form == "srt" else "."
    blocks = []
    for number, segment in enumerate(transcript.segments, 1):
        # A blank line would end the subtitle, and "-->" be taken for its times.
        text = "\n".join(line for line in segment.text.splitlines() if line.strip())
        text = text.replace("-->", "→")
        times = f"{_clock(segment.start_s, mark)} --> {_clock(segment.end_s, mark)}"
        blocks.append(f"{number}\n{times}\n{text}\n" if form == "srt" else f"{times}\n{text}\n")
    return "\n".join(["WEBVTT\n", *blocks] if form == "vtt" else blocks).rstrip("\n")


def _clock(seconds: float, mark: str) -> str:
    whole = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


@runtime_checkable
class Listener(Protocol):
    """What transcribes, as ``llm.Transcriber`` and ``interop.whisper``."""

    def transcribe(
        self,
        source: Path | bytes,
        *,
        language: str | None = None,
        progress: Progress | None = None,
    ) -> Transcript:
        """Return what is said."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcribe:
    """The task.

    Attributes:
        language: Two letters, for a model that knows several; None: found by itself.
    """

    language: str | None = None

    def run(
        self, model: object, inputs: Sequence[object], progress: Progress | None = None
    ) -> Iterator[Transcript]:
        """Yield the transcript of each input: a path, the content of a file, or base64.

        Raises:
            UsageError: If the model does not transcribe, or an input is none.
            DataError: If a file is broken.
        """
        if not isinstance(model, Listener):
            raise UsageError(
                "This model was not trained to transcribe.",
                hint="Load whisper-base, or train one: autogpt finetune new FOLDER --task "
                "transcribe --out RUN.",
            )
        for number, given in enumerate(inputs):

            def told(share: float, text: str, number: int = number) -> None:
                if progress is not None:
                    progress((number + min(1.0, share)) / len(inputs), text)

            yield model.transcribe(content_of(given), language=self.language, progress=told)


TASK = Task(
    name="transcribe",
    about="Write down what is said in a sound of any length, with times.",
    about_zh="把任意长度的声音转写成文字，并给出时间。",
    input=media_schema("sound", "声音"),
    parameters=object_schema(
        language={
            "type": "string",
            "minLength": 2,
            "description": "Two letters, as en or zh; otherwise found by itself.",
            "description_zh": "两个字母的语言代码，如 en 或 zh；不填则自动识别。",
        },
    ),
    result=object_schema(
        *("text", "segments", "language", "duration_s", "usage", "timing"),
        text={"type": "string"},
        segments={
            "type": "array",
            "items": object_schema(
                *("start_s", "end_s", "text"),
                start_s={"type": "number"},
                end_s={"type": "number"},
                text={"type": "string"},
            ),
        },
        language={"oneOf": [{"type": "string"}, {"type": "null"}]},
        duration_s={"type": "number"},
        usage=USAGE,
        timing={"type": "object"},
    ),
    needs="trained",
    prepare=Transcribe,
)
