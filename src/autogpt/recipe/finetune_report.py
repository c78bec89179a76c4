"""What a fine-tuning run gave: the result for scripts, the model card and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from autogpt.core.config import to_mapping
from autogpt.core.examples import Observed
from autogpt.core.files import write_text
from autogpt.core.units import format_bytes, format_duration
from autogpt.data.checks import written
from autogpt.evaluation.curves import write_curves
from autogpt.evaluation.energy import EnergyEstimate
from autogpt.evaluation.report import Command, Outcome, RunReport, write_report
from autogpt.models.card import model_card
from autogpt.models.card_facts import (
    ArchitectureFacts,
    CorpusFacts,
    ModelFacts,
    ResultFacts,
    TokenizerFacts,
)
from autogpt.recipe import folder
from autogpt.recipe.gathering import Gathered
from autogpt.recipe.result import provenance, training_facts
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.training import record

__all__ = ["FinetuneResult", "Told", "write_reports"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneResult:
    """What a run gave; the fields of ``finetune --json``.

    ``adapter`` is the adapter's folder, of LoRA; ``learning`` counts the weights that learned,
    ``parameters`` all of the model. ``val_loss`` and ``val_bits_per_byte`` are of the best weights,
    after ``best_step``. ``tokens`` leave padding out.
    """

    run: str
    model: str
    adapter: str | None
    parameters: int
    learning: int
    steps: int
    best_step: int
    tokens: int
    epochs: float
    wall_s: float
    train_s: float
    compile_s: float
    tokens_per_s: float
    val_loss: float
    val_bits_per_byte: float | None
    last_val_loss: float
    peak_rss_bytes: int
    metrics: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields that scripts rely on."""
        values: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        metrics: dict[str, object] = {"loss": self.val_loss}
        if self.val_bits_per_byte is not None:
            metrics["bits_per_byte"] = self.val_bits_per_byte
        return {**values, "metrics": {**metrics, **self.metrics}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """All that card and report are made of.

    Attributes:
        out: The run folder.
        result: What the run gave.
        recipe: Everything that was decided.
        gathered: The examples.
        tokens: Of training, in an epoch.
        validation_tokens: Of validation.
        tokenizer: Its kind and its size.
        architecture: The shape of the model.
        method: How it was trained, in a few words.
        energy: What it took.
        phases: Seconds of each part of the run.
        forecast: What was expected.
        encoder: The model that listens or reads for it, if one does.
    """

    out: Path
    result: FinetuneResult
    recipe: FinetuneRecipe
    gathered: Gathered
    tokens: int
    validation_tokens: int
    tokenizer: tuple[str, int]
    architecture: ArchitectureFacts
    method: str
    energy: EnergyEstimate
    phases: Mapping[str, float]
    forecast: Mapping[str, Any]
    encoder: str = ""


def write_reports(told: Told) -> None:
    """Write the model card, ``curves.png`` and ``report.html``.

    Raises:
        ResourceError: If the disk is full.
    """
    facts, out = _facts(told), told.out
    write_text(out / folder.MODEL / "README.md", model_card(facts))
    entries = record.read(out)
    write_curves(out / "curves.png", entries, title=facts.name)
    report = RunReport(
        facts=facts,
        measurements=entries,
        settings=to_mapping(told.recipe),
        phases_s=told.phases,
        outcomes=_outcomes(told),
        next_commands=(
            _use(told),
            Command(command=f"autogpt models show {out}", purpose="see what it is"),
        ),
        provenance=provenance(facts.autogpt_version),
    )
    write_report(out / folder.REPORT, report)


def _use(told: Told) -> Command:
    """Return the command that uses what was taught."""
    out = told.out
    commands = {
        "classify": (f'autogpt classify --model {out} "..."', "label a text"),
        "tag": (f'autogpt tag --model {out} "..."', "find entities in a text"),
        "recognize": (f"autogpt recognize --model {out} FILE", "label a file"),
        "transcribe": (f"autogpt transcribe --model {out} FILE", "write down what is said"),
    }
    usual = (f'autogpt generate {out} "..."', "let it write")
    command, purpose = commands.get(told.recipe.finetune.task, usual)
    return Command(command=command, purpose=purpose)


def _facts(told: Told) -> ModelFacts:
    result, recipe = told.result, told.recipe
    train_bytes, held_bytes = (
        sum(len(written(e).encode("utf-8", "surrogatepass")) for e in examples)
        for examples in (told.gathered.train, told.gathered.validation)
    )
    reading = told.gathered.report.reading
    kind, vocab_size = told.tokenizer
    return ModelFacts(
        name=told.out.resolve().name,
        reference=str(told.out),
        base="" if recipe.finetune.base == "new" else recipe.finetune.base,
        task=recipe.finetune.task,
        medium=next((e.medium for e in told.gathered.train if isinstance(e, Observed)), ""),
        encoder=told.encoder,
        corpus=CorpusFacts(
            sources=tuple(Path(name).name or name for name in told.gathered.sources),
            documents=len(told.gathered.train) + len(told.gathered.validation),
            size_bytes=train_bytes + held_bytes,
            train_documents=len(told.gathered.train),
            train_bytes=train_bytes,
            train_tokens=told.tokens,
            validation_documents=len(told.gathered.validation),
            validation_bytes=held_bytes,
            validation_tokens=told.validation_tokens,
            files=reading.files,
            encodings=dict(reading.encodings),
            skipped=reading.skipped_count,
            skipped_examples=tuple(reading.skipped),
        ),
        tokenizer=TokenizerFacts(
            kind=kind, vocab_size=vocab_size, bytes_per_token=train_bytes / max(1, told.tokens)
        ),
        architecture=told.architecture,
        training=training_facts(result, method=told.method, energy=told.energy),
        result=ResultFacts(
            loss=result.val_loss, bits_per_byte=result.val_bits_per_byte, metrics=result.metrics
        ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        autogpt_version=version("autogpt-transformer"),
    )


def _outcomes(told: Told) -> tuple[Outcome, ...]:
    expected, result = told.forecast, told.result
    wall, memory = float(expected["wall_s"]), int(expected["peak_memory_bytes"])
    return (
        Outcome(
            name="Time in all",
            planned=format_duration(wall),
            expected="",
            happened=format_duration(result.wall_s),
            kept=result.wall_s <= 1.1 * wall,
        ),
        Outcome(
            name="Peak memory",
            planned=format_bytes(memory),
            expected="",
            happened=format_bytes(result.peak_rss_bytes),
            kept=result.peak_rss_bytes <= 1.1 * memory,
        ),
    )
