"""What a MODEL reference may be, and what the user hears when it is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.core.errors import UsageError
from autogpt.core.refs import describe, is_missing, resolve


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_model_folder_is_itself(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "gpt")
    assert resolve(folder) == folder
    assert resolve(f"{folder}/") == folder


def test_a_run_folder_gives_its_model(tmp_path: Path) -> None:
    model = make_model(tmp_path / "run" / "model")
    (tmp_path / "run" / "recipe.toml").touch()
    assert resolve(str(tmp_path / "run")) == model


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = make_model(tmp_path / "gpt")
    assert resolve("~/gpt") == folder


@pytest.mark.parametrize("name", ["recipe.toml", "metrics.jsonl", "checkpoints"])
def test_an_unfinished_run_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).mkdir()
    with pytest.raises(UsageError, match=r"no finished model yet\. Train again"):
        resolve(tmp_path / "run")


def test_a_missing_path_names_the_nearest_model(tmp_path: Path) -> None:
    make_model(tmp_path / "shakespeare" / "model")
    (tmp_path / "shakespear-notes").mkdir()
    with pytest.raises(UsageError) as caught:
        resolve(tmp_path / "shakespaere")
    assert str(tmp_path / "shakespeare") in caught.value.hint
    assert "notes" not in caught.value.hint


def test_a_bare_name_is_looked_for_under_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_model(Path("runs/tickets/model"))
    with pytest.raises(UsageError, match=r"Did you mean 'runs/tickets'\?"):
        resolve("tickets")


def test_nothing_near_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no model .* autogpt train"):
        resolve(tmp_path / "nowhere" / "at-all")


def test_a_folder_of_models_lists_them(tmp_path: Path) -> None:
    make_model(tmp_path / "runs" / "a" / "model")
    make_model(tmp_path / "runs" / "b" / "model")
    with pytest.raises(UsageError, match=r"only contains some.*runs/a.*runs/b"):
        resolve(tmp_path / "runs")


def test_a_file_of_a_model_names_its_folder(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "gpt")
    with pytest.raises(UsageError, match="Name the folder") as caught:
        resolve(folder / "config.json")
    assert str(folder) in caught.value.hint


def test_a_gguf_file_is_itself(tmp_path: Path) -> None:
    for name in ("x.gguf", "X.GGUF"):
        (tmp_path / name).touch()
        assert resolve(tmp_path / name) == tmp_path / name
    with pytest.raises(UsageError, match="There is no model"):
        resolve(tmp_path / "y.gguf")


def test_a_lone_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.bin").touch()
    with pytest.raises(UsageError, match="is a file"):
        resolve(tmp_path / "x.bin")


def test_a_packed_file_is_a_model_alone_and_in_a_folder(tmp_path: Path) -> None:
    packed = tmp_path / "模型.GGUF"
    packed.touch()
    assert resolve(packed) == packed
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.gguf").touch()
    assert resolve(folder) == folder / "a.gguf"
    (folder / "b.gguf").touch()
    with pytest.raises(UsageError, match=r"holds 2 \.gguf files.*a\.gguf, .*b\.gguf"):
        resolve(folder)
    make_model(folder / "model")
    (folder / "config.json").write_text("{}")
    assert resolve(folder) == folder


def test_a_short_name_that_is_not_here_says_how_to_get_it(models: Path) -> None:
    with pytest.raises(
        UsageError, match=r"not on this machine\. Fetch it \(98\.4 MB\) with: autogpt"
    ):
        resolve("smollm2-135m-instruct")
    assert is_missing("smollm2-135m-instruct")
    with pytest.raises(UsageError, match="Did you mean 'all-minilm-l6-v2'"):
        resolve("all-minilm")
    assert not is_missing("all-minilm")
    assert describe("gemma3-270m")["here"] is False
    with pytest.raises(UsageError, match="not on this machine"):
        describe("gemma3-270m", verify=True)
    assert not models.exists()


def test_a_path_goes_before_a_name(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_model(Path("gemma3-270m"))
    assert resolve("gemma3-270m") == Path("gemma3-270m")
    assert not is_missing("gemma3-270m")
    assert describe("gemma3-270m")["here"] is True
    with pytest.raises(UsageError, match="nothing to verify it by"):
        describe("gemma3-270m", verify=True)
    assert not models.exists()


def test_a_plain_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.json is missing"):
        resolve(tmp_path)


@pytest.mark.parametrize("reference", ["", "   "])
def test_empty(reference: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        resolve(reference)


def test_a_prompt_in_place_of_the_model_is_one_short_sentence() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("Once upon a time, " * 400)
    assert len(str(caught.value)) < 300


def test_hub_names_say_how_to_fetch(models: Path) -> None:
    with pytest.raises(UsageError, match=r"autogpt models pull hf:Qwen/Qwen3-0\.6B"):
        resolve("hf:Qwen/Qwen3-0.6B")
    with pytest.raises(UsageError, match="does not name a model of the hub"):
        resolve("hf:../../etc")
    assert not models.exists()


def test_a_null_byte_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        resolve("runs/\0")
