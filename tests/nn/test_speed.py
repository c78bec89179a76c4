from __future__ import annotations

import time

import pytest
import torch

from autogpt.nn.speed import gpus, matmul_gflops, memory_gb_per_s


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_has_a_rate(dtype: torch.dtype):
    assert 0.01 < matmul_gflops(dtype, size=128) < 1e6


def test_the_rate_is_operations_over_time():
    # Ten calls of the measured size cannot take less than what the median says of nine.
    begin = time.perf_counter()
    rate = matmul_gflops(torch.float32, size=512)
    assert 2 * 512**3 / (rate * 1e9) < time.perf_counter() - begin


def test_memory_has_a_bandwidth():
    assert 0.05 < memory_gb_per_s(size_bytes=1 << 22) < 1e5


def test_there_are_as_many_gpus_as_torch_sees():
    if not torch.backends.mps.is_available():
        assert len(gpus()) == torch.cuda.device_count()
