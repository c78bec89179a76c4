"""Compile the decoder for this processor, once, and find it again.

The library lies in the cache folder under a name made of the source, the compiler's version and
the flags, with its checksum beside it. It appears there as a whole, so processes may compile at
the same time; the first one wins. What did not compile is remembered, not tried again.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autogpt.core.errors import AutoGPTError
from autogpt.core.files import verify_manifest, write_manifest
from autogpt.core.hardware import cpp_compiler, processor
from autogpt.core.memo import cache_folder, recall, remember

__all__ = ["INSTRUCTION_SETS", "BuildError", "Built", "build", "find_library", "prepare"]

_logger = logging.getLogger(__name__)

INSTRUCTION_SETS = {
    "avx512": (
        *("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mavx2"),
        *("-mfma", "-mf16c", "-mprefer-vector-width=512"),
    ),
    "avx2": ("-mavx2", "-mfma", "-mf16c"),
    "portable": (),
}
"""Flags of each, the best first."""

_NEEDS = {"avx512": "avx512_vnni", "avx2": "avx2"}  # processor features; the library looks closer

# Products are not contracted with sums behind our back: rows must not differ with the number of
# rows. No exceptions for square roots of negative numbers, which would keep loops scalar. The
# warnings that are off are false alarms inside of g++'s own intrinsics.
_FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden"),
    *("-ffp-contract=off", "-fno-math-errno", "-w"),
)
_SOURCE = "decoder.cpp"
_LIBRARY = "decoder.so"
_TIMEOUT_S = 180.0  # far above the 3 to 5 s that it takes

_lock = threading.Lock()


class BuildError(Exception):
    """The decoder could not be compiled or loaded."""


@dataclass(frozen=True, slots=True)
class Built:
    """A loaded library.

    Attributes:
        library: Its functions.
        name: Of its instruction set.
        key: Changes with source, compiler and flags.
    """

    library: ctypes.CDLL
    name: str
    key: str


def prepare() -> None:
    """Begin to look for the library, or to compile it, beside what the caller does next."""
    threading.Thread(target=find_library, name="autogpt-native", daemon=True).start()


def find_library() -> Built | None:
    """Return the best library for this processor, compiled if needed; None where there is none.

    Says why in one warning, the first time.
    """
    with _lock:
        return _find_library()


@cache
def _find_library() -> Built | None:
    features = processor()[1]
    reasons = []
    for name in INSTRUCTION_SETS:
        if name in _NEEDS and _NEEDS[name] not in features:
            continue
        try:
            return build(name)
        except BuildError as error:
            reasons.append(str(error))
    _logger.warning("quantized models run in torch, which is slower: %s", reasons[0])
    return None


def build(name: str) -> Built:
    """Return the library for an instruction set, compiled if it is not in the cache folder.

    Raises:
        BuildError: If there is no compiler, it fails, or this processor lacks the instructions.
    """
    compiler = cpp_compiler()
    if compiler is None or Path(compiler).stem == "cl":  # Microsoft's has other flags
        raise BuildError("There is no C++ compiler (g++ or clang++).")
    flags = (*_FLAGS, *INSTRUCTION_SETS[name])
    key = _key(compiler, flags)
    folder = cache_folder() / f"native-{name}-{key}"
    failure = recall(f"native-{key}")
    if failure is not None:
        raise BuildError(str(failure.get("failed")))
    library = _open(folder)
    if library is None:
        try:
            _compile(compiler, flags, folder)
        except BuildError as error:
            remember(f"native-{key}", {"failed": str(error)})
            raise
        library = _open(folder)
    if library is None:
        raise BuildError(f"The compiled decoder in {str(folder)!r} cannot be loaded.")
    if not library.autogpt_supported():
        raise BuildError(f"This processor lacks a part of {name}.")
    return Built(library, name, key)


def _key(compiler: str, flags: tuple[str, ...]) -> str:
    try:
        version = subprocess.run(
            [compiler, "--version"], capture_output=True, timeout=_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"The C++ compiler {compiler!r} does not run: {error}.") from error
    sources = sorted(Path(__file__).parent.glob("*.[ch]pp"))
    parts = [compiler.encode(), version, " ".join(flags).encode()]
    parts += [path.name.encode() + b"\0" + path.read_bytes() for path in sources]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _open(folder: Path) -> ctypes.CDLL | None:
    """Load the library of a folder; None, and the folder removed, if it is not whole."""
    if not folder.is_dir():
        return None
    try:
        verify_manifest(folder)
        return ctypes.CDLL(str(folder / _LIBRARY))
    except (AutoGPTError, OSError, KeyError, TypeError, AttributeError) as error:
        _logger.debug("%s is removed: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _compile(compiler: str, flags: tuple[str, ...], folder: Path) -> None:
    source = Path(__file__).parent / _SOURCE
    with _new_folder(folder) as temporary:
        command = [compiler, *flags, str(source), "-o", str(temporary / _LIBRARY)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildError(f"The C++ compiler {compiler!r} does not run: {error}.") from error
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").splitlines()
            reason = next((line for line in lines if "error" in line), "no reason given")
            raise BuildError(f"The C++ compiler {compiler!r} failed: {reason}.")
        write_manifest(temporary, [_LIBRARY])


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which then gets its name at once; another's of that name may stay."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise BuildError(f"{str(folder.parent)!r} cannot be written: {error.strerror}.") from error
    try:
        yield temporary
        with contextlib.suppress(OSError):  # another process was faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
