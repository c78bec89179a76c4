"""The verbs ``recognize`` and ``transcribe``, as one types them."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from autogpt.cli.app import main
from autogpt.data.preprocessing import PictureConfig, SoundConfig
from autogpt.models.multimodal_files import Recognition
from tests.media import make_multimodal


@pytest.fixture(scope="module")
def seer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    size = PictureConfig(height=8, width=8, channels=1, mean=(0.5,), std=(0.5,))
    recognition = Recognition(task="recognize", labels=("bird", "cat", "狗"))
    return make_multimodal(tmp_path_factory.mktemp("seer"), size, recognition)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sound = SoundConfig(sample_rate=8000, mels=16, seconds=2)
    return make_multimodal(
        tmp_path_factory.mktemp("listener"), sound, Recognition(task="transcribe")
    )


def _run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["autogpt", *map(str, arguments)])
    code = main()
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def _picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 9), value, dtype=np.uint8)).save(path)
    return path


def _sound(path: Path, seconds: float = 1.0) -> Path:
    time = np.arange(int(8000 * seconds)) / 8000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 500 * time), 8000)
    return path


def test_one_picture(
    seer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _picture(tmp_path / "a.png")
    code, out, _ = _run(monkeypatch, capsys, "recognize", path, "--model", seer, "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["label"] in ("bird", "cat", "狗")
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert answer["file"] == str(path)
    assert answer["usage"]["prompt_tokens"] > 0
    assert answer["usage"]["completion_tokens"] == 0
    assert answer["timing"]["wall_s"] > 0
    code, out, _ = _run(monkeypatch, capsys, "recognize", path, "--model", seer, "--top-k", 2)
    assert (code, len(out.splitlines())) == (0, 2)
    assert out.startswith("*")


def test_a_folder_becomes_a_table_and_broken_files_are_listed(
    seer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("a.png", "in/b.png", "in/c.jpg"):
        _picture(tmp_path / "files" / name)
    (tmp_path / "files" / "broken.png").write_bytes(b"no")
    table = tmp_path / "out.csv"
    code, out, err = _run(
        monkeypatch, capsys, "recognize", tmp_path / "files", "--model", seer, "--csv", table
    )
    assert code == 0
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["file", "label", "probability"]
    assert [Path(row[0]).name for row in rows[1:]] == ["a.png", "b.png", "c.jpg"]
    assert "3 files" in out
    assert "100%  3 of 4" not in err
    assert "skipped" in err
    assert "broken.png" in err
    code, out, _ = _run(
        monkeypatch, capsys, "recognize", tmp_path / "files", "--model", seer, "--json", "--quiet"
    )
    assert [Path(json.loads(line)["file"]).name for line in out.splitlines()] == [
        "a.png",
        "b.png",
        "c.jpg",
    ]


@pytest.mark.parametrize(
    ("arguments", "words", "expected"),
    [
        (("recognize", "a.png"), "autogpt finetune new FOLDER --task recognize", 2),
        (("recognize", "a.png", "--model", "SEER", "--labels", "x,y"), "labels of its own", 2),
        (("recognize", "a.png", "--model", "SEER", "--top-k", "0"), "top_k = 0", 2),
        (("recognize", "missing.png", "--model", "SEER"), "cannot be read", 1),
        (("recognize", "empty", "--model", "SEER"), "holds no picture", 1),
        (("recognize", "a.png", "--model", "LISTENER"), "was not trained to recognize", 2),
        (("transcribe", "a.wav", "--model", "SEER"), "was not trained to transcribe", 2),
        (("transcribe", "zero.wav", "--model", "LISTENER"), "length zero", 1),
        (("transcribe", "a.png", "--model", "LISTENER"), "not a sound", 1),
        (
            ("transcribe", "a.wav", "--model", "LISTENER", "--json", "--format", "srt"),
            "--json and --format",
            2,
        ),
        (
            ("transcribe", "a.wav", "--model", "LISTENER", "--language", "en"),
            "only the language it was taught",
            2,
        ),
    ],
)
def test_wrong_use_is_told_in_one_sentence(
    seer: Path,
    listener: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
    expected: int,
) -> None:
    _picture(tmp_path / "a.png")
    _sound(tmp_path / "a.wav")
    soundfile.write(tmp_path / "zero.wav", np.zeros(0), 8000)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    given = {"SEER": str(seer), "LISTENER": str(listener)}
    code, out, err = _run(monkeypatch, capsys, *(given.get(word, word) for word in arguments))
    assert code == expected
    assert words in err
    assert "Traceback" not in err
    assert not out or "error" in out


def test_the_default_listener_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path))
    code, _, err = _run(monkeypatch, capsys, "transcribe", _sound(tmp_path / "a.wav"))
    assert code == 2
    assert "autogpt models pull whisper-base" in err
    assert "--task transcribe" in err


def test_sounds_become_text_json_and_subtitles(
    listener: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _sound(tmp_path / "a.wav", seconds=5)
    code, out, _ = _run(monkeypatch, capsys, "transcribe", path, "--model", listener, "--json")
    assert code == 0
    found = json.loads(out)
    assert {"text", "segments", "usage", "timing"} <= set(found)
    assert found["duration_s"] == pytest.approx(5, abs=0.01)
    assert all(s["end_s"] - s["start_s"] <= 2.01 for s in found["segments"])
    (tmp_path / "more").mkdir()
    _sound(tmp_path / "more" / "b.wav")
    (tmp_path / "more" / "bad.wav").write_bytes(b"no")
    code, out, err = _run(
        *(monkeypatch, capsys, "transcribe", tmp_path / "more", "--model", listener),
        *("--format", "vtt", "--out", tmp_path / "subtitles"),
    )
    assert code == 0
    assert (tmp_path / "subtitles" / "b.vtt").read_text().startswith("WEBVTT")
    assert "bad.wav" in err
