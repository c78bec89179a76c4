"""A loaded model that writes: prompts in, text out, whole or piece by piece.

Not here: the decode loop (``inference.engine``), reading models (``llm.loading``).
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from torch import Tensor

from autogpt.core.errors import ConfigError, UsageError
from autogpt.core.messages import (
    Chunk,
    Completion,
    FinishReason,
    Prompt,
    Timing,
    TokenLogprob,
    Usage,
)
from autogpt.core.units import format_count
from autogpt.evaluation.inspection.inspection import Focus, Inspection, inspect
from autogpt.inference.backends import Backend
from autogpt.inference.beam import BeamSearch
from autogpt.inference.engine import Engine, Overflow, StepOutput, end_ids
from autogpt.inference.grammar import GrammarCompiler
from autogpt.inference.likelihood import Question, pose, score, score_quantized
from autogpt.inference.params import SamplingParams
from autogpt.inference.settings import (
    DRY_BREAKERS,
    ManySettings,
    Settings,
    changed_params,
    constraint_of,
)
from autogpt.inference.speculative import Speculator
from autogpt.inference.watermark import Detection, Watermark, detect
from autogpt.llm.guarding import GuardedRow, admit_prompt, refused_chunk
from autogpt.llm.tasks import TaskMethods
from autogpt.models.gpt import GPT, parameter_count
from autogpt.safety.rails import Rails
from autogpt.safety.streaming import Form as OutputForm
from autogpt.tasks.asking import Form
from autogpt.tasks.base import Likelihood
from autogpt.tasks.chat import trimmed
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.chat import encode_chat

__all__ = ["LLM"]

_logger = logging.getLogger(__name__)


class LLM(TaskMethods):
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
    ) -> None:
        self.rails = rails
        self.model = model
        self.form = form
        self.tokenizer = tokenizer
        self.defaults = defaults or SamplingParams()
        if ends is None:
            ends = end_ids(tokenizer, model.config.eos_token_id)
        self._engine = Engine(
            model, tokenizer, ends=ends, head=head, backend=backend, speculator=speculator
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
        drafts = [_Draft(logprobs=params.logprobs) for _ in range(len(prompts) * params.n)]
        for chunk in self.run(prompts, params, overflow=overflow, route=route, untrusted=untrusted):
            drafts[chunk.index].add(chunk)
        completions = [draft.finished() for draft in drafts]
        return [
            completions[start : start + params.n] for start in range(0, len(completions), params.n)
        ]

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
    def answers_messages(self) -> bool:
        """Whether it has a chat template, so that it takes messages and not only text."""
        return self.tokenizer.roles.chat_template is not None

    @property
    def can_search(self) -> bool:
        """Whether it can follow beams: with weights that are not quantized."""
        return self._search is not None

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return parameter_count(self.model.config)

    @property
    def context_length(self) -> int:
        """How many tokens it sees at once."""
        return self.model.config.max_position_embeddings

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens a prompt takes, with what the chat template adds.

        Raises:
            UsageError: If it is messages and the model has no chat template.
        """
        return len(self.encode(prompt))

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

    def likelihoods(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        """Return how likely each continuation of each prompt is; a prompt is read once for all.

        Of a prompt that is too long with its continuation, the beginning is left out.

        Args:
            prompts: Texts, or conversations whose next answer begins with a continuation.
            continuations: Of each prompt; none empty.

        Raises:
            UsageError: If a continuation is empty or longer than the context, or a prompt is
                messages and the model has no chat template.
        """
        questions = [
            self._question(prompt, texts)
            for prompt, texts in zip(prompts, continuations, strict=True)
        ]
        return self.score(questions)

    def score(self, questions: Sequence[Question]) -> list[list[Likelihood]]:
        """Return how likely continuations of prompts are that have been cut into tokens already.

        Raises:
            UsageError: If a continuation is longer than the context.
        """
        if self._backend is None:
            return score(self.model, self._head, questions)
        context = self.model.config.max_position_embeddings
        return score_quantized(self._backend, questions, context=context)

    def inspect(
        self,
        prompt: Prompt,
        *,
        focus: Focus | None = None,
        params: SamplingParams | None = None,
        name: str = "",
    ) -> Inspection:
        """Return what happens inside the model while it reads ``prompt``.

        Args:
            prompt: A text, or a conversation.
            focus: What to look at closely; default the last token.
            params: How the next token would be chosen, see ``evaluation.inspection.inspect``.
            name: What to call the model.

        Raises:
            ConfigError: If the model is quantized: its weights are elsewhere.
            UsageError: If the prompt is longer than the context, or is messages and the model has
                no chat template.
        """
        if self._backend is not None:
            raise ConfigError(
                "Quantized weights cannot be looked into.", hint="Load the model without quantize."
            )
        return inspect(
            self.model,
            self.tokenizer,
            self.encode(prompt),
            head=self._head,
            params=params,
            focus=focus,
            name=name,
        )

    def _question(self, prompt: Prompt, continuations: Sequence[str]) -> Question:
        tokenizer = self.tokenizer
        if isinstance(prompt, str):
            before = tokenizer.bos_ids or (() if prompt.strip() else (tokenizer.pad_id,))
            return pose(tokenizer, before, prompt, continuations)
        return Question(self.encode(prompt), [tokenizer.encode(text) for text in continuations])

    def find_watermark(self, text: str, *, method: str, key: str) -> Detection:
        """Return what speaks for a text carrying the mark of a key; see ``inference.watermark``.

        Args:
            text: Written by this model or one with its tokenizer, if it carries one.
            method: "kgw" or "synthid".
            key: The secret.

        Raises:
            ConfigError: If the method is unknown or the key is empty.
        """
        watermark = Watermark(method=method, key=key)  # type: ignore[arg-type]  # it checks
        return detect(self.tokenizer.encode(text), watermark)

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
        admitted, rows, refused = self._admit(prompts, params, route, untrusted=untrusted)
        token_ids = [
            self._engine.fit(
                self.encode(prompt if overflow == "refuse" else self._trimmed(prompt, params)),
                max_tokens=params.max_tokens,
                overflow=overflow,
            )
            for prompt in admitted
        ]
        writer = self._engine if params.beams == 1 else self._search
        if writer is None:
            raise ConfigError(
                f"beams = {params.beams} cannot be followed with quantized weights.",
                hint="Load the model without quantize, or leave beams out.",
            )
        steps = writer.generate(token_ids, params) if token_ids else iter(())
        counts = [len(ids) for ids in token_ids for _ in range(params.n)]
        return itertools.chain(refused, self._chunks(steps, counts, begin, rows))

    def _admit(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        route: str | None,
        *,
        untrusted: bool,
    ) -> tuple[list[Prompt], list[tuple[int, GuardedRow]], list[Chunk]]:
        """Return the prompts that the model may read, the rows they give, and refusals."""
        rails, n = self.rails, params.n
        if rails is None or not rails.policy.enabled:
            open_rows = [(index, GuardedRow(None)) for index in range(len(prompts) * n)]
            return list(prompts), open_rows, []
        form: OutputForm = "text"
        if params.constraint is not None:
            form = "json" if params.constraint.is_json else "fixed"
        admitted: list[Prompt] = []
        rows: list[tuple[int, GuardedRow]] = []
        refused: list[Chunk] = []
        for place, prompt in enumerate(prompts):
            shown, admission = admit_prompt(rails, prompt, route=route, untrusted=untrusted)
            if len(prompts) == 1:
                admission.raise_if_refused()
            indices = range(place * n, (place + 1) * n)
            if admission.is_refused:
                refused += [refused_chunk(admission, index) for index in indices]
                continue
            admitted.append(shown)
            rows += [
                (index, GuardedRow(rails.output(admission.vault, route=route, form=form)))
                for index in indices
            ]
        return admitted, rows, refused

    def _trimmed(self, prompt: Prompt, params: SamplingParams) -> Prompt:
        """Return a conversation without its oldest turns, where it does not fit with its answer."""
        if isinstance(prompt, str):
            return prompt
        room = max(self.context_length - params.max_tokens, self.context_length // 2, 1)
        kept = trimmed(prompt, lambda turns: self.count_tokens(turns) <= room)
        if len(kept) < len(prompt):
            _logger.warning(
                "the conversation is longer than the context of %d tokens; its oldest %d messages "
                "are not read",
                self.context_length,
                len(prompt) - len(kept),
            )
        return kept

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the token ids that the model reads of a prompt.

        Raises:
            UsageError: If the prompt is messages and the model has no chat template.
        """
        if isinstance(prompt, str):
            tokenizer = self.tokenizer
            return [*tokenizer.bos_ids, *tokenizer.encode(prompt)] or [tokenizer.pad_id]
        roles = self.tokenizer.roles
        template = roles.chat_template
        if template is None:
            raise UsageError(
                "This model has no chat template, so it cannot answer messages.",
                hint="Give it text to continue instead.",
            )
        tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": roles.bos or ""}
        return encode_chat(prompt, self.tokenizer, template=template, tokens=tokens)

    def _chunks(
        self,
        steps: Iterator[StepOutput],
        prompt_tokens: Sequence[int],
        begin: float,
        rows: Sequence[tuple[int, GuardedRow]],
    ) -> Iterator[Chunk]:
        written = [0] * len(prompt_tokens)
        first: float | None = None
        total = 0
        for step in steps:
            index, row = rows[step.row]
            if row.is_over:  # the others are still being written
                continue
            now = time.perf_counter()
            first = first or now
            total += 1
            written[step.row] += 1
            text, logprobs, finish = row.push(step.text, step.logprobs, step.finish_reason)
            if finish is None:
                if text or logprobs:
                    yield Chunk(text=text, index=index, logprobs=logprobs)
                continue
            yield Chunk(
                text=text,
                index=index,
                logprobs=logprobs,
                finish_reason=finish,
                usage=Usage(
                    prompt_tokens=prompt_tokens[step.row], completion_tokens=written[step.row]
                ),
                timing=Timing(
                    load_s=self._load_s,
                    first_token_s=first - begin,
                    tokens_per_s=(total - 1) / (now - first) if now > first else 0.0,
                ),
                refusal=row.refusal,
            )
            if all(each.is_over for _, each in rows):
                break  # nothing that is still written would be shown
        if isinstance(steps, Generator):
            steps.close()


@dataclass(slots=True)
class _Draft:
    """A completion whose chunks are being collected."""

    logprobs: int | None
    pieces: list[str] = field(default_factory=list)
    entries: list[TokenLogprob] = field(default_factory=list)
    last: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        self.pieces.append(chunk.text)
        self.entries.extend(chunk.logprobs)
        self.last = chunk

    def finished(self) -> Completion:
        last = self.last
        if last is None or last.finish_reason is None or last.usage is None or last.timing is None:
            raise RuntimeError("the engine ended without finishing every row")
        finish_reason: FinishReason = last.finish_reason
        return Completion(
            text="".join(self.pieces),
            finish_reason=finish_reason,
            usage=last.usage,
            timing=last.timing,
            logprobs=None if self.logprobs is None else tuple(self.entries),
            refusal=last.refusal,
        )
