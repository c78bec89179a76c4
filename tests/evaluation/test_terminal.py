from __future__ import annotations

from autogpt.evaluation.terminal import text_curve
from autogpt.training.record import Entry


def entry(seconds: float, loss: float, *, kind: str = "train") -> Entry:
    return Entry(kind=kind, step=1, tokens=1, elapsed_s=seconds, loss=loss)  # type: ignore[arg-type]


def test_a_falling_loss_falls():
    entries = [entry(second, 8 / (1 + second / 10)) for second in range(100)]
    entries.append(entry(100, 99.0, kind="validation"))  # not part of the curve
    lines = text_curve(entries, width=20, height=4).splitlines()
    assert len(lines) == 5
    assert len({line.index("│") for line in lines[:4]}) == 1
    lengths = [len(line) for line in lines[:4]]
    assert lengths == sorted(lengths)
    assert lines[0].split()[0] == "6.76"  # the mean of the first five seconds
    assert lines[3].endswith("▁")
    assert "1m 39s" in lines[4]


def test_a_flat_loss_and_an_empty_record_are_no_trouble():
    assert text_curve([]) == ""
    assert text_curve([entry(0, 2.0)]) == ""
    assert "2.00" in text_curve([entry(0, 2.0), entry(1, 2.0)])
