"""What a user may set for one generation: the one place that explains each setting.

``LLM.generate(prompt, **settings)`` and its siblings take these by name, checked by type checkers
(PEP 692) and, for a name or value that is wrong, in one sentence when called. Without torch, so
that the command line can check before it loads anything.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from autogpt.core.errors import ConfigError
from autogpt.inference import constraint
from autogpt.inference.constraint import Constraint
from autogpt.inference.params import SamplingParams

__all__ = [
    "DRY_BREAKERS",
    "ManySettings",
    "Settings",
    "changed_params",
    "check_settings",
    "constraint_of",
]

DRY_BREAKERS = ("\n", ":", '"', "*")
"""Where repetitions end by default, as in the original of DRY: lines, speakers, quotes, lists."""


class Settings(TypedDict, total=False):
    """The settings of a generation. Absent or None means: as the model's files say, or off.

    In this order: how much, how to choose, what is held against repetition, search in place of
    chance, what the text must match (one of four), what to report.

    Attributes:
        max_tokens: Most tokens to write, 1 or more; 256 by default. May exceed the model's
            context, then the oldest tokens are forgotten on the way.
        stop: The text ends before this string, or the first of these.
        stop_unless: A text that begins so is not ended by ``stop``, as a call of a function is not.
        stop_loops: End a text when its last tokens are the same phrase this many times in a row,
            2 or more; a text that must match something closes what is open.
        temperature: 0 is greedy, 1 the model's own distribution; 0.8 where the model says nothing.
        top_k: Choose among this many most likely tokens.
        top_p: Choose among the fewest tokens that hold this probability, above 0, up to 1.
        min_p: Drop tokens less likely than this fraction of the most likely one, 0 to 1.
        seed: Same seed, same text, on one machine.
        repetition_penalty: Above 1 makes tokens of the prompt and of the text less likely.
        presence_penalty: -2 to 2; above 0 makes tokens of the text less likely.
        frequency_penalty: -2 to 2; above 0 makes tokens of the text less likely with each time.
        dry_multiplier: Above 0, as 0.8, makes it less likely to go on repeating a phrase, and
            ever less the longer the repetition is ("don't repeat yourself", see ``penalties``).
        dry_base: What that penalty is multiplied by for each token of the repetition; 1.75.
        dry_allowed_length: Tokens that may be repeated at no cost; 2.
        dry_breakers: Strings that no repetition reaches across; default ``DRY_BREAKERS``.
        logit_bias: What to add to the logits of tokens, by id, -100 to 100.
        beams: Follow this many texts at once and return the likeliest; 1 is no search.
        length_penalty: A text's log likelihood is divided by its length to this power: 1 compares
            by token, more prefers longer texts; 1.
        json_schema: The text is JSON of this schema, given as a mapping or as text.
        regex: The text matches this regular expression, in Rust's syntax.
        choices: The text is one of these.
        grammar: The text matches ``start`` of this grammar, in Lark's syntax.
        watermark: Mark the text so that whoever has the key can tell that it was generated:
            "synthid" leaves the text as good as before, "kgw" is found in shorter texts.
        watermark_key: The secret that the mark follows from.
        logprobs: Report log probabilities of each token and of this many alternatives.
    """

    max_tokens: int | None
    stop: str | Sequence[str] | None
    stop_unless: str | None
    stop_loops: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    seed: int | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    dry_multiplier: float | None
    dry_base: float | None
    dry_allowed_length: int | None
    dry_breakers: Sequence[str] | None
    logit_bias: Mapping[int, float] | None
    beams: int | None
    length_penalty: float | None
    json_schema: Mapping[str, object] | bool | str | None
    regex: str | None
    choices: Sequence[str] | None
    grammar: str | None
    watermark: str | None
    watermark_key: str | None
    logprobs: int | None


class ManySettings(Settings, total=False):
    """``Settings``, and how many texts.

    Attributes:
        n: How many completions of each prompt, 1 by default; told apart by ``index``. With beams,
            that many of the best, best first.
    """

    n: int | None


_CONSTRAINTS: dict[str, Callable[[Any], Constraint]] = {
    "json_schema": constraint.json_schema,
    "regex": constraint.regex,
    "choices": constraint.choices,
    "grammar": constraint.lark,
}
_CHANCE = ("temperature", "top_k", "top_p", "min_p")
# Those that only mean something beside another.
_PARTS = {
    "dry_base": "dry_multiplier",
    "dry_allowed_length": "dry_multiplier",
    "dry_breakers": "dry_multiplier",
    "length_penalty": "beams",
    "watermark_key": "watermark",
}


def constraint_of(settings: ManySettings | Settings) -> Constraint | None:
    """Return what the text must match, checked.

    Raises:
        ConfigError: If it is wrong, or there is more than one.
    """
    values: Mapping[str, object] = settings
    given = {name: value for name in _CONSTRAINTS if (value := values.get(name)) is not None}
    if len(given) > 1:
        raise ConfigError(
            f"{' and '.join(given)} were both given.", hint="A text can match one of them."
        )
    return next((_CONSTRAINTS[name](value) for name, value in given.items()), None)


def changed_params(settings: ManySettings | Settings, defaults: SamplingParams) -> SamplingParams:
    """Return ``defaults`` with what is set; constraints and breakers are the caller's.

    Raises:
        ConfigError: If a name is unknown, a value out of its range, or two contradict each other.
    """
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    _check_names(given)
    _check_pairs(given)
    for name in (*_CONSTRAINTS, "dry_breakers"):
        given.pop(name, None)
    if "watermark" in given:
        from autogpt.inference.watermark import (
            Watermark,
        )  # with torch, so only where it is asked for

        key = given.pop("watermark_key", "")
        given["watermark"] = Watermark(method=given["watermark"], key=key)
    if "stop" in given:
        stop = given["stop"]
        given["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    if "logit_bias" in given:
        given["logit_bias"] = _pairs(given["logit_bias"])
    return replace(defaults, **given)


def check_settings(settings: ManySettings | Settings) -> None:
    """Raise what is wrong with the settings, whichever the model.

    Raises:
        ConfigError: As from the two functions above.
    """
    changed_params(settings, SamplingParams())
    constraint_of(settings)


def _check_names(given: Mapping[str, object]) -> None:
    known = ManySettings.__annotations__
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
            raise ConfigError(f"There is no setting {name!r}.", hint=hint)


def _check_pairs(given: Mapping[str, Any]) -> None:
    for name, other in _PARTS.items():
        if name in given and not given.get(other):
            raise ConfigError(f"{name} was given, but not {other}.", hint=f"Give {other}, too.")
    beams = given.get("beams", 1)
    if isinstance(beams, int) and beams > 1:
        ignored = [name for name in _CHANCE if given.get(name)]
        if ignored:
            raise ConfigError(
                f"{ignored[0]} was given, but beams leave nothing to chance.",
                hint="Leave one of the two out.",
            )


def _pairs(bias: object) -> tuple[tuple[int, float], ...]:
    if not isinstance(bias, Mapping):
        raise ConfigError(f"logit_bias is {bias!r}, expected token ids and what to add to each.")
    return tuple(bias.items())
