"""What is freed is kept: the second time, the same memory takes no page faults."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

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
