"""A mark in a text's choice of words, that nobody sees and whoever has the key can find.

Two ways. ``kgw`` makes a part of the vocabulary, another one at each place, likelier: found even in
short texts, also of greedy decoding, at some cost to the text. ``synthid`` holds a tournament
among the tokens that might be drawn: each token is as likely as before on average over keys, so
single texts stay as good. Which part, and who wins, follows from the key and the tokens before.

::

    Watermark(method="kgw", key="...")  in SamplingParams, then
    detect(token_ids, watermark).p_value    # how likely that is without a mark

A p-value is that of unmarked text whose places are all different; places that repeat are counted
once. Whoever rewrites a text takes the mark off, and texts with little choice cannot carry one: the
absence of a mark proves nothing.

Sources: Kirchenbauer et al. 2023, "A Watermark for Large Language Models" (kgw); Dathathri et al.
2024, "Scalable watermarking for identifying large language model outputs" (synthid: two-way
tournaments with binary values); Fernandez et al. 2023, "Three Bricks to Consolidate Watermarks"
(places counted once, exact test).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from autogpt.core.errors import ConfigError

__all__ = ["Detection", "Marker", "Method", "Watermark", "detect"]

Method = Literal["kgw", "synthid"]

# As in the papers: a quarter of the vocabulary; 30 rounds with 4 tokens of context.
_GREEN = 0.25
_ROUNDS = 30
_CONTEXT = {"kgw": 2, "synthid": 4}
# Tokens outside the likeliest so many take no part in a tournament: they are hardly ever drawn.
_CANDIDATES = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Watermark:
    """How texts are marked.

    Attributes:
        method: "kgw" or "synthid".
        key: A secret; who has it can find the mark, and forge it.
        strength: Of kgw, what is added to the logits of favored tokens, in nats.
    """

    method: Method = "synthid"
    key: str = ""
    strength: float = 2.0

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ConfigError(
                f"watermark is {self.method!r}, expected {' or '.join(get_args(Method))}."
            )
        if not self.key:
            raise ConfigError("A watermark needs a key.", hint="Give watermark_key, a secret.")
        if not 0 < self.strength <= 10:
            raise ConfigError(f"strength = {self.strength} of a watermark is not 0 to 10.")


class Marker:
    """Marks one text while it is written.

    Args:
        watermark: How.
        vocab_size: V.
        prompt_ids: What comes before the text.

    Attributes:
        watermark: As given.
    """

    def __init__(self, watermark: Watermark, vocab_size: int, prompt_ids: Sequence[int]) -> None:
        self.watermark = watermark
        self._vocab_size = vocab_size
        self._width = _CONTEXT[watermark.method]
        self._recent = tuple(prompt_ids[-self._width :])
        self._seen: frozenset[tuple[int, ...]] = frozenset()

    def push(self, token_id: int) -> None:
        """Add a token to the text."""
        self._seen |= {self._recent}
        self._recent = (*self._recent, token_id)[-self._width :]

    def bias(self) -> Float[Tensor, " V"]:
        """Return what kgw adds to the logits of the next token."""
        values = _values(self.watermark.key, self._recent, _ids(self._vocab_size))
        return torch.from_numpy((_is_green(values) * self.watermark.strength).astype(np.float32))

    def tournament(self, probabilities: Float[Tensor, " V"]) -> Float[Tensor, " V"]:
        """Return the probabilities of winning synthid's tournament.

        In each round two tokens are drawn from the distribution so far, and the one whose value is
        1 wins; of equals either. With mean value m, p becomes p (1 + value - m).

        Args:
            probabilities: Of the next token, after temperature and filters.
        """
        if self._recent in self._seen or len(self._recent) < self._width:
            return probabilities  # a place that repeats would be marked alike, and be seen
        top = probabilities.topk(min(_CANDIDATES, len(probabilities)))
        share = top.values.double()
        mass = share.sum()
        own = (share / mass).numpy()
        values = _values(self.watermark.key, self._recent, top.indices.numpy().astype(np.uint64))
        for each in range(_ROUNDS):
            won = ((values >> np.uint64(each)) & np.uint64(1)).astype(np.float64)
            own = own * (1 + won - float(own @ won))
        marked = probabilities.clone()
        marked[top.indices] = (torch.from_numpy(own) * mass).to(probabilities.dtype)
        return marked


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """What speaks for a mark.

    Attributes:
        p_value: How likely so much, or more, is in a text without a mark; 1 where nothing counts.
        places: Different places that were counted.
        score: Standard deviations above what is expected without a mark.
    """

    p_value: float
    places: int
    score: float

    @property
    def is_marked(self) -> bool:
        """Whether a text without a mark looks so in fewer than 1 of 10,000 cases."""
        return self.p_value < 1e-4

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "watermarked": self.is_marked,
            "p_value": self.p_value,
            "places": self.places,
            "score": round(self.score, 3),
        }


def detect(token_ids: Sequence[int], watermark: Watermark) -> Detection:
    """Look for a mark in a text.

    Args:
        token_ids: The text, cut by the tokenizer of the model that may have written it.
        watermark: Method and key; the strength is not needed.
    """
    width = _CONTEXT[watermark.method]
    places = sorted(
        {
            (tuple(token_ids[end - width : end]), token_ids[end])
            for end in range(width, len(token_ids))
        }
    )
    if not places:
        return Detection(p_value=1.0, places=0, score=0.0)
    seeds = np.array([_seed(watermark.key, context) for context, _ in places], np.uint64)
    values = _mixed(seeds, np.array([token_id for _, token_id in places], np.uint64))
    count = len(values)
    if watermark.method == "kgw":
        hits = int(_is_green(values).sum())
        spread = math.sqrt(count * _GREEN * (1 - _GREEN))
        score = (hits - count * _GREEN) / spread
        return Detection(p_value=_binomial_tail(hits, count), places=count, score=score)
    # Later rounds have less left to choose from, so they say less (Dathathri et al., appendix).
    weights = np.linspace(10, 1, _ROUNDS)
    weights /= weights.sum()
    bits = (values[:, None] >> np.arange(_ROUNDS, dtype=np.uint64)) & np.uint64(1)
    mean = float((bits.astype(np.float64) @ weights).mean())
    score = (mean - 0.5) / math.sqrt(0.25 * float((weights**2).sum()) / count)
    return Detection(p_value=0.5 * math.erfc(score / math.sqrt(2)), places=count, score=score)


def _binomial_tail(hits: int, count: int) -> float:
    """Return the probability of so many favored tokens or more by chance."""
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(_GREEN) + (count - k) * math.log1p(-_GREEN)
        for k in range(hits, count + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))


def _is_green(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    return np.asarray(values < np.uint64(int(_GREEN * 2**64)))


def _values(key: str, context: Sequence[int], token_ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits for each token that follow from key, context and token alone."""
    return _mixed(np.uint64(_seed(key, context)), token_ids)


def _seed(key: str, context: Sequence[int]) -> int:
    text = ",".join(map(str, context)).encode()
    digest = hashlib.blake2b(text, key=hashlib.sha256(key.encode()).digest(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _mixed(
    seeds: NDArray[np.uint64] | np.uint64, token_ids: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    # The finalizer of SplitMix64 (Steele et al. 2014) spreads neighbors over all bits.
    mixed = token_ids * np.uint64(0x9E3779B97F4A7C15) + seeds
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


@lru_cache(maxsize=4)
def _ids(vocab_size: int) -> NDArray[np.uint64]:
    return np.arange(vocab_size, dtype=np.uint64)
