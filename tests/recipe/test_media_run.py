"""From pictures and sounds to a trained folder, its answers and its evaluation, end to end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from autogpt.core.errors import DataError
from autogpt.core.progress import Progress
from autogpt.evaluation.verification import verify
from autogpt.llm import load
from autogpt.llm.media import Recognizer, Transcriber
from autogpt.recipe.evaluating import Settings, evaluate
from autogpt.recipe.finetune import finetune

SMALL = {
    "model": {
        "preset": "tiny",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "head_dim": 16,
        "num_key_value_heads": 2,
    },
    "kernels": {"dtype": "float32", "attention": "sdpa", "compile": "off", "threads": 2},
    "training": {"batch_size": 8, "validations": 1, "lr": 0.01, "muon_lr": 0.05},
}


def _settings(steps: int, **rooms: dict[str, object]) -> dict[str, object]:
    training = {**SMALL["training"], "max_steps": steps}
    return {**SMALL, "training": training, **rooms}


def _bars(folder: Path, count: int = 24) -> Path:
    """Pictures with a bright half: above, or below; and a file that is none."""
    chance = np.random.default_rng(0)
    for label in ("上", "down"):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = chance.integers(0, 60, (8, 8), dtype=np.uint8)
            half = slice(0, 4) if label == "上" else slice(4, 8)
            pixels[half] += 180
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    (folder / "down" / "broken.png").write_bytes(b"nothing")
    return folder


def _tones(folder: Path, count: int = 16) -> Path:
    """Sounds of one of two pitches, and the word for each."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for word, pitch in (("low", 300), ("high", 2000)):
        for number in range(count):
            time = np.arange(int(chance.uniform(0.25, 0.4) * 8000)) / 8000
            wave = 0.3 * np.sin(2 * np.pi * pitch * chance.uniform(0.95, 1.05) * time)
            soundfile.write(folder / f"{word}{number}.wav", wave, 8000)
            (folder / f"{word}{number}.txt").write_text(word)
    return folder


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    room = tmp_path_factory.mktemp("seen")
    data = _bars(room / "bars")
    result = finetune(
        "new",
        str(data),
        task="recognize",
        out=room / "run",
        settings=_settings(40),
        progress=Progress(quiet=True),
    )
    assert result.metrics["accuracy"] > 0.9
    return data, room / "run"


def test_pictures_are_learned_and_recognized(seen: tuple[Path, Path]) -> None:
    data, run = seen
    model = load(run)
    assert isinstance(model, Recognizer)
    assert model.labels == ("down", "上")
    answer = model.predict(data / "上" / "0.png")
    assert max(answer, key=lambda label: answer[label]) == "上"
    assert abs(sum(answer.values()) - 1) < 1e-6
    skipped: list[str] = []
    files = [data / "down" / name for name in ("1.png", "broken.png", "2.png")]
    answers = list(model.run(files, skipped=skipped.append))
    assert [Path(one.text).name for one in answers] == ["1.png", "2.png"]
    assert "broken.png" in skipped[0]
    with pytest.raises(DataError, match="broken"):
        model.predict(files)
    together = model.predict([files[0], files[2]])
    alone = model.predict(files[2])
    assert abs(together[1]["down"] - alone["down"]) < 1e-5
    assert model.predict(files[0].read_bytes()) == model.predict(files[0])


def test_the_run_folder_tells_of_what_was_skipped_right_and_wrong(seen: tuple[Path, Path]) -> None:
    _, run = seen
    report = json.loads((run / "examples.json").read_text())
    assert any("broken.png" in reason for reason in report["skipped"])
    page = (run / "examples.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "autogpt recognize --model" in (run / "report.html").read_text(encoding="utf-8")
    settings = json.loads((run / "model" / "config.json").read_text())
    assert settings["preprocessing"]["height"] == 8
    assert settings["preprocessing"]["channels"] == 1


def test_its_files_are_verified_with_what_sees(seen: tuple[Path, Path], tmp_path: Path) -> None:
    found = verify(seen[1] / "model")
    assert found.is_fine
    assert {check.name: check.status for check in found.checks}["weights"] == "ok"
    assert found.engines == ()  # which go on with texts
    shutil.copytree(seen[1] / "model", tmp_path / "torn")
    weights = tmp_path / "torn" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert not verify(tmp_path / "torn").is_intact


def test_an_evaluation_has_figures_and_a_page(seen: tuple[Path, Path], tmp_path: Path) -> None:
    data, run = seen
    found = evaluate(run, str(data), settings=Settings(), out=tmp_path / "out")
    metrics = found.to_dict()["metrics"]
    assert metrics["accuracy"] > 0.9  # type: ignore[index]
    assert found.to_dict()["baselines"]["majority_accuracy"] == 0.5  # type: ignore[index]
    assert (tmp_path / "out" / "examples.html").is_file()


def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    data = _bars(tmp_path / "bars", count=8)

    def run(out: str, steps: int, *, resume: bool = False) -> bytes:
        finetune(
            "new",
            str(data),
            task="recognize",
            out=tmp_path / out,
            settings=_settings(steps),
            resume=resume,
            progress=Progress(quiet=True),
        )
        return (tmp_path / out / "model" / "model.safetensors").read_bytes()

    assert run("a", 4) == run("b", 4)


def test_sounds_are_learned_and_written_down(tmp_path: Path) -> None:
    data = _tones(tmp_path / "tones")
    result = finetune(
        "new",
        str(data),
        task="transcribe",
        out=tmp_path / "run",
        settings=_settings(60, augment={"bands": 0, "room": 0.0, "throat": 0.0, "speed": 0.05}),
        progress=Progress(quiet=True),
    )
    assert result.metrics["word_error_rate"] < 0.2
    model = load(tmp_path / "run")
    assert isinstance(model, Transcriber)
    found = model.transcribe(data / "high3.wav")
    assert found.text == "high"
    assert found.segments[0].start_s < 0.05
    both = [soundfile.read(data / f"{name}.wav")[0] for name in ("low1", "high1")]
    pause = np.zeros(4000)
    soundfile.write(tmp_path / "both.wav", np.concatenate([both[0], pause, both[1]]), 8000)
    long = model.transcribe(tmp_path / "both.wav")
    assert [segment.text for segment in long.segments] == ["low", "high"]
    assert long.segments[1].start_s > 0.5
    assert "data:audio/flac;base64," in (tmp_path / "run" / "examples.html").read_text()


def test_wrong_data_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    data = tmp_path / "one" / "only"
    data.mkdir(parents=True)
    for number in range(4):
        pixels = np.full((8, 8), number, dtype=np.uint8)
        Image.fromarray(pixels).save(data / f"{number}.png")
    with pytest.raises(DataError, match="at least two were expected"):
        finetune("new", str(data.parent), task="recognize", out=tmp_path / "a", budget="1m")
    with pytest.raises(DataError, match="no labels"):
        finetune("new", str(data), task="recognize", out=tmp_path / "b", budget="1m")
    sounds = _tones(tmp_path / "tones", count=3)
    time = np.arange(8000 * 40) / 8000
    soundfile.write(sounds / "long.wav", np.sin(time), 8000)
    (sounds / "long.txt").write_text("long")
    with pytest.raises(DataError, match="more than the 30 s"):
        finetune("new", str(sounds), task="transcribe", out=tmp_path / "c", budget="1m")
