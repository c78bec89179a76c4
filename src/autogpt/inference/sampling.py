"""From logits to the next token: temperature, filters, penalties, and one draw per row.

The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p. Tokens
that tie with the last one kept are kept too, so the outcome never depends on a sort's order. Each
row has its own stream of random numbers: what it draws does not depend on the rows beside it.

Sources: top-k, Fan et al. 2018; top-p, Holtzman et al. 2019; repetition penalty, Keskar et al.
2019 (CTRL); min-p, Nguyen et al. 2024.

Not the decode loop, and not the rules that end a text: see ``engine``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.core.messages import TokenLogprob
from autogpt.tokenizer.bpe import Tokenizer

__all__ = [
    "Choice",
    "RowSampler",
    "SamplingParams",
    "TopLogprobs",
    "choose",
    "row_random",
    "sample",
    "top_logprobs",
]

# Wide enough that top-p is nearly always settled without sorting the whole vocabulary, which
# takes 20 times longer at 8192 entries.
_TOP_P_WIDTH = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingParams:
    """How to choose tokens, and when to end.

    Attributes:
        max_tokens: Most tokens to generate, 1 or more.
        temperature: 0 takes the most likely token (greedy); 1 is the model's own distribution.
        top_k: Choose among this many most likely tokens; None for all.
        top_p: Choose among the fewest tokens that hold this probability together, above 0, up to 1.
        min_p: Drop tokens less likely than this fraction of the most likely one, 0 to 1.
        repetition_penalty: Above 1 makes tokens of the prompt and of the text so far less likely.
        seed: Same seed, same text, on one machine; None draws one from the system.
        n: How many completions of each prompt.
        stop: The text ends before any of these strings.
        logprobs: Report the log probability of each token and of this many alternatives; None
            reports nothing.

    Raises:
        ConfigError: If a value is out of its range.
    """

    max_tokens: int = 256
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    logprobs: int | None = None

    def __post_init__(self) -> None:
        _check_count("max_tokens", self.max_tokens, least=1)
        _check_number("temperature", self.temperature, least=0.0)
        _check_count("n", self.n, least=1)
        _check_number("repetition_penalty", self.repetition_penalty, above=0.0)
        if self.top_k is not None:
            _check_count("top_k", self.top_k, least=1)
        if self.top_p is not None:
            _check_number("top_p", self.top_p, above=0.0, most=1.0)
        if self.min_p is not None:
            _check_number("min_p", self.min_p, least=0.0, most=1.0)
        if self.seed is not None:
            _check_count("seed", self.seed, least=0)
        if self.logprobs is not None:
            _check_count("logprobs", self.logprobs, least=0)
        if any(not isinstance(text, str) or not text for text in self.stop):
            raise ConfigError(f"stop is {self.stop!r}, expected strings of one character or more.")


@dataclass(frozen=True, slots=True)
class TopLogprobs:
    """Log probabilities of the chosen tokens and of the most likely ones, best first."""

    chosen: Float[Tensor, " B"]
    top_ids: Int[Tensor, "B K"]
    top: Float[Tensor, "B K"]


def row_random(seed: int | None, index: int) -> random.Random:
    """Return the random numbers of completion ``index`` of any prompt.

    Python promises that ``random()`` yields the same numbers for the same seed in every version
    and on every platform. A text seed is hashed, so neighboring seeds are unrelated.
    """
    return random.Random() if seed is None else random.Random(f"{seed}/{index}")


def sample(
    logits: Float[Tensor, "B V"],
    params: SamplingParams,
    *,
    seen: Bool[Tensor, "B V"] | None = None,
    draws: Float[Tensor, " B"] | None = None,
) -> Int[Tensor, " B"]:
    """Choose one token per row.

    Args:
        logits: float32 scores of the next token.
        params: How to choose.
        seen: Which tokens are in the prompt or the text so far; needed for a repetition penalty.
        draws: One uniform number in [0, 1) per row, float64; needed unless greedy.

    Returns:
        The chosen token ids, int64.
    """
    if params.repetition_penalty != 1.0 and seen is not None:
        logits = _penalize(logits, seen, params.repetition_penalty)
    if params.temperature == 0.0 or draws is None:
        return logits.argmax(-1)
    probabilities = torch.softmax(_filter(logits, params), -1)
    # Inverse of the cumulative distribution, in float64 so that no likely token is lost to
    # rounding; "right" skips tokens whose probability is zero.
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    targets = draws[:, None] * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, targets, right=True)[:, 0]
    return chosen.clamp_(max=logits.shape[-1] - 1)


def top_logprobs(
    logits: Float[Tensor, "B V"], chosen_ids: Int[Tensor, " B"], count: int
) -> TopLogprobs:
    """Return log probabilities under the model itself, before penalty, temperature and filters."""
    logprobs = torch.log_softmax(logits, -1)
    top = logprobs.topk(min(count, logits.shape[-1]), dim=-1)
    return TopLogprobs(logprobs.gather(-1, chosen_ids[:, None])[:, 0], top.indices, top.values)


@dataclass(frozen=True, slots=True)
class Choice:
    """The token of one row, and the log probabilities that were asked for, best first."""

    token_id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()

    def account(self, tokenizer: Tokenizer) -> TokenLogprob | None:
        """Return the choice with its text; None if no log probabilities were asked for."""
        if self.logprob is None:
            return None
        top = tuple(_account(tokenizer, token_id, logprob) for token_id, logprob in self.top)
        return _account(tokenizer, self.token_id, self.logprob, top)


def _account(
    tokenizer: Tokenizer, token_id: int, logprob: float, top: tuple[TokenLogprob, ...] = ()
) -> TokenLogprob:
    token_bytes = tokenizer.token_bytes(token_id)
    text = token_bytes.decode("utf-8", "replace")
    return TokenLogprob(token=text, token_bytes=token_bytes, logprob=logprob, top=top)


class RowSampler:
    """How one completion chooses: its settings, its random numbers, what it has seen.

    Args:
        params: The settings.
        vocab_size: V.
        prompt_ids: The prompt.
        completion: Which completion of the prompt.
    """

    def __init__(
        self, params: SamplingParams, vocab_size: int, prompt_ids: Sequence[int], completion: int
    ) -> None:
        self.params = params
        self.looping = False
        self.random = row_random(params.seed, completion)
        self.seen: Tensor | None = None
        if params.repetition_penalty != 1.0:
            self.seen = torch.zeros(vocab_size, dtype=torch.bool)
            self.seen[torch.tensor(prompt_ids)] = True

    def push(self, token_id: int) -> None:
        """Count a token as seen."""
        if self.seen is not None:
            self.seen[token_id] = True


def choose(logits: Float[Tensor, "R V"], samplers: Sequence[RowSampler]) -> list[Choice]:
    """Choose one token per row, each with the settings of its sampler."""
    groups: dict[SamplingParams, list[int]] = {}
    for row, sampler in enumerate(samplers):
        groups.setdefault(sampler.params, []).append(row)
    chosen: dict[int, Choice] = {}
    for params, rows in groups.items():
        picked = logits if len(rows) == len(samplers) else logits[rows]
        seen = [one for row in rows if (one := samplers[row].seen) is not None]
        draws = None
        if params.temperature > 0.0:
            numbers = [samplers[row].random.random() for row in rows]
            draws = torch.tensor(numbers, dtype=torch.float64)
        ids = sample(picked, params, seen=torch.stack(seen) if seen else None, draws=draws)
        chosen.update(zip(rows, _choices(picked, ids, params.logprobs), strict=True))
    return [chosen[row] for row in range(len(samplers))]


def _choices(
    logits: Float[Tensor, "R V"], ids: Int[Tensor, " R"], logprobs: int | None
) -> list[Choice]:
    if logprobs is None:
        return [Choice(token_id) for token_id in ids.tolist()]
    result = top_logprobs(logits, ids, logprobs)
    columns = (result.chosen.tolist(), result.top_ids.tolist(), result.top.tolist())
    return [
        Choice(token_id, logprob, tuple(zip(top_ids, top, strict=True)))
        for token_id, logprob, top_ids, top in zip(ids.tolist(), *columns, strict=True)
    ]


def _penalize(
    logits: Float[Tensor, "B V"], seen: Bool[Tensor, "B V"], penalty: float
) -> Float[Tensor, "B V"]:
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, lowered, logits)


def _filter(logits: Float[Tensor, "B V"], params: SamplingParams) -> Float[Tensor, "B V"]:
    """Apply the temperature and set what is not to be chosen to minus infinity."""
    # The best token is at 0, so that a tiny temperature cannot overflow.
    scaled = (logits - logits.amax(-1, keepdim=True)) / params.temperature
    if params.top_k is not None and params.top_k < scaled.shape[-1]:
        least = scaled.topk(params.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -math.inf)
    if params.top_p is not None and params.top_p < 1.0:
        probabilities = torch.softmax(scaled, -1)
        scaled = scaled.masked_fill(
            probabilities < _nucleus_floor(probabilities, params.top_p), -math.inf
        )
    if params.min_p is not None and params.min_p > 0.0:
        scaled = scaled.masked_fill(scaled < math.log(params.min_p), -math.inf)
    return scaled


def _nucleus_floor(probabilities: Float[Tensor, "B V"], top_p: float) -> Float[Tensor, "B 1"]:
    """Return the probability of the last token that is needed to reach ``top_p``."""
    vocab_size = probabilities.shape[-1]
    best = probabilities.topk(min(_TOP_P_WIDTH, vocab_size), dim=-1).values
    cumulative = best.cumsum(-1)
    if bool((cumulative[:, -1] < top_p).any()):
        best = probabilities.sort(dim=-1, descending=True).values
        cumulative = best.cumsum(-1)
    rank = (cumulative < top_p).sum(-1, keepdim=True)
    return best.gather(-1, rank.clamp_(max=best.shape[-1] - 1))


def _check_count(name: str, value: int, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number of {least} or more.")


def _check_number(
    name: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> None:
    wanted = [
        f"of {least:g} or more" if least is not None else "",
        f"above {above:g}" if above is not None else "",
        f"up to {most:g}" if most is not None else "",
    ]
    inside = (
        isinstance(value, int | float)
        and math.isfinite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
    )
    if not inside:
        expected = ", ".join(filter(None, wanted))
        raise ConfigError(f"{name} is {value!r}, expected a number {expected}.")
