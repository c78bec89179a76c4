"""A plan for people and for scripts: one page, ``plan.json``, and forecast beside outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from autogpt.core.config import from_mapping
from autogpt.core.files import read_json, write_json
from autogpt.core.units import format_bytes, format_count, format_duration
from autogpt.evaluation.report import Outcome
from autogpt.recipe.result import TrainResult
from autogpt.training.plan import Alternative, Forecast, Plan
from autogpt.training.scaling import Corpus

__all__ = ["PLAN", "outcomes", "page", "save_plan", "to_plain", "words"]

PLAN = "plan.json"

_JSON_ORDER = (
    *("budget", "budget_s", "model", "parameters", "tokens", "steps", "epochs", "predicted"),
    *("alternatives", "training"),
)
_MEMORY_OFF = 0.15  # how far the forecast of memory may be off
_TOKENS_OFF = 0.15  # and that of tokens, which follows the speed of the machine
# What models of so many bits a byte of held-out text wrote in our runs (docs/log.md).
_WORDS = (
    (1.3, "It should write fluent text on the topics of the corpus and keep to a subject for a "
    "paragraph. It does not know facts reliably and does not follow instructions."),
    (1.7, "It should write grammatical sentences in the style of the corpus, and lose the thread "
    "after one or two. It does not know facts and does not follow instructions."),
    (2.1, "It should write in the form and the words of the corpus, with sentences that often make "
    "no sense. It can fill in, rank and complete short phrases; it cannot answer questions."),
    (float("inf"), "It should learn spelling, frequent words and the look of the text, not more."),
)  # fmt: skip


def to_plain(chosen: Plan) -> dict[str, object]:
    """Return the plan as plain values for JSON."""
    values = asdict(chosen)
    return {name: values[name] for name in _JSON_ORDER}


def save_plan(out: Path, chosen: Plan, corpus: Corpus) -> None:
    """Write ``plan.json``: the plan, and what it knew of the text."""
    write_json(out / PLAN, {**to_plain(chosen), "corpus": asdict(corpus)})


def outcomes(out: Path, result: TrainResult, energy_kwh: float) -> tuple[Outcome, ...]:
    """Return the plan that is kept in a run folder beside what happened; nothing without a plan."""
    if not (out / PLAN).exists():
        return ()
    kept = read_json(out / PLAN)
    said = {name: value for name, value in kept["predicted"].items() if value is not None}
    seen = from_mapping(Forecast, said)
    memory = (
        seen.peak_memory_bytes * (1 - _MEMORY_OFF),
        seen.peak_memory_bytes * (1 + _MEMORY_OFF),
    )
    tokens, planned_tokens = result.tokens, int(kept["tokens"])
    near = (planned_tokens * (1 - _TOKENS_OFF), planned_tokens * (1 + _TOKENS_OFF))
    energy = (seen.energy_kwh / 3, seen.energy_kwh * 2)  # see evaluation.energy
    bits = (seen.bits_per_byte_low, seen.bits_per_byte_high)
    return (
        _outcome(
            "Wall time", format_duration, seen.wall_s, result.wall_s,
            (seen.wall_s_low, seen.wall_s_high),
        ),
        _outcome("Tokens seen", format_count, planned_tokens, tokens, near),
        _outcome(
            "Peak memory", format_bytes, seen.peak_memory_bytes, result.peak_rss_bytes, memory
        ),
        _outcome(
            "Loss", "{:.3f}".format, seen.loss, result.val_loss, (seen.loss_low, seen.loss_high)
        ),
        _outcome(
            "Bits per byte", "{:.3f}".format, seen.bits_per_byte, result.val_bits_per_byte, bits
        ),
        _outcome("Energy", lambda kwh: f"{kwh * 1000:.2g} Wh", seen.energy_kwh, energy_kwh, energy),
    )  # fmt: skip


def _outcome(
    name: str,
    shown: Callable[[float], str],
    planned: float,
    happened: float,
    within: tuple[float, float],
) -> Outcome:
    return Outcome(
        name=name,
        planned=shown(planned),
        expected=f"{shown(within[0])} to {shown(within[1])}",
        happened=shown(happened),
        kept=within[0] <= happened <= within[1],
    )


def page(chosen: Plan, corpus: Corpus) -> str:
    """Return the plan on one page, for people."""
    model, seen, rates = chosen.model, chosen.predicted, chosen.training
    return "\n".join(
        (
            f"Plan for {chosen.budget}",
            f"  model     {format_count(chosen.parameters)} parameters: {model.num_hidden_layers} "
            f"layers of width {model.hidden_size}, {model.num_attention_heads} heads, vocabulary "
            f"{model.vocab_size:,}, context {model.max_position_embeddings}",
            f"  training  {format_count(chosen.tokens)} tokens in {chosen.steps:,} steps, each "
            f"token of the text seen {chosen.epochs:.1f} times; learning rates {rates.muon_lr:g} "
            f"(Muon) and {rates.lr:g} (AdamW), weight decay {rates.weight_decay:g}",
            *_forecast_lines(seen, _shorter(chosen)),
            f"  for this text, counting {format_count(corpus.train_tokens)} tokens alone gives "
            f"{corpus.bits_per_byte(corpus.ngram_loss):.2f} bits per byte",
            *_alternative_lines(chosen.alternatives),
            f"  {words(seen.bits_per_byte)}",
        )
    )


def words(bits_per_byte: float) -> str:
    """Return what a model of that quality can and cannot do."""
    return next(text for below, text in _WORDS if bits_per_byte < below)


def _forecast_lines(seen: Forecast, why_shorter: Iterable[str]) -> tuple[str, ...]:
    cost = "" if seen.cost is None else f", cost {seen.cost:.2f}"
    return (
        f"  time      {format_duration(seen.wall_s)} "
        f"({format_duration(seen.wall_s_low)} to {format_duration(seen.wall_s_high)})",
        *why_shorter,
        f"  memory    {format_bytes(seen.peak_memory_bytes)} at most",
        f"  energy    {seen.energy_kwh:.4f} kWh, as assumed for these cores (a third to twice as "
        f"much){cost}",
        f"  quality   {seen.bits_per_byte:.3f} bits per byte ({seen.bits_per_byte_low:.3f} to "
        f"{seen.bits_per_byte_high:.3f}), loss {seen.loss:.3f} ({seen.loss_low:.3f} to "
        f"{seen.loss_high:.3f})",
    )


def _shorter(chosen: Plan) -> Iterator[str]:
    if chosen.budget_s is not None and chosen.predicted.wall_s < chosen.budget_s:
        yield (
            f"            less than {format_duration(chosen.budget_s)}: {chosen.epochs:.0f} passes "
            "teach this text, more would teach it by heart; more text could use more time"
        )


def _alternative_lines(others: tuple[Alternative, ...]) -> Iterator[str]:
    if others:
        yield "  nearest alternatives"
    for other in others:
        yield (
            f"            {format_count(other.parameters)} ({other.num_hidden_layers} x "
            f"{other.hidden_size}) on {format_count(other.tokens)} tokens: "
            f"{other.bits_per_byte:.3f} bits per byte"
        )
