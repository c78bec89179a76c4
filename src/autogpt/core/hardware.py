"""What this machine is made of, as far as it can be told without torch and without waiting.

Not here: how fast it is (``nn.speed``), what was measured before (``memo``).
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = [
    "Hardware",
    "cpp_compiler",
    "has_python_headers",
    "look",
    "processor",
    "usable_cores",
]

_FEATURES = (
    *("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"),
    *("asimd", "sve", "bf16", "i8mm"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """A machine.

    Attributes:
        system: Operating system and architecture.
        processor: The processor's name.
        features: Its instruction sets that matter here, as Linux names them.
        cores: Cores this process may use.
        physical_cores: Cores without hyper-threading.
        memory_bytes: Memory, or the limit of the container.
        free_memory_bytes: Of it, what can be had now.
        free_disk_bytes: In the folder asked for.
    """

    system: str
    processor: str
    features: tuple[str, ...]
    cores: int
    physical_cores: int
    memory_bytes: int
    free_memory_bytes: int
    free_disk_bytes: int


def look(folder: Path = Path()) -> Hardware:
    """Return the facts of this machine; the disk is the one of ``folder``."""
    name, features = processor()
    memory = psutil.virtual_memory()
    limit, left = _memory_limits()
    cores = usable_cores()
    return Hardware(
        system=f"{platform.system()} {platform.machine()}",
        processor=name,
        features=features,
        cores=cores,
        physical_cores=min(cores, psutil.cpu_count(logical=False) or cores),
        memory_bytes=min(memory.total, limit or memory.total),
        free_memory_bytes=memory.available if left is None else min(memory.available, left),
        free_disk_bytes=shutil.disk_usage(_existing(folder)).free,
    )


def _existing(folder: Path) -> Path:
    """Return ``folder``, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def cpp_compiler() -> str | None:
    """Return the path of the C++ compiler that torch.compile would call for the processor."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX") or usual)


def has_python_headers() -> bool:
    """Whether C++ code can be built against this Python, as torch.compile does."""
    return Path(sysconfig.get_path("include"), "Python.h").exists()


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, and the container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, round(quota)))


def processor() -> tuple[str, tuple[str, ...]]:
    """Return the processor's name and the features that are known to matter."""
    name, flags = platform.processor() or platform.machine(), set[str]()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
                break
    return name, tuple(feature for feature in _FEATURES if feature in flags)


def _quota(root: Path = Path("/")) -> float | None:
    """Return the cores that control groups grant; None where there is no limit.

    Source: "Control Group v2", Linux kernel documentation (2015), cpu.max.
    """
    quotas = []
    for group in _groups(root):
        with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
            allowed, period = (group / "cpu.max").read_text(encoding="ascii").split()
            quotas.append(int(allowed) / int(period))
        allowed_us, period_us = (
            _number(group / "cpu.cfs_quota_us"),
            _number(group / "cpu.cfs_period_us"),
        )
        if allowed_us and period_us and allowed_us > 0:
            quotas.append(allowed_us / period_us)
    return min(quotas, default=None)


def _memory_limits(root: Path = Path("/")) -> tuple[int | None, int | None]:
    """Return the memory that control groups grant, and what is left of it; None without limit."""
    limits, left = [], []
    for group in _groups(root):
        limit = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
        if limit and limit < 2**62:  # version 1 says "no limit" as a number near 2^63
            limits.append(limit)
            left.append(max(0, limit - _used(group)))
    return min(limits, default=None), min(left, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the groups this process is in, each followed by those above it."""
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            names = controllers.split(",")
            if controllers and not {"cpu", "memory"} & set(names):
                continue
            mounts = [controllers, *names] if controllers else ["", "unified"]
            for mount in dict.fromkeys(root / "sys/fs/cgroup" / name for name in mounts):
                # In a container the path may be that of the host: then only the mount exists.
                group = mount / path.lstrip("/")
                for folder in (group, *group.parents):
                    if folder.is_relative_to(mount) and folder.is_dir():
                        yield folder


def _used(group: Path) -> int:
    """Return the bytes a group holds that cannot be dropped: files kept in memory can."""
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
    with contextlib.suppress(OSError, ValueError):
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        kept = {name: int(size) for name, size in (line.split() for line in lines)}
        # Version 1 counts the groups below only in the totals, version 2 always.
        used -= kept.get("total_inactive_file", kept.get("inactive_file", 0))
    return max(0, used)


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None
