"""From token ids to text that may be shown: whole characters, and nothing of a stop string.

A stop string may begin in one token and end in another. Text that could still become one is held
back until the next token decides. Beside it, what notices that a text only repeats itself.

Not the end-of-text token and not ``max_tokens``: those are counted in ids, see ``engine``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autogpt.core.messages import TokenLogprob
from autogpt.tokenizer.bpe import StreamDecoder, Tokenizer

__all__ = ["LoopDetector", "Released", "StopMatcher", "TextStream"]

# Loops of small models are a phrase or a sentence long; a step of the detector takes about 10 us.
_LONGEST_PERIOD = 128
# A row of dashes, or a table's padding, is no loop yet.
_LEAST_REPEATED = 32


class StopMatcher:
    """Finds the first stop string in a text that arrives in pieces.

    The first is the one that is complete first, and of several that end there the longest; so it
    does not matter how the text is cut into pieces.

    Args:
        stops: What ends the text.
        unless: A text that begins so is ended by none of them.
    """

    def __init__(self, stops: Sequence[str], *, unless: str = "") -> None:
        self._stops = tuple(stops)
        self._unless = unless if stops else ""
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Return the text that is safe to show, and whether a stop string ended it."""
        held = self._held + text
        if self._unless and self._unless.startswith(held):
            self._held = held  # it may still begin so
            if held != self._unless:
                return "", False
        if self._unless:
            self._stops = () if held.startswith(self._unless) else self._stops
            self._unless = ""
        if not self._stops:
            self._held = ""
            return held, False
        found = [
            (begin + len(stop), begin) for stop in self._stops if (begin := held.find(stop)) >= 0
        ]
        if found:
            self._held = ""
            _, begin = min(found)
            return held[:begin], True
        safe = len(held) - max(_overlap(held, stop) for stop in self._stops)
        self._held = held[safe:]
        return held[:safe], False

    def flush(self) -> str:
        """Return what was held back, as no more text comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class LoopDetector:
    """Notices that the newest tokens are one phrase over and over.

    A phrase of p tokens stands there k times when each of the last p (k - 1) tokens equals the
    one p places before it. So it is enough to count, for each p, for how long that has been so.

    Args:
        repeats: How often a phrase must stand there in a row, 2 or more; short phrases as often
            as it takes to fill 32 tokens. Phrases of up to 128 tokens are noticed.
    """

    def __init__(self, repeats: int) -> None:
        periods = np.arange(1, _LONGEST_PERIOD + 1)
        self._needed = np.maximum(periods * (repeats - 1), _LEAST_REPEATED - periods)
        self._newest = np.full(_LONGEST_PERIOD, -1)  # newest first
        self._equal = np.zeros(_LONGEST_PERIOD, dtype=np.int64)

    def push(self, token_id: int) -> bool:
        """Add a token; return whether the text has come to loop."""
        # New arrays, so that a copy of this object goes on by itself.
        self._equal = np.where(self._newest == token_id, self._equal + 1, 0)
        self._newest = np.concatenate(([token_id], self._newest[:-1]))
        return bool((self._equal >= self._needed).any())


@dataclass(frozen=True, slots=True)
class Released:
    """Text that may be shown, and the tokens it is made of."""

    text: str
    logprobs: tuple[TokenLogprob, ...]
    stopped: bool


class TextStream:
    """Turns the ids of one completion into text, and sends each token's account with its text.

    Args:
        tokenizer: Decodes the ids.
        stops: The text ends before the first of these.
        unless: A text that begins so is ended by none of them.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], *, unless: str = "") -> None:
        self._decoder = StreamDecoder(tokenizer)
        self._matcher = StopMatcher(stops, unless=unless)
        self._decoded = 0
        self._released = 0
        # Tokens whose text is held back, with the places in the text where each begins and ends.
        self._waiting: deque[tuple[int, int, TokenLogprob]] = deque()

    def push(self, token_id: int, logprob: TokenLogprob | None = None) -> Released:
        """Add one token; return the text that became safe to show."""
        text = self._decoder.push(token_id)
        begin, self._decoded = self._decoded, self._decoded + len(text)
        if logprob is not None:
            self._waiting.append((begin, self._decoded, logprob))
        shown, stopped = self._matcher.push(text)
        self._released += len(shown)
        return Released(shown, self._take(stopped=stopped), stopped)

    def close(self) -> Released:
        """Return what is left when no more tokens come.

        Bytes that never became a character are dropped: half a character is no text.
        """
        rest = self._matcher.flush()
        self._released += len(rest)
        return Released(rest, self._take(stopped=True), stopped=False)

    def _take(self, *, stopped: bool) -> tuple[TokenLogprob, ...]:
        taken = []
        while self._waiting:
            begin, end, logprob = self._waiting[0]
            # A last token that reaches into the stop string still belongs to the text before it.
            if not (begin < self._released if stopped else end <= self._released):
                break
            taken.append(logprob)
            self._waiting.popleft()
        if stopped:
            self._waiting.clear()
        return tuple(taken)
