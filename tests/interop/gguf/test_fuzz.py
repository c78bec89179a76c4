"""Damaged files end in one sentence or in a model: never in a crash, a hang or a full memory."""

from __future__ import annotations

import random
import resource
from collections import Counter
from pathlib import Path

import pytest
from tests.interop.gguf.mutations import damaged, load, whole_files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return whole_files(tmp_path_factory.mktemp("whole"))


def test_whole_files_load(whole: list[bytes], tmp_path: Path) -> None:
    for data in whole:
        (tmp_path / "x.gguf").write_bytes(data)
        assert load(tmp_path / "x.gguf") == "loaded"


def test_damaged_files_are_refused_or_load(whole: list[bytes], tmp_path: Path) -> None:
    """The first of the mutations of ``benchmarks/gguf_fuzz.py``, which makes 10,000."""
    path = tmp_path / "x.gguf"
    outcomes: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(300):
        path.write_bytes(damaged(whole[seed % len(whole)], random.Random(seed)))
        outcomes[load(path)] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert outcomes["refused"] > 150
    assert outcomes["loaded"] > 20
    assert grown < 200 << 10  # kB; the largest file has 1.5 MB
