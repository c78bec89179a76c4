"""What a task is, and what it needs of a model.

A :class:`Task` is all that the command line, the server, the studio and MCP know of a task: what it
is called, what goes in, which parameters there are, and ``run``. How it is done is a :class:`Job`,
which it makes of the parameters. A task sees a model through small protocols, so that it runs on a
loaded model, on one behind a server, or on a stand-in in a test. It knows nothing of tensors, of
files or of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from autogpt.core.errors import UsageError
from autogpt.core.examples import Pair
from autogpt.core.messages import Completion, Prompt
from autogpt.tasks.schema import Schema, check_inputs, check_parameters

if TYPE_CHECKING:
    from autogpt.tasks.asking import Form

__all__ = [
    "TEXT",
    "Job",
    "Likelihood",
    "Progress",
    "Result",
    "Scorer",
    "Task",
    "Teach",
    "Writer",
    "telling",
]

TEXT: Schema = {"type": "string", "description": "A text.", "description_zh": "一段文本。"}
"""What goes into most tasks."""

Progress = Callable[[float, str], None]
"""Told from time to time which share of the work is done, 0 to 1, and a few words on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Likelihood:
    """How likely a model finds a continuation.

    Attributes:
        logprob: Natural logarithm of its probability, summed over its tokens.
        tokens: How many they are.
        greedy: Whether each of them is the most likely one in its place.
        prompt_tokens: Tokens of the prompt that it follows.
    """

    logprob: float
    tokens: int
    greedy: bool
    prompt_tokens: int = 0


@runtime_checkable
class Scorer(Protocol):
    """A model that says how likely a text is."""

    def likelihoods(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        """Return how likely each continuation of each prompt is; batched, a prompt is read once."""
        ...


@runtime_checkable
class Writer(Protocol):
    """A model that writes."""

    @property
    def answers_messages(self) -> bool:
        """Whether it takes messages, and not only text to continue."""
        ...

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        ...

    @property
    def context_length(self) -> int:
        """How many tokens it sees at once."""
        ...

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens a prompt takes."""
        ...

    def write(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int = ...,
        temperature: float | None = ...,
        beams: int | None = ...,
        stop: Sequence[str] = ...,
        stop_loops: int | None = ...,
        seed: int | None = ...,
        route: str | None = ...,
    ) -> list[Completion]:
        """Write one text for each prompt, in one batch.

        ``route`` is "task" where prompts hold documents, whose instructions are for nobody.
        """
        ...


class Result(Protocol):
    """What came of one input."""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, as ``--json`` shows it."""
        ...


class Job(Protocol):
    """A task with its settings."""

    def run(
        self,
        model: Any,  # noqa: ANN401 - whatever has the methods
        inputs: Sequence[Any],
        progress: Progress | None = None,
    ) -> Iterator[Result]:
        """Yield what comes of each input, in order.

        Raises:
            UsageError: If the model cannot do it.
        """
        ...


class Teach(Protocol):
    """Chooses the words in which a task is taught."""

    def __call__(self, pairs: Sequence[Pair], *, new: bool) -> Form:
        """Return them.

        Args:
            pairs: What is taught.
            new: Whether the model knows nothing yet, so that words would tell it nothing.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What everyone who offers a task needs of it.

    Attributes:
        name: As in ``TASKS``.
        about: What it does, in a line, in English.
        about_zh: The same in Chinese.
        input: JSON Schema of one input.
        parameters: JSON Schema of the parameters, an object; its properties carry ``description``,
            ``description_zh`` and, where there is one, ``default``.
        result: JSON Schema of what comes of one input.
        needs: Which model: the ``default`` one will do, one has to be ``trained`` for it, or it
            works with ``none``.
        prepare: Makes the job of parameters, by name.
        teach: Returns the words in which pairs of a text and its answer are taught, and with which
            the model is asked later; None where it is taught in another way.
    """

    name: str
    about: str
    about_zh: str
    input: Schema
    parameters: Schema
    result: Schema
    needs: Literal["default", "trained", "none"]
    prepare: Callable[..., Job]
    teach: Teach | None = None

    def job(self, parameters: Mapping[str, object] | None = None) -> Job:
        """Return the job with these parameters; None counts as not given.

        Raises:
            UsageError: If a parameter is unknown or wrong; names the nearest one.
        """
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        check_parameters(self.name, self.parameters, given)
        return self.prepare(**given)

    def run(
        self,
        llm: object | None,
        inputs: Sequence[object],
        *,
        progress: Progress | None = None,
        **parameters: object,
    ) -> Iterator[dict[str, object]]:
        """Check everything now, and return an iterator over what comes of each input, in order.

        Args:
            llm: What ``llm.load`` gave, or anything with the methods that the task needs; None
                where it needs no model.
            inputs: As ``input`` says; they are batched.
            progress: Told how far it is.
            parameters: As ``parameters`` says.

        Raises:
            UsageError: If an input or a parameter is wrong, or the model cannot do it.
        """
        job = self.job(parameters)
        check_inputs(self.name, self.input, inputs)
        if llm is None and self.needs != "none":
            raise UsageError(f"The task {self.name!r} needs a model.", hint="Name one.")
        return (result.to_dict() for result in job.run(llm, inputs, progress))

    def to_dict(self) -> dict[str, object]:
        """Return what a form, a menu or a tool list shows."""
        return {
            "name": self.name,
            "about": self.about,
            "about_zh": self.about_zh,
            "input": self.input,
            "parameters": self.parameters,
            "result": self.result,
            "needs": self.needs,
        }


Answer = TypeVar("Answer")


def telling(answers: Iterator[Answer], total: int, progress: Progress | None) -> Iterator[Answer]:
    """Yield answers, and tell how many of ``total`` there were."""
    for count, answer in enumerate(answers, 1):
        yield answer
        if progress is not None:
            progress(count / total, f"{count} of {total}")
