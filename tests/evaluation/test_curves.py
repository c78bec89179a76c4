from __future__ import annotations

import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autogpt.evaluation.curves import Measurement, Shape, Theme, draw_curves, smooth, write_curves
from autogpt.training.record import Entry


def run(steps: int, *, every: int = 20) -> list[Measurement]:
    entries: list[Measurement] = []
    for step in range(1, steps + 1):
        loss = 1.5 + 7 * math.exp(-step / 20)
        entries.append(
            Entry(
                kind="train",
                step=step,
                tokens=step * 4096,
                elapsed_s=9 + step * 0.2,
                loss=loss,
                learning_rate=1e-3 * (1 - step / (steps + 1)),
                tokens_per_s=20_000.0,
            )
        )
        if step % every == 0:
            entries.append(
                Entry(
                    kind="validation",
                    step=step,
                    tokens=step * 4096,
                    elapsed_s=9 + step * 0.2,
                    loss=loss + 0.1,
                    bits_per_byte=loss * 0.7,
                )
            )
    return entries


def colors(png: bytes) -> set[tuple[int, int, int]]:
    with Image.open(io.BytesIO(png)) as image:
        found = image.convert("RGB").getcolors(256)
    assert found is not None
    return {color for _, color in found if isinstance(color, tuple) and len(color) == 3}


def near(found: set[tuple[int, int, int]], color: str, tolerance: int = 12) -> bool:
    wanted = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    return any(
        all(abs(a - b) <= tolerance for a, b in zip(one, wanted, strict=True)) for one in found
    )


@pytest.mark.parametrize(
    ("theme", "shape", "page", "train", "validation"),
    [
        ("light", "wide", "#ffffff", "#0072b2", "#d55e00"),
        ("dark", "narrow", "#171d24", "#56b4e9", "#ff9140"),
    ],
)
def test_both_losses_are_drawn(
    theme: Theme, shape: Shape, page: str, train: str, validation: str
) -> None:
    picture = draw_curves(run(60), theme=theme, shape=shape)
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.width > image.height) == (shape == "wide")
        assert image.getpixel((0, 0)) is not None
    found = colors(picture)
    for color in (page, train, validation):
        assert near(found, color), color


def test_without_validation_there_is_no_validation_color() -> None:
    assert not near(colors(draw_curves(run(30, every=1000))), "#d55e00")


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_a_run_that_has_barely_begun_can_be_drawn(steps: int, tmp_path: Path) -> None:
    write_curves(tmp_path / "curves.png", run(steps, every=1), title="a run")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("loss", [None, math.nan, math.inf, 0.0, 1e-9, 1e30])
def test_a_wild_loss_does_not_stop_the_picture(loss: float | None) -> None:
    wild = Entry(
        kind="validation", step=99, tokens=99 * 4096, elapsed_s=40, loss=loss, tokens_per_s=0.0
    )
    wild_train = Entry(
        kind="train", step=99, tokens=99 * 4096, elapsed_s=40, loss=loss, tokens_per_s=0.0
    )
    draw_curves([*run(20), wild, wild_train])


def test_the_same_run_gives_the_same_picture() -> None:
    assert draw_curves(run(30)) == draw_curves(run(30))


def test_smoothing_keeps_a_line_and_its_ends() -> None:
    line = [float(value) for value in range(200)]
    np.testing.assert_allclose(smooth(line)[:190], line[:190])
    assert smooth(line)[-1] == pytest.approx(197, abs=1)


def test_smoothing_removes_noise_and_passes_over_gaps() -> None:
    values = [2.0 + (0.5 if index % 2 else -0.5) for index in range(400)]
    assert abs(smooth(values)[20:-20] - 2.0).max() < 0.06
    gaps: list[float | None] = [None if index % 5 == 0 else 3.0 for index in range(400)]
    assert np.nanmax(abs(smooth(gaps) - 3.0)) < 1e-12
    assert np.isnan(smooth([None, None])).all()
    assert len(smooth([])) == 0


def test_pyplot_and_torch_stay_out() -> None:
    program = (
        "import sys; from autogpt.evaluation.curves import draw_curves; draw_curves([]);"
        "print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
