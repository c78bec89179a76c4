"""Transcripts: what was said and when, as text, JSON or subtitles; no model is known here.

Subtitles follow SubRip (a number, ``00:00:00,000 --> 00:00:02,500``, the text) and WebVTT (W3C
2019).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autogpt.core.errors import UsageError

__all__ = ["FORMATS", "Segment", "Transcript", "TranscriptFormat", "joined", "rendered"]

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
        import json

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
