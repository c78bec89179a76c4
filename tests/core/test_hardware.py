from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autogpt.core.hardware import look, usable_cores


def test_the_facts_are_plausible(tmp_path: Path):
    machine = look(tmp_path)
    assert machine.processor
    assert 1 <= machine.physical_cores <= machine.cores <= (os.cpu_count() or 1)
    assert 0 < machine.free_memory_bytes <= machine.memory_bytes
    assert machine.free_disk_bytes > 0


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux describes features there")
def test_features_are_those_linux_lists():
    words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    assert set(look().features) <= words


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_affinity_is_respected():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from autogpt.core.hardware import look, usable_cores\n"
        "print(usable_cores(), look().cores)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
    assert usable_cores() >= 1


def test_no_torch_is_needed():
    code = "import sys, autogpt.core.hardware as h; h.look(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
