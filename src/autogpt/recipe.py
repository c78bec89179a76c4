"""The pipeline, read top to bottom: read > clean > tokenize > train > evaluate > save > report."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch

from autogpt.core.config import dump_toml, from_mapping, merge, to_mapping
from autogpt.core.errors import DataError, RunError
from autogpt.core.files import explain_os_errors, write_text
from autogpt.core.units import format_count, format_duration
from autogpt.data import shards
from autogpt.data.batches import Batches
from autogpt.data.clean import CleanConfig, CleanResult, clean
from autogpt.data.readers import Document, ReadConfig, ReadReport, read
from autogpt.evaluation.compressors import compressed_bits_per_byte
from autogpt.evaluation.curves import write_curves
from autogpt.evaluation.energy import EnergyEstimate, EnergyMeter
from autogpt.evaluation.report import Command, RunReport, write_report
from autogpt.llm import LLM, load
from autogpt.models.card import (
    ArchitectureFacts,
    CorpusFacts,
    ModelFacts,
    Removal,
    ResultFacts,
    Sample,
    TokenizerFacts,
    TrainingFacts,
    model_card,
)
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig, parameter_count
from autogpt.models.presets import ModelConfig, build_config
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.bpe import train as train_tokenizer
from autogpt.tokenizer.training import TokenizerConfig
from autogpt.training import record
from autogpt.training.trainer import Outcome, TrainingConfig, evaluate, train_model

__all__ = ["QUICKSTART_SETTINGS", "Recipe", "TrainResult", "quickstart", "train"]

_RESERVE = 0.06  # of the budget: evaluation, export and report after the loop
_SAMPLES = 3
_PROMPT_TOKENS = 8
_QUICKSTART_PROMPTS = ("KING:\n", "What is ", "My lord, ", "子曰：", "學而", "君不見")
QUICKSTART_SETTINGS: dict[str, object] = {
    "training": {"budget": "2m"},
    "model": {"preset": "tiny", "context_length": 128},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Every setting of a run, by room."""

    seed: int = 0
    read: ReadConfig = field(default_factory=ReadConfig)
    clean: CleanConfig = field(default_factory=CleanConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """What a run gave; the fields of ``train --json``, and samples.

    ``wall_s`` is the whole run, ``train_s`` the loop alone; losses are in nats per token.
    """

    run: str
    model: str
    parameters: int
    steps: int
    tokens: int
    wall_s: float
    train_s: float
    tokens_per_s: float
    val_loss: float
    val_bits_per_byte: float
    peak_rss_bytes: int
    completed: bool
    samples: tuple[Sample, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields that scripts rely on."""
        values: dict[str, object] = {
            name: getattr(self, name) for name in self.__slots__ if name != "samples"
        }
        return {**values, "metrics": {"bits_per_byte": self.val_bits_per_byte}}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    cleaned: CleanResult
    read: ReadReport
    tokenizer: Tokenizer
    train: shards.TokenShard
    validation: shards.TokenShard


def train(
    sources: str | Sequence[str],
    *,
    out: Path | str,
    settings: Mapping[str, object] | None = None,
    budget: str | None = None,
    prompts: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> TrainResult:
    """Train a model from nothing on ``sources``, within a budget, into the run folder ``out``.

    Args:
        sources: Files, folders, globs, ``-``, ``hf:NAME[:split]``.
        out: A folder that does not hold a run yet.
        settings: Nested settings of :class:`Recipe`.
        budget: Short for the setting ``training.budget``.
        prompts: Begin the samples; by default beginnings of held-out text do.
        say: Told in a line what happens.

    Raises:
        AutoGPTError: In one sentence, whatever the user can mend.
    """
    begin = time.perf_counter()
    sources = [sources] if isinstance(sources, str) else list(sources)
    given = merge(settings or {}, {"training": {"budget": budget}} if budget else {})
    recipe = _decide(from_mapping(Recipe, given))
    out = Path(out)
    source_report = ReadReport()
    documents = read(sources, recipe.read, report=source_report)  # checks them, reads later
    with _claimed(out), record.Record.open(out) as log:
        torch.manual_seed(recipe.seed)
        meter = EnergyMeter()
        meter.start()
        phases: dict[str, float] = {}
        prepared = _prepare(documents, source_report, recipe, out / "data", phases, say)
        model = GPT(_architecture(recipe, prepared.tokenizer))
        write_text(out / "recipe.toml", dump_toml(to_mapping(recipe)))
        say(
            f"training {format_count(parameter_count(model.config))} parameters on "
            f"{format_count(len(prepared.train))} tokens"
        )
        outcome = _loop(model, prepared.train, recipe, log, begin, say)
        phases["train"] = outcome.train_s
        mark = time.perf_counter()
        loss, bits = evaluate(
            model, prepared.validation, context_length=recipe.model.context_length
        )
        phases["evaluate"] = time.perf_counter() - mark
        elapsed = time.perf_counter() - begin
        log.log(
            record.Entry(
                kind="validation",
                step=outcome.steps,
                tokens=outcome.tokens,
                elapsed_s=elapsed,
                loss=loss,
                bits_per_byte=bits,
            )
        )
        say(f"validation loss {loss:.4f}, {bits:.4f} bits per byte")
        save_model(model, out / "model", tokenizer=prepared.tokenizer, dtype="float32")
        samples = _samples(load(out / "model"), prompts or _beginnings(prepared), recipe.seed)
        result = TrainResult(
            run=str(out),
            model=str(out / "model"),
            parameters=parameter_count(model.config),
            steps=outcome.steps,
            tokens=outcome.tokens,
            wall_s=time.perf_counter() - begin,
            train_s=outcome.train_s,
            tokens_per_s=outcome.tokens / max(outcome.train_s, 1e-9),
            val_loss=loss,
            val_bits_per_byte=bits,
            peak_rss_bytes=_peak_rss_bytes(),
            completed=outcome.completed,
            samples=samples,
        )
        facts = _facts(result, outcome, prepared, model.config, sources, meter.stop())
        write_text(out / "model" / "README.md", model_card(facts))
    _report(out, facts, recipe, phases)
    return result


def quickstart(
    *,
    out: Path | str,
    settings: Mapping[str, object] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> TrainResult:
    """Train on the bundled plays and classics for about two minutes."""
    with as_file(files("autogpt.data") / "quickstart") as folder:
        texts = sorted(str(path) for path in folder.glob("*.txt"))
        return train(
            texts,
            out=out,
            settings=merge(QUICKSTART_SETTINGS, settings or {}),
            prompts=_QUICKSTART_PROMPTS,
            say=say,
        )


def _decide(recipe: Recipe) -> Recipe:
    """Choose a preset where the user left it open: a larger model where there is time to teach it.

    At some 400 GFLOP/s, ``tiny`` sees about 20 tokens a weight in 3 minutes (Hoffmann et al. 2022).
    """
    if recipe.model.preset != "auto":
        return recipe
    budget_s = recipe.training.budget_s
    preset = "tiny" if budget_s < 15 * 60 else "small" if budget_s < 3 * 3600 else "medium"
    return replace(recipe, model=replace(recipe.model, preset=preset))  # type: ignore[arg-type]


@contextmanager
def _claimed(out: Path) -> Iterator[None]:
    """Hold the run folder, so that two runs never write into one.

    Raises:
        RunError: If another process holds it.
    """
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{str(out)!r} is in use by another run.", hint="Choose another folder."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _prepare(
    documents: Iterator[Document],
    report: ReadReport,
    recipe: Recipe,
    folder: Path,
    phases: dict[str, float],
    say: Callable[[str], None],
) -> _Prepared:
    mark = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=".prepare-", dir=folder.parent) as room:
        cleaned = clean(documents, recipe.clean, folder=Path(room))
        for row in cleaned.report.table():
            say("  ".join(row))
        phases["read and clean"] = time.perf_counter() - mark
        mark = time.perf_counter()
        tokenizer = train_tokenizer(
            cleaned.train, recipe.tokenizer, corpus_bytes=cleaned.train.bytes
        )
        for name, text in (("train", cleaned.train), ("validation", cleaned.validation)):
            shards.write(text.items(), tokenizer, folder, name)
        phases["tokenize"] = time.perf_counter() - mark
    train_shard, validation = shards.load(folder, "train"), shards.load(folder, "validation")
    if len(validation) < 2:
        raise DataError("Too little text is held out to measure a model.", hint="Give more text.")
    return _Prepared(
        cleaned=cleaned,
        read=report,
        tokenizer=tokenizer,
        train=train_shard,
        validation=validation,
    )


def _architecture(recipe: Recipe, tokenizer: Tokenizer) -> GPTConfig:
    return build_config(
        recipe.model,
        tokenizer.vocab_size,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )


def _loop(
    model: GPT,
    shard: shards.TokenShard,
    recipe: Recipe,
    log: record.Record,
    begin: float,
    say: Callable[[str], None],
) -> Outcome:
    batches = Batches(
        shard=shard,
        batch_size=recipe.training.batch_size,
        context_length=recipe.model.context_length,
        seed=recipe.seed,
    )
    budget_s = recipe.training.budget_s
    left = max(1.0, budget_s * (1 - _RESERVE) - (time.perf_counter() - begin))

    def show(entry: record.Entry, share: float) -> None:
        log.log(entry)
        say(
            f"{share:4.0%}  step {entry.step}  loss {entry.loss:.3f}  "
            f"{format_count(entry.tokens_per_s or 0)} tokens/s  "
            f"{format_duration(entry.elapsed_s)}"
        )

    return train_model(model, batches, recipe.training, budget_s=left, log=show)


def _beginnings(prepared: _Prepared) -> list[str]:
    """Return how some held-out documents begin, evenly spread; or blocks, if there are too few."""
    shard = prepared.validation
    starts = shard.starts if len(shard.starts) >= _SAMPLES else np.arange(len(shard))
    chosen = [int(starts[i * len(starts) // _SAMPLES]) for i in range(_SAMPLES)]
    texts = (
        prepared.tokenizer.decode(shard.tokens[begin : begin + _PROMPT_TOKENS], skip_special=True)
        for begin in chosen
    )
    return [text.strip("\ufffd") for text in texts]


def _samples(llm: LLM, prompts: Sequence[str], seed: int) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            prompt=prompt,
            continuation=llm.generate(prompt, max_tokens=80, temperature=0.7, seed=seed).text,
            settings=f"temperature 0.7, seed {seed}",
        )
        for prompt in prompts
    )


def _facts(
    result: TrainResult,
    outcome: Outcome,
    prepared: _Prepared,
    config: GPTConfig,
    sources: Sequence[str],
    energy: EnergyEstimate,
) -> ModelFacts:
    tokenizer = prepared.tokenizer
    return ModelFacts(
        name=Path(result.run).resolve().name,
        reference=result.run,
        corpus=_corpus(prepared, sources),
        tokenizer=TokenizerFacts(
            kind=tokenizer.training.kind if tokenizer.training else "bpe",
            vocab_size=tokenizer.vocab_size,
            bytes_per_token=prepared.train.total_bytes / len(prepared.train),
        ),
        architecture=ArchitectureFacts(
            family=config.model_type,
            parameters=result.parameters,
            layers=config.num_hidden_layers,
            hidden_size=config.hidden_size,
            heads=config.num_attention_heads,
            key_value_heads=config.num_key_value_heads,
            context_length=config.max_position_embeddings,
            dtype=outcome.dtype,
        ),
        training=TrainingFacts(
            steps=result.steps,
            tokens=result.tokens,
            train_s=result.train_s,
            wall_s=result.wall_s,
            tokens_per_s=result.tokens_per_s,
            method=f"Muon and AdamW, {outcome.dtype} with float32 masters"
            + (", compiled" if outcome.compiled else ""),
            machine=f"{platform.machine()}, {os.cpu_count()} cores",
            peak_memory_bytes=result.peak_rss_bytes,
            energy_kwh=energy.kwh,
            energy_basis=energy.basis,
            completed=result.completed,
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


def _corpus(prepared: _Prepared, sources: Sequence[str]) -> CorpusFacts:
    cleaned, report = prepared.cleaned, prepared.read
    return CorpusFacts(
        sources=tuple(Path(source).name or source for source in sources),
        documents=report.documents,
        size_bytes=cleaned.report.bytes_in,
        train_documents=cleaned.train.documents,
        train_bytes=cleaned.train.bytes,
        train_tokens=len(prepared.train),
        validation_documents=cleaned.validation.documents,
        validation_bytes=cleaned.validation.bytes,
        validation_tokens=len(prepared.validation),
        files=report.files,
        encodings=dict(report.encodings),
        skipped=report.skipped_count,
        skipped_examples=tuple(report.skipped),
        removals=tuple(
            Removal(
                step=step.step,
                documents=step.documents,
                size_bytes=step.bytes,
                examples=tuple(step.examples),
            )
            for step in cleaned.report.steps
        ),
    )


def _report(out: Path, facts: ModelFacts, recipe: Recipe, phases: Mapping[str, float]) -> None:
    entries = record.read(out)
    write_curves(out / "curves.png", entries, title=facts.name)
    report = RunReport(
        facts=facts,
        measurements=entries,
        settings=to_mapping(recipe),
        phases_s=phases,
        next_commands=(
            Command(command=f'autogpt generate {out} "Once"', purpose="continue a text"),
            Command(
                command="autogpt train my.txt --budget 10m --out runs/mine",
                purpose="train on your own file",
            ),
        ),
        provenance={
            "autogpt": facts.autogpt_version,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )
    write_report(out / "report.html", report)


def _peak_rss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
