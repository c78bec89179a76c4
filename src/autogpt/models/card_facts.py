"""What a model card and the report of a run say of a model: facts as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autogpt.models.card_use import Medium

__all__ = [
    "ArchitectureFacts",
    "CorpusFacts",
    "ModelFacts",
    "Removal",
    "ResultFacts",
    "Sample",
    "TokenizerFacts",
    "TrainingFacts",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What one cleaning step took out.

    Attributes:
        step: What the step looks for, as in "near duplicates".
        documents: How many documents it removed.
        size_bytes: UTF-8 bytes it removed, from removed and from changed documents.
        examples: Beginnings of some removed texts, as they were.
    """

    step: str
    documents: int
    size_bytes: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusFacts:
    """What was read, what was removed, and what was left on both sides.

    Attributes:
        sources: As the user named them.
        documents: Read, before cleaning.
        size_bytes: Read, before cleaning, as UTF-8.
        train_documents, train_bytes, train_tokens: What the model learned from.
        validation_documents, validation_bytes, validation_tokens: What it was measured on.
        files: Files read, where known.
        encodings: Encoding name to number of files.
        skipped: Files or rows that could not be read and were passed over.
        skipped_examples: Some of them, with the reason.
        removals: One for each cleaning step that ran, in order.
        languages: ISO 639-1 codes where known.
    """

    sources: tuple[str, ...]
    documents: int
    size_bytes: int
    train_documents: int
    train_bytes: int
    train_tokens: int
    validation_documents: int
    validation_bytes: int
    validation_tokens: int
    files: int | None = None
    encodings: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    skipped_examples: tuple[str, ...] = ()
    removals: tuple[Removal, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerFacts:
    """The tokenizer: its kind ("byte-level BPE"), size, and text bytes per token measured."""

    kind: str
    vocab_size: int
    bytes_per_token: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureFacts:
    """The shape of the Transformer; ``family`` is the Hugging Face ``model_type``."""

    family: str
    parameters: int
    layers: int
    hidden_size: int
    heads: int
    key_value_heads: int
    context_length: int
    dtype: str = "bfloat16"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFacts:
    """What training took.

    Attributes:
        steps: Optimizer steps.
        tokens: Training tokens seen, repeats included.
        train_s: Seconds in the training loop.
        wall_s: Seconds from start to finished model.
        tokens_per_s: Over the training loop.
        method: One line, as in "Muon and AdamW, bf16 with fp32 masters".
        machine: One line, as in "AMD EPYC, 2 cores".
        peak_memory_bytes: Largest resident size.
        energy_kwh: Energy, where there is a figure.
        energy_basis: How that figure was found.
        co2_kg: CO2 equivalent in kilograms, where the country is known.
        grams_per_kwh: Of its power.
    """

    steps: int
    tokens: int
    train_s: float
    wall_s: float
    tokens_per_s: float
    method: str
    machine: str
    peak_memory_bytes: int | None = None
    energy_kwh: float | None = None
    energy_basis: str = ""
    co2_kg: float | None = None
    grams_per_kwh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultFacts:
    """What was measured on the whole validation split.

    Attributes:
        loss: Cross-entropy in nats per token.
        bits_per_byte: The same in bits per UTF-8 byte, comparable across tokenizers; None where
            the loss is not one of text.
        compressors: Name to bits per byte of general compressors on the same text.
        metrics: Further figures of the task, by name.
    """

    loss: float
    bits_per_byte: float | None
    compressors: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A text the model wrote.

    Attributes:
        prompt: What it was given; may be empty.
        continuation: What it wrote.
        language: ISO 639-1 code where known.
        settings: One line, as in "temperature 0.8, seed 0".
    """

    prompt: str
    continuation: str
    language: str | None = None
    settings: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """Everything there is to say about one trained model.

    Attributes:
        name: What to call it, as in the run folder's name.
        reference: What the user types to use it, as in ``runs/plays``.
        created: ISO 8601 date or moment.
        license: A Hugging Face license id where the user chose one.
        autogpt_version: The version that trained it.
        base: The model it was fine-tuned from; empty if it was trained from nothing.
        task: What it was fine-tuned for.
        medium: What it looks at or listens to, if it does.
        encoder: The model whose encoder listens or reads for it, if one does.
    """

    name: str
    reference: str
    corpus: CorpusFacts
    tokenizer: TokenizerFacts
    architecture: ArchitectureFacts
    training: TrainingFacts
    result: ResultFacts
    samples: tuple[Sample, ...] = ()
    created: str = ""
    license: str | None = None
    autogpt_version: str = ""
    base: str = ""
    task: str = ""
    medium: Medium = ""
    encoder: str = ""
