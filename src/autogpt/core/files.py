"""Files that are either whole or absent: write, fsync, rename; and manifests that prove it.

A finished folder carries ``manifest.json`` with the size and sha256 of each of its files. Reading
code trusts only what the manifest names.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from autogpt.core.errors import CheckpointError, ResourceError

__all__ = [
    "MANIFEST",
    "explain_os_errors",
    "forget_cached",
    "fsync_folder",
    "open_atomic",
    "read_json",
    "sha256_file",
    "sha256_known",
    "verify_manifest",
    "write_json",
    "write_manifest",
    "write_text",
]

MANIFEST = "manifest.json"


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission and the like into one clear sentence.

    Raises:
        ResourceError: In place of the matching ``OSError``; other errors pass through.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceError(
                f"The disk is full: writing {str(path)!r} failed.",
                hint="Free some space, or choose another folder, and run the same command again.",
            ) from error
        if error.errno == errno.EIO:
            raise ResourceError(
                f"Writing {str(path)!r} failed: the disk reports an input/output error.",
                hint="See what the system's log says of the disk (dmesg), or use another one.",
            ) from error
        if error.errno == errno.EFBIG:
            raise ResourceError(
                f"Writing {str(path)!r} failed: the system limits how large a file may be.",
                hint="Raise the limit (ulimit -f), or choose another folder.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise ResourceError(
                f"No permission to write {str(path)!r}.",
                hint="Choose a folder you can write to.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise ResourceError(
                f"{str(path)!r} cannot be made: a file of that name is in the way.",
                hint="Choose another folder.",
            ) from error
        raise


@contextlib.contextmanager
def open_atomic(path: Path, mode: str = "wb", *, encoding: str | None = None) -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` that takes its name only when complete and on disk.

    An exception, a crash or a power cut leaves the old file, or none. The folder is made.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, mode, encoding=encoding) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
            fsync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def fsync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` durable (a no-op where the system cannot do that).

    Raises:
        OSError: If the disk fails.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except (IsADirectoryError, PermissionError):  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def forget_cached(path: Path) -> None:
    """Let the next reader of a durable file get it from the disk, where the system can do that."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` atomically."""
    with open_atomic(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Read one JSON file.

    Raises:
        CheckpointError: If the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{str(path)!r} is missing.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{str(path)!r} is not valid JSON: {error}.") from error


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_known(folder: Path, name: str) -> str:
    """Return the sha256 of a file: as its folder's manifest has it, or else reckoned.

    Raises:
        CheckpointError: If there is no such file, or the manifest does not name it.
    """
    if not (folder / name).is_file():
        raise CheckpointError(f"{str(folder / name)!r} is missing.")
    if not (folder / MANIFEST).is_file():
        return sha256_file(folder / name)
    try:
        return str(read_json(folder / MANIFEST)["files"][name]["sha256"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{str(folder / MANIFEST)!r} does not name {name!r}.", hint="Pull the model again."
        ) from error


def write_manifest(
    folder: Path, names: Sequence[str], *, known: Mapping[str, str] | None = None, **extra: object
) -> None:
    """Write ``manifest.json`` with size and sha256 of ``names``, plus ``extra`` facts.

    Args:
        folder: Where the files are.
        names: Of the files.
        known: The sha256 of what was meant to be written, by name; others are read back.
        extra: Plain values.
    """
    files = {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": (known or {}).get(name) or sha256_file(folder / name),
        }
        for name in sorted(names)
    }
    write_json(folder / MANIFEST, {"files": files, **extra})


def verify_manifest(folder: Path, *, deep: bool = True) -> dict[str, Any]:
    """Check every file the manifest names, and return the manifest.

    Args:
        folder: The folder that holds ``manifest.json``.
        deep: Compare sha256 too, not only sizes.

    Raises:
        CheckpointError: If a file is missing, truncated or altered.
    """
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    try:
        expected = [
            (str(name), facts["bytes"], facts["sha256"])
            for name, facts in manifest["files"].items()
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{str(folder / MANIFEST)!r} is not a manifest.") from error
    for name, expected_bytes, expected_sha256 in expected:
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{str(path)!r} is missing from the folder.")
        size = path.stat().st_size
        if size != expected_bytes:
            raise CheckpointError(
                f"{str(path)!r} is truncated or altered: {size} bytes, {expected_bytes} expected."
            )
        if deep and sha256_file(path) != expected_sha256:
            raise CheckpointError(f"{str(path)!r} was altered: its sha256 does not match.")
    return manifest
