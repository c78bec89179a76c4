from __future__ import annotations

import io
import sys

import pytest

from autogpt.core.progress import ByteProgress, Progress


def test_a_log_gets_a_line_now_and_then():
    stream = io.StringIO()
    with Progress(stream=stream) as progress:
        progress.say("[reading] 3 files")
        for percent in range(1, 101):
            progress.update(percent / 100, f"step {percent}", left_s=100 - percent)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[reading] 3 files"
    assert len(lines) == 3  # the first update, the last, and what was said
    assert "step 1 " in lines[1]
    assert "100%" in lines[2]


def test_quiet_says_nothing():
    stream = io.StringIO()
    with Progress(quiet=True, stream=stream) as progress:
        progress.say("hello")
        progress.update(0.5, "step 1")
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_is_taken_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def work() -> None:
        with Progress(stream=stream) as progress:
            progress.update(0.5, "step 7  loss 2.1", left_s=60.0)
            progress.say("validation")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    shown = stream.getvalue()
    assert "step 7" in shown
    assert "validation" in shown
    assert shown.endswith("\x1b[2K")  # the line of the bar is cleared


def test_a_log_ends_with_the_last_state_even_if_work_stops_early():
    stream = io.StringIO()

    def work() -> None:
        with Progress(stream=stream) as progress:
            progress.update(0.1, "step 1")
            progress.update(0.2, "step 2")
            progress.update(0.3, "step 3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert stream.getvalue().splitlines() == [" 10%  step 1", " 30%  step 3"]


def test_the_end_is_written_once():
    stream = io.StringIO()
    with Progress(stream=stream) as progress:
        for _ in range(3):
            progress.update(1.0, "done")
    assert stream.getvalue().splitlines() == ["100%  done"]


@pytest.mark.parametrize("text", ["[loading] 汉字", "[/x] loss 2.3 · 13K tokens/s"])
def test_brackets_are_text(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress.update(0.5, text)
        progress.say(text)
    assert stream.getvalue().count(text) >= 2


def test_a_long_tail_leaves_the_bar_its_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress.update(0.5, "x" * 300, left_s=60.0)
    assert "50%" in stream.getvalue()
    assert "1m 00s left" in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("FORCE_COLOR", "1")])
def test_what_cannot_move_the_cursor_gets_lines(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, value)
    stream = Terminal() if name == "TERM" else io.StringIO()
    with Progress(stream=stream) as progress:
        progress.update(0.5, "half")
    assert stream.getvalue() == " 50%  half\n"


def test_standard_output_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress.update(0.5, "half")
        sys.stdout.write('{"a": 1}\n')
    assert capsys.readouterr().out == '{"a": 1}\n'
    assert '{"a": 1}' not in stream.getvalue()


def test_bytes_are_counted_and_what_was_there_says_nothing_of_the_rate():
    stream = io.StringIO()
    with Progress(stream=stream) as progress:
        meter = ByteProgress(progress, 1_000_000)
        meter.skip(900_000)
        meter.add(50_000)
        meter.add(50_000)
    first, last = stream.getvalue().splitlines()
    assert first.startswith(" 95%  950.0 kB of 1.0 MB, ")
    assert last.startswith("100%  1.0 MB of 1.0 MB, ")
