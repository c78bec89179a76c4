"""How sure a model was of each sentence it wrote, from the log probabilities of its tokens.

The confidence of a sentence is the geometric mean of its tokens' probabilities: exp of their mean
log probability. It says how predictable the wording was for the model, which goes along with being
right (Malinin and Gales 2021, "Uncertainty Estimation in Autoregressive Structured Prediction"),
and is no probability that the sentence is true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autogpt.core.messages import TokenLogprob
from autogpt.safety.sentences import sentences

__all__ = ["SentenceConfidence", "sentence_confidences"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SentenceConfidence:
    """A sentence and how sure the model was of it.

    Attributes:
        start: Its first character in the text.
        end: Behind its last character.
        confidence: Geometric mean of its tokens' probabilities, 0 to 1.
        least: The least probable token's probability.
    """

    start: int
    end: int
    confidence: float
    least: float

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "start": self.start,
            "end": self.end,
            "confidence": round(self.confidence, 4),
            "least": round(self.least, 4),
        }


def sentence_confidences(text: str, logprobs: Sequence[TokenLogprob]) -> list[SentenceConfidence]:
    """Return the confidence of each sentence.

    Args:
        text: What was written.
        logprobs: Its tokens; where a rail left some out, as for what it masked, sentences with no
            token of their own are left out too.
    """
    data = text.encode("utf-8", "surrogatepass")
    bounds = list(sentences(text))
    sums: list[list[float]] = [[] for _ in bounds]
    starts = [len(text[:begin].encode("utf-8", "surrogatepass")) for begin, _ in bounds]
    place = 0
    for entry in logprobs:
        found = data.find(entry.token_bytes, place) if entry.token_bytes else place
        if found < 0:
            continue
        place = found + len(entry.token_bytes)
        middle = found + len(entry.token_bytes) // 2
        owner = sum(start <= middle for start in starts) - 1
        if owner >= 0:
            sums[owner].append(entry.logprob)
    return [
        SentenceConfidence(
            start=begin,
            end=end,
            confidence=math.exp(math.fsum(own) / len(own)),
            least=math.exp(min(own)),
        )
        for (begin, end), own in zip(bounds, sums, strict=True)
        if own
    ]
