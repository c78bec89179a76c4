"""What the C library does with memory that was freed: it keeps it for the next step.

A training step allocates and frees the same tens of megabytes again and again. glibc gives what is
freed at the end of its heap back to the system and has it again page by page, cleared: thousands of
page faults a step, a tenth to a third of the time of a model of width 64 or 128 (docs/log.md).
Not here: how much memory there is (``hardware``).
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

__all__ = ["keep_freed_memory"]

# mallopt(3): how much may lie free at the end of the heap, and what is so large that it is mapped
# by itself (32 MiB is the most that glibc takes).
_TRIM_THRESHOLD, _TRIM_BYTES = -1, 1 << 30
_MMAP_THRESHOLD, _MMAP_BYTES = -3, 1 << 25


@cache
def keep_freed_memory() -> bool:
    """Let this process keep up to a gigabyte that it has freed; return whether it does.

    Only glibc can; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL(None)
    except OSError:  # a Python that is linked statically
        return False
    if not hasattr(libc, "gnu_get_libc_version"):  # musl has a mallopt that does nothing
        return False
    return bool(libc.mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)) and bool(
        libc.mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)
    )
