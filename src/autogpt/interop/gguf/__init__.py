"""GGUF files, the format of llama.cpp, as the objects that a Hugging Face folder gives.

::

    file = open_gguf("smollm2.gguf")   # the header is checked, nothing else is read
    model, tokenizer = file.model(), file.tokenizer()
    for tensor in file.packed(): ...   # the quantized bytes, memory-mapped

``header`` reads and checks, ``entries`` are its keys and values, ``weights`` the numbers,
``families`` the tables of architectures, ``vocabulary`` the tokenizer, ``loading`` all together.
"""

from __future__ import annotations

from autogpt.interop.gguf.loading import GGUFFile, open_gguf
from autogpt.interop.gguf.weights import PackedTensor

__all__ = ["GGUFFile", "PackedTensor", "open_gguf"]
