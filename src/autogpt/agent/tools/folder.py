"""One folder that tools may see, and no way out of it.

Every path is followed part by part from the folder's own descriptor, and no symbolic link is
followed anywhere, not even one that stays inside: so neither ``..``, nor an absolute path, nor a
link that is exchanged while we look can lead out. Hidden files (a leading dot, as in ``.env`` or
``.git``) and files that hold keys by their name are not there for tools.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from autogpt.agent.tools.base import ToolError
from autogpt.core.errors import AutoGPTError, DataError

__all__ = ["Folder"]

_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
_SECRET = ("*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*", "*.kdbx", "*credentials*")
_MOST_FILES = 10_000
_MOST_READ = 64 << 20  # bytes


class Folder:
    """The folder.

    Args:
        root: Where it is.

    Raises:
        ToolError: If it is no folder.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise ToolError(f"{str(root)!r} is not a folder.")

    def parts(self, path: str) -> tuple[str, ...]:
        """Return the parts of a path below the root, checked.

        Raises:
            ToolError: If it leads out, or names what tools may not see.
        """
        if "\0" in path or len(path) > 4096:
            raise ToolError(f"{path!r:.80} is not a path.")
        given = Path(path)
        if given.is_absolute():
            try:
                given = given.relative_to(self.root)
            except ValueError as error:
                raise _outside(path) from error
        parts = tuple(part for part in given.parts if part != ".")
        if ".." in parts:
            raise _outside(path)
        for part in parts:
            if _is_private(part):
                raise ToolError(f"{path!r} is hidden or holds keys, so tools may not see it.")
        return parts

    def place(self, path: str) -> Path:
        """Return where a path is on the machine, for what opens files itself.

        Raises:
            ToolError: If it leads out, also over a symbolic link.
        """
        place = self.root.joinpath(*self.parts(path))
        if not place.resolve().is_relative_to(self.root):
            raise ToolError(f"{path!r} leads over a symbolic link out of the folder.")
        return place

    def named(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose errors name files as tools do, not where the folder is."""

        def called(**arguments: Any) -> Any:  # noqa: ANN401 - a tool's
            try:
                return run(**arguments)
            except AutoGPTError as error:
                root = f"{self.root}{os.sep}"
                message, hint = (one.replace(root, "") for one in (error.message, error.hint))
                raise ToolError(message, hint=hint) from error

        return called

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[BufferedReader]:
        """Open a file to read.

        Raises:
            ToolError: If it is not there, no file, or outside.
        """
        parts = self.parts(path)
        with self._folder(parts[:-1], path) as folder:
            if not parts:
                raise ToolError(f"{path!r} is a folder.")
            with _explained(path):
                descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NONBLOCK | _LINK, dir_fd=folder)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise ToolError(f"{path!r} is not a file.")
            with os.fdopen(descriptor, "rb") as file:
                yield file

    def read(self, path: str) -> bytes:
        """Return the content of a file of at most 64 MB."""
        with self.open(path) as file:
            content = file.read(_MOST_READ + 1)
        if len(content) > _MOST_READ:
            raise ToolError(f"{path!r} is larger than {_MOST_READ >> 20} MiB.")
        return content

    def text(self, path: str) -> str:
        """Return the content of a text file."""
        from autogpt.data.decoding import Decoded

        content = self.read(path)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass  # an older encoding, which is found out
        try:
            return "".join(Decoded(io.BytesIO(content), name=path))
        except DataError as error:
            raise ToolError(f"{path!r} is not text.") from error

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        try:
            with self.open(path):
                return True
        except ToolError:
            return False

    def sha256(self, path: str) -> str | None:
        """Return the hash of a file, None if it is not there."""
        try:
            with self.open(path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except ToolError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file as a whole: it is the old one or the new one, never a part.

        Raises:
            ToolError: If it leads out, a folder has that name, or the disk is full.
        """
        parts = self.parts(path)
        if not parts:
            raise ToolError(f"{path!r} is a folder.")
        with self._folder(parts[:-1], path, make=True) as folder, _explained(path):
            name, draft = parts[-1], f".{parts[-1]}.{os.getpid()}.draft"
            with contextlib.suppress(FileNotFoundError):
                kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                if not stat.S_ISREG(kind):
                    raise ToolError(f"{path!r} is there and not a file.")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _LINK
            descriptor = os.open(draft, flags, 0o644, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
                raise

    def files(self, below: str = "") -> list[str]:
        """Return the files that tools may see, by path, at most 10,000."""
        parts = self.parts(below)
        found: list[str] = []
        start = self.root.joinpath(*parts)
        with self._folder(parts, below):
            pass  # it is a folder, and inside
        for base, folders, names in os.walk(start, followlinks=False):
            folders[:] = sorted(name for name in folders if not _is_private(name))
            for name in sorted(names):
                whole = Path(base, name)
                if not _is_private(name) and not whole.is_symlink() and whole.is_file():
                    found.append(whole.relative_to(self.root).as_posix())
                if len(found) >= _MOST_FILES:
                    return found
        return found

    @contextlib.contextmanager
    def _folder(self, parts: tuple[str, ...], path: str, *, make: bool = False) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | _LINK
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                with _explained(path):
                    if make:
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(part, 0o755, dir_fd=descriptor)
                    inner = os.open(part, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)


def _is_private(name: str) -> bool:
    lower = name.lower()
    return name.startswith(".") or any(fnmatch.fnmatch(lower, one) for one in _SECRET)


def _outside(path: str) -> ToolError:
    return ToolError(
        f"{path!r} is outside the folder that tools may see.", hint="Give a path inside it."
    )


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except ToolError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise ToolError(
                f"{path!r} leads over a symbolic link, which is not followed."
            ) from error
        if error.errno == errno.ENOTDIR:
            raise ToolError(
                f"{path!r} leads over a symbolic link or a file, which is not followed."
            ) from error
        if error.errno == errno.ENOENT:
            raise ToolError(f"There is no file {path!r}.") from error
        raise ToolError(f"{path!r} cannot be used: {error.strerror}.") from error
