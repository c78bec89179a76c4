"""The decode loop: prompts in, tokens and text out, step by step, many texts at once.

::

    prefill     read each prompt alone, keep its keys and values, score the next token
    repeat      choose a token for every row; rows that end leave the batch;
                one forward pass of one token a row for those that go on

A row's text depends on its prompt, the settings and its own random numbers, never on the rows
beside it. Completion ``i`` of a prompt draws from the same numbers in every call with that seed.

When a text outgrows the model's context, the model goes on with the later half of the context:
the oldest tokens are forgotten, half a context at a time, because each time costs a new prefill.
A prompt longer than the context loses its oldest tokens, and a warning says so. So a completion
ends at ``max_tokens`` or when the model ends it, never because the context is full.

Not here: choosing a token (``sampling``), stop strings (``stopping``), joining a running batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import UsageError
from autogpt.core.messages import FinishReason, TokenLogprob
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import Choice, RowSampler, choose
from autogpt.inference.stopping import TextStream
from autogpt.models.gpt import GPT
from autogpt.nn.cache import KVCache
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["Engine", "StepOutput", "end_ids"]

_logger = logging.getLogger(__name__)

# More rows wait for these to end: memory stays bounded, and on a CPU a larger batch gains little.
_MAX_ROWS = 32

_NO_LOGPROBS: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutput:
    """What one step did to one row.

    Attributes:
        row: ``prompt * n + completion``, counted from 0.
        token_id: The token that was chosen.
        text: Whole characters that became safe to show; may be empty.
        logprobs: The tokens of ``text``, if asked for.
        finish_reason: Set in the last output of the row.
    """

    row: int
    token_id: int
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None


@dataclass(slots=True)
class _Row:
    """One completion on its way."""

    index: int
    token_ids: list[int]
    prompt_length: int
    sampler: RowSampler
    text: TextStream

    @property
    def completion_tokens(self) -> int:
        return len(self.token_ids) - self.prompt_length


@dataclass(slots=True)
class _Batch:
    """The rows still on their way, and their keys and values in the same order."""

    rows: list[_Row]
    cache: KVCache

    def select(self, places: Sequence[int]) -> None:
        if len(places) < len(self.rows):
            self.rows = [self.rows[place] for place in places]
            self.cache.select(places)


def end_ids(tokenizer: Tokenizer, *declared: int | Iterable[int] | None) -> frozenset[int]:
    """Return the tokens that end a text: those declared, and those of the tokenizer.

    The tokenizer's are the end of a message, the separator of documents, and the beginning of a
    message: a model that begins another one is done with its own.

    Args:
        tokenizer: Names its special tokens.
        declared: ``eos_token_id`` of the model's files: one id, several, or None.
    """
    ids = {tokenizer.eos_id, tokenizer.pad_id}
    if tokenizer.im_start_id is not None:
        ids.add(tokenizer.im_start_id)
    for value in declared:
        ids.update([value] if isinstance(value, int) else value or ())
    return frozenset(ids)


class Engine:
    """Runs one model. Calls may follow each other, but not overlap in several threads.

    Args:
        model: The model, which is not changed.
        tokenizer: Its tokenizer.
        ends: Tokens that end a text; default those of the tokenizer and the model's config.
        head: Scores the vocabulary for ``[B, D]``; default the model's own.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        *,
        ends: frozenset[int] | None = None,
        head: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._ends = end_ids(tokenizer, model.config.eos_token_id) if ends is None else ends
        self._head = head or model.logits
        # A vocabulary is often padded to a round number; the padding stands for no text.
        self._vocab_size = min(tokenizer.vocab_size, model.config.vocab_size)
        self._context = model.config.max_position_embeddings

    @property
    def context_length(self) -> int:
        """Tokens that the model can look back on."""
        return self._context

    def fit(self, token_ids: Sequence[int], *, max_tokens: int) -> list[int]:
        """Return the prompt that will be read: the last tokens of one longer than the context.

        What is cut leaves room for ``max_tokens``, but never more than half the context.
        """
        if len(token_ids) <= self._context:
            return list(token_ids)
        kept = max(self._context - max_tokens, self._context // 2, 1)
        _logger.warning(
            "the prompt of %d tokens is longer than the model's context of %d; "
            "only the last %d are read",
            len(token_ids),
            self._context,
            kept,
        )
        return list(token_ids[-kept:])

    def generate(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams
    ) -> Iterator[StepOutput]:
        """Yield one output per row and step, until every row has ended.

        Args:
            prompts: Token ids, at least one each.
            params: How to choose, for all rows; ``n`` rows are made of each prompt.

        Raises:
            UsageError: If a prompt has no tokens.
        """
        if not all(prompts):
            raise UsageError("A prompt has no tokens.", hint="Begin with the end-of-text token.")
        rows = [
            self._row(index * params.n + completion, completion, prompt, params)
            for index, prompt in enumerate(
                self.fit(prompt, max_tokens=params.max_tokens) for prompt in prompts
            )
            for completion in range(params.n)
        ]
        return self._run_all(rows, params)

    def _row(self, index: int, completion: int, prompt: list[int], params: SamplingParams) -> _Row:
        return _Row(
            index=index,
            token_ids=list(prompt),
            prompt_length=len(prompt),
            sampler=RowSampler(params, self._vocab_size, prompt, completion),
            text=TextStream(self._tokenizer, params.stop),
        )

    def _run_all(self, rows: Sequence[_Row], params: SamplingParams) -> Iterator[StepOutput]:
        for start in range(0, len(rows), _MAX_ROWS):
            yield from self._run(list(rows[start : start + _MAX_ROWS]), params)

    def _run(self, rows: list[_Row], params: SamplingParams) -> Iterator[StepOutput]:
        batch, logits = self._prefill(rows, params)
        while True:
            chosen = self._choose(batch.rows, logits)
            going = []
            for place, (row, choice) in enumerate(zip(batch.rows, chosen, strict=True)):
                output = self._push(row, choice, params)
                if output.finish_reason is None:
                    going.append(place)
                yield output
            if not going:
                return
            batch.select(going)
            logits = self._decode(batch)

    def _push(self, row: _Row, choice: Choice, params: SamplingParams) -> StepOutput:
        """Add a token to a row, and see whether the row ends."""
        token_id = choice.token_id
        row.token_ids.append(token_id)
        row.sampler.push(token_id)
        finish: FinishReason | None = None
        text, logprobs = "", _NO_LOGPROBS
        if token_id in self._ends:
            finish = "stop"
        else:
            released = row.text.push(token_id, choice.account(self._tokenizer))
            text, logprobs = released.text, released.logprobs
            if released.stopped or row.sampler.looping:
                finish = "stop"
            elif row.completion_tokens >= params.max_tokens:
                finish = "length"
        if finish is not None:
            rest = row.text.close()
            text, logprobs = text + rest.text, logprobs + rest.logprobs
        return StepOutput(
            row=row.index, token_id=token_id, text=text, logprobs=logprobs, finish_reason=finish
        )

    # No method below yields: inference mode would leak into the caller's code.

    @torch.inference_mode()
    def _choose(self, rows: Sequence[_Row], logits: Float[Tensor, "B V"]) -> list[Choice]:
        return choose(logits, [row.sampler for row in rows])

    @torch.inference_mode()
    def _prefill(
        self, rows: list[_Row], params: SamplingParams
    ) -> tuple[_Batch, Float[Tensor, "B V"]]:
        """Read every prompt once, however many completions it gets."""
        longest = max(len(row.token_ids) for row in rows)
        capacity = min(self._context, longest + params.max_tokens)
        caches: list[KVCache] = []
        scores: list[Tensor] = []
        sources: list[int] = []  # which cache each row continues
        for place, row in enumerate(rows):
            # Completions of one prompt are neighbors.
            if place == 0 or row.token_ids != rows[place - 1].token_ids:
                cache, logits = self._read(row.token_ids, capacity)
                caches.append(cache)
                scores.append(logits)
            sources.append(len(caches) - 1)
        cache = _join(caches, self._model, capacity)
        if len(sources) > len(caches):
            cache.select(sources)
        return _Batch(rows, cache), torch.cat(scores)[sources]

    def _read(self, token_ids: Sequence[int], capacity: int) -> tuple[KVCache, Tensor]:
        """Return the keys and values of one text, and the scores of what follows it."""
        weight = self._model.embedding.weight
        cache = KVCache(self._model.config, 1, capacity, weight.dtype, weight.device)
        hidden = self._model(torch.tensor([token_ids], device=weight.device), cache=cache)
        return cache, self._score(hidden)

    @torch.inference_mode()
    def _decode(self, batch: _Batch) -> Float[Tensor, "B V"]:
        """Read the newest token of every row; score what follows."""
        full = [
            place for place, length in enumerate(batch.cache.lengths) if length >= self._context
        ]
        if full:
            return self._slide(batch, full)
        newest = [[row.token_ids[-1]] for row in batch.rows]
        device = self._model.embedding.weight.device
        return self._score(self._model(torch.tensor(newest, device=device), cache=batch.cache))

    def _slide(self, batch: _Batch, full: Sequence[int]) -> Float[Tensor, "B V"]:
        """Let the rows in ``full`` forget the older half of their context; decode the others.

        The rows that slid come last in the batch.
        """
        others = [place for place in range(len(batch.rows)) if place not in full]
        sliding = [batch.rows[place] for place in full]
        capacity = batch.cache.capacity
        caches, scores = [], []
        if others:
            batch.select(others)
            scores.append(self._decode(batch))
            caches.append(batch.cache)
        for row in sliding:
            cache, logits = self._read(row.token_ids[-max(1, self._context // 2) :], capacity)
            caches.append(cache)
            scores.append(logits)
        batch.rows = [*(batch.rows if others else ()), *sliding]
        batch.cache = _join(caches, self._model, capacity)
        return torch.cat(scores)

    def _score(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B V"]:
        logits = self._head(hidden[:, -1])
        return logits[:, : self._vocab_size].float()


def _join(caches: Sequence[KVCache], model: GPT, capacity: int) -> KVCache:
    """Return one cache with the rows of all ``caches``, in order."""
    if len(caches) == 1:
        return caches[0]
    config, weight = model.config, model.embedding.weight
    lengths = [length for cache in caches for length in cache.lengths]
    joined = KVCache(config, len(lengths), capacity, weight.dtype, weight.device)
    shape = (len(lengths), config.num_key_value_heads, max(lengths), config.head_dim)
    for layer in range(config.num_hidden_layers):
        key, value = weight.new_zeros(shape), weight.new_zeros(shape)
        begin = 0
        for cache in caches:
            end = begin + cache.batch_size
            # Storing no tokens returns those that are there.
            nothing = weight.new_zeros((cache.batch_size, shape[1], 0, shape[3]))
            old_key, old_value = cache.append(layer, nothing, nothing)
            key[begin:end, :, : cache.longest] = old_key
            value[begin:end, :, : cache.longest] = old_value
            begin = end
        joined.append(layer, key, value)
    joined.advance(max(lengths))
    joined.truncate(lengths)
    return joined
