"""A loaded model that writes: prompts in, text out, whole or piece by piece.

Not here: the decode loop (``inference.engine``), what it says of texts without writing
(``llm.reading``), reading models from files (``llm.loading``).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Unpack

from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.core.messages import Chunk, Completion, Prompt
from autogpt.core.units import format_count
from autogpt.inference.backends import Backend
from autogpt.inference.beam import BeamSearch
from autogpt.inference.capacity import EngineConfig
from autogpt.inference.completion import end_ids
from autogpt.inference.engine import Engine, Overflow
from autogpt.inference.grammar import GrammarCompiler
from autogpt.inference.params import SamplingParams
from autogpt.inference.settings import (
    DRY_BREAKERS,
    ManySettings,
    Settings,
    changed_params,
    constraint_of,
)
from autogpt.inference.speculative import Speculator
from autogpt.llm.completions import as_chunks, whole_completions
from autogpt.llm.guarding import admit_prompts
from autogpt.llm.reading import ReadingMethods
from autogpt.llm.tasks import TaskMethods
from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPT
from autogpt.safety.rails import Rails
from autogpt.safety.streaming import Form as OutputForm
from autogpt.tasks.asking import Form
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["LLM"]


class LLM(ReadingMethods, TaskMethods):
    """A model and its tokenizer. Made by :func:`load`.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        ends: Tokens that end a text; default those of the tokenizer and the model's config.
        defaults: Sampling settings where a call names none.
        head: Scores the vocabulary, see ``Engine``.
        backend: Runs the model, see ``Engine``.
        speculator: Guesses tokens ahead, see ``Engine``.
        load_s: Seconds that loading took, for ``timing``.
        rails: What prompts and texts go through; None lets everything pass.
        form: How it was taught to be asked for a task, if it was.
        cache_bytes: Memory for keys and values, see ``EngineConfig``.

    Attributes:
        model: As given.
        tokenizer: As given.
        defaults: As given.
        form: As given.
        rails: As given.
    """

    def __init__(  # noqa: PLR0913 - made by load alone
        self,
        model: GPT,
        tokenizer: Tokenizer,
        *,
        ends: frozenset[int] | None = None,
        defaults: SamplingParams | None = None,
        head: Callable[[Tensor], Tensor] | None = None,
        backend: Backend | None = None,
        speculator: Speculator | None = None,
        load_s: float = 0.0,
        rails: Rails | None = None,
        form: Form | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self.rails = rails
        self.model = model
        self.form = form
        self.tokenizer = tokenizer
        self.defaults = defaults or SamplingParams()
        if ends is None:
            ends = end_ids(tokenizer, model.config.eos_token_id)
        self._engine = Engine(
            model,
            tokenizer,
            ends=ends,
            head=head,
            backend=backend,
            config=EngineConfig(cache_bytes=cache_bytes),
            speculator=speculator,
        )
        self._head, self._backend = head or model.logits, backend
        # Beams read with the model itself; where another backend holds the weights, it cannot.
        self._search = (
            BeamSearch(model, tokenizer, ends=ends, head=head) if backend is None else None
        )
        vocab_size = min(tokenizer.vocab_size, model.config.vocab_size)
        self._grammars = GrammarCompiler(tokenizer, ends, vocab_size)
        self._load_s = load_s

    def __repr__(self) -> str:
        config = self.model.config
        return (
            f"LLM({config.model_type}, {format_count(parameter_count(config))} parameters, "
            f"context {config.max_position_embeddings})"
        )

    @property
    def engine(self) -> Engine:
        """What runs the model, for a caller that drives many requests at once (``server``)."""
        return self._engine

    @property
    def load_s(self) -> float:
        """Seconds that loading took."""
        return self._load_s

    def generate(
        self,
        prompt: Prompt,
        *,
        overflow: Overflow = "truncate",
        route: str | None = None,
        **settings: Unpack[Settings],
    ) -> Completion:
        """Write what follows ``prompt``.

        Args:
            prompt: Text to continue, or messages to answer.
            overflow: What happens to a prompt longer than the model's context: "truncate" reads
                its end and warns, "refuse" is an error.
            route: What it is for, which may have safety rules of its own, see ``safety.policy``.
            settings: Explained in :class:`Settings`.

        Raises:
            ConfigError: If a setting is unknown or out of its range.
            UsageError: If the prompt is messages and the model has no chat template, or is
                refused as too long.
            RefusedError: If a safety rail refuses the prompt.
        """
        params = self.sampling(**settings)
        if params.n != 1:
            raise ConfigError(
                f"n is {params.n}, but generate writes one text.", hint="Use stream or complete."
            )
        return self.complete([prompt], params, overflow=overflow, route=route)[0][0]

    def stream(
        self,
        prompt: Prompt,
        *,
        overflow: Overflow = "truncate",
        route: str | None = None,
        **settings: Unpack[ManySettings],
    ) -> Iterator[Chunk]:
        """Write what follows ``prompt``, piece by piece.

        The pieces of one ``index`` joined are the text of :meth:`generate`. The last piece of
        each carries ``finish_reason``, ``usage`` and ``timing``. Settings are checked before the
        first piece is asked for. With beams, all pieces come at the end of the search.

        Args:
            prompt: Text to continue, or messages to answer.
            overflow: As in :meth:`generate`.
            route: As in :meth:`generate`.
            settings: Explained in :class:`Settings`; and ``n``, how many completions.

        Raises:
            ConfigError: If a setting is unknown or out of its range.
            UsageError: If the prompt is messages and the model has no chat template, or is
                refused as too long.
            RefusedError: If a safety rail refuses the prompt.
        """
        return self.run([prompt], self.sampling(**settings), overflow=overflow, route=route)

    def complete(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams | None = None,
        *,
        overflow: Overflow = "truncate",
        route: str | None = None,
        untrusted: bool = False,
    ) -> list[list[Completion]]:
        """Write ``params.n`` completions of each prompt, all in one batch.

        Each text is what its prompt gives alone with the same settings. Of several prompts, one
        that a safety rail refuses gives completions that end with "content_filter".

        Args:
            prompts: Texts, or conversations.
            params: Settings for all, as from :meth:`sampling`; default the model's own.
            overflow: As in :meth:`generate`.
            route: What they are for, which may have safety rules of its own.
            untrusted: Whether the prompts are documents that nobody wrote for the model.

        Raises:
            UsageError: If a prompt is messages and the model has no chat template, or is refused
                as too long.
            RefusedError: If there is one prompt, and a safety rail refuses it.
        """
        params = params or self.defaults
        chunks = self.run(prompts, params, overflow=overflow, route=route, untrusted=untrusted)
        count = len(prompts) * params.n
        completions = whole_completions(chunks, count, logprobs=params.logprobs)
        return [completions[start : start + params.n] for start in range(0, count, params.n)]

    def write(
        self,
        prompts: Sequence[Prompt],
        *,
        overflow: Overflow = "truncate",
        route: str | None = None,
        **settings: Unpack[Settings],
    ) -> list[Completion]:
        """Write what follows each of several prompts, all in one batch; as :meth:`generate`.

        Args:
            prompts: Texts to continue, or conversations to answer.
            overflow: As in :meth:`generate`.
            route: As in :meth:`generate`; "task": prompts hold documents, which instruct nobody.
            settings: Explained in :class:`Settings`.

        Raises:
            ConfigError, UsageError: As :meth:`generate`.
        """
        rows = self.complete(
            prompts,
            self.sampling(**settings),
            overflow=overflow,
            route=route,
            untrusted=route == "task",
        )
        return [row[0] for row in rows]

    @property
    def can_search(self) -> bool:
        """Whether it can follow beams: with weights that are not quantized."""
        return self._search is not None

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return parameter_count(self.model.config)

    def sampling(self, **settings: Unpack[ManySettings]) -> SamplingParams:
        """Return the model's own settings, changed by those that are given.

        Args:
            settings: Explained in :class:`Settings`; and ``n``, how many completions.

        Raises:
            ConfigError: If a setting is unknown or out of its range.
        """
        params = changed_params(settings, self.defaults)
        rule = constraint_of(settings)
        if rule is not None:
            params = replace(params, constraint=self._grammars.compile(rule))
        if params.dry_multiplier:
            breakers = settings.get("dry_breakers")
            params = replace(
                params,
                dry_breaker_ids=self.tokenizer.ids_with(
                    DRY_BREAKERS if breakers is None else tuple(breakers)
                ),
            )
        return params

    def run(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        *,
        overflow: Overflow = "truncate",
        route: str | None = None,
        untrusted: bool = False,
    ) -> Iterator[Chunk]:
        """Check and encode now; write when the chunks are asked for. See :meth:`complete`."""
        begin = time.perf_counter()
        form: OutputForm = "text"
        if params.constraint is not None:
            form = "json" if params.constraint.is_json else "fixed"
        admitted = admit_prompts(
            self.rails, prompts, n=params.n, route=route, untrusted=untrusted, form=form
        )
        max_tokens = params.max_tokens
        read = admitted.prompts
        if overflow == "truncate":
            read = [self._newest_turns(prompt, max_tokens=max_tokens) for prompt in read]
        token_ids = [
            self._engine.fit(self.encode(prompt), max_tokens=max_tokens, overflow=overflow)
            for prompt in read
        ]
        writer = self._engine if params.beams == 1 else self._search
        if writer is None:
            raise ConfigError(
                f"beams = {params.beams} cannot be followed with quantized weights.",
                hint="Load the model without quantize, or leave beams out.",
            )
        steps = writer.generate(token_ids, params) if token_ids else iter(())
        written = as_chunks(
            steps,
            admitted.rows,
            prompt_tokens=[len(ids) for ids in token_ids for _ in range(params.n)],
            begin=begin,
            load_s=self._load_s,
        )
        return itertools.chain(admitted.refused, written)
