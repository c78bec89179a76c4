"""Where code of a model runs: no network, nothing of the machine but a folder of its own, limits.

Three ways, the strictest that works first. ``pydantic-monty`` interprets a subset of Python and has
no system calls to escape with; glue code runs there. ``sandlock`` (Landlock and seccomp, Linux 6.12
or later) runs real Python; ``bubblewrap`` (namespaces) does where Landlock is missing. Before any
of them is used for the first time it is *tried out*: the escapes in :data:`ESCAPES` run in it, and
one that succeeds rules it out. When nothing is left the tool is refused; it is never run with less.

Sources: Landlock (Salaün, Linux 5.13, 2021), seccomp user notification (Linux 5.0, 2019).
"""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from autogpt.agent.tools.base import ToolError

__all__ = [
    "ESCAPES",
    "Bubblewrap",
    "Finding",
    "Ran",
    "Sandbox",
    "SandboxLimits",
    "Sandlock",
    "candidates",
    "find_sandbox",
    "probe",
    "run_glue",
]

_logger = logging.getLogger(__name__)

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Whether a sandbox held against an attempt.

    Attributes:
        name: What was tried.
        held: Whether it came to nothing.
        detail: What was seen.
    """

    name: str
    held: bool
    detail: str


# Each prints ESCAPED where it gets through; {outside} is a folder beside the scratch folder that
# holds secret.txt, {pid} a process that sleeps, {port} a port of this machine that listens.
ESCAPES: Mapping[str, str] = {
    "read outside": "print(open('{outside}/secret.txt').read() and 'ESCAPED')",
    "write outside": "open('{outside}/made.txt','w').write('x'); print('ESCAPED')",
    "delete outside": "import os; os.unlink('{outside}/secret.txt'); print('ESCAPED')",
    "symbolic link": "import os; os.symlink('{outside}/secret.txt','l'); open('l').read(); "
    "print('ESCAPED')",
    "hard link": "import os; os.link('{outside}/secret.txt','h'); open('h').read(); "
    "print('ESCAPED')",
    "read /proc of others": "print(open('/proc/{pid}/environ','rb').read() and 'ESCAPED')",
    "signals": "import os; os.kill({pid}, 9); print('ESCAPED')",
    "ctypes ptrace": "import ctypes; l=ctypes.CDLL(None); "
    "print('ESCAPED' if l.ptrace(16,{pid},0,0)==0 else 'held')",
    "ctypes mount": "import ctypes; l=ctypes.CDLL(None); "
    "r=l.mount(b'none',b'{outside}',b'tmpfs',0,None); "
    "print('ESCAPED' if r==0 and not __import__('os').path.exists('{outside}/secret.txt') "
    "else 'held')",
    "ctypes raw open": "import ctypes; l=ctypes.CDLL(None); "
    "print('ESCAPED' if l.syscall(2,b'{outside}/secret.txt',0,0)>=0 else 'held')",
    "network": "import socket; s=socket.create_connection(('127.0.0.1',{port}),3); "
    "print('ESCAPED')",
    "network udp": "import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); "
    "s.sendto(b'x',('127.0.0.1',{port})); print('sent')",
    "environment": "import os; print('ESCAPED' if 'AUTOGPT_PROBE' in os.environ else 'held')",
    "set-uid": "import os; os.setuid(0); open('{outside}/made.txt','w'); print('ESCAPED')",
    "chroot": "import os; os.chroot('{outside}'); print(open('/secret.txt').read() and 'ESCAPED')",
    "memory": "x=bytearray(3<<30); x[::4096]=b'x'*len(x[::4096]); print('ESCAPED')",
    "fork bomb": "import os,time\nn=0\ntry:\n  while n<200:\n    p=os.fork()\n    if p==0:\n"
    "      time.sleep(2); os._exit(0)\n    n+=1\nexcept OSError: pass\n"
    "print('ESCAPED' if n>=200 else 'held')",
    "time": "while True: pass",
}


def probe(sandbox: Sandbox, *, names: Sequence[str] = tuple(ESCAPES)) -> list[Finding]:
    """Try the escapes in a sandbox, beside an honest program that must run."""
    found = []
    with (
        tempfile.TemporaryDirectory() as place,
        socket.socket() as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as letterbox,
    ):
        os.environ["AUTOGPT_PROBE"] = "seen"
        Path(place).chmod(0o755)
        outside = Path(place, "outside")
        outside.mkdir()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        letterbox.bind(listener.getsockname())
        letterbox.settimeout(0)
        sleeper = subprocess.Popen(["/bin/sleep", "60"])
        try:
            facts = {"outside": outside, "pid": sleeper.pid, "port": listener.getsockname()[1]}
            for name in names:
                (outside / "secret.txt").write_text("secret")
                found.append(_try(sandbox, name, ESCAPES[name].format(**facts), Path(place)))
                made, gone = outside / "made.txt", not (outside / "secret.txt").exists()
                if made.exists() or gone or sleeper.poll() is not None or _has_mail(letterbox):
                    found[-1] = Finding(name=name, held=False, detail="it left traces outside")
                    made.unlink(missing_ok=True)
            honest = _try(sandbox, "honest program", "print(6 * 7)", Path(place))
            works = honest.detail == "42"
            found.append(Finding(name="honest program", held=works, detail=honest.detail))
        finally:
            sleeper.kill()
            sleeper.wait()
            os.environ.pop("AUTOGPT_PROBE", None)
    return found


def _has_mail(letterbox: socket.socket) -> bool:
    try:
        return bool(letterbox.recv(1))
    except BlockingIOError:
        return False


def _try(sandbox: Sandbox, name: str, code: str, place: Path) -> Finding:
    scratch = Path(tempfile.mkdtemp(dir=place))
    limits = SandboxLimits(wall_s=3.0 if name == "time" else 10.0)
    try:
        ran = sandbox.run([interpreter(), "-I", "-S", "-c", code], scratch=scratch, limits=limits)
    except Exception as error:  # noqa: BLE001 - a backend that breaks is no sandbox
        return Finding(name=name, held=False, detail=f"{type(error).__name__}: {error}")
    last = (ran.stdout.strip() or ran.stderr.strip()).splitlines()[-1:] or [f"ended by {ran.code}"]
    return Finding(name=name, held="ESCAPED" not in ran.stdout, detail=last[0][:120])


@cache
def find_sandbox() -> Sandbox:
    """Return the first sandbox that holds; it is tried out once a process.

    Raises:
        ToolError: If none does.
    """
    reasons = []
    for sandbox in candidates():
        findings = probe(sandbox)
        failed = [finding for finding in findings if not finding.held]
        if not failed:
            names = ", ".join(finding.name for finding in findings)
            _logger.warning("Python runs in %s, which held against: %s.", sandbox.name, names)
            return sandbox
        reasons.append(f"{sandbox.name}: {failed[0].name} ({failed[0].detail})")
    raise ToolError(
        "No sandbox holds on this machine, so code is not run. " + "; ".join(reasons),
        hint="Install one: pip install 'autogpt-transformer[agent]', or the system's bubblewrap.",
    )


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


def run_glue(code: str, *, inputs: Mapping[str, object] | None = None) -> object:
    """Run a few lines in pydantic-monty: no files, no network, no imports beyond a few pure ones.

    Args:
        code: Python; the value of its last expression is returned.
        inputs: Values by name.

    Raises:
        ToolError: If it fails.
        LookupError: If it needs what the interpreter does not have, or that is not installed.
    """
    try:
        from pydantic_monty import CollectString, Monty, MontyError, ResourceLimits
    except ImportError as error:
        raise LookupError("pydantic-monty is not installed") from error
    printed = CollectString(max_bytes=200_000)
    limits: ResourceLimits = {
        "max_feed_duration_secs": 10.0,
        "max_memory": 256 << 20,
        "max_recursion_depth": 500,
    }
    try:
        with Monty() as pool, pool.checkout(limits=limits) as session:
            value = session.feed_run(code, inputs=dict(inputs or {}), print_callback=printed)
    except MontyError as error:
        text = str(error)
        missing = ("ModuleNotFoundError", "not supported", "NotImplementedError", "ImportError",
                   "SyntaxError", "PermissionError")  # fmt: skip
        if any(word in text for word in missing):
            raise LookupError(text) from error
        raise ToolError(f"The code failed: {text[:400]}") from error
    return printed.output + ("" if value is None else str(value))


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
