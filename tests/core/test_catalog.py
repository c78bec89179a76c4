from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.core.catalog import read_catalog, safe_name
from autogpt.core.errors import ConfigError
from tests.core.wheel_index import describe, make_wheel, write_catalog


def test_the_shipped_catalog_is_whole():
    catalog = read_catalog()
    assert catalog.default == "smollm2-135m-instruct"
    assert set(catalog.models) >= {"smollm2-135m-instruct", "gemma3-270m", "all-minilm-l6-v2"}
    for model in catalog.models.values():
        assert model.wheels
    assert [n for n, m in catalog.models.items() if not m.hub] == ["whisper-base"]
    assert catalog.license_of("gemma").must_accept
    assert not catalog.license_of(catalog.models[catalog.default].license).must_accept
    parts = [w for w in catalog.models["gemma3-270m"].wheels if any("gguf" in f for f in w.files)]
    assert [wheel.package[-1] for wheel in parts] == ["1", "2", "3", "4"]
    memory = [each.memory_bytes for each in catalog.recommended]
    assert memory == sorted(memory)
    assert all(each.reference.startswith("hf:") for each in catalog.recommended)


def test_names_of_ones_own_are_added(tmp_path: Path):
    own = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": b"x"})
    catalog = read_catalog(own)
    assert catalog.models["mine"].size_bytes == 1
    assert set(read_catalog().models) < set(catalog.models)


def test_a_name_cannot_be_taken_over(tmp_path: Path):
    own = write_catalog(tmp_path / "own.toml", "gemma3-270m", {"a.gguf": b"x"})
    with pytest.raises(ConfigError, match="there is already"):
        read_catalog(own)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"a.gguf"', '"../a.gguf"', "relative path"),
        ('"a.gguf"', '"/a.gguf"', "relative path"),
        ('"a.gguf"', '"manifest.json"', "another name"),
        ('"a.gguf"', '"C:\\\\a.gguf"', "relative path"),
        ('sha256 = "', 'sha256 = "zz', "64 hexadecimal"),
        ("size_bytes = 1", "size_bytes = 0", "1 or more"),
        ("size_bytes = 1", 'size_bytes = "1"', "int was expected"),
        ("size_bytes = 1\n", "", "size_bytes is missing"),
        ("uses = [", "used = [", "Did you mean"),
        ('["generate"]', '"generate"', "a list was expected"),
        ('license = "MIT"', 'license = "Mine"', "licenses do not have it"),
        ("[models.mine]", "[modles.mine]", "Did you mean models"),
        ("models.mine", "models.Mine", "lower case"),
        ("[models.mine]", "[models.mine", "not TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, words: str):
    own = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": b"x"})
    text = own.read_text()
    assert old in text
    own.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=words):
        read_catalog(own)


def test_wheels_must_carry_what_is_required(tmp_path: Path):
    wheel = describe(make_wheel(tmp_path, "pack", {"m/b": b"x"}), {"b.txt": "m/b"}, package="pack")
    files = {"a.gguf": b"x", "b.txt": b"x"}
    own = write_catalog(tmp_path / "own.toml", "mine", files, wheels=[wheel])
    with pytest.raises(ConfigError, match=r"a\.gguf.*not optional"):
        read_catalog(own)


@pytest.mark.parametrize("name", ["a", "a/b.json", "1_Pooling/config.json", "模型.gguf"])
def test_names_that_stay_inside(name: str):
    assert safe_name(name)


@pytest.mark.parametrize(
    "name", ["", "/", "/a", "..", "a/../b", "a//b", "./a", "a\\b", "c:a", "\0"]
)
def test_names_that_lead_out(name: str):
    assert not safe_name(name)
