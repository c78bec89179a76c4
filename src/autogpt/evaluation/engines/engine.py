"""What an engine has to answer: which tokens a text is, and what it expects after them.

An engine is asked with token ids and not with text, so that a difference in how text is cut is
told apart from a difference in what is computed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from autogpt.evaluation.engines import ENGINES

__all__ = [
    "PROMPTS",
    "Case",
    "Engine",
    "EngineModule",
    "Format",
    "Top",
    "make_cases",
    "open_module",
    "top_of",
]

Format = Literal["hf", "gguf", "onnx", "tensorflow"]

TOP = 5
_GREEDY = 5

PROMPTS = (
    "The first thing she saw in the morning was",
    "学而时习之，不亦说乎？有朋自远方来，",
    "🌍🚀 Emoji: 👩‍👩‍👧‍👦 ❤️ ok",
    "1234567 + 89 = 3.14159, in 2026-11-30",
    "  spaces\n\nand\tlines\r\n    of code(x, y=[1, 2]):",
)
"""English, Chinese, emoji, digits, and the spaces on which tokenizers differ."""

Top = tuple[tuple[int, float], ...]
"""The likeliest next tokens and their log probabilities, best first."""


class Engine(Protocol):
    """A model that is open in an engine."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, with the one that begins every text if there is one."""
        ...

    def expect(self, token_ids: Sequence[int], last: int) -> list[Top]:
        """Return what is expected after each of the ``last`` longest beginnings of a text.

        The first is the text without its last ``last`` - 1 tokens, the last one the whole text.
        """
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class EngineModule(Protocol):
    """The members of an engine's module."""

    FORMATS: tuple[Format, ...]
    """The formats that it runs."""

    def version(self) -> str | None:
        """Return the installed version, None if it is not installed."""

    def open_engine(self, path: Path) -> Engine:
        """Open a model; any error is told as the reason why it does not run there."""


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt and the reference's answers.

    Attributes:
        prompt: The text.
        token_ids: Its tokens.
        continued: These, and the reference's own greedy continuation.
        answers: What the reference expects after each beginning, from the prompt's end on.
    """

    prompt: str
    token_ids: tuple[int, ...]
    continued: tuple[int, ...]
    answers: tuple[Top, ...]


def open_module(name: str) -> EngineModule:
    """Return the module of an engine."""
    return cast("EngineModule", importlib.import_module(ENGINES[name]))


def make_cases(
    reference: Engine, prompts: Iterable[str] = PROMPTS, *, most_tokens: int
) -> list[Case]:
    """Ask the reference.

    Args:
        reference: Whose answers the others are compared with.
        prompts: Texts.
        most_tokens: Of a text with its continuation: the model's context.
    """
    cases = []
    for prompt in prompts:
        ids = reference.encode(prompt)
        continued = list(ids[: most_tokens - 1])
        answers = [reference.expect(continued, 1)[0]] if continued else []
        for _ in range(min(_GREEDY, most_tokens - len(continued))):
            continued.append(answers[-1][0][0])
            answers.append(reference.expect(continued, 1)[0])
        if len(continued) > 1 and len(ids) < most_tokens:
            # Once more in one go: with a cache, token by token, must be the same.
            answers = reference.expect(continued, len(answers))
        cases.append(Case(prompt, tuple(ids), tuple(continued), tuple(answers)))
    return cases


def top_of(logits: npt.NDArray[np.floating]) -> Top:
    """Return the likeliest tokens of scores ``[V]``."""
    wide = np.asarray(logits, dtype=np.float64)
    wide = wide - wide.max()
    logprobs = wide - np.log(np.exp(wide).sum())
    best = np.argpartition(-logprobs, min(TOP, len(logprobs) - 1))[:TOP]
    best = best[np.lexsort((best, -logprobs[best]))]
    return tuple((int(token_id), float(logprobs[token_id])) for token_id in best)
