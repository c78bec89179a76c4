"""Requests in, tokens and text out, one step at a time, many texts at once.

::

    request = engine.add_request(prompt_ids, params)
    while engine.has_work:
        for output in engine.step():       # schedule -> run -> sample
            ...

A step reads the newest token of every text that is being written and pieces of prompts beside
them (``scheduler``), in one pass of the model (``backends``), and chooses a token for every row
that has read all it has (``sampling``). Requests may be added and cancelled between any two steps.

A row's text depends on its prompt, its settings and its own random numbers, never on the rows
beside it. Completion ``i`` of a prompt draws from the same numbers in every call with that seed.
Completions of one prompt share its reading. What goes wrong in one request ends that request.

When a text outgrows the model's context, the model goes on with the later half of the context:
the oldest tokens are forgotten, half a context at a time, because each time costs reading again.
So a completion ends at ``max_tokens`` or when the model ends it, never because the context is
full. A prompt longer than the context is cut or refused, as the caller chooses.

Not here: choosing a token (``sampling``), stop strings (``stopping``), guessing (``speculative``),
how much is done at once (``capacity``).
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Literal

import torch
from torch import Tensor

from autogpt.core.errors import ResourceError, UsageError
from autogpt.inference.backends import BLOCK, Backend, PagedCache, TorchBackend
from autogpt.inference.blocks import BlockPool
from autogpt.inference.capacity import EngineConfig, count_blocks
from autogpt.inference.completion import Completion, StepOutput, end_ids
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import Choice, RowSampler, choose
from autogpt.inference.scheduler import Row, Scheduler
from autogpt.inference.scores import Scores, join, run_turns
from autogpt.inference.speculative import Speculator
from autogpt.models.gpt import GPT
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["Engine", "Overflow"]

_logger = logging.getLogger(__name__)

Overflow = Literal["truncate", "refuse"]
"""What happens to a prompt that is longer than the context."""


class Engine:
    """Runs one model. Calls may follow each other, but not overlap in several threads.

    Args:
        model: The model, which is not changed.
        tokenizer: Its tokenizer.
        ends: Tokens that end a text; default those of the tokenizer and the model's config.
        head: Scores the vocabulary for ``[B, D]``; default the model's own.
        backend: Runs the model; default torch, with ``head``.
        config: How much is done at once.
        speculator: Guesses tokens ahead; None does not.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        *,
        ends: frozenset[int] | None = None,
        head: Callable[[Tensor], Tensor] | None = None,
        backend: Backend | None = None,
        config: EngineConfig | None = None,
        speculator: Speculator | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._ends = end_ids(tokenizer, model.config.eos_token_id) if ends is None else ends
        self._backend = backend or TorchBackend(model, head)
        self._speculator = speculator
        # A vocabulary is often padded to a round number; the padding stands for no text.
        self._vocab_size = min(tokenizer.vocab_size, model.config.vocab_size)
        self._context = model.config.max_position_embeddings
        config = config or EngineConfig()
        block_bytes = _block_bytes(self._backend.new_cache(1))
        self._pool = BlockPool(count_blocks(config, context=self._context, block_bytes=block_bytes))
        self._cache: PagedCache | None = None  # memory is asked for with the first request
        limits = config.limits(context=self._context)
        self._scheduler: Scheduler[Completion] = Scheduler(self._pool, limits)
        self._requests: dict[int, list[Completion]] = {}
        self._numbers = itertools.count()
        self._secret = secrets.token_bytes(16)
        # Outputs that calls of ``generate`` have yet to yield, and those of other requests.
        self._inboxes: dict[int, deque[StepOutput]] = {}
        self._undelivered: list[StepOutput] = []

    @property
    def context_length(self) -> int:
        """Tokens that the model can look back on."""
        return self._context

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything or has something to tell."""
        return bool(self._requests or self._undelivered)

    @property
    def vocab_size(self) -> int:
        """Tokens that can be read and chosen."""
        return self._vocab_size

    @property
    def blocks(self) -> int:
        """Blocks of keys and values that there are."""
        return self._pool.count

    @property
    def blocks_held(self) -> int:
        """Blocks of keys and values, 16 tokens each, that texts on their way hold."""
        return self._pool.count - self._pool.free

    @property
    def cache_taken_bytes(self) -> int:
        """Memory that keys and values have taken so far; it grows to that of all blocks."""
        if self._cache is None:
            return 0
        return self._pool.taken * _block_bytes(self._cache)

    def fit(
        self, token_ids: Sequence[int], *, max_tokens: int, overflow: Overflow = "truncate"
    ) -> list[int]:
        """Return the prompt that will be read.

        Of a prompt longer than the context, "truncate" keeps the last tokens and warns. What is
        cut leaves room for ``max_tokens``, but never more than half the context.

        Raises:
            UsageError: If it is longer than the context and ``overflow`` is "refuse".
        """
        if len(token_ids) <= self._context:
            return list(token_ids)
        if overflow == "refuse":
            raise UsageError(
                f"The prompt has {len(token_ids)} tokens, the model's context only "
                f"{self._context}.",
                hint="Shorten it, or allow it to be cut (overflow: truncate).",
            )
        kept = max(self._context - max_tokens, self._context // 2, 1)
        _logger.warning(
            "the prompt of %d tokens is longer than the model's context of %d; "
            "only the last %d are read",
            len(token_ids),
            self._context,
            kept,
        )
        return list(token_ids[-kept:])

    def add_request(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams,
        *,
        tenant: str = "",
        overflow: Overflow = "truncate",
    ) -> int:
        """Let a prompt wait for its turn; return the number of the request.

        Args:
            prompt_ids: Token ids, at least one.
            params: How to choose; ``n`` completions are written.
            tenant: Only prompts of the same tenant share what has been read of a common
                beginning, so that none can learn from the time it takes what others have sent.
            overflow: See :meth:`fit`.

        Raises:
            UsageError: If the prompt has no tokens or unknown ones, or is refused as too long.
        """
        return self._submit(self._begin(prompt_ids, params, tenant=tenant, overflow=overflow))

    def _begin(
        self, prompt_ids: Sequence[int], params: SamplingParams, *, tenant: str, overflow: Overflow
    ) -> list[Completion]:
        """Return the completions of a prompt, checked, of which nothing is written yet."""
        if not prompt_ids:
            raise UsageError("A prompt has no tokens.", hint="Begin with the end-of-text token.")
        if not 0 <= min(prompt_ids) <= max(prompt_ids) < self._vocab_size:
            raise UsageError(f"A prompt has token ids outside of 0 to {self._vocab_size - 1}.")
        prompt = self.fit(prompt_ids, max_tokens=params.max_tokens, overflow=overflow)
        request = next(self._numbers)
        salt = blake2b(tenant.encode(), key=self._secret, digest_size=16).digest()
        return [
            Completion.of_prompt(
                prompt,
                RowSampler(params, self._vocab_size, prompt, index),
                self._tokenizer,
                request=request,
                index=index,
                salt=salt,
            )
            for index in range(params.n)
        ]

    def _submit(self, rows: list[Completion]) -> int:
        rows[0].twins = rows[1:]
        request = rows[0].request
        self._requests[request] = rows
        self._scheduler.add(rows[0])
        return request

    def cancel(self, request: int) -> None:
        """End a request now; nothing more is told of it. One that has ended is left alone."""
        for row in self._requests.pop(request, []):
            self._drop(row)
        self._undelivered = [one for one in self._undelivered if one.request != request]

    def step(self) -> list[StepOutput]:
        """Do one step for all requests; return what it did to each row, in no special order."""
        outputs, self._undelivered = self._undelivered, []
        if not self._requests:
            return outputs
        for output in self._step():
            inbox = self._inboxes.get(output.request)
            (outputs if inbox is None else inbox).append(output)
        return outputs

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams,
        *,
        overflow: Overflow = "truncate",
    ) -> Iterator[StepOutput]:
        """Yield one output per row and token, until every row has ended.

        Other requests go on beside these; several calls may be iterated in turns.

        Args:
            prompts: Token ids, at least one each.
            params: How to choose, for all rows; ``n`` rows are made of each prompt.
            overflow: See :meth:`fit`.

        Raises:
            UsageError: If a prompt is not acceptable, see :meth:`add_request`.
        """
        return self._generate(
            [self._begin(prompt, params, tenant="", overflow=overflow) for prompt in prompts]
        )

    def _generate(self, prompts: Sequence[list[Completion]]) -> Iterator[StepOutput]:
        inbox: deque[StepOutput] = deque()
        places = {rows[0].request: place for place, rows in enumerate(prompts)}
        left = sum(map(len, prompts))
        try:
            for rows in prompts:
                self._inboxes[self._submit(rows)] = inbox
            while left:
                if not inbox:
                    self._undelivered = self.step()
                    continue
                output = inbox.popleft()
                if output.error is not None:
                    raise output.error
                left -= output.is_last
                place = places[output.request]
                yield output.renumbered(place, place * len(prompts[place]) + output.row)
        finally:
            for request in places:
                self.cancel(request)
                self._inboxes.pop(request, None)

    # No method below yields: inference mode would leak into the caller's code.

    @torch.inference_mode()
    def _step(self) -> list[StepOutput]:
        if self._cache is None:
            self._cache = self._new_cache()
        if self._speculator is not None:
            self._guess(self._speculator)
        step = self._scheduler.schedule()
        if step.copies:
            sources, targets = zip(*step.copies, strict=True)
            self._cache.copy(sources, targets)
        outputs: list[StepOutput] = []
        chosen: list[Completion] = []
        scores: list[Scores] = []
        for turn, score in run_turns(
            step.turns, self._backend, self._cache, vocab_size=self._vocab_size
        ):
            if isinstance(score, Exception):
                outputs.append(self._fail(turn.row, score))
                continue
            is_read = turn.tokens == turn.row.pending
            self._scheduler.done(turn)
            if is_read:
                rows = [turn.row, *self._fork(turn.row)]
                chosen += rows
                scores += [score] * len(rows)
        results = self._choose(chosen, scores, outputs)
        if self._speculator is not None and all(turn.tokens == 1 for turn in step.turns):
            self._speculator.learn(results)
        for output in outputs:
            if output.is_last:
                self._finish(output.request, output.row)
        return outputs

    def _new_cache(self) -> PagedCache:
        try:
            return self._backend.new_cache(self._pool.count)
        except (MemoryError, RuntimeError) as error:  # the second is what torch raises
            raise ResourceError(
                "The system gives no memory for the keys and values of "
                f"{self._pool.count * BLOCK:,} tokens.",
                hint="Let it have less (cache_bytes, serve --cache), or the model "
                "a shorter context.",
            ) from error

    def _guess(self, speculator: Speculator) -> None:
        rows = [row for row in self._scheduler.running if row.pending == 1]
        speculator.prepare(rows, [row.tokens_left - 1 for row in rows])

    def _fork(self, row: Completion) -> list[Completion]:
        """Let the other completions of a prompt run now that it is read, as far as they fit."""
        twins, row.twins = row.twins, []
        forked: list[Completion] = []
        for twin in twins:
            if not self._scheduler.can_fork():
                break
            self._scheduler.fork(row, twin)
            forked.append(twin)
        for twin in reversed(twins[len(forked) :]):
            self._scheduler.add(twin, first=True)
        return forked

    def _choose(
        self, rows: list[Completion], scores: list[Scores], outputs: list[StepOutput]
    ) -> list[tuple[Row, int, int]]:
        """Choose a token for each row; and as long as a guess is right, the one after it.

        Returns:
            Of each row how many guesses it had, and how many were right.
        """
        accepted = dict.fromkeys(rows, 0)
        going = list(zip(rows, scores, strict=True))
        for place in itertools.count():
            choices = self._pick([row for row, _ in going], [one.after(place) for _, one in going])
            still = []
            for (row, one), choice in zip(going, choices, strict=True):
                if isinstance(choice, Exception):
                    outputs.append(self._fail(row, choice))
                    continue
                output = row.push(choice, self._tokenizer, self._ends)
                outputs.append(output)
                if row.guesses[place : place + 1] == (choice.token_id,):
                    accepted[row] += 1
                    if not output.is_last:
                        self._scheduler.accept(row)
                        still.append((row, one))
            going = still
            if not going:
                break
        results: list[tuple[Row, int, int]] = [
            (row, len(row.guesses), accepted[row]) for row in rows
        ]
        for row in rows:
            row.guesses = ()
        return results

    def _pick(
        self, rows: Sequence[Completion], scores: Sequence[Scores]
    ) -> list[Choice | Exception]:
        if not rows:
            return []
        try:
            return [*choose(join(scores), [row.sampler for row in rows])]
        except Exception as error:  # noqa: BLE001 - what fails for one request must not end others
            if len(rows) == 1:
                _logger.warning("a request failed: %s", error)
                return [error]
            return [
                result
                for row, one in zip(rows, scores, strict=True)
                for result in self._pick([row], [one])
            ]

    def _fail(self, row: Completion, error: Exception) -> StepOutput:
        """Let those that wait for a row try for themselves; tell of its end."""
        for twin in reversed(row.twins):
            self._scheduler.add(twin, first=True)
        row.twins = []
        return StepOutput(request=row.request, row=row.index, token_id=None, error=error)

    def _finish(self, request: int, index: int) -> None:
        rows = self._requests[request]
        self._drop(rows[index])
        if all(row.is_over for row in rows):
            del self._requests[request]

    def _drop(self, row: Completion) -> None:
        row.is_over = True
        self._scheduler.discard(row)
        if self._speculator is not None:
            self._speculator.forget(row)


def _block_bytes(cache: PagedCache) -> int:
    """Return the bytes that a block has in all layers."""
    return sum(one[0].nbytes for one in (*cache.keys, *cache.values))
