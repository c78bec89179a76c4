"""The models on this machine that have a name: a folder each, whole or absent.

::

    <cache>/models/smollm2-135m-instruct/        the files, and manifest.json with their sha256
    <cache>/models/hf--Qwen--Qwen3-0.6B@main/    a model of the hub
    <cache>/models/.incoming/NAME/               what a download has so far

``manifest.json`` also says what the model is: its name, license, uses, and where it came from. At
every load the sizes are compared with it; the sha256 on demand. Not here: downloads (``pull``),
references of other kinds (``refs``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from autogpt.core.catalog import is_short_name
from autogpt.core.errors import CheckpointError, ResourceError, UsageError
from autogpt.core.files import (
    MANIFEST,
    explain_os_errors,
    fsync_folder,
    read_json,
    verify_manifest,
    write_json,
)
from autogpt.core.hub import HubReference
from autogpt.core.memo import cache_folder
from autogpt.core.units import format_bytes

__all__ = [
    "CONFIG",
    "Stored",
    "check",
    "copy_out",
    "find",
    "holds",
    "incoming",
    "install",
    "model_path",
    "models_folder",
    "read",
    "remove",
    "require_space",
    "size_bytes",
    "stored",
    "unfinished",
]

CONFIG = "config.json"
_INCOMING = ".incoming"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A model on this machine that has a name.

    Attributes:
        name: The short name, or ``hf:organization/name``.
        path: What is loaded: its folder, or the ``.gguf`` file in it.
        size_bytes: Length of all its files.
        license: The license's name; empty where the source says none.
        about: One line; may be empty.
        uses: What it serves for.
        source: Where it came from.
    """

    name: str
    path: Path
    size_bytes: int
    license: str
    about: str
    uses: tuple[str, ...]
    source: str

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt models list --json``."""
        return {**asdict(self), "path": str(self.path), "uses": list(self.uses)}


def models_folder() -> Path:
    """Return the folder of all stored models; it may not exist yet."""
    return cache_folder() / "models"


def _folder(name: str) -> Path:
    """Return where a model of this name is, or would be."""
    return models_folder() / _folder_name(name)


def _folder_name(name: str) -> str:
    """Return a name that every file system takes: ``hf:a/b@c`` is ``hf--a--b@c``.

    Raises:
        UsageError: If it is no name; so nothing outside of the models' folder is ever meant.
    """
    if is_short_name(name):
        return name
    repo, mark, revision = str(HubReference.parse(name)).partition("@")
    plain = repo.replace("hf:", "hf--").replace("/", "--")
    return plain + mark + quote(revision, safe="")


def incoming(name: str) -> Path:
    """Return the folder in which a download of ``name`` is gathered, and found again."""
    return models_folder() / _INCOMING / _folder_name(name)


def find(name: str) -> Stored | None:
    """Return the model of this name, its sizes compared with its manifest; None if there is none.

    Raises:
        CheckpointError: If a file of it is missing, truncated or altered.
    """
    folder = _folder(name)
    if not (folder / MANIFEST).is_file():
        return None
    check(folder, name, deep=False)
    return read(folder)


def check(folder: Path, name: str, *, deep: bool) -> None:
    """Compare a model folder with its manifest: sizes, and if ``deep`` every sha256.

    Raises:
        CheckpointError: If a file is missing, truncated or altered.
    """
    hint = f"Fetch it again with: autogpt models pull {name}" if holds(folder) else ""
    try:
        verify_manifest(folder, deep=deep)
    except CheckpointError as error:
        raise CheckpointError(error.message, hint=hint) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{str(folder / MANIFEST)!r} is not a manifest.", hint=hint
        ) from error


def read(folder: Path) -> Stored:
    """Return what the manifest of a stored model says it is."""
    manifest = read_json(folder / MANIFEST)
    return Stored(
        name=str(manifest.get("name", folder.name)),
        path=model_path(folder),
        size_bytes=sum(facts["bytes"] for facts in manifest["files"].values()),
        license=str(manifest.get("license", "")),
        about=str(manifest.get("about", "")),
        uses=tuple(map(str, manifest.get("uses", ()))),
        source=str(manifest.get("source", "")),
    )


def model_path(folder: Path) -> Path:
    """Return what to load of a model folder: itself, or its one ``.gguf`` file."""
    packed = [] if (folder / CONFIG).is_file() else sorted(folder.glob("*.gguf"))
    return packed[0] if len(packed) == 1 else folder


def stored() -> list[Stored]:
    """Return all models that have a name, by name; a damaged one is left out."""
    found = []
    for manifest in sorted(models_folder().glob(f"*/{MANIFEST}")):
        with contextlib.suppress(CheckpointError, AttributeError, KeyError, TypeError):
            found.append(read(manifest.parent))
    return found


def unfinished() -> dict[str, int]:
    """Return the downloads that were interrupted: the bytes on disk by folder name."""
    found = {}
    for path in sorted((models_folder() / _INCOMING).glob("*")):
        with contextlib.suppress(OSError):  # another process has just finished with it
            if path.is_dir() and (size := size_bytes(path)):
                found[path.name] = size
    return found


def size_bytes(path: Path) -> int:
    """Return the length of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def holds(path: Path) -> bool:
    """Whether ``path`` is one of these models, whose sha256 was verified when it came."""
    return path.absolute().is_relative_to(models_folder().absolute())


def install(
    name: str, folder: Path, files: Mapping[str, tuple[int, str]], facts: Mapping[str, object]
) -> Stored:
    """Make a folder of verified files the model of this name; an older one is replaced.

    Args:
        name: The short name, or ``hf:organization/name``.
        folder: Below :func:`incoming`; moved.
        files: Size in bytes and sha256 of each.
        facts: What the manifest says beside: ``license``, ``about``, ``uses``, ``source``.

    Raises:
        ResourceError: If the disk is full or may not be written.
    """
    listed = {
        file: {"bytes": size, "sha256": sha256} for file, (size, sha256) in sorted(files.items())
    }
    target = _folder(name)
    with explain_os_errors(target):
        for path in folder.rglob("*"):
            if path.is_file():
                _fsync(path)
        write_json(folder / MANIFEST, {"files": listed, "name": name, **facts})
        _discard(target)
        folder.rename(target)
        fsync_folder(target.parent)
    return read(target)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(folder: Path) -> None:
    """Take a folder out of sight in one step, then delete it."""
    if not folder.exists():
        return
    hidden = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
    folder.rename(hidden / folder.name)
    shutil.rmtree(hidden)


def remove(name: str) -> int:
    """Delete a model, and what an interrupted download of it left; return the bytes freed.

    Raises:
        UsageError: If there is neither, or it is no name.
        ResourceError: If it may not be deleted.
    """
    folders = [folder for folder in (_folder(name), incoming(name)) if folder.is_dir()]
    if not folders:
        raise UsageError(
            f"There is no stored model {name!r}.", hint="See what there is: autogpt models list"
        )
    freed = sum(map(size_bytes, folders))
    for folder in folders:
        with explain_os_errors(folder):
            _discard(folder)
    return freed


def copy_out(path: Path, target: Path) -> Path:
    """Copy a model into a new folder, to be shared or trained on; return the folder.

    Args:
        path: A model folder, or a ``.gguf`` file; of a stored one its license file comes along.
        target: A folder that does not exist yet, or is empty.

    Raises:
        UsageError: If the folder already holds something.
        ResourceError: If the disk is full, or a folder may not be read or written.
    """
    target = target.expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{str(target)!r} already exists.", hint="Name a new folder.")
    names = _files_of(path)
    base = path if path.is_dir() else path.parent
    needed = sum((base / name).stat().st_size for name in names)
    with explain_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        require_space(target.parent, needed)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            for name in names:
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(base / name, draft / name)
            draft.chmod(0o755)
            draft.replace(target)  # also in place of an empty folder
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return target


def _files_of(path: Path) -> Sequence[str]:
    if path.is_file() and not (holds(path) and (path.parent / MANIFEST).is_file()):
        return [path.name]
    folder = path if path.is_dir() else path.parent
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def require_space(folder: Path, needed_bytes: int) -> None:
    """Check that the disk of an existing folder has room.

    Raises:
        ResourceError: If it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise ResourceError(
            f"The disk of {str(folder)!r} has {format_bytes(free)} free, "
            f"{format_bytes(needed_bytes)} are needed.",
            hint="Free some space, or use another disk (models are kept under AUTOGPT_CACHE).",
        )
