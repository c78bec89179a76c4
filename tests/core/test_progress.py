from __future__ import annotations

import io

import pytest

from autogpt.core.progress import Progress


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
