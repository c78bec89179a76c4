"""What a run gave: the result for scripts, the facts for model card and report."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import torch

from autogpt.core.config import to_mapping
from autogpt.evaluation.compressors import compressed_bits_per_byte
from autogpt.evaluation.curves import write_curves
from autogpt.evaluation.energy import EnergyEstimate
from autogpt.evaluation.report import Command, Decision, Outcome, RunReport, write_report
from autogpt.models.card_facts import (
    ArchitectureFacts,
    ModelFacts,
    ResultFacts,
    Sample,
    TokenizerFacts,
    TrainingFacts,
)
from autogpt.models.counting import flops_per_token
from autogpt.models.gpt import GPTConfig
from autogpt.recipe.folder import REPORT
from autogpt.recipe.prepare import Prepared
from autogpt.recipe.settings import Recipe
from autogpt.training import record

__all__ = [
    "TrainResult",
    "architecture_facts",
    "model_facts",
    "peak_rss_bytes",
    "provenance",
    "training_facts",
    "write_run_report",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """What a run gave; the fields of ``train --json``, and samples.

    ``wall_s`` is the whole run over all resumes, ``train_s`` the loop alone, ``compile_s`` what
    compiling took this time; losses are in nats per token.
    """

    run: str
    model: str
    parameters: int
    steps: int
    tokens: int
    wall_s: float
    train_s: float
    compile_s: float
    tokens_per_s: float
    val_loss: float
    val_bits_per_byte: float
    peak_rss_bytes: int
    samples: tuple[Sample, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields that scripts rely on."""
        values: dict[str, object] = {
            name: getattr(self, name) for name in self.__slots__ if name != "samples"
        }
        metrics = {"loss": self.val_loss, "bits_per_byte": self.val_bits_per_byte}
        return {**values, "metrics": metrics}


class Spent(Protocol):
    """What a finished run has spent, of whatever kind it was."""

    @property
    def steps(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def train_s(self) -> float: ...
    @property
    def wall_s(self) -> float: ...
    @property
    def tokens_per_s(self) -> float: ...
    @property
    def peak_rss_bytes(self) -> int: ...


def architecture_facts(config: GPTConfig, *, parameters: int, dtype: str) -> ArchitectureFacts:
    """Return what card and report say of a model's shape."""
    return ArchitectureFacts(
        family=config.model_type,
        parameters=parameters,
        layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        heads=config.num_attention_heads,
        key_value_heads=config.num_key_value_heads,
        context_length=config.max_position_embeddings,
        dtype=dtype,
    )


def training_facts(spent: Spent, *, method: str, energy: EnergyEstimate) -> TrainingFacts:
    """Return what card and report say of a training."""
    return TrainingFacts(
        steps=spent.steps,
        tokens=spent.tokens,
        train_s=spent.train_s,
        wall_s=spent.wall_s,
        tokens_per_s=spent.tokens_per_s,
        method=method,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        peak_memory_bytes=spent.peak_rss_bytes,
        energy_kwh=energy.kwh,
        energy_basis=energy.basis,
        co2_kg=energy.co2_kg,
        grams_per_kwh=energy.grams_per_kwh,
    )


def provenance(autogpt_version: str) -> dict[str, str]:
    """Return the versions that a run's report names."""
    return {
        "autogpt": autogpt_version,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def model_facts(
    result: TrainResult,
    prepared: Prepared,
    config: GPTConfig,
    recipe: Recipe,
    energy: EnergyEstimate,
) -> ModelFacts:
    """Gather what the model card and the report say of a finished run."""
    tokenizer, kernels = prepared.tokenizer, recipe.kernels
    matrices = "Muon and AdamW" if recipe.training.matrices == "muon" else "AdamW"
    compiled = ", compiled" if kernels.compile == "on" else ""
    return ModelFacts(
        name=Path(result.run).resolve().name,
        reference=result.run,
        corpus=prepared.corpus,
        tokenizer=TokenizerFacts(
            kind=prepared.tokenizer_config.kind,
            vocab_size=tokenizer.vocab_size,
            bytes_per_token=prepared.train.total_bytes / len(prepared.train),
        ),
        architecture=architecture_facts(config, parameters=result.parameters, dtype=kernels.dtype),
        training=training_facts(
            result,
            method=f"{matrices}, {kernels.dtype} with float32 masters{compiled}",
            energy=energy,
        ),
        result=ResultFacts(
            loss=result.val_loss,
            bits_per_byte=result.val_bits_per_byte,
            compressors=compressed_bits_per_byte(
                [tokenizer.decode(prepared.validation.tokens[: 1 << 20].tolist())]
            ),
        ),
        samples=result.samples,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        autogpt_version=version("autogpt-transformer"),
    )


def write_run_report(
    out: Path,
    facts: ModelFacts,
    recipe: Recipe,
    phases: Mapping[str, float],
    *,
    config: GPTConfig,
    outcomes: tuple[Outcome, ...] = (),
) -> None:
    """Write ``curves.png`` and ``report.html``.

    Raises:
        ResourceError: If the disk is full.
    """
    entries = record.read(out)
    write_curves(out / "curves.png", entries, title=facts.name)
    operations = flops_per_token(config, recipe.model.context_length)
    report = RunReport(
        facts=facts,
        measurements=entries,
        settings=to_mapping(recipe),
        phases_s=phases,
        outcomes=outcomes,
        decisions=_decisions(recipe),
        next_commands=(
            Command(command=f'autogpt generate {out} "Once"', purpose="continue a text"),
            Command(
                command="autogpt train my.txt --budget 10m --out runs/mine",
                purpose="train on your own file",
            ),
        ),
        provenance=provenance(facts.autogpt_version),
        flops_per_s=facts.training.tokens_per_s * operations,
    )
    write_report(out / REPORT, report)


def _decisions(recipe: Recipe) -> tuple[Decision, ...]:
    kernels = recipe.kernels
    return (
        Decision(
            setting="kernels.dtype",
            value=kernels.dtype,
            reason="the faster matrix product on this machine",
        ),
        Decision(
            setting="kernels.compile",
            value=kernels.compile,
            reason="whether the budget earns back what compiling takes here",
        ),
        Decision(
            setting="kernels.attention",
            value=kernels.attention,
            reason="the faster form at this length, measured or as known for it",
        ),
    )


def peak_rss_bytes() -> int:
    """Return the largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
