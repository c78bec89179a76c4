"""Every error AutoGPT raises on purpose, as one tree.

::

    AutoGPTError                 exit 1, code "failed"
    ├── UsageError               exit 2, "usage": a flag, setting or reference is wrong
    │   └── ConfigError          exit 2, "config": an unknown or invalid setting
    ├── DataError                exit 1, "data": a source, field or row cannot be used
    ├── CheckpointError          exit 1, "checkpoint": a model folder is missing, torn or altered
    ├── RunError                 exit 1, "run": a run folder is in use or holds another run
    │   └── PeerLostError        exit 75, "run": another process of this run has ended
    ├── ResourceError            exit 1, "resource": disk, memory or permission ran out
    ├── DownloadError            exit 1, "download": a model cannot be fetched, or is another one
    ├── LicenseError             exit 1, "license": terms that have to be accepted were not
    ├── MissingExtraError        exit 1, "missing_extra": an optional part is not installed
    └── RefusedError             exit 3, "refused": a safety rail said no

A message says what happened with the offending value and what was expected; the hint says what
to do next. Both are one sentence, shown as they are to the user.
"""

from __future__ import annotations

from typing import ClassVar

from autogpt.core.codes import find_code

__all__ = [
    "AutoGPTError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DownloadError",
    "LicenseError",
    "MissingExtraError",
    "PeerLostError",
    "RefusedError",
    "ResourceError",
    "RunError",
    "UsageError",
]


class AutoGPTError(Exception):
    """Something the user can understand and act on.

    Args:
        message: What happened, with the value, and what was expected.
        hint: What to do next; may be empty.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    @property
    def id(self) -> str:
        """As in ``AG-DATA-012``: the same when the words change; see ``codes``."""
        return find_code(self.code, self.message)

    def to_dict(self) -> dict[str, str]:
        """Return the fields of the command line's ``error`` object."""
        return {"code": self.code, "id": self.id, "message": self.message, "hint": self.hint}


class UsageError(AutoGPTError):
    """A flag, argument or reference is wrong."""

    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown or out of its range."""

    code = "config"


class DataError(AutoGPTError):
    """A source, field or row cannot be used."""

    code = "data"


class CheckpointError(AutoGPTError):
    """A model folder or checkpoint is missing, torn or altered."""

    code = "checkpoint"


class RunError(AutoGPTError):
    """A run folder is in use, or belongs to another run."""

    code = "run"


class PeerLostError(RunError):
    """Another process of this run has ended, and this one cannot go on alone.

    Its exit code, EX_TEMPFAIL of BSD's sysexits, lets whoever started them tell who was first.
    """

    exit_code = 75

    def __init__(self) -> None:
        super().__init__(
            "Another process of this run has ended, so the run ended.",
            hint="It can go on after its last checkpoint: give the same command with --resume.",
        )


class ResourceError(AutoGPTError):
    """Disk space, memory or a permission is not there."""

    code = "resource"


class DownloadError(AutoGPTError):
    """A model could not be fetched, or what came is not what was asked for."""

    code = "download"


class LicenseError(AutoGPTError):
    """The terms of a model were not accepted."""

    code = "license"


class MissingExtraError(AutoGPTError):
    """An optional part is not installed.

    Args:
        package: The package that could not be imported.
        extra: The extra of ``autogpt-transformer`` that brings it.
        purpose: What it is needed for, as in "reading hf: sources".
    """

    code = "missing_extra"

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            hint=f"Install it with: pip install 'autogpt-transformer[{extra}]'",
        )


class RefusedError(AutoGPTError):
    """A safety rail refused the request."""

    code = "refused"
    exit_code = 3
