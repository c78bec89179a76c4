"""How fast this machine is at what a Transformer does most: matrix products, and moving memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["gpus", "matmul_gflops", "memory_gb_per_s"]

_REPEATS = 9


def matmul_gflops(dtype: torch.dtype, *, size: int = 2048) -> float:
    """Return the rate of a ``size`` x ``size`` matrix product, in 10⁹ operations a second.

    A multiplication and an addition count as two; the median of nine.
    """
    a, b = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
    return 2 * size**3 / _median_s(lambda: a @ b) / 1e9


def memory_gb_per_s(*, size_bytes: int = 1 << 27) -> float:
    """Return the rate of a large copy in 10⁹ bytes a second, read and written bytes both counted.

    Args:
        size_bytes: Of the source; larger than the caches, or it measures those.
    """
    source = torch.zeros(size_bytes // 4)
    target = torch.zeros_like(source)
    return 2 * size_bytes / _median_s(lambda: target.copy_(source)) / 1e9


def gpus() -> tuple[str, ...]:
    """Return name and memory of each graphics card that this build of torch can use."""
    if torch.cuda.is_available():
        cards = (torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count()))
        return tuple(f"{card.name}, {card.total_memory / 2**30:.0f} GiB" for card in cards)
    return ("Apple GPU",) if torch.backends.mps.is_available() else ()


def _median_s(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)
