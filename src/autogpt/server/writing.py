"""What the engine process writes for a request, and what of it the front has not been told."""

from __future__ import annotations

from dataclasses import dataclass, field

from autogpt.core.messages import TokenLogprob
from autogpt.server import lines
from autogpt.server.served_model import ServedModel

__all__ = ["Row", "Writing"]


@dataclass(slots=True)
class Row:
    """A text on its way, and what has not been told of it yet."""

    number: int
    prompt_tokens: int
    logprobs_wanted: bool
    tokens: int = 0
    reused: int = 0
    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: str | None = None

    def take(self, request: int) -> list[object]:
        """Return the news as ``lines.Written`` after the request's number, and forget them."""
        packed = lines.pack_logprobs(self.logprobs) if self.logprobs_wanted else None
        news: list[object] = [
            *(request, self.number, "".join(self.pieces), packed),
            *(self.finish, self.tokens, self.prompt_tokens, self.reused),
        ]
        self.pieces, self.logprobs = [], []
        return news


@dataclass(slots=True)
class Writing:
    """A request that is being answered: one text or several."""

    served: ServedModel
    rows: dict[int, Row] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)  # of the engine's requests
    left: int = 0
