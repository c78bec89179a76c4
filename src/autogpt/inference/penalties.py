"""What a row has said so far, and what that takes from the scores of saying it again.

Four that can be combined, in this order:

- repetition: logits of tokens in the prompt or the text are divided by it where positive and
  multiplied where negative. Keskar et al. 2019 (CTRL), section 4.1; as in transformers.
- presence and frequency: taken from the logits of tokens in the text, once, and once for each
  time. OpenAI API reference, "Frequency and presence penalties" (2023); the prompt does not
  count, as in vLLM.
- DRY ("don't repeat yourself"): for a token that would continue a repetition of L tokens, the
  multiplier times base ^ (L - allowed length). Weidmann 2024, text-generation-webui, pull request
  5677. Unlike the others it leaves words alone and hits loops, harder with each token.

A bias is added to named tokens whatever was said. Not here: filters and the draw (``sampling``).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.inference.params import SamplingParams

__all__ = ["Penalties"]

# Longer repetitions cost no more, as in the original: 1.75 ^ 50 is far beyond every logit.
_LONGEST_REPETITION = 50
_LARGEST_PENALTY = 1e6


class Penalties:
    """The history of one row, and its effect on the row's scores.

    Args:
        params: Which penalties, and how strong.
        vocab_size: V.
        prompt_ids: The row's prompt.

    Raises:
        ConfigError: If a bias is for a token that is not in the vocabulary.
    """

    def __init__(self, params: SamplingParams, vocab_size: int, prompt_ids: Sequence[int]) -> None:
        self._params = params
        self._bias = _bias(params, vocab_size)
        self._seen: Tensor | None = None  # [V], prompt included
        self._counts: Tensor | None = None  # [V], without the prompt
        self._echo: _Echo | None = None
        if params.repetition_penalty != 1.0:
            self._seen = torch.zeros(vocab_size, dtype=torch.bool)
            self._seen[torch.tensor(prompt_ids)] = True
        if params.presence_penalty or params.frequency_penalty:
            self._counts = torch.zeros(vocab_size)
        if params.dry_multiplier:
            self._echo = _Echo(params.dry_breaker_ids, prompt_ids)

    @property
    def are_none(self) -> bool:
        """Whether :meth:`apply` changes nothing."""
        parts = (self._bias, self._seen, self._counts, self._echo)
        return all(part is None for part in parts)

    def push(self, token_id: int) -> None:
        """Add a token to the text."""
        if self._seen is not None:
            self._seen[token_id] = True
        if self._counts is not None:
            self._counts[token_id] += 1
        if self._echo is not None:
            self._echo.push(token_id)

    def fork(self) -> Penalties:
        """Return a second history that goes on by itself."""
        twin = copy.copy(self)
        twin._seen = None if self._seen is None else self._seen.clone()
        twin._counts = None if self._counts is None else self._counts.clone()
        twin._echo = None if self._echo is None else copy.copy(self._echo)
        return twin

    def apply(self, scores: Float[Tensor, " V"]) -> None:
        """Change the row's scores in place."""
        params = self._params
        if self._bias is not None:
            scores.index_add_(0, *self._bias)
        if self._seen is not None:
            factor = params.repetition_penalty
            lowered = torch.where(scores > 0, scores / factor, scores * factor)
            scores.copy_(torch.where(self._seen, lowered, scores))
        if self._counts is not None:
            scores.sub_(self._counts, alpha=params.frequency_penalty)
            scores.sub_((self._counts > 0).float(), alpha=params.presence_penalty)
        if self._echo is not None:
            token_ids, lengths = self._echo.continuations(params.dry_allowed_length)
            excess = torch.from_numpy(lengths - params.dry_allowed_length)
            penalty = params.dry_multiplier * params.dry_base**excess
            # Finite, so that a token stays possible where a constraint leaves no other.
            scores[torch.from_numpy(token_ids)] -= penalty.clamp_(max=_LARGEST_PENALTY)


def _bias(params: SamplingParams, vocab_size: int) -> tuple[Tensor, Tensor] | None:
    if not params.logit_bias:
        return None
    ids, values = zip(*params.logit_bias, strict=True)
    if max(ids) >= vocab_size:
        raise ConfigError(
            f"logit_bias names token {max(ids)}, but the model has only {vocab_size} tokens."
        )
    return torch.tensor(ids), torch.tensor(values, dtype=torch.float32)


class _Echo:
    """For each place of the history, how many tokens before it repeat at the history's end.

    The length at a place is one more than the length was at the place before it, if the token
    there is the newest one; so a step costs a comparison of arrays, and no search.
    """

    def __init__(self, breaker_ids: frozenset[int], token_ids: Sequence[int]) -> None:
        self._breakers = breaker_ids
        self._ids = np.array(token_ids, dtype=np.int64)
        self._lengths = np.zeros_like(self._ids)  # of the repetition that ends at each place
        # A long prompt at once: places that repeat the last token, of them the last two, ...
        places = np.arange(len(self._ids) - 1)
        for back, token_id in enumerate(reversed(token_ids[-_LONGEST_REPETITION:])):
            places = places[places >= back]
            places = places[self._ids[places - back] == token_id]
            if token_id in breaker_ids or not len(places):
                break
            self._lengths[places] += 1

    def push(self, token_id: int) -> None:
        before = np.concatenate(([0], self._lengths))  # what ended one place earlier
        self._ids = np.append(self._ids, token_id)
        if token_id in self._breakers:
            self._lengths = np.zeros_like(self._ids)
            return
        self._lengths = np.where(self._ids == token_id, before + 1, 0)
        self._lengths[-1] = 0  # the end is no repetition of itself

    def continuations(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens that continue a repetition of ``least`` or more, with its length."""
        places = np.flatnonzero(self._lengths >= least)  # the last place is 0: each has a next
        longest: dict[int, int] = {}
        for token_id, length in zip(
            self._ids[places + 1].tolist(), self._lengths[places].tolist(), strict=True
        ):
            if token_id not in self._breakers:
                longest[token_id] = max(longest.get(token_id, 0), min(length, _LONGEST_REPETITION))
        return np.array(list(longest), dtype=np.int64), np.array(list(longest.values()), np.int64)
