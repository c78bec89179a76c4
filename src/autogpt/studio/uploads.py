"""Data that people put into the studio: files in its own folder, received piece by piece.

A file comes in pieces of at most ``MOST_PIECE_BYTES``, in order, so that no request is large and a
page that was closed can go on. Until it is whole it is not used for anything.
"""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from autogpt.core.errors import DataError, UsageError
from autogpt.core.files import explain_os_errors, read_json, write_json
from autogpt.core.store import require_space
from autogpt.core.units import format_bytes
from autogpt.studio.workspace import Workspace, safe_name

__all__ = ["MOST_PIECE_BYTES", "Upload", "Uploads"]

MOST_PIECE_BYTES = 1 << 20
_MOST_BYTES = 64 << 30
_FACTS = "upload.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One file.

    Attributes:
        id: Of the upload.
        name: Of the file, as safe as a name can be.
        size_bytes: When it is whole.
        received_bytes: What is there.
        created_at: Seconds since 1970.
        path: The file.
    """

    id: str
    name: str
    size_bytes: int
    received_bytes: int
    created_at: float
    path: Path

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there."""
        return self.received_bytes == self.size_bytes

    def to_dict(self) -> dict[str, object]:
        """Return the upload as plain values, without its place on the disk."""
        facts = asdict(self) | {"whole": self.is_whole}
        del facts["path"]
        return facts


class Uploads:
    """The uploads of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def begin(self, name: str, size_bytes: int) -> Upload:
        """Make room for a file.

        Raises:
            UsageError: If it has no name, or no size that can be.
            ResourceError: If the disk has no room for it.
        """
        safe = safe_name(Path(name).name)
        if not safe or not 0 < size_bytes <= _MOST_BYTES:
            raise UsageError(
                f"The file {name[:80]!r} of {size_bytes} bytes cannot be taken.",
                hint="It is empty, has no name, or is too large.",
            )
        upload_id = secrets.token_hex(6)
        folder = self._workspace.upload(upload_id)
        require_space(self._workspace.uploads, size_bytes)
        with explain_os_errors(folder):
            folder.mkdir()
            (folder / safe).touch()
        created = time.time()
        write_json(folder / _FACTS, {"name": safe, "size_bytes": size_bytes, "created_at": created})
        return self.get(upload_id)

    def receive(self, upload_id: str, offset: int, piece: bytes) -> Upload:
        """Append a piece; one that is there already is passed over.

        Raises:
            UsageError: If it does not go where the file ends, or goes beyond its size.
            ResourceError: If the disk is full.
        """
        upload = self.get(upload_id)
        if offset + len(piece) <= upload.received_bytes:
            return upload
        if offset != upload.received_bytes or offset + len(piece) > upload.size_bytes:
            raise UsageError(
                f"A piece at byte {offset} does not go on where {upload.name!r} ends,"
                f" {upload.received_bytes}.",
                hint="Send the rest from there.",
            )
        with explain_os_errors(upload.path), upload.path.open("ab") as file:
            file.write(piece)
        return self.get(upload_id)

    def get(self, upload_id: str) -> Upload:
        """Return an upload.

        Raises:
            UsageError: If there is none.
        """
        folder = self._workspace.upload(upload_id)
        if not (folder / _FACTS).is_file():
            raise UsageError(
                f"There is no upload {upload_id!r}.", hint="Reload the page to see which there are."
            )
        facts = read_json(folder / _FACTS)
        path = folder / facts["name"]
        return Upload(
            id=upload_id,
            name=facts["name"],
            size_bytes=facts["size_bytes"],
            received_bytes=path.stat().st_size if path.is_file() else 0,
            created_at=facts["created_at"],
            path=path,
        )

    def whole(self, upload_id: str) -> Upload:
        """Return an upload that can be used.

        Raises:
            DataError: If it is not all there.
        """
        upload = self.get(upload_id)
        if not upload.is_whole:
            raise DataError(
                f"Of {upload.name!r} only {format_bytes(upload.received_bytes)} of"
                f" {format_bytes(upload.size_bytes)} are here.",
                hint="Drop the file again.",
            )
        return upload

    def all(self) -> list[Upload]:
        """Return all uploads, the newest first."""
        found = [
            self.get(facts.parent.name) for facts in self._workspace.uploads.glob(f"*/{_FACTS}")
        ]
        return sorted(found, key=lambda upload: -upload.created_at)

    def remove(self, upload_id: str) -> None:
        """Delete an upload."""
        shutil.rmtree(self.get(upload_id).path.parent)
