"""What general compressors need for the same text: a yardstick for bits per byte.

A language model is a compressor (Shannon, 1948; Delétang et al., 2023): its bits per byte are what
an arithmetic coder driven by it would need. gzip and xz are what everyone has. They see the text
once, from nothing, while the model has trained on text of the same origin, so beating them is the
least to expect; not beating them says that the model has learned little.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterable

__all__ = ["compressed_bits_per_byte"]

_MOST_BYTES = 10_000_000  # about ten seconds of xz; more text moves the figure little


def compressed_bits_per_byte(texts: Iterable[str]) -> dict[str, float]:
    """Return bits per UTF-8 byte of ``gzip -9`` and ``xz -6`` over all ``texts``; {} if empty."""
    gathered = bytearray()
    for text in texts:
        gathered += text.encode("utf-8", "replace")
        if len(gathered) >= _MOST_BYTES:
            break
    if not gathered:
        return {}
    data = bytes(gathered[:_MOST_BYTES])
    sizes = {
        "gzip": len(zlib.compress(data, level=9, wbits=31)),
        "xz": len(lzma.compress(data, preset=6)),
    }
    return {name: 8 * size / len(data) for name, size in sizes.items()}
