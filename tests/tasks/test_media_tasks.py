"""Recognize and transcribe as everyone sees them: what is sent, what comes back, subtitles."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

import jsonschema
import pytest

from autogpt.core.errors import UsageError
from autogpt.evaluation.metrics.transcripts import error_rates
from autogpt.tasks import find_task
from autogpt.tasks.classification import Classification, decide
from autogpt.tasks.transcribe import Segment, Transcript, joined, rendered


class Seer:
    medium = "picture"
    labels = ("cat", "狗")

    def run(
        self,
        sources: Sequence[Path | bytes],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
    ) -> Iterator[Classification]:
        for source in sources:
            cat = 0.9 if source == b"cat" else 0.2
            yield decide("", {"cat": cat, "狗": 1 - cat}, top_k=top_k, threshold=threshold)


class Listener:
    medium = "sound"

    def transcribe(self, source: Path | bytes, *, language=None, progress=None) -> Transcript:  # type: ignore[no-untyped-def]
        if progress is not None:
            progress(1.0, "hi")
        segments = [Segment(start_s=0.5, end_s=1.0, text=f"{language}: {len(source)}")]  # type: ignore[arg-type]
        return joined(segments, read=3, written=2, begin=0.0, seconds=2.0)


def test_pictures_are_sent_as_text_and_never_named() -> None:
    task = find_task("recognize")
    sent = base64.b64encode(b"cat").decode()
    found = list(task.run(Seer(), [sent, f"data:image/png;base64,{sent}"], top_k=1))
    assert found[0] == found[1]
    assert found[0]["label"] == "cat"
    jsonschema.validate(found[0], task.result)
    with pytest.raises(UsageError, match="not in base64"):
        list(task.run(Seer(), ["/etc/passwd!"]))
    with pytest.raises(UsageError, match="not trained to recognize"):
        list(task.run(object(), [sent]))
    with pytest.raises(UsageError, match="labels of its own"):
        list(task.run(Seer(), [sent], labels=["a", "b"]))


def test_sounds_are_transcribed_one_after_another() -> None:
    task = find_task("transcribe")
    heard: list[float] = []
    found = list(
        task.run(
            Listener(),
            [base64.b64encode(b"abc").decode()] * 2,
            progress=lambda share, _: heard.append(share),
            language="zh",
        )
    )
    assert found[0]["text"] == "zh: 3"
    assert heard == [0.5, 1.0]
    jsonschema.validate(found[0], task.result)
    with pytest.raises(UsageError, match="not trained to transcribe"):
        list(task.job().run(Seer(), [b"x"]))


def _transcript() -> Transcript:
    segments = [
        Segment(start_s=0.0, end_s=1.5, text="Hello\n\nworld --> now."),
        Segment(start_s=3661.0426, end_s=3662.0, text="再见。"),
    ]
    return joined(segments, read=0, written=0, begin=0.0, seconds=4000.0)


def test_subtitles_follow_their_formats() -> None:
    assert rendered(_transcript(), "srt").splitlines() == [
        *("1", "00:00:00,000 --> 00:00:01,500", "Hello", "world → now.", ""),
        *("2", "01:01:01,043 --> 01:01:02,000", "再见。"),
    ]
    lines = rendered(_transcript(), "vtt").splitlines()
    assert lines[:3] == ["WEBVTT", "", "00:00:00.000 --> 00:00:01.500"]
    assert rendered(_transcript(), "text") == "Hello\n\nworld --> now.再见。"
    with pytest.raises(UsageError, match="no form"):
        rendered(_transcript(), "ass")  # type: ignore[arg-type]


def test_sentences_are_joined_as_their_script_does() -> None:
    def text(*parts: str) -> str:
        segments = [Segment(start_s=0, end_s=1, text=part) for part in parts]
        return joined(segments, read=0, written=0, begin=0, seconds=1).text

    assert text("One.", "Two.") == "One. Two."
    assert text("你好。", "再见。") == "你好。再见。"
    assert text("", "a") == "a"
    assert text() == ""


def test_error_rates_pass_over_case_and_punctuation() -> None:
    assert error_rates(["Hello, world!"], ["hello world"])["word_error_rate"] == 0
    found = error_rates(["one two three four", "五六七八"], ["one too three", "五六七"])
    assert found["word_error_rate"] == pytest.approx(3 / 8)
    assert found["exact"] == 0
    assert error_rates(["a"], [""])["word_error_rate"] == 1
    assert error_rates([""], ["a b"])["word_error_rate"] == 0  # there is nothing to divide by
