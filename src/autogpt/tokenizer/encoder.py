"""Encode text on all cores, with the ids that Hugging Face ``tokenizers`` gives.

``fastokens`` (2026) does the work for tokenizers that split text as ours do; it reads the same
``tokenizer.json`` and was measured at tens of times the speed. Where it is not installed, or
gives other ids for a probe text, ``tokenizers`` itself does. Nothing here decodes or trains.
"""

from __future__ import annotations

import importlib
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as HFTokenizer

from autogpt.tokenizer import pipeline
from autogpt.tokenizer.boundaries import cut

__all__ = ["Encoded", "Encoder", "TokenIds"]

TokenIds = npt.NDArray[np.int32]

_log = logging.getLogger(__name__)
_PART_CHARS = 1 << 14  # measured: `tokenizers` is fastest on texts of 4 to 16 thousand characters
_WORTH_FAST_CHARS = 1 << 16  # below, building the fast encoder (0.15 s for 32K) costs more
_PROBE = (
    "The quick brown fox's den: 3.14159, 'TWAS  they'LL\tbe\r\n\r\n  there!?\n\n\n"
    "子曰：「學而時習之，不亦說乎？」　　2024年１２月… Ünïcödé ſ'ſ é\u0301"
    " 😀👩‍👩‍👧 \u200b\ufeff\x00\x1c\x85 "
    "def f(x):\n        return x ** 2  # --------------------\n"
) * 8


@dataclass(frozen=True, slots=True)
class Encoded:
    """The ids of several texts, one after the other.

    Attributes:
        ids: All of them.
        ends: Where each text ends in ``ids``.
    """

    ids: TokenIds
    ends: npt.NDArray[np.int64]

    def rows(self) -> list[TokenIds]:
        """Return the ids of each text."""
        return np.split(self.ids, self.ends[:-1]) if len(self.ends) else []


class _FastTokenizer(Protocol):
    """What we use of ``fastokens.Tokenizer``."""

    def encode_batch_flat(
        self, inputs: list[str], *, split_special_tokens: bool
    ) -> tuple[bytes, bytes]: ...


class Encoder:
    """Text to ids by one tokenizer; safe to share between threads.

    Text must be free of lone surrogates. Special tokens in it are taken for what they say unless
    they are asked for.

    Args:
        tokenizer: The tokenizer to agree with, which must not change.
    """

    def __init__(self, tokenizer: HFTokenizer) -> None:
        self._slow = tokenizer
        self._may_be_fast = True
        self._fast: _FastTokenizer | None = None
        self._lock = threading.Lock()

    def encode(self, text: str, *, allow_special: bool = False) -> TokenIds:
        """Return the ids of one text."""
        return self.encode_all([text], allow_special=allow_special).ids

    def encode_all(self, texts: Sequence[str], *, allow_special: bool = False) -> Encoded:
        """Return the ids of each text."""
        fast = self._fast_for(sum(map(len, texts)))
        if fast is None:
            return self._encode_slowly(texts, allow_special=allow_special)
        ids, starts = fast.encode_batch_flat(list(texts), split_special_tokens=not allow_special)
        return Encoded(
            np.frombuffer(ids, dtype="<u4").astype(np.int32),
            np.frombuffer(starts, dtype="<u8").astype(np.int64)[1:],
        )

    def encode_ends(self, text: str) -> tuple[TokenIds, npt.NDArray[np.int64]]:
        """Return the ids of one text, and for each where in the text it ends, in characters.

        Some tokenizers do not count white space at the end of a token as a part of it.
        """
        with self._lock:
            self._slow.encode_special_tokens = True
            encoding = self._slow.encode(text, add_special_tokens=False)
        ends = np.array([end for _, end in encoding.offsets], dtype=np.int64)
        return np.array(encoding.ids, dtype=np.int32), ends

    @cached_property
    def _is_ours(self) -> bool:
        """Whether text is split as ours is: what was proven and tested is about that."""
        return pipeline.is_ours(json.loads(self._slow.to_str()))

    def _encode_slowly(self, texts: Sequence[str], *, allow_special: bool) -> Encoded:
        longest = max(map(len, texts), default=0)
        cuttable = longest > _PART_CHARS and not allow_special and self._is_ours
        parts = [cut(text, _PART_CHARS) if cuttable else [text] for text in texts]
        flat = [part for text_parts in parts for part in text_parts]
        with self._lock:  # the switch belongs to the tokenizer, not to the call
            self._slow.encode_special_tokens = not allow_special
            encodings = self._slow.encode_batch_fast(flat, add_special_tokens=False)
        rows = [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        part_ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        last_parts = np.cumsum([len(text_parts) for text_parts in parts], dtype=np.int64) - 1
        ids = np.concatenate(rows) if rows else np.empty(0, dtype=np.int32)
        return Encoded(ids, part_ends[last_parts])

    def _fast_for(self, chars: int) -> _FastTokenizer | None:
        if self._fast is None and self._may_be_fast and chars >= _WORTH_FAST_CHARS:
            with self._lock:
                if self._fast is None and self._is_ours:
                    self._fast = _build_fast(self._slow)
                self._may_be_fast = self._fast is not None
        return self._fast


def _build_fast(slow: HFTokenizer) -> _FastTokenizer | None:
    """Return the fast encoder, or None (and say why in the log) if it cannot be trusted here."""
    try:
        library: Any = importlib.import_module("fastokens")
    except ImportError:
        _log.warning("The package fastokens is not installed: encoding text is slower.")
        return None
    fast: _FastTokenizer = library.Tokenizer.from_json_str(slow.to_str())
    ids, _ = fast.encode_batch_flat([_PROBE], split_special_tokens=True)
    slow.encode_special_tokens = True
    if np.frombuffer(ids, dtype="<u4").tolist() != slow.encode(_PROBE).ids:
        _log.warning("The package fastokens gives other ids here: it is not used.")
        return None
    return fast
