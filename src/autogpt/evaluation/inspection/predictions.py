"""What the model expects: after each token, after each layer, and after temperature and filters.

The logit lens reads the residual stream after each layer with the model's own last norm and head:
what it would say if it had to stop thinking there (nostalgebraist 2020, "interpreting GPT: the
logit lens"). Surprise is -log2 p of the token that came, in bits (Shannon 1948); the cross-entropy
of a text is its mean, here in nats as losses are.

Letters in shapes: T tokens, D hidden, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import filter_stages

__all__ = [
    "Candidate",
    "Expectation",
    "LensLayer",
    "LensToken",
    "NextToken",
    "Stage",
    "expectations",
    "largest",
    "logit_lens",
    "next_token",
]

Head = Callable[[Tensor], Tensor]
"""From hidden states ``[N, D]`` to logits ``[N, V]``."""

_STRETCHES = 64  # that a row of scores is cut into to find the largest
_ROWS_AT_ONCE = 128  # 25 MB of logits with a vocabulary of 49,152


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token and its probability."""

    token_id: int
    probability: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the model expected in place of a token, having read those before it.

    Attributes:
        logprob: ln p of the token that came.
        rank: How many tokens it found more likely.
        entropy_bits: How undecided it was.
        top: What it expected most.
    """

    logprob: float
    rank: int
    entropy_bits: float
    top: tuple[Candidate, ...]

    @property
    def surprise_bits(self) -> float:
        """-log2 p: a coin's toss is 1, a die's 2.6."""
        return -self.logprob / math.log(2)


@dataclass(frozen=True, slots=True)
class LensLayer:
    """What the model would say after a layer."""

    top: tuple[Candidate, ...]
    entropy_bits: float


@dataclass(frozen=True, slots=True)
class LensToken:
    """The logit lens on one token: what would come next, after each layer."""

    token: int
    layers: tuple[LensLayer, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """The distribution of the next token after a step of the choice.

    Attributes:
        name: "model", "temperature", "top_k", "top_p" or "min_p".
        value: What the step was set to; None for the model itself.
        left: How many tokens can still be chosen.
        entropy_bits: How undecided the choice is.
        probabilities: Of each of ``NextToken.token_ids``.
    """

    name: str
    value: float | None
    left: int
    entropy_bits: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NextToken:
    """What comes after the text.

    Attributes:
        token_ids: The likeliest, best first.
        logits: Their scores.
        stages: The model's distribution, and what each step makes of it.
    """

    token_ids: tuple[int, ...]
    logits: tuple[float, ...]
    stages: tuple[Stage, ...]


def expectations(
    hidden: Float[Tensor, "T D"], head: Head, token_ids: Int[Tensor, " T"], *, top: int
) -> list[Expectation]:
    """Return what was expected in place of each token but the first, which nothing came before.

    Args:
        hidden: After the last norm.
        head: The model's.
        token_ids: The text.
        top: How many candidates to name.
    """
    found = []
    reader = _Reader(top)
    for start in range(0, len(token_ids) - 1, _ROWS_AT_ONCE):
        rows = hidden[start : min(start + _ROWS_AT_ONCE, len(token_ids) - 1)]
        tops, entropies, logprobs = reader.read(head(rows))
        own = logprobs.gather(-1, token_ids[start + 1 : start + 1 + len(rows), None])
        # Counted in place, as floats, exact up to 2**24: in bools it takes ten times as long.
        ranks = logprobs.gt_(own).sum(-1).int()
        columns = (own[:, 0].tolist(), ranks.tolist(), entropies, tops)
        found += [Expectation(*row) for row in zip(*columns, strict=True)]
    return found


def logit_lens(
    residual: Sequence[Float[Tensor, "tokens D"]],
    norm: Callable[[Tensor], Tensor],
    head: Head,
    tokens: Sequence[int],
    *,
    top: int,
) -> list[LensToken]:
    """Return what would be said after each layer.

    Args:
        residual: The residual stream after each layer, of ``tokens``.
        norm: The model's last.
        head: The model's.
        tokens: Their places in the text.
        top: How many candidates to name.
    """
    # Layers go through the head together: to read its weights takes as long as a few rows.
    layers: list[LensLayer] = []
    reader = _Reader(top)
    for rows in torch.cat(list(residual)).split(_ROWS_AT_ONCE):
        tops, entropies, _ = reader.read(head(norm(rows)))
        layers += map(LensLayer, tops, entropies)
    return [
        LensToken(token, tuple(layers[place :: len(tokens)])) for place, token in enumerate(tokens)
    ]


class _Reader:
    """Reads rows of scores. The room to compute in is taken once.

    A system hands out fresh memory page by page, which for every piece anew took half as long as
    the product with the head.

    Args:
        top: How many candidates to name.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self._logprobs = self._products = torch.empty(0, 0)

    def read(
        self, logits: Float[Tensor, "N V"]
    ) -> tuple[list[tuple[Candidate, ...]], list[float], Float[Tensor, "N V"]]:
        """Return the likeliest tokens of each row, its entropy in bits, and all ln p.

        The last are there until the next call.
        """
        if self._logprobs.shape[1] != logits.shape[1] or len(self._logprobs) < len(logits):
            self._logprobs, self._products = torch.empty_like(logits), torch.empty_like(logits)
        logprobs, products = self._logprobs[: len(logits)], self._products[: len(logits)]
        torch.log_softmax(logits, -1, out=logprobs)
        values, indices = largest(logprobs, self._top)
        rows = zip(indices.tolist(), values.exp().tolist(), strict=True)
        tops = [tuple(map(Candidate, *row)) for row in rows]
        sums = torch.exp(logprobs, out=products).mul_(logprobs).sum(-1)
        return tops, _bits(sums).tolist(), logprobs


def largest(
    scores: Float[Tensor, "N V"], count: int
) -> tuple[Float[Tensor, "N count"], Int[Tensor, "N count"]]:
    """Return the largest scores of each row, and where they are.

    The row is cut into stretches; the largest are in those with the largest maxima, and only these
    are sorted, which takes a fifth of the time with a vocabulary of 49,152.
    """
    rows, size = scores.shape
    width = -(-size // _STRETCHES)
    if width < 2 * count:
        values, indices = scores.topk(min(count, size), dim=-1)
        return values, indices
    short = _STRETCHES * width - size
    padded = nn.functional.pad(scores, (0, short), value=-math.inf) if short else scores
    # Places of a stretch are `width` apart, so that maxima are taken of whole vectors at once.
    maxima = padded.view(rows, _STRETCHES, width).amax(1)
    stretches = maxima.topk(count, dim=-1, sorted=False).indices
    offsets = width * torch.arange(_STRETCHES, device=scores.device)
    places = (stretches[:, :, None] + offsets).flatten(1)
    best = padded.gather(-1, places).topk(count, dim=-1)
    return best.values, places.gather(-1, best.indices)


def next_token(logits: Float[Tensor, " V"], params: SamplingParams, *, top: int) -> NextToken:
    """Return how the next token is chosen, step by step, by the functions that choose it.

    Args:
        logits: Scores after the text's last token.
        params: The settings; with a temperature of 0 the best token is taken, and there are no
            steps.
        top: How many tokens to follow.
    """
    best = logits.topk(min(top, len(logits)))
    stages = [_stage("model", None, logits, best.indices)]
    if params.temperature > 0:
        stages += [
            _stage(name, getattr(params, name), scores[0], best.indices)
            for name, scores in filter_stages(logits[None], params)
        ]
    return NextToken(tuple(best.indices.tolist()), tuple(best.values.tolist()), tuple(stages))


def _stage(name: str, value: float | None, scores: Tensor, shown: Tensor) -> Stage:
    logprobs = torch.log_softmax(scores, -1)
    return Stage(
        name=name,
        value=value,
        left=int((scores > -math.inf).sum()),
        # What cannot be chosen has a log probability of minus infinity and adds nothing.
        entropy_bits=float(_bits(torch.dot(logprobs.exp(), logprobs.clamp_min(-1e4)))),
        probabilities=tuple(logprobs[shown].exp().tolist()),
    )


def _bits(sums: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Return the entropy of which this is the sum of p ln p."""
    return -sums.clamp_max(0) / math.log(2)
