"""Files to pixels and samples, and sources to examples, broken ones included."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from autogpt.core.errors import DataError
from autogpt.data.examples import ExamplesConfig, ExamplesReport, read_examples
from autogpt.data.media import Wanted, read_media
from autogpt.data.media_store import MediaStore
from autogpt.data.pictures import decode_picture, read_picture
from autogpt.data.readers import ReadReport
from autogpt.data.sounds import facts_of, read_sound, stretches


def _png(width: int = 6, height: int = 4, mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), 7 if mode == "L" else None).save(file, format="PNG")
    return file.getvalue()


def _tone(path: Path, seconds: float = 0.5, rate: int = 8000, channels: int = 1) -> Path:
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(path, np.stack([wave] * channels, axis=1), rate)
    return path


def test_every_format_is_read(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp", "a.tiff"):
        Image.fromarray(colors).save(tmp_path / name)
        assert read_picture(tmp_path / name).shape == (3, 20, 30)


def test_a_picture_is_turned_upright_as_its_exif_says(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4), dtype=np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    turned = read_picture(tmp_path / "a.png")
    assert turned.shape == (1, 4, 2)
    assert turned[0, 0, 1] == 255


def test_alpha_palette_gray_and_sixteen_bits() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (3, 3), (0, 0, 0, 0)).save(file, format="PNG")
    assert (decode_picture(file.getvalue(), name="clear.png") == 255).all()
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 65535]], dtype=np.uint16)).save(file, format="PNG")
    assert decode_picture(file.getvalue(), name="deep.png").tolist() == [[[0, 255]]]
    assert decode_picture(_png(mode="L"), name="gray.png").shape == (1, 4, 6)
    assert decode_picture(_png(mode="P"), name="palette.png").shape == (3, 4, 6)
    assert decode_picture(_png(mode="1"), name="bits.png").shape == (1, 4, 6)


def _bomb(width: int, height: int) -> bytes:
    """A PNG of black pixels, a few kilobytes, whose header says how large it will be."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    line = b"\0" * (1 + (width + 7) // 8)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(line * height, 9)),
            chunk(b"IEND", b""),
        ]
    )


def test_wrong_pictures_are_told_in_one_sentence(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format="JPEG")
    for content, words in (
        (b"", "is empty"),
        (b"this is a text", "is not a picture"),
        (file.getvalue()[:1500], "damaged or cut off"),
        (_png()[:-30], "damaged or cut off"),
        (_bomb(10_000, 10_000), "more pixels than the 89 million"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            decode_picture(content, name="x.png")
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_picture(tmp_path / "missing.png")


def test_every_sound_is_mono_at_the_rate_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, rate in (("a.wav", 44100), ("a.flac", 48000), ("a.ogg", 22050), ("a.mp3", 44100)):
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal((rate, 2)), rate)
        samples = read_sound(tmp_path / name, sample_rate=16000)
        assert samples.ndim == 1
        assert samples.dtype == np.float32
        assert abs(len(samples) - 16000) < 1000


def test_stretches_join_up_to_the_whole(tmp_path: Path) -> None:
    path = _tone(tmp_path / "long.wav", seconds=65, rate=22050, channels=2)
    parts = list(stretches(path, sample_rate=8000))
    assert len(parts) == 3
    whole = np.concatenate(parts)
    assert abs(len(whole) - 65 * 8000) <= 1
    wanted = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(whole)) / 8000)
    assert np.abs(whole - wanted)[100:-100].max() < 1e-3
    assert facts_of(path).channels == 2


def test_wrong_sounds_are_told_in_one_sentence(tmp_path: Path) -> None:
    good = _tone(tmp_path / "good.wav").read_bytes()
    flac = _tone(tmp_path / "good.flac", seconds=4).read_bytes()
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    for name, content, words in (
        ("empty.wav", b"", "is empty"),
        ("text.wav", b"not a sound", "is not a sound"),
        ("half.flac", flac[: len(flac) // 2], "damaged or cut off"),
        ("none.wav", (tmp_path / "none.wav").read_bytes(), "length zero"),
        ("header.wav", good[:20], "not a sound"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=words) as caught:
            read_sound(tmp_path / name, sample_rate=16000)
        assert "\n" not in str(caught.value)
    _tone(tmp_path / "hour.wav", seconds=61)
    with pytest.raises(DataError, match="more than the 1m"):
        read_sound(tmp_path / "hour.wav", sample_rate=8000, longest_s=60)


def _wanted(task: str = "recognize", **given: object) -> Wanted:
    return Wanted(task=task, **given)  # type: ignore[arg-type]


def _read(source: Path, wanted: Wanted) -> tuple[list[object], ReadReport, Counter[str]]:
    report, formats = ReadReport(), Counter[str]()
    return list(read_media([str(source)], wanted, report, formats)), report, formats


def test_class_folders_give_labels_and_skip_what_is_broken(tmp_path: Path) -> None:
    for label in ("猫", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.png").write_bytes(_png(width=5 + len(label)))
    (tmp_path / "dog" / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "stray.png").write_bytes(_png())
    found, report, formats = _read(tmp_path, _wanted())
    assert [(one.text, one.medium, one.is_label) for one in found] == [  # type: ignore[attr-defined]
        ("dog", "picture", True),
        ("猫", "picture", True),
    ]
    assert report.skipped_count == 2
    assert any("broken.jpg" in reason for reason in report.skipped)
    assert formats == {"class folders": 1}
    (tmp_path / "stray.png").unlink()
    with pytest.raises(DataError, match=r"broken\.jpg"):
        _read(tmp_path, _wanted(on_error="fail"))


def test_folders_without_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    with pytest.raises(DataError, match="no labels"):
        _read(tmp_path, _wanted())
    with pytest.raises(DataError, match="no transcripts"):
        _read(tmp_path, _wanted("transcribe"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture or sound"):
        _read(tmp_path / "empty", _wanted())


def test_sounds_with_texts_beside_them(tmp_path: Path) -> None:
    _tone(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("打开 the door\n", encoding="utf-8")
    _tone(tmp_path / "b.wav")
    found, report, _ = _read(tmp_path, _wanted("transcribe"))
    (one,) = found
    assert (one.text, one.medium, one.is_label) == ("打开 the door", "sound", False)  # type: ignore[attr-defined]
    assert report.skipped == [f"{str(tmp_path / 'b.wav')!r} has no text: there is no 'b.txt'."]


@pytest.mark.parametrize("form", ["csv", "jsonl", "plain"])
def test_tables_name_files_beside_them(tmp_path: Path, form: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(_png())
    (tmp_path / "b.png").write_bytes(_png(width=9))
    rows = [("in/a.png", "红"), ("b.png", "blue"), ("missing.png", "blue")]
    table = tmp_path / ("labels.jsonl" if form == "jsonl" else "labels.csv")
    if form == "jsonl":
        lines = [json.dumps({"image": file, "label": text}) for file, text in rows]
    else:
        lines = ["file_name,label"] * (form == "csv") + [f"{file},{text}" for file, text in rows]
    table.write_text("\n".join(lines), encoding="utf-8")
    for source in (table, tmp_path):  # the table, or the folder that holds it
        found, report, _ = _read(source, _wanted())
        assert [one.text for one in found] == ["红", "blue"]  # type: ignore[attr-defined]
        assert "missing.png" in report.skipped[0]


def test_a_table_without_a_text_names_its_fields(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,width,height\na.png,3,4\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no field for the text.*'width'.*--label-field"):
        _read(tmp_path / "t.csv", _wanted())


def test_arrays_are_pictures_with_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((5, 8, 8), (5, 8, 8, 3), (5, 3, 8, 8)):
        path = tmp_path / "d.npz"
        np.savez(path, x=rng.integers(0, 17, shape).astype(np.float64), y=np.arange(5.0))
        found, _, formats = _read(path, _wanted())
        assert [one.text for one in found] == ["0", "1", "2", "3", "4"]  # type: ignore[attr-defined]
        picture = MediaStore().picture(found[3].source)  # type: ignore[attr-defined]
        assert picture.shape == (1 if len(shape) == 3 else 3, 8, 8)
        assert picture.max() > 200
        assert formats == {"arrays (.npz)": 1}
    np.savez(path, a=np.zeros(3))
    with pytest.raises(DataError, match="no pictures with labels"):
        _read(path, _wanted())
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be read as arrays"):
        _read(path, _wanted())
    np.savez(path, x=np.zeros((2, 3, 3)), y=np.array([{}, {}], dtype=object))
    with pytest.raises(DataError, match="cannot be read as arrays"):
        _read(path, _wanted())


def test_pictures_and_sounds_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.png").write_bytes(_png())
    _tone(tmp_path / "x" / "a.wav")
    with pytest.raises(DataError, match="one of the two"):
        _read(tmp_path, _wanted())


def test_examples_are_read_through_the_one_door(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 8, 8), np.uint8), y=np.array(list("abab")))
    report = ExamplesReport()
    found = read_examples(
        [str(tmp_path / "d.npz")], ExamplesConfig(task="recognize"), report=report
    )
    assert len(found) == 4
    assert report.kind == "observed"
    assert report.to_dict()["formats"] == {"arrays (.npz)": 1}
