"""A model that writes, for tests: what it says is a function of what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autogpt.core.messages import Completion, Prompt, Timing, Usage
from autogpt.tasks.asking import Form

Answer = Callable[[str], str]


class StandIn:
    """Answers by a function; remembers what it was asked.

    Args:
        answer: From the last question to the answer.
        parameters: How large it says it is.
        context_length: Words it sees, for ``count_tokens`` counts words and Han characters.
        answers_messages: Whether it has a chat template.
        form: How it was taught to be asked.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        parameters: int = 2_000_000_000,
        context_length: int = 4096,
        answers_messages: bool = True,
        form: Form | None = None,
    ) -> None:
        self._answer = answer
        self.parameters = parameters
        self.context_length = context_length
        self.answers_messages = answers_messages
        self.form = form
        self.asked: list[str] = []
        self.batches: list[int] = []
        self.settings: list[dict[str, object]] = []

    def count_tokens(self, prompt: Prompt) -> int:
        text = prompt if isinstance(prompt, str) else " ".join(m.content for m in prompt)
        return len(text.split()) + sum("\u4e00" <= letter <= "\u9fff" for letter in text)

    def write(self, prompts: Sequence[Prompt], **settings: object) -> list[Completion]:
        self.batches.append(len(prompts))
        self.settings.append(settings)
        rows = []
        for prompt in prompts:
            assert isinstance(prompt, str) != self.answers_messages
            question = prompt if isinstance(prompt, str) else prompt[-1].content
            self.asked.append(question)
            tokens = self.count_tokens(prompt)
            assert tokens <= self.context_length
            rows.append(
                Completion(
                    text=self._answer(question),
                    finish_reason="stop",
                    usage=Usage(prompt_tokens=tokens, completion_tokens=5),
                    timing=Timing(load_s=0.5, first_token_s=0.01, tokens_per_s=100.0),
                )
            )
        return rows
