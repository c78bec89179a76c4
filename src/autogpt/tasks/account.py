"""What an answer took: tokens read and written, and seconds.

Where a model writes, an :class:`Account` sums up all that it wrote for one answer. Where it only
reads, to label or to tag, many inputs share a pass: :func:`shares` parts its seconds among them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from autogpt.core.messages import Completion, Timing, Usage
from autogpt.tasks.schema import Schema, object_schema

__all__ = ["READING", "USAGE", "Account", "read_fields", "shares"]

_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}

USAGE: Schema = object_schema(
    *("prompt_tokens", "completion_tokens"), prompt_tokens=_COUNT, completion_tokens=_COUNT
)
"""What ``usage`` is in every task's result."""

READING: dict[str, Schema] = {"usage": USAGE, "timing": object_schema("wall_s", wall_s=_SECONDS)}
"""The fields of :func:`read_fields`."""


def read_fields(prompt_tokens: int, wall_s: float) -> dict[str, object]:
    """Return the JSON fields of an answer for which nothing was written.

    Args:
        prompt_tokens: Tokens that the model read; of a picture or a sound, places.
        wall_s: Seconds it took, or its share of them.
    """
    return {
        "usage": Usage(prompt_tokens=prompt_tokens, completion_tokens=0).to_dict(),
        "timing": {"wall_s": round(wall_s, 6)},
    }


def shares(tokens: Sequence[int], wall_s: float) -> list[float]:
    """Part the seconds of a pass among its inputs, by the tokens that were read of each."""
    total = sum(tokens)
    return [wall_s * count / total if total else wall_s / len(tokens) for count in tokens]


@dataclass(slots=True)
class Account:
    """Tokens and seconds of an answer on its way; begins when it is made."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    load_s: float = 0.0
    first_token_s: float = 0.0
    begun: float = field(default_factory=time.perf_counter)

    def add(self, completions: Sequence[Completion]) -> None:
        """Count what was read and written."""
        for completion in completions:
            if not self.completion_tokens:
                self.load_s = completion.timing.load_s
                waited = time.perf_counter() - self.begun
                self.first_token_s = min(completion.timing.first_token_s, waited)
            self.prompt_tokens += completion.usage.prompt_tokens
            self.completion_tokens += completion.usage.completion_tokens

    @property
    def usage(self) -> Usage:
        """Tokens read and written."""
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens)

    def timing(self) -> Timing:
        """Return seconds and speed; tokens of this answer per second since it was begun."""
        passed = time.perf_counter() - self.begun
        return Timing(
            load_s=self.load_s,
            first_token_s=self.first_token_s,
            tokens_per_s=self.completion_tokens / passed if passed > 0 else 0.0,
        )
