"""What a loaded model says of texts without writing: tokens, likelihoods, what happens inside.

Not here: writing (``llm.model``), figures of a whole text (``evaluation``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from torch import Tensor

from autogpt.core.errors import ConfigError, UsageError
from autogpt.core.messages import Prompt
from autogpt.evaluation.inspection.inspection import Focus, Inspection, inspect
from autogpt.inference.backends import Backend
from autogpt.inference.likelihood import Question, pose, score, score_quantized
from autogpt.inference.params import SamplingParams
from autogpt.inference.watermark import Detection, Watermark, detect
from autogpt.models.gpt import GPT
from autogpt.tasks.base import Likelihood
from autogpt.tasks.chat import trimmed
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.chat import encode_chat

__all__ = ["ReadingMethods"]

_logger = logging.getLogger(__name__)


class ReadingMethods:
    """How a model reads. Mixed into ``LLM``, which has what it takes."""

    model: GPT
    tokenizer: Tokenizer
    _head: Callable[[Tensor], Tensor]
    _backend: Backend | None

    @property
    def answers_messages(self) -> bool:
        """Whether it has a chat template, so that it takes messages and not only text."""
        return self.tokenizer.roles.chat_template is not None

    @property
    def context_length(self) -> int:
        """How many tokens it sees at once."""
        return self.model.config.max_position_embeddings

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the token ids that the model reads of a prompt.

        Raises:
            UsageError: If the prompt is messages and the model has no chat template.
        """
        tokenizer = self.tokenizer
        if isinstance(prompt, str):
            return [*tokenizer.bos_ids, *tokenizer.encode(prompt)] or [tokenizer.pad_id]
        roles = tokenizer.roles
        template = roles.chat_template
        if template is None:
            raise UsageError(
                "This model has no chat template, so it cannot answer messages.",
                hint="Give it text to continue instead.",
            )
        tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": roles.bos or ""}
        return encode_chat(prompt, tokenizer, template=template, tokens=tokens)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens a prompt takes, with what the chat template adds.

        Raises:
            UsageError: If it is messages and the model has no chat template.
        """
        return len(self.encode(prompt))

    def _newest_turns(self, prompt: Prompt, *, max_tokens: int) -> Prompt:
        """Return a conversation without its oldest turns, where it does not fit with its answer.

        Args:
            prompt: A conversation; a text stays as it is.
            max_tokens: Of the answer; half of the context is the conversation's in any case.

        Raises:
            UsageError: As :meth:`encode`.
        """
        if isinstance(prompt, str):
            return prompt
        room = max(self.context_length - max_tokens, self.context_length // 2, 1)
        kept = trimmed(prompt, lambda turns: self.count_tokens(turns) <= room)
        if len(kept) < len(prompt):
            _logger.warning(
                "the conversation is longer than the context of %d tokens; its oldest %d messages "
                "are not read",
                self.context_length,
                len(prompt) - len(kept),
            )
        return kept

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

    def _question(self, prompt: Prompt, continuations: Sequence[str]) -> Question:
        tokenizer = self.tokenizer
        if isinstance(prompt, str):
            before = tokenizer.bos_ids or (() if prompt.strip() else (tokenizer.pad_id,))
            return pose(tokenizer, before, prompt, continuations)
        return Question(self.encode(prompt), [tokenizer.encode(text) for text in continuations])

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
