"""The verb ``doctor``: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from autogpt.cli.options import Json

if TYPE_CHECKING:
    from autogpt.core.hardware import Hardware
    from autogpt.core.progress import Progress

__all__ = ["doctor"]

T = TypeVar("T")

_DISTRIBUTION = "autogpt-transformer"
_VIEWERS = {"tensorboard": "pip install tensorboard"}  # shows the events a run writes
_LITTLE_MEMORY_BYTES = 2 * 10**9  # torch itself takes 0.5, a small preset with its batches over 1
_LITTLE_DISK_BYTES = 5 * 10**9  # torch's compiler cache, prepared text and a few checkpoints
# Where bf16 has no instructions of its own, ten products of 2048 would take a minute: the size is
# chosen by the rate in GFLOP/s of a small product, so that they take some 5 s at most.
_TRIAL_SIZE = 512
_SIZES = ((5.0, 512), (30.0, 1024), (float("inf"), 2048))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Speed:
    """What was measured, by the name of the dtype; None where it could not be."""

    matmul_gflops: dict[str, float | None]
    memory_gb_per_s: float | None
    gpus: tuple[str, ...]


def doctor(json_: Json = False) -> None:  # noqa: FBT002 - a command line flag
    """Say what this machine can do, what is missing and how to get it.

    Speed is measured, which takes a few seconds on all cores.
    """
    from autogpt.core.hardware import cpp_compiler, has_python_headers, look
    from autogpt.core.progress import Progress

    problems: list[str] = []
    with Progress(quiet=json_) as progress:
        hardware = _tried("This machine", look, problems)
        speed = _measure(progress, problems)
    compiler, commands = cpp_compiler(), _commands()
    missing = {name: how for name, how in commands.items() if _installed(name) is None}
    advice = [
        *_advice(hardware, speed),
        *_advice_on_compiling(compiler, has_headers=has_python_headers()),
        *problems,
    ]
    if not json_:
        print("\n".join(_lines(hardware, speed, compiler, missing)), end="\n\n")
        print("\n".join(f"- {sentence}" for sentence in advice))
        return
    facts: dict[str, object] = {
        "python": platform.python_version(),
        "autogpt": _installed(_DISTRIBUTION),
        "torch": _installed("torch"),
        **(asdict(hardware) if hardware else {}),
        **(asdict(speed) if speed else {}),
        "compiler": compiler,
        "optional": {name: name not in missing for name in commands},
        "missing": missing,
        "advice": advice,
    }
    print(json.dumps(facts, ensure_ascii=False))


def _measure(progress: Progress, problems: list[str]) -> _Speed | None:
    """Measure what torch computes here; where it cannot be imported, a problem says so."""
    progress.update(0.0, "loading torch")
    room = _tried("torch", _room, problems)
    if room is None:
        return None
    rates: dict[str, float | None] = {}
    for done, name in enumerate(("float32", "bfloat16"), start=1):
        progress.update(done / 4, f"measuring matrix products in {name}")
        rates[name] = _tried(f"Speed in {name}", partial(_matmul, room, name), problems)
    progress.update(3 / 4, "measuring memory")
    bandwidth = _tried("Memory bandwidth", room.memory_gb_per_s, problems)
    gpus = _tried("GPUs", room.gpus, problems)
    return _Speed(matmul_gflops=rates, memory_gb_per_s=bandwidth, gpus=gpus or ())


def _room() -> ModuleType:
    from autogpt.nn import speed

    return speed


def _matmul(room: ModuleType, name: str) -> float:
    """Return the rate of a large product, or of a smaller one where that would take long."""
    dtype = getattr(room.torch, name)
    trial = room.matmul_gflops(dtype, size=_TRIAL_SIZE)
    size = next(size for below, size in _SIZES if trial < below)
    return float(room.matmul_gflops(dtype, size=size))


def _tried(what: str, work: Callable[[], T], problems: list[str]) -> T | None:
    """Return what ``work`` returns; where it fails, None, and a sentence in ``problems``."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - a doctor reports what is broken, whatever it is
        reason = " ".join(str(error).split()) or type(error).__name__
        problems.append(f"{what} could not be examined: {reason.removesuffix('.')}.")
        return None


def _installed(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _commands() -> dict[str, str]:
    """Return the optional packages, each with the command that installs it."""
    from importlib.metadata import requires

    commands: dict[str, str] = {}
    for requirement in (requires(_DISTRIBUTION) or []) if _installed(_DISTRIBUTION) else []:
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", requirement)
        if package and extra:
            # Its own extra, or the first that names it: what the tests need comes last.
            command = f'pip install "{_DISTRIBUTION}[{extra[1]}]"'
            if package[0] == extra[1] or package[0] not in commands:
                commands[package[0]] = command
    return commands | _VIEWERS


def _lines(
    hardware: Hardware | None, speed: _Speed | None, compiler: str | None, missing: dict[str, str]
) -> Iterator[str]:
    """Yield the findings for people to read."""
    from autogpt.core.units import format_bytes

    yield (
        f"Versions   Python {platform.python_version()}, "
        f"autogpt {_installed(_DISTRIBUTION) or 'not installed'}, "
        f"torch {_installed('torch') or 'not installed'}"
    )
    if hardware:
        physical = hardware.physical_cores
        yield f"System     {hardware.system}"
        features = " ".join(hardware.features) or "no features that matter"
        yield f"Processor  {hardware.processor}, {features}"
        yield f"           {hardware.cores} cores usable, {physical} of them physical"
        yield (
            f"Memory     {format_bytes(hardware.free_memory_bytes)} free of "
            f"{format_bytes(hardware.memory_bytes)}"
        )
        yield f"Disk       {format_bytes(hardware.free_disk_bytes)} free in this folder"
    if speed:
        rates = speed.matmul_gflops
        yield f"GPUs       {'; '.join(speed.gpus) or 'none that this build of torch can use'}"
        yield (
            f"Speed      {_rate(rates['float32'])} GFLOP/s in fp32, "
            f"{_rate(rates['bfloat16'])} GFLOP/s in bf16 (matrix products)"
        )
        yield f"           {_rate(speed.memory_gb_per_s)} GB/s copying memory, read and written"
    yield f"Compiler   {compiler or 'none found'}"
    title = "Optional"
    for name, how in missing.items():
        yield f"{title:9}  {name} is not installed: {how}"
        title = ""
    if not missing:
        yield "Optional   everything is installed"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.3g}"


def _advice(hardware: Hardware | None, speed: _Speed | None) -> Iterator[str]:
    """Yield what the findings mean for training here."""
    from autogpt.core.units import format_bytes

    if speed:
        fp32, bf16 = speed.matmul_gflops["float32"], speed.matmul_gflops["bfloat16"]
        if fp32 and bf16:
            choice = "bf16" if bf16 > fp32 else "fp32"
            yield (
                f"bf16 is {bf16 / fp32:.1f} times as fast as fp32 here: training computes in "
                f"{choice}, unless its own measurement or a setting says otherwise."
            )
        if speed.gpus:
            yield "Training and generation run on the processor; a GPU is not used."
    if hardware and hardware.free_memory_bytes < _LITTLE_MEMORY_BYTES:
        yield (
            f"Memory is short, {format_bytes(hardware.free_memory_bytes)} are free: close other "
            "programs, or train with --preset tiny."
        )
    if hardware and hardware.free_disk_bytes < _LITTLE_DISK_BYTES:
        yield (
            f"Disk space is short, {format_bytes(hardware.free_disk_bytes)} are free: make room, "
            "or give --out on another disk."
        )


def _advice_on_compiling(compiler: str | None, *, has_headers: bool) -> Iterator[str]:
    if compiler is None:
        lacking = "a C++ compiler (such as g++, or the one that CXX names)"
    elif not has_headers:
        lacking = "the header files of Python (python3-dev or python3-devel)"
    else:
        return
    yield (
        f"torch.compile needs {lacking}: install it, or train with --set kernels.compile=off, "
        "which is slower."
    )
