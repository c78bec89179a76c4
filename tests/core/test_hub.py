"""Downloads from a hub: over real HTTP, broken off, gone on with, damaged, refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from autogpt.core.errors import DownloadError, UsageError
from autogpt.core.hub import HubFile, HubReference, Listing, choose, download, list_files
from autogpt.core.progress import ByteProgress, Progress
from tests.core.hub_server import COMMIT, HubServer, Repo

WEIGHTS = bytes(range(256)) * 400  # 102,400 bytes


@pytest.fixture
def meter() -> ByteProgress:
    return ByteProgress(Progress(stream=io.StringIO()), len(WEIGHTS))


@pytest.fixture
def one(hub: HubServer) -> tuple[Listing, HubFile]:
    hub.repos["a/b"] = Repo({"model.safetensors": WEIGHTS}, large={"model.safetensors"})
    listing = list_files("a/b", "main")
    return listing, listing.files[0]


@pytest.mark.parametrize(
    ("text", "repo", "file", "revision"),
    [
        ("hf:Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", None, "main"),
        ("hf:gpt2", "gpt2", None, "main"),
        ("hf:a/b@v1.0", "a/b", None, "v1.0"),
        ("hf:a/b@refs/pr/1", "a/b", None, "refs/pr/1"),
        ("hf:a/b/x-Q4_0.gguf", "a/b", "x-Q4_0.gguf", "main"),
        ("hf:a/b/q4/x.gguf@dev", "a/b", "q4/x.gguf", "dev"),
    ],
)
def test_references(text: str, repo: str, file: str | None, revision: str) -> None:
    reference = HubReference.parse(text)
    assert reference == HubReference(repo=repo, file=file, revision=revision)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    ["hf:", "hf:/", "hf:a/b/c", "hf:../..", "hf:a/../b.gguf", "hf:a--b/c", "hf:模型/x", "hf:a b",
     "hf:a/b@", "hf:" + "x" * 5000],
)  # fmt: skip
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        HubReference.parse(text)
    assert len(str(caught.value)) < 250


def test_a_listing_says_what_there_is(hub: HubServer) -> None:
    files = {"config.json": b"{}", "model.safetensors": WEIGHTS, "../up.json": b"{}"}
    hub.repos["a/b"] = Repo(files, license="mit", large={"model.safetensors"})
    listing = list_files("a/b", "main")
    assert (listing.commit, listing.license) == (COMMIT, "mit")
    assert [file.name for file in listing.files] == ["config.json", "model.safetensors"]
    assert listing.files[0].git_oid
    assert listing.files[1].sha256


def names(*files: str, wanted: str | None = None) -> list[str]:
    listed = tuple(HubFile(name=name, size_bytes=1) for name in files)
    chosen = choose(Listing(repo="a/b", commit=COMMIT, license="", files=listed), wanted)
    return sorted(file.name for file in chosen)


def test_one_format_of_the_weights_is_chosen():
    assert names(
        "model.safetensors", "config.json", "tokenizer.model", "merges.txt", "chat_template.jinja",
        "README.md", "LICENSE", "1_Pooling/config.json", "manifest.json", "pytorch_model.bin",
        "model-q4.gguf", "modeling_x.py", "tf_model.h5", "onnx/model.onnx",
        "original/model.safetensors", "consolidated.safetensors", "training_args.bin",
        "deep/er/config.json", "flax.msgpack",
    ) == [
        "1_Pooling/config.json", "LICENSE", "README.md", "chat_template.jinja", "config.json",
        "merges.txt", "model.safetensors", "tokenizer.model",
    ]  # fmt: skip


def test_parts_go_with_their_index():
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = "model.safetensors.index.json"
    assert names(index, "config.json", "other.safetensors", *parts) == [
        "config.json",
        *parts,
        index,
    ]


def test_a_packed_model_comes_alone():
    assert names("x.gguf", "README.md", "config.json") == ["README.md", "x.gguf"]
    both = ("q4.gguf", "q8.gguf", "model.safetensors")
    assert names(*both, wanted="q8.gguf") == ["q8.gguf"]


@pytest.mark.parametrize(
    ("files", "wanted", "words"),
    [
        (["a.gguf", "b.gguf"], None, "name one, as in hf:a/b/a.gguf"),
        (["pytorch_model.bin", "config.json"], None, "only as a pickle"),
        (["model.ckpt"], None, "only as a pickle"),
        (["config.json", "model.onnx"], None, "no weights in safetensors or GGUF"),
        ([], None, "no weights"),
        (["a.gguf"], "b.gguf", "no file 'b.gguf'"),
        (["x-00001-of-00003.gguf"], None, "one part"),
    ],
)
def test_what_cannot_be_chosen(files: list[str], wanted: str | None, words: str) -> None:
    with pytest.raises(DownloadError, match=words):
        names(*files, wanted=wanted)


def test_a_download_is_whole(
    one: tuple[Listing, HubFile], hub: HubServer, tmp_path: Path, meter: ByteProgress
) -> None:
    path = download(*one, tmp_path / "to", meter)
    assert path.read_bytes() == WEIGHTS
    download(*one, tmp_path / "to", meter)  # it is there
    assert len(hub.file_requests) == 1
    assert [each.name for each in path.parent.iterdir()] == ["model.safetensors"]


def test_a_connection_that_breaks_is_taken_up_again(
    one: tuple[Listing, HubFile], hub: HubServer, tmp_path: Path, meter: ByteProgress
) -> None:
    hub.break_after = 40_000
    assert download(*one, tmp_path, meter).read_bytes() == WEIGHTS
    assert [asked for _, asked in hub.file_requests] == [None, "bytes=40000-", "bytes=80000-"]


@pytest.mark.parametrize("fault", ["breaks", "busy"])
def test_it_gives_up_where_nothing_arrives(
    one: tuple[Listing, HubFile],
    hub: HubServer,
    tmp_path: Path,
    meter: ByteProgress,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr("autogpt.core.hub._PAUSE_S", 0.0)
    if fault == "breaks":
        hub.break_after = 0
    else:
        hub.status[f"/a/b/resolve/{COMMIT}/model.safetensors"] = (503, "")
    with pytest.raises(DownloadError, match="connection to the hub broke"):
        download(*one, tmp_path, meter)
    assert len(hub.file_requests) == 4


def test_it_goes_on_with_what_another_process_left(
    one: tuple[Listing, HubFile], hub: HubServer, tmp_path: Path, meter: ByteProgress
) -> None:
    (tmp_path / "model.safetensors.part").write_bytes(WEIGHTS[:100_000])
    assert download(*one, tmp_path, meter).read_bytes() == WEIGHTS
    assert [asked for _, asked in hub.file_requests] == ["bytes=100000-"]


def test_a_source_without_ranges_begins_anew(
    one: tuple[Listing, HubFile], hub: HubServer, tmp_path: Path, meter: ByteProgress
) -> None:
    (tmp_path / "model.safetensors.part").write_bytes(b"?" * 100_000)
    hub.ignore_ranges = True
    assert download(*one, tmp_path, meter).read_bytes() == WEIGHTS


@pytest.mark.parametrize("left", [b"?" * 50_000, b"?" * len(WEIGHTS), b"?" * 200_000])
def test_what_was_left_damaged_is_noticed_and_dropped(
    one: tuple[Listing, HubFile], tmp_path: Path, left: bytes, meter: ByteProgress
) -> None:
    (tmp_path / "model.safetensors.part").write_bytes(left)
    if len(left) <= len(WEIGHTS):
        with pytest.raises(DownloadError, match="damaged"):
            download(*one, tmp_path, meter)
    assert download(*one, tmp_path, meter).read_bytes() == WEIGHTS


@pytest.mark.parametrize("large", [True, False])
def test_another_content_is_refused(
    hub: HubServer, tmp_path: Path, meter: ByteProgress, *, large: bool
) -> None:
    name = "model.safetensors"
    wrong = WEIGHTS[:-1] + b"?"
    hub.repos["a/b"] = Repo({name: WEIGHTS}, large={name} if large else set(), given={name: wrong})
    listing = list_files("a/b", "main")
    with pytest.raises(DownloadError, match="damaged"):
        download(listing, listing.files[0], tmp_path, meter)
    assert list(tmp_path.rglob("*.safetensors*")) == []


def test_a_file_that_does_not_end_is_cut_off(
    hub: HubServer, tmp_path: Path, meter: ByteProgress
) -> None:
    hub.repos["a/b"] = Repo({"a.gguf": b"x"}, given={"a.gguf": b"x" * 5_000_000})
    listing = list_files("a/b", "main")
    with pytest.raises(DownloadError, match="longer than the hub says"):
        download(listing, listing.files[0], tmp_path, meter)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 2_000_000


def test_an_empty_file_is_a_file(hub: HubServer, tmp_path: Path, meter: ByteProgress) -> None:
    hub.repos["a/b"] = Repo({"LICENSE": b""})
    listing = list_files("a/b", "main")
    assert download(listing, listing.files[0], tmp_path, meter).read_bytes() == b""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ((404, "RepoNotFound"), "no model 'a/b'"),
        ((401, "RepoNotFound"), "no model 'a/b'"),
        ((403, "GatedRepo"), "accepted its terms there and set HF_TOKEN"),
        ((404, "RevisionNotFound"), "no revision 'main'"),
        ((500, ""), "refuses to answer"),
    ],
)
def test_what_the_hub_refuses(hub: HubServer, status: tuple[int, str], words: str) -> None:
    hub.status["/api/models/a/b/revision/main"] = status
    with pytest.raises(DownloadError, match=words):
        list_files("a/b", "main")


def test_a_file_that_is_refused_says_why(
    one: tuple[Listing, HubFile], hub: HubServer, tmp_path: Path, meter: ByteProgress
) -> None:
    hub.status[f"/a/b/resolve/{COMMIT}/model.safetensors"] = (403, "GatedRepo")
    with pytest.raises(DownloadError, match="HF_TOKEN"):
        download(*one, tmp_path, meter)


def test_a_hub_that_is_not_there(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match="switched off by HF_HUB_OFFLINE"):
        list_files("a/b", "main")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(DownloadError, match="cannot be reached"):
        list_files("a/b", "main")
    assert not models.exists()
