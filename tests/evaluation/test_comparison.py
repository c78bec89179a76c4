from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from autogpt.core.config import dump_toml
from autogpt.core.errors import RunError, UsageError
from autogpt.evaluation.comparison import Curve, draw_comparison
from autogpt.recipe.comparison import compare
from autogpt.training.record import Entry, Record


def entries(speed: float, *, looks: int = 3) -> list[Entry]:
    found = []
    for step in range(1, 61):
        loss = 6.0 / (1 + speed * step)
        values = {"step": step, "tokens": 100 * step, "elapsed_s": step / 4}
        found.append(Entry(kind="train", loss=loss, tokens_per_s=400.0, **values))
        if looks and step % (60 // looks) == 0:
            found.append(Entry(kind="validation", loss=loss, bits_per_byte=loss / 2, **values))
    return found


def run(folder: Path, speed: float, *, finished: bool = True, looks: int = 3) -> Path:
    with Record.open(folder, tensorboard=False) as record:
        for entry in entries(speed, looks=looks):
            record.log(entry)
    recipe = {"format": 1, "training": {"muon_lr": speed}, "model": {"preset": "tiny"}}
    (folder / "recipe.toml").write_text(dump_toml(recipe), encoding="utf-8")
    (folder / "data").mkdir()
    corpus = {
        f"{part}_{of}": 7 for part in ("train", "validation") for of in ("documents", "bytes")
    }
    (folder / "data" / "corpus.json").write_text(json.dumps({"corpus": corpus}), encoding="utf-8")
    if finished:
        (folder / "report.html").touch()
    return folder


def test_runs_are_put_side_by_side(tmp_path: Path):
    one, two = run(tmp_path / "one", 0.1), run(tmp_path / "论语", 0.2, finished=False)
    found = compare([one, two], plot=tmp_path / "plots" / "c.png")
    first, second = found.runs
    assert (first.state, second.state) == ("finished", "unfinished")
    assert (first.steps, first.tokens, first.elapsed_s) == (60, 6000, 15.0)
    assert first.tokens_per_s == 400.0
    assert first.val_loss == pytest.approx(6 / 7)
    assert second.val_bits_per_byte == pytest.approx(3 / 13)
    assert second.best_bits_per_byte == second.val_bits_per_byte
    assert first.settings == {"training.muon_lr": 0.1}
    assert first.parameters is None  # there is no tokenizer to tell it from
    assert found.same_text
    assert json.loads(json.dumps(found.to_dict()))["runs"][1]["run"] == str(two)
    with Image.open(found.plot) as picture:
        assert picture.size == (1600, 896)


def test_other_texts_are_told(tmp_path: Path):
    one, two = run(tmp_path / "one", 0.1), run(tmp_path / "two", 0.2)
    (two / "data" / "corpus.json").write_text('{"corpus": {}}', encoding="utf-8")
    assert not compare([one, two], plot=tmp_path / "c.png").same_text


def test_what_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match="not a run folder"):
        compare([tmp_path], plot=tmp_path / "c.png")
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([], plot=tmp_path / "c.png")


@pytest.mark.parametrize("by", ["tokens", "time", "steps"])
def test_every_run_is_seen(by: str):
    curves = [
        Curve(name="a", measurements=entries(0.1)),
        Curve(name="b", measurements=entries(0.3)),
    ]
    both = Image.open(io.BytesIO(draw_comparison(curves, by=by))).convert("RGB")  # type: ignore[arg-type]
    colors = {color for _, color in both.getcolors(1 << 20)}
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0)} <= colors


def test_runs_without_looks_or_entries_draw_too():
    curves = [
        Curve(name="no look", measurements=entries(0.1, looks=0)),
        Curve(name="nothing", measurements=[]),
        *(Curve(name=f"论语{n}", measurements=entries(0.1 + n / 10)) for n in range(10)),
    ]
    assert draw_comparison(curves).startswith(b"\x89PNG")
