"""A loaded model as a thread beside the engine's own sees it: the same methods, other hands.

A task (``tasks``) calls ``generate``, ``classify`` and the like and waits for the answer. In the
engine process it does so in a thread of its own, and what it wants written becomes requests among
the others, so nobody's stream stands still for it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar, cast

from autogpt.core.errors import ConfigError
from autogpt.core.messages import Chunk, Prompt
from autogpt.inference.completion import StepOutput
from autogpt.inference.engine import Engine, Overflow
from autogpt.inference.likelihood import Question
from autogpt.inference.params import SamplingParams
from autogpt.llm import LLM
from autogpt.tasks.base import Likelihood

__all__ = ["Desk", "SharedModel"]

T = TypeVar("T")


class Desk(Protocol):
    """The thread that steps the engine, seen from another one."""

    def call(self, function: Callable[[], T]) -> T:
        """Run a function there between two steps, and return what it returns."""
        ...

    def submit(
        self, llm: LLM, token_ids: Sequence[int], params: SamplingParams, sink: Sink
    ) -> Callable[[], None]:
        """Let a prompt be answered; return what cancels it."""
        ...


Sink = Callable[[StepOutput], None]


class SharedModel(LLM):
    """A view of a model whose engine another thread steps. The rails are the model's own.

    Args:
        llm: The model.
        desk: That thread.
    """

    def __init__(self, llm: LLM, desk: Desk) -> None:
        self.__dict__.update(llm.__dict__)
        self._llm, self._desk = llm, desk
        self._engine = cast("Engine", _SharedEngine(llm, desk))

    def run(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        *,
        overflow: Overflow = "truncate",
        route: str | None = None,
        untrusted: bool = False,
    ) -> Iterator[Chunk]:
        """See :meth:`LLM.run`.

        Raises:
            ConfigError: If beams are asked for: they would keep the engine from all others.
        """
        if params.beams != 1:
            raise ConfigError("A server does not search with beams.", hint="Leave beams out.")
        return super().run(prompts, params, overflow=overflow, route=route, untrusted=untrusted)

    def score(self, questions: Sequence[Question]) -> list[list[Likelihood]]:
        """See :meth:`LLM.score`; a question at a time, so that others' steps come between."""
        return [self._desk.call(partial(self._llm.score, [asked]))[0] for asked in questions]


class _SharedEngine:
    """What a model wants of its engine, done by the thread that steps it."""

    def __init__(self, llm: LLM, desk: Desk) -> None:
        self._llm, self._desk = llm, desk
        self.context_length, self.vocab_size = llm.engine.context_length, llm.engine.vocab_size
        self.fit = llm.engine.fit

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams,
        *,
        overflow: Overflow = "truncate",
    ) -> Iterator[StepOutput]:
        """See ``Engine.generate``; ``fit`` has decided on the overflow already."""
        del overflow
        outputs: queue.SimpleQueue[StepOutput] = queue.SimpleQueue()
        left = len(prompts) * params.n
        cancels = [
            self._desk.submit(self._llm, ids, params, _numbered(place, params.n, outputs.put))
            for place, ids in enumerate(prompts)
        ]
        try:
            while left:
                output = outputs.get()
                if output.error is not None:
                    raise output.error
                left -= output.is_last
                yield output
        finally:
            for cancel in cancels:
                cancel()


def _numbered(place: int, n: int, put: Sink) -> Sink:
    return lambda output: put(output.renumbered(place, place * n + output.row))
