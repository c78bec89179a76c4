"""The decoder in C++, for quantized weights: an optional, faster back end of the engine.

::

    prepare()                             # compiles beside what follows, if need be
    backend = load_backend(quantized)     # None where it cannot be had, or torch is faster
    backend.run(batch, cache)

The C++ source lies beside this file and is compiled when it is first needed, where there is a
compiler. ``decoder.cpp`` is one step of a model; ``products.hpp``, ``attention.hpp``,
``vectors.hpp`` and ``threads.hpp`` are its parts. Everything works without it, in torch.
"""

from autogpt.inference.native.backend import CacheKind, NativeBackend, load_backend, obstacle
from autogpt.inference.native.build import prepare

__all__ = ["CacheKind", "NativeBackend", "load_backend", "obstacle", "prepare"]
