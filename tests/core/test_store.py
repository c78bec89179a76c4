"""The models' folder: what is in it, what leaves it, and that nothing outside of it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.core import store
from autogpt.core.errors import ResourceError, UsageError
from autogpt.core.files import sha256_file

FACTS = {"license": "MIT", "about": "x", "uses": ["generate"], "source": "test"}


def put(name: str, files: dict[str, bytes]) -> store.Stored:
    gathering = store.incoming(name) / "files"
    gathering.mkdir(parents=True)
    for file, content in files.items():
        (gathering / file).parent.mkdir(parents=True, exist_ok=True)
        (gathering / file).write_bytes(content)
    listed = {
        file: (len(content), sha256_file(gathering / file)) for file, content in files.items()
    }
    return store.install(name, gathering, listed, FACTS)


def test_a_folder_and_a_packed_file(models: Path) -> None:
    folder = put(
        "folder", {"config.json": b"{}", "model.safetensors": b"x", "1_P/config.json": b"{}"}
    )
    packed = put("packed", {"a.gguf": b"GGUF", "LICENSE": b"free"})
    assert folder.path == models / "folder"
    assert packed.path == models / "packed" / "a.gguf"
    assert [model.name for model in store.stored()] == ["folder", "packed"]
    assert packed.to_dict()["size_bytes"] == 8
    assert store.holds(packed.path)
    assert not store.holds(models.parent)


def test_a_new_one_takes_the_place_of_the_old(models: Path) -> None:
    put("a", {"a.gguf": b"old", "rest": b"x"})
    again = put("a", {"a.gguf": b"new!"})
    assert again.path.read_bytes() == b"new!"
    assert sorted(path.name for path in (models / "a").iterdir()) == ["a.gguf", "manifest.json"]
    assert [path.name for path in models.iterdir() if path.name != ".incoming"] == ["a"]


def test_a_copy_can_be_shared(models: Path, tmp_path: Path) -> None:
    model = put("packed", {"a.gguf": b"GGUF", "LICENSE": b"free"})
    copied = store.copy_out(model.path, tmp_path / "deep" / "copy")
    assert sorted(path.name for path in copied.iterdir()) == ["LICENSE", "a.gguf", "manifest.json"]
    store.check(copied, "copy", deep=True)
    (tmp_path / "empty").mkdir()
    store.copy_out(models / "packed", tmp_path / "empty")
    for taken in (copied, copied / "LICENSE"):
        with pytest.raises(UsageError, match="already exists"):
            store.copy_out(model.path, taken)
    with pytest.raises(ResourceError, match="in the way"):
        store.copy_out(model.path, copied / "LICENSE" / "below")


def test_a_lone_file_is_copied_alone(models: Path, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "private.txt").write_text("not to be shared")
    copied = store.copy_out(tmp_path / "a.gguf", tmp_path / "copy")
    assert [path.name for path in copied.iterdir()] == ["a.gguf"]
    assert not models.exists()


def test_remove_frees_what_there_is(models: Path) -> None:
    put("a", {"a.gguf": b"GGUF"})
    left = store.incoming("a") / "files"
    left.mkdir(parents=True, exist_ok=True)
    (left / "a.gguf.part").write_bytes(b"12345")
    assert store.unfinished() == {"a": 5}
    assert store.remove("a") >= 9
    assert store.stored() == []
    assert store.unfinished() == {}
    with pytest.raises(UsageError, match="no stored model"):
        store.remove("a")
    assert models.is_dir()


@pytest.mark.parametrize("name", ["..", ".", "", "a/../..", "/", ".incoming", "~", "A", "x" * 90])
def test_what_is_no_name_removes_nothing(models: Path, name: str) -> None:
    put("a", {"a.gguf": b"GGUF"})
    with pytest.raises(UsageError):
        store.remove(name)
    assert [model.name for model in store.stored()] == ["a"]
    assert models.is_dir()


def test_space_is_looked_at(tmp_path: Path) -> None:
    store.require_space(tmp_path, 1)
    with pytest.raises(ResourceError, match="are needed"):
        store.require_space(tmp_path, 10**18)
