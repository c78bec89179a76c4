"""A constraint at work on one model's tokens: which may come next, and how the text can still end.

::

    grammar = GrammarCompiler(tokenizer, ends, vocab_size).compile(constraint)
    guide = grammar.begin(max_tokens)
    guide.allowed()          # [V], which tokens may come next
    guide.fits(token_id)     # whether the text could still end in time after this one
    guide.push(token_id)

A text is valid whenever its tokens run out, because of one invariant: **a guide always knows an
end that fits into the tokens left**. At the start it is the shortest text of the grammar. A token
is only taken if an end is known from there that needs no more tokens than are left, and else the
known end is followed. That end was tried on a copy of the grammar, byte by byte (``closing``), so
even a grammar that becomes too complex on the way is left in order.

Not here: what a constraint is (``constraint``), probabilities (``sampling``).
"""

from __future__ import annotations

import copy
import hashlib
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import ConfigError
from autogpt.inference.closing import accepts, byte_tokenizer, quick_end, short_ends
from autogpt.inference.constraint import Constraint, limits

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

__all__ = ["Grammar", "GrammarCompiler", "Guide", "TokenBytes"]

_logger = logging.getLogger(__name__)

# Compiled grammars that are kept. One takes some 100 kB; a server sees few different ones.
_KEPT = 64
# The longest end that is looked for.
_MAX_END_BYTES = 20_000
# The longest tokens that ends are put together from: longer ones are rare, and would only slow
# the search for the fewest.
_MAX_PIECE_BYTES = 32


class TokenBytes(Protocol):
    """The part of a tokenizer that a grammar needs."""

    @property
    def silent_ids(self) -> frozenset[int]:
        """Tokens that stand for no text."""

    def token_bytes(self, token_id: int) -> bytes:
        """Return the text of one token."""

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return tokens whose text is ``data``."""


class _Vocabulary:
    """The texts of the tokens that may be written, and what the model ends with."""

    def __init__(self, tokenizer: TokenBytes, ends: frozenset[int], vocab_size: int) -> None:
        self.size = vocab_size
        self.ends = frozenset(end for end in ends if end < vocab_size)
        if not self.ends:
            raise ValueError("a constrained text needs a token that ends it")
        self.texts = [tokenizer.token_bytes(token_id) for token_id in range(vocab_size)]
        # What stands for no text may never be written as if it did.
        empty = {token_id for token_id, text in enumerate(self.texts) if not text}
        silent = {token_id for token_id in tokenizer.silent_ids if token_id < vocab_size}
        self.silent_ids = silent | empty | self.ends
        self._ids = {
            text: token_id
            for token_id, text in reversed(list(enumerate(self.texts)))
            if token_id not in self.silent_ids and len(text) <= _MAX_PIECE_BYTES
        }
        self._longest = max(map(len, self._ids), default=0)
        self._single = frozenset(byte for byte in range(256) if bytes([byte]) in self._ids)
        self.spell = lru_cache(maxsize=1024)(self._spell)
        self._tokenizer = tokenizer

    def compiled(self) -> LLTokenizer:
        """Return the vocabulary as llguidance reads it."""
        from llguidance import LLTokenizer, TokenizerWrapper

        return LLTokenizer(
            TokenizerWrapper(_Words(self, self._tokenizer)),
            n_vocab=self.size,
            eos_token=sorted(self.ends),
        )

    def can_spell(self, text: bytes, budget: int) -> bool:
        """Return whether ``budget`` tokens are enough to write ``text``."""
        if len(text) <= budget and self._single.issuperset(text):
            return True
        token_ids = self.spell(text)
        return token_ids is not None and len(token_ids) <= budget

    def _spell(self, text: bytes) -> tuple[int, ...] | None:
        """Return the fewest tokens whose text is ``text``, or None if they cannot write it."""
        # best[n]: the last token of the fewest for the first n bytes, and their number.
        best: list[tuple[int, int] | None] = [(-1, 0)]
        for end in range(1, len(text) + 1):
            found: tuple[int, int] | None = None
            for begin in range(max(0, end - self._longest), end):  # the longest pieces first
                before = best[begin]
                token_id = self._ids.get(text[begin:end])
                if before is None or token_id is None:
                    continue
                if found is None or before[1] + 1 < found[1]:
                    found = (token_id, before[1] + 1)
            best.append(found)
        token_ids: list[int] = []
        end = len(text)
        while end:
            last = best[end]
            if last is None:
                return None
            token_ids.append(last[0])
            end -= len(self.texts[last[0]])
        return tuple(reversed(token_ids))


class _Words:
    """A vocabulary in the form that llguidance asks for."""

    bos_token_id = None

    def __init__(self, vocabulary: _Vocabulary, tokenizer: TokenBytes) -> None:
        self.tokens = vocabulary.texts
        self.special_token_ids = sorted(vocabulary.silent_ids)
        self.eos_token_id = min(vocabulary.ends)
        self._tokenizer = tokenizer

    def __call__(self, text: bytes | str) -> list[int]:
        return self._tokenizer.encode_bytes(text.encode() if isinstance(text, str) else text)


@dataclass(frozen=True, eq=False, slots=True)
class Grammar:
    """A constraint compiled for one vocabulary; guides may share it.

    Attributes:
        name: What to call it, as in "the JSON schema".
        shortest: The tokens of the shortest text that was found to match.
    """

    name: str
    shortest: tuple[int, ...]
    _end: bytes  # the text of shortest
    _vocabulary: _Vocabulary
    _tokens: LLMatcher
    _bytes: LLMatcher

    @property
    def is_json(self) -> bool:
        """Whether what matches is JSON."""
        return self.name == "the JSON schema"

    def begin(self, budget: int) -> Guide:
        """Return the guide of a new text of at most ``budget`` tokens.

        Raises:
            ConfigError: If the shortest text takes more.
        """
        if budget < len(self.shortest):
            raise ConfigError(
                f"A text that matches {self.name} takes {len(self.shortest)} tokens or more, "
                f"but only {budget} may be written."
            )
        return Guide(
            self._vocabulary, self._tokens.deep_copy(), self._bytes.deep_copy(), self._end, budget
        )

    @property
    def is_spent(self) -> bool:
        """Whether it became too complex: its copies share what they have worked out."""
        copies = (self._tokens.deep_copy(), self._bytes.deep_copy())
        for fresh in copies:
            fresh.compute_bitmask()
        return any(fresh.is_error() for fresh in copies)


class GrammarCompiler:
    """Compiles constraints for one tokenizer, and keeps the grammars used last.

    Args:
        tokenizer: Knows the text of each token.
        ends: The tokens that end a text.
        vocab_size: V, the tokens that can be chosen.
    """

    def __init__(self, tokenizer: TokenBytes, ends: frozenset[int], vocab_size: int) -> None:
        self._given = (tokenizer, ends, vocab_size)
        self._parts: tuple[_Vocabulary, LLTokenizer, LLTokenizer] | None = None
        self._kept: OrderedDict[bytes, Grammar] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, constraint: Constraint) -> Grammar:
        """Return the grammar of a constraint, the same one while it is kept.

        Raises:
            ConfigError: If it is too complex, or no text that matches it was found.
        """
        key = hashlib.sha256(f"{constraint.kind}\0{constraint.source}".encode()).digest()
        with self._lock:
            grammar = self._kept.pop(key, None)
            if grammar is None or grammar.is_spent:
                grammar = self._compile(constraint)
            self._kept[key] = grammar
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return grammar

    def _compile(self, constraint: Constraint) -> Grammar:
        from llguidance import LLMatcher

        if self._parts is None:
            vocabulary = _Vocabulary(*self._given)
            self._parts = (vocabulary, vocabulary.compiled(), byte_tokenizer())
        vocabulary, words, single_bytes = self._parts
        matchers = [
            LLMatcher(tokenizer, constraint.source, log_level=0, limits=limits())
            for tokenizer in (words, single_bytes)
        ]
        name = f"the {constraint.kind}"
        for matcher in matchers:
            matcher.compute_bitmask()  # what is too complex often shows only here
        if any(matcher.get_error().startswith("lexer error") for matcher in matchers):
            raise ConfigError(
                f"{name.capitalize()} is too complex.", hint="Use fewer or smaller repetitions."
            )
        end, tokens = _shortest(vocabulary, matchers[1], name)
        return Grammar(name, tokens, end, vocabulary, *matchers)


def _shortest(
    vocabulary: _Vocabulary, matcher: LLMatcher, name: str
) -> tuple[bytes, tuple[int, ...]]:
    """Return the text of the fewest tokens among those found to match, and its tokens."""
    texts = list(short_ends(matcher, _MAX_END_BYTES))
    quick = quick_end(matcher, _MAX_END_BYTES)
    texts += [] if quick is None else [quick]
    spelled = [(text, tokens) for text in texts if (tokens := vocabulary.spell(text)) is not None]
    if not spelled:
        raise ConfigError(
            f"No text that matches {name} was found: there is none, or it has more than "
            f"{_MAX_END_BYTES:,} bytes, or the rule is too complex."
        )
    return min(spelled, key=lambda pair: (len(pair[1]), len(pair[0])))


@dataclass(frozen=True, slots=True)
class _Step:
    """What would be so after one more token; no matcher where it became too complex."""

    token_id: int
    matcher: LLMatcher | None  # of bytes
    end: bytes


class Guide:
    """Leads one text along a grammar, and to its end in time. Made by ``Grammar.begin``."""

    def __init__(
        self,
        vocabulary: _Vocabulary,
        tokens: LLMatcher,
        single_bytes: LLMatcher,
        end: bytes,
        budget: int,
    ) -> None:
        self._vocabulary = vocabulary
        self._tokens = tokens
        self._bytes = single_bytes
        self._end = end  # bytes that complete the text
        self._left = budget  # tokens
        self._is_lost = False  # the grammar became too complex: follow the known end
        self._step: _Step | None = None  # the last token found to fit

    @property
    def forced(self) -> int:
        """The next token of the known end."""
        token_ids = self._vocabulary.spell(self._end)
        return token_ids[0] if token_ids else min(self._vocabulary.ends)

    def allowed(self) -> npt.NDArray[np.bool_]:
        """Return which tokens may come next: [V], at least one."""
        if not self._is_lost:
            mask = self._tokens.compute_bitmask()
            if not self._tokens.is_error():
                bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")
                return bits[: self._vocabulary.size].view(np.bool_)
            self._lose()
        only = np.zeros(self._vocabulary.size, dtype=np.bool_)
        only[self.forced] = True
        return only

    def fits(self, token_id: int) -> bool:
        """Return whether an allowed token leaves a known way to end in the tokens left."""
        if token_id in self._vocabulary.ends:
            return not self._end if self._is_lost else self._tokens.is_accepting()
        if self._is_lost:
            return token_id == self.forced
        if self._step is None or self._step.token_id != token_id:
            self._step = self._try(token_id)
        return self._step is not None

    def push(self, token_id: int) -> None:
        """Add a token that fits to the text.

        Raises:
            ValueError: If it does not fit.
        """
        if not self.fits(token_id):
            raise ValueError(f"token {token_id} does not fit the grammar, or the tokens left")
        self._left -= 1
        if token_id in self._vocabulary.ends:
            self._end = b""
            return
        step, self._step = self._step, None
        if self._is_lost or step is None:
            self._end = self._end[len(self._vocabulary.texts[token_id]) :]
            return
        self._end = step.end
        if step.matcher is None or not self._tokens.consume_token(token_id):
            self._lose()
        else:
            self._bytes = step.matcher

    def close(self) -> None:
        """Bring the text to its end now: no more tokens than the known end takes."""
        self._left = min(self._left, len(self._vocabulary.spell(self._end) or ()))

    def fork(self) -> Guide:
        """Return a second guide at the same place, that goes on by itself."""
        twin = copy.copy(self)
        twin._tokens = self._tokens.deep_copy()  # that of bytes is replaced, never moved
        return twin

    def _try(self, token_id: int) -> _Step | None:
        text = self._vocabulary.texts[token_id]
        ahead: LLMatcher | None = self._bytes.deep_copy()
        if ahead is not None and not ahead.consume_tokens(list(text)):
            ahead = None
        end: bytes | None = self._end
        if self._end.startswith(text):
            end = self._end[len(text) :]
        elif ahead is None:
            return None
        elif accepts(ahead, self._end[len(text) :]):  # as when another digit was chosen
            end = self._end[len(text) :]
        elif not accepts(ahead, self._end):  # as when a string goes on
            end = quick_end(ahead, min(_MAX_END_BYTES, self._left * _MAX_PIECE_BYTES))
        if end is None or not self._vocabulary.can_spell(end, self._left - 1):
            return None
        return _Step(token_id, ahead, end)

    def _lose(self) -> None:
        _logger.warning("the grammar became too complex; the text is brought to its end")
        self._is_lost = True
        self._step = None
