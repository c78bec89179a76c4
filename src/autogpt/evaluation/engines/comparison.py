"""Answers of engines side by side: the same tokens, and log probabilities within a tolerance.

A tolerance is what rounding should explain. They were chosen before measuring, but for that of
q8_0; what engines really differ by is in docs/engines.md (``benchmarks/engines.py``). Two tokens
may change places where they are less apart than the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autogpt.evaluation.engines.engine import Case, Engine, Top

__all__ = ["TOLERANCES", "EngineReport", "compare"]

Status = Literal["equal", "differs", "failed", "missing"]

TOLERANCES = {"float32": 1e-3, "f32": 5e-3, "f16": 2e-2, "bf16": 0.15, "q8_0": 0.6, "q4_0": 0.6}
"""Of log probabilities in nats, by how the weights are stored. llama.cpp rounds what it multiplies
f16 and bf16 weights with to their type, and for quantized ones to 8 bits: so q8_0 differs about as
much as q4_0 does (0.034 and 0.029 nats of a random model, 0.37 and 0.48 of smollm2-135m-instruct on
a Chinese text), and has the same tolerance. The file's own numbers are compared apart, as those of
the engine ``autogpt``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineReport:
    """What an engine made of a model, beside the reference.

    Attributes:
        engine: Its name.
        version: Of the engine.
        status: "missing" where it is not installed, "failed" where it does not run the model.
        reason: One sentence, where it is not "equal".
        same_tokens: Whether every prompt has the reference's tokens, the first of a text included.
        same_top: Whether the five likeliest agree, in order, up to ties.
        difference: The largest difference of log probabilities, in nats.
        tolerance: What was allowed.
    """

    engine: str
    version: str | None
    status: Status
    reason: str = ""
    same_tokens: bool | None = None
    same_top: bool | None = None
    difference: float | None = None
    tolerance: float | None = None

    @property
    def is_fine(self) -> bool:
        """Whether nothing speaks against the model."""
        return self.status in ("equal", "missing")


def compare(
    engine: Engine, cases: Sequence[Case], *, name: str, version: str | None, tolerance: float
) -> EngineReport:
    """Ask an engine, and compare with the reference's answers.

    Args:
        engine: The engine.
        cases: Prompts with the reference's answers.
        name: What the engine is called.
        version: Of the engine.
        tolerance: Of log probabilities, in nats.
    """
    reasons: list[str] = []
    same_tokens, same_top, worst = True, True, 0.0
    for case in cases:
        ids = engine.encode(case.prompt)
        if ids != list(case.token_ids):
            same_tokens = False
            reasons.append(_tokens_differ(case, ids))
        if not case.answers:
            continue
        answers = engine.expect(case.continued, len(case.answers))
        for place, (wanted, found) in enumerate(zip(case.answers, answers, strict=True)):
            gap = _largest_gap(wanted, found)
            if gap > worst:
                worst = gap
            if gap > tolerance:
                reasons.append(
                    f"after {place} tokens that follow {case.prompt[:24]!r}, log probabilities "
                    f"differ by {gap:.2g}, more than {tolerance:g}"
                )
            if not _same_order(wanted, found, tolerance):
                same_top = False
                reasons.append(
                    f"after {place} tokens that follow {case.prompt[:24]!r}, the likeliest tokens "
                    f"are {[one for one, _ in found]}, not {[one for one, _ in wanted]}"
                )
    return EngineReport(
        engine=name,
        version=version,
        status="differs" if reasons else "equal",
        reason=_sentence(reasons),
        same_tokens=same_tokens,
        same_top=same_top,
        difference=worst,
        tolerance=tolerance,
    )


def _sentence(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{reasons[0][:1].upper()}{reasons[0][1:]}{more}."


def _tokens_differ(case: Case, ids: Sequence[int]) -> str:
    wanted = list(case.token_ids)
    if ids and wanted and list(ids[1:]) == wanted:
        return f"a token ({ids[0]}) is put before a text that has none here"
    if wanted and list(ids) == wanted[1:]:
        return f"the token ({wanted[0]}) that begins a text is missing"
    pairs = zip(wanted, ids, strict=False)
    place = next(
        (i for i, (one, other) in enumerate(pairs) if one != other), min(len(ids), len(wanted))
    )
    return (
        f"{case.prompt[:24]!r} is cut into other tokens: from place {place} on "
        f"{list(ids[place : place + 4])}, not {wanted[place : place + 4]}"
    )


def _largest_gap(wanted: Top, found: Top) -> float:
    """Return the largest difference over the tokens that both name; infinite if none."""
    other = dict(found)
    gaps = [abs(logprob - other[token_id]) for token_id, logprob in wanted if token_id in other]
    return max(gaps, default=float("inf"))


def _same_order(wanted: Top, found: Top, tolerance: float) -> bool:
    """Whether the same tokens come in the same order, but for those that are nearly tied."""
    own = dict(wanted)
    least = wanted[-1][1]
    for (token_id, logprob), (other, _) in zip(wanted, found, strict=False):
        if token_id != other and abs(own.get(other, least) - logprob) > 2 * tolerance:
            return False
    return True
