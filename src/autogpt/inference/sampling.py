"""From logits to the next token: constraint, penalties, temperature, filters, one draw per row.

::

    samplers = [RowSampler(params, vocab_size, prompt_ids, completion), ...]   # one for each row
    choices = choose(logits, samplers)                                         # [R, V] -> R tokens
    samplers[row].push(choices[row].token_id)                                  # it is now history

Rows may have different settings. Each has its own stream of random numbers and its own history:
what it chooses does not depend on the rows beside it. First what a constraint forbids goes, then
come bias and penalties, temperature, top-k, top-p, min-p, in transformers' order. Tokens that tie
with the last one kept are kept too, so the outcome never depends on a sort's order.

Sources: top-k, Fan et al. 2018; top-p, Holtzman et al. 2019; min-p, Nguyen et al. 2024.

Not the decode loop, and not the rules that end a text: see ``engine``.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.core.messages import TokenLogprob
from autogpt.inference.grammar import Guide
from autogpt.inference.params import SamplingParams
from autogpt.inference.penalties import Penalties
from autogpt.inference.stopping import LoopDetector
from autogpt.inference.watermark import Marker
from autogpt.tokenizer.bpe import Tokenizer

__all__ = [
    "Choice",
    "RowSampler",
    "SamplingParams",
    "TopLogprobs",
    "adjust",
    "choose",
    "filter_stages",
    "row_random",
    "sample",
    "top_logprobs",
]

# Wide enough that top-p is nearly always settled without sorting the whole vocabulary, which
# takes 20 times longer at 8192 entries.
_TOP_P_WIDTH = 256

# So many tokens are tried where the budget no longer lets a constrained text end after any of
# them; then the known way to its end is taken.
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """The token a row chose, and how likely the model itself found it.

    Attributes:
        token_id: The token.
        logprob: Its log probability, if the row's settings ask for it.
        top: The most likely tokens and their log probabilities, best first.
    """

    token_id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()

    def account(self, tokenizer: Tokenizer) -> TokenLogprob | None:
        """Return the choice with its text, or None if no log probabilities were asked for."""

        def entry(
            token_id: int, logprob: float, top: tuple[TokenLogprob, ...] = ()
        ) -> TokenLogprob:
            token_bytes = tokenizer.token_bytes(token_id)
            text = token_bytes.decode("utf-8", "replace")
            return TokenLogprob(token=text, token_bytes=token_bytes, logprob=logprob, top=top)

        if self.logprob is None:
            return None
        return entry(self.token_id, self.logprob, tuple(entry(*pair) for pair in self.top))


@dataclass(frozen=True, slots=True)
class TopLogprobs:
    """Log probabilities of the chosen tokens and of the most likely ones, best first."""

    chosen: Float[Tensor, " B"]
    top_ids: Int[Tensor, "B K"]
    top: Float[Tensor, "B K"]


class RowSampler:
    """How one completion chooses: its random numbers, its history and its constraint.

    Args:
        params: The row's settings.
        vocab_size: V.
        prompt_ids: The prompt, which counts for a repetition penalty and for DRY.
        completion: Which completion of the prompt; each has random numbers of its own.

    Attributes:
        params: As given.
        looping: Whether the text repeats itself as often as ``stop_loops`` allows; a text with a
            constraint closes what is open instead.
        guide: Keeps the text to the constraint, if there is one.
        marker: Marks the text with a watermark, if there is one.

    Raises:
        ConfigError: If ``logit_bias`` names a token that is not in the vocabulary.
    """

    def __init__(
        self, params: SamplingParams, vocab_size: int, prompt_ids: Sequence[int], completion: int
    ) -> None:
        self.params = params
        self.looping = False
        self.guide: Guide | None = None
        if params.constraint is not None:
            self.guide = params.constraint.begin(params.max_tokens)
        self.marker: Marker | None = None
        if params.watermark is not None:
            self.marker = Marker(params.watermark, vocab_size, prompt_ids)
        self._random = row_random(params.seed, completion)
        self._drawn: float | None = None
        self._penalties = Penalties(params, vocab_size, prompt_ids)
        self._loops: LoopDetector | None = None
        if params.stop_loops is not None:
            self._loops = LoopDetector(params.stop_loops)

    def push(self, token_id: int) -> None:
        """Add a token that :func:`choose` chose to the text."""
        self._drawn = None
        self._penalties.push(token_id)
        if self.marker is not None:
            self.marker.push(token_id)
        if self.guide is not None:
            self.guide.push(token_id)
        if self._loops is not None and self._loops.push(token_id):
            if self.guide is None:
                self.looping = True
            else:
                self.guide.close()

    def fork(self) -> RowSampler:
        """Return a second row with the same history, that goes on by itself.

        Both draw from the same stream of random numbers.
        """
        twin = copy.copy(self)
        twin._penalties = self._penalties.fork()
        twin.guide = None if self.guide is None else self.guide.fork()
        twin._loops = copy.copy(self._loops)
        twin.marker = copy.copy(self.marker)
        return twin

    @property
    def changes_scores(self) -> bool:
        """Whether :meth:`apply` does anything."""
        return self.guide is not None or not self._penalties.are_none

    def apply(self, scores: Float[Tensor, " V"]) -> None:
        """Forbid, in place, what the constraint does not allow, and take the penalties."""
        if self.guide is not None:
            scores.masked_fill_(torch.from_numpy(~self.guide.allowed()), -math.inf)
        self._penalties.apply(scores)

    def draw(self) -> float:
        """Return the random number for the next token, the same until it is pushed.

        Greedy rows use none.
        """
        if self.params.temperature == 0.0:
            return 0.0
        if self._drawn is None:
            self._drawn = self._random.random()
        return self._drawn


def row_random(seed: int | None, index: int) -> random.Random:
    """Return the random numbers of completion ``index`` of any prompt.

    Python promises that ``random()`` yields the same numbers for the same seed in every version
    and on every platform. A text seed is hashed, so neighboring seeds are unrelated.
    """
    return random.Random() if seed is None else random.Random(f"{seed}/{index}")


def choose(logits: Float[Tensor, "R V"], samplers: Sequence[RowSampler]) -> list[Choice]:
    """Choose one token per row; each row gets what it would get alone.

    Args:
        logits: float32 scores of the next token, which are not changed.
        samplers: One for each row; their histories are not changed, see ``RowSampler.push``.
    """
    scores = adjust(logits, samplers)
    draws = torch.tensor([sampler.draw() for sampler in samplers], dtype=torch.float64)
    chosen = _sample_by_settings(scores, samplers, draws)
    token_ids: list[int] = chosen.tolist()
    for row, sampler in enumerate(samplers):
        if sampler.guide is not None:
            token_ids[row] = _fitting(token_ids[row], scores[row], sampler, draws[row : row + 1])
    return _with_logprobs(logits, token_ids, samplers)


def adjust(logits: Float[Tensor, "R V"], samplers: Sequence[RowSampler]) -> Float[Tensor, "R V"]:
    """Return the scores after constraints, bias and penalties."""
    changing = [row for row, sampler in enumerate(samplers) if sampler.changes_scores]
    if not changing:
        return logits
    scores = logits.clone()
    for row in changing:
        samplers[row].apply(scores[row])
    return scores


def sample(
    scores: Float[Tensor, "B V"],
    params: SamplingParams,
    *,
    draws: Float[Tensor, " B"] | None = None,
) -> Int[Tensor, " B"]:
    """Choose one token per row by temperature and filters alone.

    Args:
        scores: float32 logits of the next token, constraints and penalties already in them.
        params: How to choose.
        draws: One uniform number in [0, 1) per row, float64; needed unless greedy.

    Returns:
        The chosen token ids, int64.
    """
    if params.temperature == 0.0 or draws is None:
        return scores.argmax(-1)
    probabilities = torch.softmax(_filter(scores, params), -1)
    # Inverse of the cumulative distribution, in float64 so that no likely token is lost to
    # rounding; "right" skips tokens whose probability is zero.
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:].contiguous()
    chosen = torch.searchsorted(cumulative, draws[:, None] * total, right=True)[:, 0]
    # A draw that rounding moved up to the total takes the last token that is possible.
    return torch.minimum(chosen, torch.searchsorted(cumulative, total)[:, 0])


def top_logprobs(
    logits: Float[Tensor, "B V"], chosen_ids: Int[Tensor, " B"], count: int
) -> TopLogprobs:
    """Return log probabilities under the model itself, before penalty, temperature and filters."""
    logprobs = torch.log_softmax(logits, -1)
    top = logprobs.topk(min(count, logits.shape[-1]), dim=-1)
    return TopLogprobs(logprobs.gather(-1, chosen_ids[:, None])[:, 0], top.indices, top.values)


def _sample_by_settings(
    scores: Float[Tensor, "R V"], samplers: Sequence[RowSampler], draws: Float[Tensor, " R"]
) -> Int[Tensor, " R"]:
    """Sample rows of the same temperature and filters together, marked ones each by itself."""
    groups: dict[tuple[float | None, ...], list[int]] = {}
    marked: dict[int, Tensor] = {}
    for row, sampler in enumerate(samplers):
        params = sampler.params
        if sampler.marker is not None:
            marked[row] = _sample_marked(scores[row], params, sampler.marker, draws[row : row + 1])
            continue
        same = (params.temperature, params.top_k, params.top_p, params.min_p)
        groups.setdefault(same, []).append(row)
    if len(groups) == 1 and not marked:
        return sample(scores, samplers[0].params, draws=draws)
    chosen = torch.empty(len(samplers), dtype=torch.int64, device=scores.device)
    for rows in groups.values():
        chosen[rows] = sample(scores[rows], samplers[rows[0]].params, draws=draws[rows])
    for row, token_id in marked.items():
        chosen[row] = token_id
    return chosen


def _sample_marked(
    scores: Float[Tensor, " V"], params: SamplingParams, marker: Marker, draw: Float[Tensor, " 1"]
) -> Int[Tensor, ""]:
    if marker.watermark.method == "kgw":
        return sample((scores + marker.bias())[None], params, draws=draw)[0]
    if params.temperature == 0.0:  # a tournament with one player
        return scores.argmax()
    probabilities = torch.softmax(_filter(scores[None], params), -1)[0]
    plain = SamplingParams(temperature=1.0)
    return sample(marker.tournament(probabilities).log()[None], plain, draws=draw)[0]


def _fitting(
    token_id: int, scores: Float[Tensor, " V"], sampler: RowSampler, draw: Float[Tensor, " 1"]
) -> int:
    """Return ``token_id``, or what is drawn in its place, so that the text can still end in time.

    A token that leaves no way to end within the budget is taken out of the distribution.
    """
    guide = sampler.guide
    if guide is None or guide.fits(token_id):
        return token_id
    rest = scores.clone()
    for _ in range(_TRIES):
        rest[token_id] = -math.inf
        if not bool((rest > -math.inf).any()):
            break
        token_id = int(sample(rest[None], sampler.params, draws=draw))
        if guide.fits(token_id):
            return token_id
    return guide.forced


def _with_logprobs(
    logits: Float[Tensor, "R V"], token_ids: Sequence[int], samplers: Sequence[RowSampler]
) -> list[Choice]:
    asked = [row for row, sampler in enumerate(samplers) if sampler.params.logprobs is not None]
    choices = [Choice(token_id) for token_id in token_ids]
    if not asked:
        return choices
    counts = [samplers[row].params.logprobs or 0 for row in asked]
    result = top_logprobs(
        logits[asked], torch.tensor([token_ids[row] for row in asked]), max(counts)
    )
    rows = zip(
        asked,
        counts,
        result.chosen.tolist(),
        result.top_ids.tolist(),
        result.top.tolist(),
        strict=True,
    )
    for row, count, logprob, top_ids, top in rows:
        pairs = tuple(zip(top_ids[:count], top[:count], strict=True))
        choices[row] = Choice(token_ids[row], logprob, pairs)
    return choices


def _filter(scores: Float[Tensor, "B V"], params: SamplingParams) -> Float[Tensor, "B V"]:
    """Apply the temperature and set what is not to be chosen to minus infinity."""
    *_, (_, filtered) = filter_stages(scores, params)
    return filtered


def filter_stages(
    scores: Float[Tensor, "B V"], params: SamplingParams
) -> Iterator[tuple[str, Float[Tensor, "B V"]]]:
    """Yield the scores after the temperature, and after each filter that is set, by its name.

    What is not to be chosen is minus infinity.

    Args:
        scores: float32 logits of the next token, constraints and penalties already in them.
        params: How to choose; its temperature is not 0.
    """
    # The best token is at 0, so that a tiny temperature cannot overflow; one that is 0 in float32
    # would make it 0 / 0.
    temperature = max(params.temperature, torch.finfo(torch.float32).tiny)
    scaled = (scores - scores.amax(-1, keepdim=True)) / temperature
    yield "temperature", scaled
    if params.top_k is not None and params.top_k < scaled.shape[-1]:
        least = scaled.topk(params.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -math.inf)
        yield "top_k", scaled
    if params.top_p is not None and params.top_p < 1.0:
        probabilities = torch.softmax(scaled, -1)
        scaled = scaled.masked_fill(
            probabilities < _nucleus_floor(probabilities, params.top_p), -math.inf
        )
        yield "top_p", scaled
    if params.min_p is not None and params.min_p > 0.0:
        scaled = scaled.masked_fill(scaled < math.log(params.min_p), -math.inf)
        yield "min_p", scaled


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
