"""The studio's folder: runs, uploads and jobs, and which names may stand for what in it.

::

    runs/                      also what the command line makes there
      NAME/                    a run
      .studio/
        jobs.sqlite
        jobs/ID/               what a job printed
        data/ID/               an upload: the file, and upload.json

Every path that a request names is looked up here; none leads out of it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from autogpt.core.errors import UsageError
from autogpt.core.files import explain_os_errors

__all__ = ["Workspace", "safe_name"]

_ID = re.compile(r"[0-9a-f]{12}")
_UNSAFE = re.compile(r"[^\w.\- ]+")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of runs.

    Args:
        root: The folder; made if missing.
    """

    root: Path

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Make what is missing.

        Raises:
            ResourceError: If the folder cannot be written.
        """
        workspace = cls(root.expanduser().resolve())
        with explain_os_errors(root):
            for folder in (workspace.uploads, workspace.jobs):
                folder.mkdir(parents=True, exist_ok=True)
        return workspace

    @property
    def own(self) -> Path:
        """What is the studio's alone."""
        return self.root / ".studio"

    @property
    def uploads(self) -> Path:
        """Uploaded data."""
        return self.own / "data"

    @property
    def jobs(self) -> Path:
        """What jobs printed."""
        return self.own / "jobs"

    @property
    def database(self) -> Path:
        """The jobs."""
        return self.own / "jobs.sqlite"

    def job(self, job_id: str) -> Path:
        """Return a job's folder; it may not exist yet."""
        return self.jobs / _checked_id(job_id, "job")

    def upload(self, upload_id: str) -> Path:
        """Return an upload's folder; it may not exist yet."""
        return self.uploads / _checked_id(upload_id, "upload")

    def run(self, name: str) -> Path:
        """Return the folder of a run that is there.

        Raises:
            UsageError: If there is none of this name.
        """
        folder = self.root / name
        if not name or safe_name(name) != name or not folder.is_dir():
            raise UsageError(
                f"There is no run {name!r}.", hint="Reload the page to see which there are."
            )
        return folder

    def new_run(self, name: str) -> Path:
        """Return a folder for a new run: of this name, or with a number behind it."""
        wanted = safe_name(name) or "run"
        number, folder = 1, self.root / wanted
        while folder.exists():
            number += 1
            folder = self.root / f"{wanted}-{number}"
        return folder


def safe_name(text: str) -> str:
    """Return a file name made of what a person wrote; letters of any script stay."""
    plain = _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip(" .-_")
    return plain[:_LONGEST].strip(" .-_")


def _checked_id(value: str, what: str) -> str:
    if not _ID.fullmatch(value):
        raise UsageError(f"{value[:40]!r} is not the name of a {what}.")
    return value
