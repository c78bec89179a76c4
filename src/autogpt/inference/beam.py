"""Beam search: follow the likeliest texts together, and return the likeliest that ended.

::

    prefill     read the prompt once; its keys and values begin every beam
    repeat      score the next token of every beam; of all continuations keep the best;
                those that end are set aside, with the score per length;
                stop when no beam can still beat the worst of ``beams`` that ended

The same rules, and so the same texts, as transformers' beam search with its defaults: a beam's
score is the sum of its log probabilities; ended texts are compared by that sum divided by their
length to the power of ``length_penalty``; only those among the best ``beams`` continuations count
as ended. Sources: Lowerre 1976 (the search); Wu et al. 2016, "Google's Neural Machine Translation
System", section 7 (length).

Constraints and penalties hold in every beam, each has a history of its own. Not here: chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import UsageError
from autogpt.core.messages import FinishReason, TokenLogprob
from autogpt.inference.completion import StepOutput
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import Choice, RowSampler, adjust, top_logprobs
from autogpt.inference.stopping import TextStream
from autogpt.models.gpt import GPT
from autogpt.nn.cache import KVCache
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["BeamSearch"]

_NO_LOGPROBS: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class _Beam:
    """A text on its way.

    Attributes:
        score: Sum of log probabilities.
        choices: Its tokens.
        sampler: Its history and constraint.
        parent: Which beam of the step before it goes on from: whose keys and values are its own.
        finish_reason: Set when it has ended.
    """

    score: float
    choices: tuple[Choice, ...]
    sampler: RowSampler
    parent: int = 0
    finish_reason: FinishReason | None = None

    def ranked(self, length_penalty: float) -> float:
        """Return the score by which ended texts are compared."""
        return float(self.score / len(self.choices) ** length_penalty)


class BeamSearch:
    """Runs one model, as ``Engine`` does; the arguments are the same.

    Args:
        model: The model, which is not changed.
        tokenizer: Its tokenizer.
        ends: Tokens that end a text.
        head: Scores the vocabulary for ``[B, D]``; default the model's own.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        *,
        ends: frozenset[int],
        head: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._ends = ends
        self._head = head or model.logits
        self._vocab_size = min(tokenizer.vocab_size, model.config.vocab_size)
        self._context = model.config.max_position_embeddings

    def generate(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams
    ) -> Iterator[StepOutput]:
        """Yield the tokens of the ``n`` best texts of each prompt, best first, prompt by prompt.

        Args:
            prompts: Token ids, at least one each, that fit the model's context.
            params: Settings for all; temperature and filters have no part in a search.

        Raises:
            UsageError: If a prompt has no tokens.
        """
        if not all(prompts):
            raise UsageError("A prompt has no tokens.", hint="Begin with the end-of-text token.")
        roots = [RowSampler(params, self._vocab_size, prompt, 0) for prompt in prompts]
        return self._run(prompts, roots, params)

    def _run(
        self, prompts: Sequence[Sequence[int]], roots: Sequence[RowSampler], params: SamplingParams
    ) -> Iterator[StepOutput]:
        for index, (prompt, root) in enumerate(zip(prompts, roots, strict=True)):
            best = self._search(prompt, root, params)
            for rank, beam in enumerate(best[: params.n]):
                yield from self._outputs(beam, index * params.n + rank, params)

    def _outputs(self, beam: _Beam, row: int, params: SamplingParams) -> Iterator[StepOutput]:
        stream = TextStream(self._tokenizer, params.stop)
        *inner, last = beam.choices
        for choice in inner:
            shown = stream.push(choice.token_id, choice.account(self._tokenizer))
            yield StepOutput(
                row=row, token_id=choice.token_id, text=shown.text, logprobs=shown.logprobs
            )
        text, logprobs = "", _NO_LOGPROBS
        if last.token_id not in self._ends:
            shown = stream.push(last.token_id, last.account(self._tokenizer))
            text, logprobs = shown.text, shown.logprobs
        rest = stream.close()
        yield StepOutput(
            row=row,
            token_id=last.token_id,
            text=text + rest.text,
            logprobs=logprobs + rest.logprobs,
            finish_reason=beam.finish_reason,
        )

    # No method below yields: inference mode would leak into the caller's code.

    @torch.inference_mode()
    def _search(
        self, prompt: Sequence[int], root: RowSampler, params: SamplingParams
    ) -> list[_Beam]:
        """Return the best ``params.beams`` texts that ended, best first."""
        cache, logits = self._read([prompt], len(prompt) + params.max_tokens)
        running = [_Beam(0.0, (), root)]
        ended: list[_Beam] = []
        while True:
            following = self._continue(running, logits, params)
            ended += [beam for beam in following[: params.beams] if beam.finish_reason]
            ended.sort(key=lambda beam: beam.ranked(params.length_penalty), reverse=True)
            del ended[params.beams :]
            running = [beam for beam in following if not beam.finish_reason][: params.beams]
            if not running or _is_settled(ended, running, params):
                return ended
            cache.select([beam.parent for beam in running])
            cache, logits = self._decode(cache, prompt, running)

    def _continue(
        self, running: Sequence[_Beam], logits: Float[Tensor, "R V"], params: SamplingParams
    ) -> list[_Beam]:
        """Return the best continuations of all beams, ended ones too, best first."""
        scores = torch.log_softmax(adjust(logits, [beam.sampler for beam in running]), -1)
        sums = scores + torch.tensor([[beam.score] for beam in running])
        # Enough that ``beams`` are left to go on, were every way to end among the best.
        wanted = params.beams * max(2, 1 + len(self._ends))
        best = sums.flatten().topk(min(wanted, sums.numel()))
        places = [divmod(place, sums.shape[1]) for place in best.indices.tolist()]
        pairs = [
            (parent, token_id)
            for (parent, token_id), value in zip(places, best.values.tolist(), strict=True)
            if value > -torch.inf and self._fits(running[parent], token_id)
        ]
        if not pairs:  # the budget of constrained texts is used up: each takes its known end
            pairs = [
                (parent, beam.sampler.guide.forced)
                for parent, beam in enumerate(running)
                if beam.sampler.guide is not None
            ]
        choices = _with_logprobs(logits, pairs, params.logprobs)
        return [
            self._child(running[parent], parent, choice, float(sums[parent, choice.token_id]))
            for (parent, _), choice in zip(pairs, choices, strict=True)
        ]

    def _fits(self, beam: _Beam, token_id: int) -> bool:
        guide = beam.sampler.guide
        return guide is None or guide.fits(token_id)

    def _child(self, beam: _Beam, parent: int, choice: Choice, score: float) -> _Beam:
        sampler = beam.sampler.fork()
        sampler.push(choice.token_id)
        choices = (*beam.choices, choice)
        return _Beam(score, choices, sampler, parent, self._finish_reason(choices, sampler))

    def _finish_reason(self, choices: Sequence[Choice], sampler: RowSampler) -> FinishReason | None:
        params = sampler.params
        if choices[-1].token_id in self._ends or sampler.looping:
            return "stop"
        if params.stop:
            spelled = (self._tokenizer.token_bytes(choice.token_id) for choice in choices)
            text = b"".join(spelled).decode("utf-8", "replace")
            if any(stop in text for stop in params.stop):
                return "stop"
        return "length" if len(choices) >= params.max_tokens else None

    def _read(
        self, rows: Sequence[Sequence[int]], capacity: int
    ) -> tuple[KVCache, Float[Tensor, "R V"]]:
        """Return the keys and values of rows of one length, and the scores of what follows."""
        weight = self._model.embedding.weight
        capacity = max(len(rows[0]), min(capacity, self._context))
        cache = KVCache(self._model.config, len(rows), capacity, weight.dtype, weight.device)
        return cache, self._score(torch.tensor(rows, device=weight.device), cache)

    def _decode(
        self, cache: KVCache, prompt: Sequence[int], running: Sequence[_Beam]
    ) -> tuple[KVCache, Float[Tensor, "R V"]]:
        """Read the newest token of every beam; forget the older half of a full context."""
        newest = [[choice.token_id for choice in beam.choices] for beam in running]
        if cache.longest >= self._context:
            kept = max(1, self._context // 2)
            return self._read([[*prompt, *ids][-kept:] for ids in newest], self._context)
        ids = torch.tensor([ids[-1:] for ids in newest], device=self._model.embedding.weight.device)
        return cache, self._score(ids, cache)

    def _score(self, token_ids: Tensor, cache: KVCache) -> Float[Tensor, "R V"]:
        hidden = self._model(token_ids, cache=cache)
        return self._head(hidden[:, -1])[:, : self._vocab_size].float()


def _is_settled(ended: Sequence[_Beam], running: Sequence[_Beam], params: SamplingParams) -> bool:
    """Return whether enough texts have ended, and none on its way can beat the worst of them.

    What a running text may still reach is judged by its length today, as transformers does.
    """
    if len(ended) < params.beams:
        return False
    worst = ended[-1].ranked(params.length_penalty)
    return running[0].ranked(params.length_penalty) <= worst


def _with_logprobs(
    logits: Float[Tensor, "R V"], pairs: Sequence[tuple[int, int]], count: int | None
) -> list[Choice]:
    """Return the choice of each (row, token id), with log probabilities of the model itself."""
    if count is None:
        return [Choice(token_id) for _, token_id in pairs]
    rows = torch.tensor([row for row, _ in pairs])
    result = top_logprobs(logits[rows], torch.tensor([token_id for _, token_id in pairs]), count)
    return [
        Choice(token_id, logprob, tuple(zip(top_ids, top, strict=True)))
        for (_, token_id), logprob, top_ids, top in zip(
            pairs,
            result.chosen.tolist(),
            result.top_ids.tolist(),
            result.top.tolist(),
            strict=True,
        )
    ]
