from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autogpt.core.errors import CheckpointError
from autogpt.core.files import write_json, write_manifest
from autogpt.models.weights import write_safetensors
from autogpt.training import checkpoints
from autogpt.training.checkpoints import RunState


def save(run: Path, *steps: int) -> None:
    for step in steps:
        checkpoints.save(run, RunState(steps=step), {"master.a": torch.full((3,), float(step))})


def test_what_is_saved_comes_back(tmp_path: Path):
    at = RunState(steps=7, tokens=700, train_s=1.5, other_s=0.25, energy_kwh=1e-6)
    tensors = {"master.a": torch.randn(4, 5), "muon.0.a": torch.randn(4, 5)}
    checkpoints.save(tmp_path, at, tensors)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    loaded_at, loaded = checkpoints.load(found)
    assert loaded_at == at
    assert loaded_at.elapsed_s == 1.75
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_the_two_newest_are_kept(tmp_path: Path):
    save(tmp_path, 9, 10, 100)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000010", "step-00000100"]


def test_a_run_without_checkpoints_has_none(tmp_path: Path):
    assert checkpoints.latest(tmp_path) is None


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: str):
    save(tmp_path, 1, 2)
    state = tmp_path / "checkpoints" / "step-00000002" / "state.safetensors"
    content = state.read_bytes()
    if damage == "truncate":
        state.write_bytes(content[:-1])
    elif damage == "flip":
        state.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "remove":
        state.unlink()
    else:
        state.with_name("manifest.json").write_text("{", encoding="utf-8")
    said: list[str] = []
    found = checkpoints.latest(tmp_path, say=said.append)
    assert found is not None
    assert found.name == "step-00000001"
    assert len(said) == 1
    assert "before it" in said[0]


def test_only_damaged_checkpoints_are_an_error(tmp_path: Path):
    save(tmp_path, 1)
    (tmp_path / "checkpoints" / "step-00000001" / "state.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="No checkpoint"):
        checkpoints.latest(tmp_path)


def test_what_a_crash_left_unfinished_does_not_count(tmp_path: Path):
    save(tmp_path, 1)
    unfinished = tmp_path / "checkpoints" / ".step-00000002"
    unfinished.mkdir()
    (unfinished / "state.safetensors").write_bytes(b"half")
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.name == "step-00000001"
    save(tmp_path, 2)
    assert not unfinished.exists()


def test_checkpoints_of_the_first_format_are_read(tmp_path: Path):
    folder = tmp_path / "checkpoints" / "step-00000007"
    write_safetensors(folder / "state.safetensors", [("a", torch.ones(2))], dtype=torch.float32)
    old = {"steps": 7, "tokens": 700, "train_s": 1.5, "other_s": 0.5, "energy_kwh": 0.0}
    write_json(folder / "state.json", old)
    write_manifest(folder, ["state.safetensors", "state.json"])
    found = checkpoints.latest(tmp_path)
    assert found is not None
    at, tensors = checkpoints.load(found)
    assert at == RunState(steps=7, tokens=700, train_s=1.5, other_s=0.5)
    assert tensors.keys() == {"a"}


def test_a_newer_format_is_refused_in_a_sentence(tmp_path: Path):
    save(tmp_path, 1)
    folder = tmp_path / "checkpoints" / "step-00000001"
    write_json(folder / "state.json", {"format": 99, "steps": 1, "sparkle": True})
    with pytest.raises(CheckpointError, match="format 99, of a newer AutoGPT") as error:
        checkpoints.load(folder)
    assert "pip install -U" in error.value.hint


def test_a_past_that_was_given_up_is_removed(tmp_path: Path):
    save(tmp_path, 8, 12)
    save(tmp_path, 10)  # resumed from 8, because 12 was damaged
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000008", "step-00000010"]
