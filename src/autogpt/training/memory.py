"""Running out of memory, as torch and Python tell of it; not the out-of-memory killer's SIGKILL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from autogpt.core.errors import ResourceError

__all__ = ["attempt", "explained", "is_out_of_memory", "smaller_part"]

T = TypeVar("T")

_WORDS = ("can't allocate memory", "not enough memory", "out of memory")  # c10/core/CPUAllocator


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed, on the processor or an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


def attempt(work: Callable[[], T]) -> T | None:
    """Return what ``work`` returns, or None if memory ran out; what it held is free again then."""
    try:
        return work()
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            return None
        raise


@contextmanager
def explained() -> Iterator[None]:
    """Turn missing memory, where nothing smaller can be tried, into one clear sentence.

    Raises:
        ResourceError: In its place.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise ResourceError(
                "There is not enough memory for this run.",
                hint="Close other programs and add --resume, or train a smaller model; a smaller "
                "training.micro_batch_size takes less too.",
            ) from error
        raise


def smaller_part(rows: int, *, batch_size: int) -> int:
    """Return the next smaller number of rows that divides the batch, at most half of ``rows``.

    Raises:
        ResourceError: If one row is too much already.
    """
    if rows == 1:
        raise ResourceError(
            "There is not enough memory to train on even one row at a time.",
            hint="Give a smaller model or a shorter model.context_length.",
        )
    return max(size for size in range(1, rows // 2 + 1) if batch_size % size == 0)
