"""Where code of a model runs: no network, nothing of the machine but a folder of its own, limits.

``sandlock`` (Landlock and seccomp, Linux 6.12 or later) runs real Python; ``bubblewrap``
(namespaces) does where Landlock is missing. Not here: which of them is trusted
(``agent.escapes``), lines that need no real Python (``agent.glue``).

Sources: Landlock (Salaün, Linux 5.13, 2021), seccomp user notification (Linux 5.0, 2019).
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from autogpt.agent.tools.base import ToolError

__all__ = [
    "Bubblewrap",
    "Ran",
    "Sandbox",
    "SandboxLimits",
    "Sandlock",
    "candidates",
    "interpreter",
]

_NOBODY = 2_000_000_000  # and up: users that nobody is, so that nobody else's processes count
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives",
           "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxLimits:
    """What code in a sandbox may take.

    Attributes:
        memory_bytes: Memory.
        processes: At the same time.
        wall_s: Seconds on the clock.
        files: Open at the same time.
        output_chars: Kept of each output.
    """

    memory_bytes: int = 1 << 30
    processes: int = 16
    wall_s: float = 30.0
    files: int = 64
    output_chars: int = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What came of a command.

    Attributes:
        code: Its exit code; negative where a signal or a limit ended it.
        stdout: Its output, cut.
        stderr: Its errors, cut.
    """

    code: int
    stdout: str
    stderr: str


class Sandbox(Protocol):
    """A way to run a command so that it reaches nothing."""

    name: str

    def run(
        self,
        command: Sequence[str],
        *,
        scratch: Path,
        readable: Sequence[Path] = (),
        limits: SandboxLimits | None = None,
    ) -> Ran:
        """Run a command in a scratch folder, the only place it can write to."""
        ...


class Sandlock:
    """Landlock and seccomp, by the package ``sandlock``."""

    name = "sandlock"

    def run(
        self,
        command: Sequence[str],
        *,
        scratch: Path,
        readable: Sequence[Path] = (),
        limits: SandboxLimits | None = None,
    ) -> Ran:
        """Run a command, see :class:`Sandbox`."""
        import sandlock

        limits = limits or SandboxLimits()
        shown = [path for path in (*_SYSTEM, *_prefixes(), *map(str, readable)) if _is_there(path)]
        box = sandlock.Sandbox(
            fs_readable=shown,
            fs_writable=[str(scratch)],
            cwd=str(scratch),
            clean_env=True,
            env=_environment(scratch),
            max_memory=limits.memory_bytes,
            max_processes=limits.processes,
            max_open_files=limits.files,
            no_coredump=True,
        )
        found = box.run(list(command), timeout=limits.wall_s)
        code = found.exit_code if found.exit_code is not None else -1
        return _ran(code, found.stdout or b"", found.stderr or b"", limits)


class Bubblewrap:
    """Namespaces, by the program ``bwrap``; as root it first becomes nobody."""

    name = "bubblewrap"

    def run(
        self,
        command: Sequence[str],
        *,
        scratch: Path,
        readable: Sequence[Path] = (),
        limits: SandboxLimits | None = None,
    ) -> Ran:
        """Run a command, see :class:`Sandbox`."""
        limits = limits or SandboxLimits()
        is_root = os.geteuid() == 0
        nobody = _NOBODY + os.getpid() % 100_000
        if is_root:
            return self._as_nobody(command, scratch, nobody, readable, limits)
        return self._run(command, scratch, None, readable, limits)

    def _as_nobody(
        self,
        command: Sequence[str],
        scratch: Path,
        nobody: int,
        readable: Sequence[Path],
        limits: SandboxLimits,
    ) -> Ran:
        """Run on a copy of the scratch folder that a user without rights can enter."""
        with tempfile.TemporaryDirectory() as place:
            copy = shutil.copytree(scratch, Path(place, "scratch"), symlinks=True)
            Path(place).chmod(0o711)
            os.chown(copy, nobody, nobody)
            copy.chmod(0o700)
            return self._run(command, copy, nobody, readable, limits)

    def _run(
        self,
        command: Sequence[str],
        scratch: Path,
        nobody: int | None,
        readable: Sequence[Path],
        limits: SandboxLimits,
    ) -> Ran:
        inside = "/work"
        arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        for name, value in _environment(Path(inside)).items():
            arguments += ["--setenv", name, value]
        for path in (*_SYSTEM[:4], *_SYSTEM[4:6], *_prefixes(), *map(str, readable)):
            if _is_there(path):
                arguments += ["--ro-bind", path, path]
        arguments += ["--proc", "/proc", "--dev", "/dev", "--bind", str(scratch), inside]
        # Set inside, where only what runs there counts, and not all that the user runs.
        most = f"--nproc={limits.processes}:{limits.processes}"
        arguments += ["--chdir", inside, "--", "/usr/bin/prlimit", most, "--", *command]
        with subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: _limit(limits),
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            user=nobody,
            group=nobody,
            extra_groups=None if nobody is None else [],
        ) as process:
            try:
                out, err = process.communicate(timeout=limits.wall_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                return _ran(-9, out, err, limits)
        return _ran(process.returncode, out, err, limits)


def candidates() -> list[Sandbox]:
    """Return the sandboxes that are installed and that this kernel can do, the strictest first."""
    found: list[Sandbox] = []
    try:
        import sandlock

        if sandlock.landlock_abi_version() >= sandlock.min_landlock_abi():
            found.append(Sandlock())
    except (ImportError, OSError):
        pass
    if shutil.which("bwrap") and Path("/usr/bin/prlimit").exists():
        found.append(Bubblewrap())
    return found


@cache
def interpreter() -> str:
    """Return a Python that whoever runs this may run."""
    own = os.path.realpath(sys.executable)
    dropped = os.geteuid() == 0 and not _world_may_enter(own)
    if os.access(own, os.X_OK) and not dropped:
        return own
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")
    if found is None:
        raise ToolError("There is no Python that the sandbox can run.")
    return os.path.realpath(found)


def _world_may_enter(path: str) -> bool:
    parents = [Path(path), *Path(path).parents]
    return all(parent.stat().st_mode & 0o001 for parent in parents)


def _prefixes() -> tuple[str, ...]:
    """Return where the interpreter's own library is, where that is not the system's."""
    return () if interpreter().startswith("/usr/") else (sys.base_prefix,)


def _is_there(path: str) -> bool:
    return os.path.exists(path) and (os.path.isdir(path) or os.access(path, os.R_OK))  # noqa: PTH110, PTH112


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _limit(limits: SandboxLimits) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(limits.wall_s) + 1),
    ):
        resource.setrlimit(kind, (most, most))


def _ran(code: int, out: bytes, err: bytes, limits: SandboxLimits) -> Ran:
    most = limits.output_chars
    texts = [raw[: 4 * most].decode("utf-8", "replace")[:most] for raw in (out, err)]
    return Ran(code=code, stdout=texts[0], stderr=texts[1])
