"""Freed memory is kept: it takes no page faults again. Pieces of large pages lie apart."""

from __future__ import annotations

import ctypes
import json
import platform
import subprocess
import sys

import pytest

from autogpt.core.allocator import LargePages

STEPS = """
import json, resource, sys
import torch
from autogpt.core.allocator import keep_freed_memory

def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        a = torch.ones(1 << 21)
        del a
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin

torch.set_num_threads(1)
faults()
kept = keep_freed_memory()
faults()
print(json.dumps([kept, faults()]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps memory")
def test_freed_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], check=True, capture_output=True, text=True)
    kept, faults = json.loads(done.stdout)
    assert kept
    assert faults < 200  # of 41,000 pages that were written


def test_pieces_begin_at_lines_do_not_overlap_and_are_as_many_as_were_asked_for() -> None:
    sizes = [100, 64, 1]
    pages = LargePages(sum(map(LargePages.size_of, sizes)))
    pieces = [pages.take(size) for size in sizes]
    for number, piece in enumerate(pieces, 1):
        assert ctypes.addressof(ctypes.c_char.from_buffer(piece)) % 64 == 0
        assert not any(piece)  # untouched by the others
        piece[:] = bytes([number]) * len(piece)
    assert [set(piece) for piece in pieces] == [{1}, {2}, {3}]
    with pytest.raises(MemoryError):
        pages.take(LargePages.size_of(1 << 21) + 1)


def test_pieces_outlive_their_pages() -> None:
    piece = LargePages(LargePages.size_of(8)).take(8)
    piece[:] = b"remember"
    assert bytes(piece) == b"remember"
