"""A model that has shapes and no weights yet: what weights that are read are put into.

Not here: putting them in (``models.stored_form``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from autogpt.core.errors import CheckpointError
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.attention import AttentionForm

__all__ = ["empty_model", "without_weights"]


def empty_model(
    config: GPTConfig, *, attention: AttentionForm = "sdpa", settings: str = "config.json"
) -> GPT:
    """Return a model whose weights have shapes only, on torch's device "meta".

    Its tables of positions are there, on the CPU.

    Raises:
        CheckpointError: If its sizes are beyond this machine; ``settings`` is what says them.
    """
    try:
        with without_weights():
            return GPT(config, attention=attention)
    except (RuntimeError, TypeError) as error:  # torch's words for a size beyond memory, or 64 bits
        raise CheckpointError(
            f"The sizes in {settings} are beyond what this machine can hold."
        ) from error


@contextlib.contextmanager
def without_weights() -> Iterator[None]:
    """Build models that take no memory and no random numbers."""
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Builds modules without first weights, and their tables of positions on the CPU.

    Where there is no memory to fill, torch fills it by decompositions in Python, and the first of
    those imports its compiler: 1.5 to 3 s (measured) that loading a model need not take.
    """

    _FILLERS = frozenset({
        Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_
    })  # fmt: skip

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's signature
        kwargs = dict(kwargs or {})
        if func in self._FILLERS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        if func is torch.arange:  # what tables begin with
            kwargs.setdefault("device", "cpu")
        return func(*args, **kwargs)
