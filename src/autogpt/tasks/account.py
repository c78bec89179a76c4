"""What answering took, summed over all that a model wrote for one answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from autogpt.core.messages import Completion, Timing, Usage

__all__ = ["Account"]


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
