"""How memory is had from the system: kept once it is freed, and in large pages.

A training step allocates and frees the same tens of megabytes again and again. glibc gives what is
freed at the end of its heap back to the system and has it again page by page, cleared: thousands of
page faults a step, a tenth to a third of the time of a model of width 64 or 128 (docs/log.md).

A decoder reads all weights for each token. In pages of 4 KiB the processor looks up where each one
lies, on virtual machines in two tables, and stops fetching ahead at its end; in pages of 2 MiB the
same memory is read half as fast again and more.
Not here: how much memory there is (``hardware``).
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys
from functools import cache

__all__ = ["LargePages", "keep_freed_memory"]

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


_LARGE = 1 << 21  # of x86-64, and of ARM with small pages of 4 KiB
_LINE = 64


class LargePages:
    """Zeroed memory in large pages, where the system gives them to those who ask; else in small.

    It is taken from the system as it is written to, and given back when no piece is in use.

    Args:
        size_bytes: The sum of all pieces, each counted by ``size_of``.
    """

    def __init__(self, size_bytes: int) -> None:
        size_bytes += _LARGE  # to begin where a page does
        if sys.platform == "win32":
            self._memory = mmap.mmap(-1, size_bytes)
        else:  # private: shared memory has large pages by another setting
            self._memory = mmap.mmap(-1, size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel without them
                self._memory.madvise(mmap.MADV_HUGEPAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._next = -address % _LARGE
        self._view = memoryview(self._memory)

    @staticmethod
    def size_of(size_bytes: int) -> int:
        """Return what a piece of that size takes: it begins at a line of the cache."""
        return -(-size_bytes // _LINE) * _LINE

    def take(self, size_bytes: int) -> memoryview:
        """Return the next piece.

        Raises:
            MemoryError: If less is left.
        """
        end = self._next + size_bytes
        if end > len(self._view):
            raise MemoryError
        piece = self._view[self._next : end]
        self._next += self.size_of(size_bytes)
        return piece
