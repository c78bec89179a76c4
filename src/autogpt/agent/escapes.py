"""A sandbox is tried out before it is trusted: attempts to get out of it, and which one holds.

The escapes in :data:`ESCAPES` run in it, and one that succeeds rules it out. When no sandbox is
left, code is refused; it is never run with less. Not here: the sandboxes (``agent.sandbox``).
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autogpt.agent.sandbox import Sandbox, SandboxLimits, candidates, interpreter
from autogpt.agent.tools.base import ToolError

__all__ = ["ESCAPES", "Finding", "find_sandbox", "probe"]

_logger = logging.getLogger(__name__)


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
