"""The settings of one generation, checked: how to choose tokens, and when to end.

Values only, without torch, so that a wrong one is told before anything heavy is loaded. What a
user types is ``settings.Settings``, where every setting is explained; this is what it becomes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autogpt.core.errors import ConfigError

if TYPE_CHECKING:
    from autogpt.inference.grammar import Grammar
    from autogpt.inference.watermark import Watermark

__all__ = ["SamplingParams"]

# More beams than this cost memory and time, and make worse texts rather than better ones
# (Koehn and Knowles 2017, "Six Challenges for Neural Machine Translation", section 3.6).
_MAX_BEAMS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingParams:
    """How to choose tokens, and when to end: ``Settings`` after the model has had its say.

    Attributes:
        max_tokens: As in ``Settings``, like all that are not explained here.
        temperature: Between greedy, 0, and the model's own distribution, 1.
        top_k: None for all tokens.
        top_p: None for all tokens.
        min_p: None for all tokens.
        repetition_penalty: 1 for none.
        presence_penalty: 0 for none.
        frequency_penalty: 0 for none.
        logit_bias: Pairs of a token id and what is added to its logit.
        dry_multiplier: 0 for none.
        dry_base: How steeply the penalty rises.
        dry_allowed_length: What may be repeated for nothing.
        dry_breaker_ids: Tokens that no repetition reaches across.
        seed: None draws one from the system.
        n: How many completions of each prompt; of beams, how many of the best.
        beams: 1 samples; more search.
        length_penalty: Exponent of the length in a beam's score.
        stop: The text ends before any of these strings.
        stop_unless: A text that begins so is not ended by them, as a call of a function is not.
        stop_loops: None never ends a text for repeating itself.
        logprobs: None reports nothing.
        constraint: What the text must match, compiled for the model's tokenizer.
        watermark: How the text is marked; None does not mark it.

    Raises:
        ConfigError: If a value is out of its range, or contradicts another.
    """

    max_tokens: int = 256
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_breaker_ids: frozenset[int] = frozenset()
    seed: int | None = None
    n: int = 1
    beams: int = 1
    length_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    stop_unless: str = ""
    stop_loops: int | None = None
    logprobs: int | None = None
    constraint: Grammar | None = None
    watermark: Watermark | None = None

    def __post_init__(self) -> None:
        for name, least in _COUNTS.items():
            _check_count(name, getattr(self, name), least=least)
        for name, (floor, above, most) in _NUMBERS.items():
            _check_number(name, getattr(self, name), least=floor, above=above, most=most)
        for token_id, bias in self.logit_bias:
            _check_count("a token id of logit_bias", token_id, least=0)
            _check_number(f"logit_bias of token {token_id}", bias, least=-100.0, most=100.0)
        if any(not isinstance(text, str) or not text for text in self.stop):
            raise ConfigError(f"stop is {self.stop!r}, expected strings of one character or more.")
        self._check_beams()
        if self.constraint is not None:
            self._check_constraint(self.constraint)

    def _check_beams(self) -> None:
        if self.beams > _MAX_BEAMS:
            raise ConfigError(f"beams is {self.beams}, expected at most {_MAX_BEAMS}.")
        if self.beams > 1 and self.watermark is not None:
            raise ConfigError(
                "A search with beams leaves no choice that could carry a watermark.",
                hint="Leave beams or watermark out.",
            )
        if 1 < self.beams < self.n:
            raise ConfigError(
                f"n is {self.n}, but a search with {self.beams} beams ends with that many texts.",
                hint="Ask for as many beams as texts, or more.",
            )

    def _check_constraint(self, grammar: Grammar) -> None:
        if self.stop and not self.stop_unless:
            raise ConfigError(
                f"stop would cut a text that must match {grammar.name} short.",
                hint="Leave one of the two out.",
            )
        needed = len(grammar.shortest)
        if self.max_tokens < needed:
            raise ConfigError(
                f"max_tokens is {self.max_tokens}, but the shortest text found that matches "
                f"{grammar.name} takes {needed} tokens.",
                hint=f"Allow {needed} or more.",
            )


# name -> the least value; None is allowed where it is the default
_COUNTS = {
    "max_tokens": 1,
    "top_k": 1,
    "dry_allowed_length": 1,
    "seed": 0,
    "n": 1,
    "beams": 1,
    "stop_loops": 2,
    "logprobs": 0,
}
# name -> (of this or more, above this, up to this)
_NUMBERS: dict[str, tuple[float | None, float | None, float | None]] = {
    "temperature": (0.0, None, None),
    "top_p": (None, 0.0, 1.0),
    "min_p": (0.0, None, 1.0),
    "repetition_penalty": (None, 0.0, None),
    "presence_penalty": (-2.0, None, 2.0),
    "frequency_penalty": (-2.0, None, 2.0),
    "dry_multiplier": (0.0, None, None),
    "dry_base": (1.0, None, None),
    "length_penalty": (None, None, None),
}
_OPTIONAL = ("top_k", "top_p", "min_p", "seed", "stop_loops", "logprobs")


def _check_count(name: str, value: int | None, *, least: int) -> None:
    if value is None and name in _OPTIONAL:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number of {least} or more.")


def _check_number(
    name: str,
    value: float | None,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> None:
    if value is None and name in _OPTIONAL:
        return
    inside = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
    )
    if not inside:
        wanted = [
            f"of {least:g} or more" if least is not None else "",
            f"above {above:g}" if above is not None else "",
            f"up to {most:g}" if most is not None else "",
        ]
        expected = " ".join(["a number", ", ".join(filter(None, wanted))]).strip()
        raise ConfigError(f"{name} is {value!r}, expected {expected}.")
