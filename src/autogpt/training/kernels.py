"""How to compute on this machine: dtype, threads, form of attention, compiled or eager.

Each choice is measured once and remembered for this machine (``core.memo``); a setting that is
given is obeyed. What is decided goes into the run's recipe, so a resumed run computes alike.

Measured on two cores of an AMD EPYC (docs/log.md): bf16 products run 2.7 times as fast as fp32;
below some 400 tokens torch's fused attention loses to the explicit form once that is compiled, and
wins where it is not; compiling takes 30 to 45 s the first time and 3 s from torch's cache.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import psutil
import torch
from torch import Tensor

from autogpt.core.allocator import keep_freed_memory
from autogpt.core.errors import ConfigError
from autogpt.core.hardware import cpp_compiler, has_python_headers, usable_cores
from autogpt.core.memo import recall, remember
from autogpt.data.batches import Learnable
from autogpt.models.config import GPTConfig
from autogpt.models.trainable import Trainable
from autogpt.nn.attention import FORMS, AttentionForm
from autogpt.training.objective import Objective, next_token, next_token_loss

__all__ = [
    "Compiling",
    "KernelConfig",
    "Kernels",
    "Warmth",
    "choose",
    "compiling",
    "eager",
    "loss_of",
    "obeyed",
    "warm_up",
]

_COMPILE_S = 30.0  # a cold compilation of a block, head and loss, where none was measured yet
_LEAST_COMPILE_S = 20.0  # what took less came from torch's cache; the next shape may not
_SPEEDUP = {"bfloat16": 1.4, "float32": 1.0}
"""Of compiled over eager steps, where none was measured yet; products of fp32 take all the time."""

_SLOWER = 1.5  # a busy machine compiles that much longer
_EXPLICIT_BELOW = 384  # tokens; where the compiled forms of attention were not measured yet


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelConfig:
    """What a user may fix; "auto" and None are measured.

    Attributes:
        dtype: To compute in; the masters of the weights are fp32 in any case.
        attention: The form of attention, see ``autogpt.nn.attention``.
        compile: Whether torch.compile is used; "auto" where the budget earns it back.
        threads: Of one operation; None: what OMP_NUM_THREADS says, else what is fastest.
    """

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["auto", "reference", "explicit", "sdpa"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        choices = {
            "dtype": ("auto", "float32", "bfloat16"),
            "attention": ("auto", *FORMS),
            "compile": ("auto", "on", "off"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                expected = ", ".join(allowed)
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} is unknown, expected {expected}."
                )
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads = {self.threads} must be at least 1.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernels:
    """What was decided; fields as in :class:`KernelConfig`."""

    dtype: str
    attention: AttentionForm
    compiled: bool
    threads: int

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype as torch names it."""
        return cast(torch.dtype, getattr(torch, self.dtype))

    def settings(self) -> KernelConfig:
        """Return settings that :func:`obeyed` turns into the same again."""
        return KernelConfig(
            dtype=cast(Any, self.dtype),
            attention=self.attention,
            compile="on" if self.compiled else "off",
            threads=self.threads,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Warmth:
    """What the first steps took: ``compile_s``, and ``part_s`` for one micro-batch from now on."""

    compile_s: float
    part_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiling:
    """What compiling takes in ``seconds``, and how much faster steps are then."""

    seconds: float
    speedup: float


def choose(
    settings: KernelConfig,
    model: GPTConfig,
    *,
    length: int,
    masked: bool,
    budget_s: float | None,
    device: torch.device | None = None,
) -> Kernels:
    """Decide how to compute, and set the number of threads.

    Args:
        settings: What is fixed already.
        model: Its head width matters.
        length: Tokens of a row.
        masked: Whether documents are packed, which needs a mask.
        budget_s: Seconds of training, or None if it ends by steps: then compiling is left to
            whoever asks for it, because a few steps never earn it back.
        device: Where to compute, the processor by default. On a GPU nothing is measured: bf16
            where it has it, fused attention, and compiling with Triton where the budget earns it.

    Raises:
        ConfigError: If compiling is asked for and there is no compiler.
    """
    if device is not None and device.type == "cuda":
        return _on_gpu(settings, budget_s)
    keep_freed_memory()
    threads = settings.threads or _threads()
    torch.set_num_threads(threads)
    dtype = settings.dtype if settings.dtype != "auto" else _dtype(threads)
    if settings.compile == "on" and not _can_compile():
        raise ConfigError(
            "compile = 'on' needs a C++ compiler and Python's header files; one is missing.",
            hint="Install them (Debian and Ubuntu: apt install g++ python3-dev), or set "
            "kernels.compile=off.",
        )
    earned = budget_s is not None and _earned_back(budget_s, dtype) and _can_compile()
    compiled = settings.compile == "on" or (settings.compile == "auto" and earned)
    form: AttentionForm
    if settings.attention != "auto":
        form = settings.attention
    elif compiled and (budget_s is None or budget_s < 600) and length < _EXPLICIT_BELOW:
        form = "explicit"  # measuring it would cost a compilation
    else:
        form = _form(dtype, model.head_dim, length, masked=masked, compiled=compiled)
    return Kernels(dtype=dtype, attention=form, compiled=compiled, threads=threads)


def _on_gpu(settings: KernelConfig, budget_s: float | None) -> Kernels:
    dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    can_compile = importlib.util.find_spec("triton") is not None
    if settings.compile == "on" and not can_compile:
        raise ConfigError(
            "compile = 'on' needs Triton on a GPU, which is not installed.",
            hint="Install it with: pip install triton, or set kernels.compile=off.",
        )
    earned = budget_s is not None and _earned_back(budget_s, dtype) and can_compile
    return Kernels(
        dtype=dtype if settings.dtype == "auto" else settings.dtype,
        attention="sdpa" if settings.attention == "auto" else settings.attention,
        compiled=settings.compile == "on" or (settings.compile == "auto" and earned),
        threads=settings.threads or usable_cores(),
    )


def obeyed(settings: KernelConfig, *, processes: int = 1) -> Kernels:
    """Return settings in which everything is decided as kernels.

    Args:
        settings: For the machine.
        processes: Of this run on this machine, which share its threads.

    Raises:
        ConfigError: If something is left to be measured.
    """
    if "auto" in (settings.dtype, settings.attention, settings.compile) or not settings.threads:
        raise ConfigError("The kernels are not decided yet.")
    keep_freed_memory()
    threads = max(1, settings.threads // processes)
    torch.set_num_threads(threads)
    return Kernels(
        dtype=settings.dtype,
        attention=cast(AttentionForm, settings.attention),
        compiled=settings.compile == "on",
        threads=threads,
    )


def loss_of(
    model: Trainable, kernels: Kernels, objective: Objective = next_token
) -> Callable[[Any], Tensor]:
    """Return the function that computes the loss of a micro-batch.

    Blocks are compiled one by one: they share their code, so one compilation serves all. The whole
    model compiled at once took twice as long and was 7% faster (docs/log.md).
    """
    model.attention = kernels.attention
    if kernels.compiled:
        for layer in model.layers:
            layer.compile(dynamic=False)
        if objective is next_token:
            head = torch.compile(next_token_loss, dynamic=False)
            objective = partial(next_token, head=head)
    return partial(objective, model)


def eager() -> AbstractContextManager[None]:
    """Return a context in which nothing is compiled, as for measuring a model in training."""
    if "torch._dynamo" not in sys.modules:  # nothing is, and importing it takes seconds
        return nullcontext()
    return cast(AbstractContextManager[None], torch.compiler.set_stance("force_eager"))


def warm_up(
    model: Trainable,
    batch: Learnable,
    loss: Callable[[Any], Tensor],
    kernels: Kernels,
    *,
    alone: bool = True,
) -> Warmth:
    """Compile and touch the memory, on a micro-batch whose gradients are thrown away.

    What compiling costs and gains here is remembered the first time, if this process is alone:
    several must do the same number of passes.
    """
    key = _compiling_key(kernels.dtype)
    known = recall(key) if alone else {}
    eager_s = None
    if kernels.compiled and known is None:
        with eager():
            eager_s = min(_seconds(model, batch, loss) for _ in range(3))
    first_s = _seconds(model, batch, loss)
    part_s = min(_seconds(model, batch, loss) for _ in range(2 if kernels.compiled else 1))
    compile_s = max(0.0, first_s - part_s) if kernels.compiled else 0.0
    if eager_s is not None:
        remember(key, {"seconds": compile_s, "speedup": eager_s / part_s})
    elif known and compile_s > _number(known.get("seconds"), _COMPILE_S) / 2:
        # Less would be torch's cache at work, and tell nothing of the next shape.
        mean_s = (_number(known.get("seconds"), _COMPILE_S) + compile_s) / 2
        remember(key, {**known, "seconds": mean_s})
    return Warmth(compile_s=compile_s, part_s=part_s)


def _seconds(model: Trainable, batch: Learnable, loss: Callable[[Any], Tensor]) -> float:
    begin = time.perf_counter()
    loss(batch).backward()  # type: ignore[no-untyped-call]  # torch's stub
    model.zero_grad(set_to_none=True)
    if batch.inputs.is_cuda:
        torch.cuda.synchronize()  # what was asked for has begun, not ended
    return time.perf_counter() - begin


def compiling(dtype: str) -> Compiling:
    """Return what compiling costs and gains in a dtype, as measured here or as usual."""
    known = recall(_compiling_key(dtype)) or {}
    return Compiling(
        seconds=max(_LEAST_COMPILE_S, _number(known.get("seconds"), _COMPILE_S)),
        speedup=_number(known.get("speedup"), _SPEEDUP[dtype]),
    )


def _compiling_key(dtype: str) -> str:
    return f"compiling, {dtype}"


def _earned_back(budget_s: float, dtype: str) -> bool:
    """Whether compiling does more steps within the budget, even if it takes half as long again."""
    known = compiling(dtype)
    return (budget_s - _SLOWER * known.seconds) * known.speedup > budget_s


def _can_compile() -> bool:
    return cpp_compiler() is not None and has_python_headers()


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def _threads() -> int:
    """Return what OMP_NUM_THREADS says; else one a core, physical or logical."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    logical = usable_cores()
    physical = min(logical, psutil.cpu_count(logical=False) or logical)
    if physical == logical:
        return logical

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        a = torch.ones(1024, 1024)
        return _median(lambda: a @ a)

    return int(_fastest("threads", [str(physical), str(logical)], lambda name: seconds(int(name))))


def _dtype(threads: int) -> str:
    """Return bfloat16 where its matrix product is faster than float32's."""

    def seconds(dtype: torch.dtype) -> float:
        a, b = torch.ones(512, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
        return _median(lambda: a @ b)

    return _fastest(
        f"dtype, {threads} threads",
        ["float32", "bfloat16"],
        lambda name: seconds(getattr(torch, name)),
    )


def _form(dtype: str, width: int, length: int, *, masked: bool, compiled: bool) -> AttentionForm:
    """Return the faster of the explicit and the fused form, forward and backward."""
    kind = getattr(torch, dtype)
    tensors = [torch.randn(4, 4, length, width, dtype=kind, requires_grad=True) for _ in range(3)]
    mask = torch.ones(4, 1, length, length, dtype=torch.bool).tril() if masked else None

    def seconds(form: str) -> float:
        attend: Callable[..., Tensor] = FORMS[cast(AttentionForm, form)]
        if compiled:
            attend = torch.compile(attend, dynamic=False)

        def both() -> None:
            attend(*tensors, mask).sum().backward()  # type: ignore[no-untyped-call]  # torch's stub

        both()
        return _median(both)

    key = f"attention, {dtype}, width {width}, length {length}, {masked=}, {compiled=}"
    return cast(AttentionForm, _fastest(key, ["explicit", "sdpa"], seconds))


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _fastest(key: str, candidates: Sequence[str], measure: Callable[[str], float]) -> str:
    """Return the candidate that takes the fewest seconds; remembered under ``key``."""
    known = recall(key)
    if known is not None and known.get("fastest") in candidates:
        return cast(str, known["fastest"])
    seconds = {name: measure(name) for name in candidates}
    fastest = min(seconds, key=lambda name: seconds[name])
    remember(key, {"fastest": fastest, "seconds": seconds})
    return fastest
