"""What a task is, and what it needs of a model.

A task sees a model through a small protocol, so that it runs on a loaded model, on one behind a
server, or on a stand-in in a test. It knows nothing of tensors, of files or of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from autogpt.core.examples import Example
from autogpt.core.messages import Message, Prompt

__all__ = ["Likelihood", "Scorer", "Task"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Likelihood:
    """How likely a model finds a continuation.

    Attributes:
        logprob: Natural logarithm of its probability, summed over its tokens.
        tokens: How many they are.
        greedy: Whether each of them is the most likely one in its place.
    """

    logprob: float
    tokens: int
    greedy: bool


class Scorer(Protocol):
    """A model that says how likely a text is."""

    def likelihoods(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        """Return how likely each continuation of each prompt is; batched, a prompt is read once."""
        ...


Text = TypeVar("Text", contravariant=True)
Model = TypeVar("Model", contravariant=True)
Result = TypeVar("Result", covariant=True)


class Task(Protocol[Model, Text, Result]):
    """One task with its settings.

    Attributes:
        name: As in ``TASKS``.
    """

    name: str

    def run(self, model: Model, texts: Sequence[Text]) -> Iterator[Result]:
        """Yield the answer for each text, in order."""
        ...

    def lesson(self, example: Example) -> Sequence[Message]:
        """Return the conversation that teaches an example; its last turn is what is learned.

        Raises:
            UsageError: If the example is of another kind.
        """
        ...
