"""The model card: what a model is made of, how it was trained, measured, and where it stops.

Facts go in as plain values (``card_facts``), which the run's report shows too; out comes the
``README.md`` of a Hugging Face model folder: YAML front matter, then Markdown. It claims nothing
that was not measured, and without a word from the user it sets no license.

Sources: "Model Cards for Model Reporting" (Mitchell et al., 2019); the Hugging Face model card
specification (2022); for the limits, Hoffmann et al. (2022, tokens per parameter) and Muennighoff
et al. (2023, repeated text).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from autogpt.core.units import format_bytes, format_count, format_duration
from autogpt.models.card_facts import ModelFacts, Sample
from autogpt.models.card_use import Usage, usage_of

__all__ = ["model_card"]

_COMPUTE_OPTIMAL_TOKENS = 20  # per parameter, Hoffmann et al. (2022)
_REPEATS_WITHOUT_LOSS = 4  # passes over the same text, Muennighoff et al. (2023)


def model_card(facts: ModelFacts) -> str:
    """Return the text of ``README.md`` for the model folder."""
    sections = (
        _front_matter(facts),
        _opening(facts),
        _use(facts),
        _results(facts),
        _training(facts),
        _data(facts),
        _limits(facts),
        _samples(facts.samples),
    )
    text = "\n\n".join(section for section in sections if section) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")  # file names may hold lone surrogates


def _front_matter(facts: ModelFacts) -> str:
    loss, bits, usage = round(facts.result.loss, 4), facts.result.bits_per_byte, _usage(facts)
    metrics: list[dict[str, object]] = [
        {"type": "loss", "name": "Validation loss (nats per token)", "value": loss}
    ]
    if bits is not None:
        value = round(bits, 4)
        metrics.append({"type": "bits_per_byte", "name": "Bits per byte", "value": value})
    for name, figure in facts.result.metrics.items():
        metrics.append({"type": name, "name": name, "value": round(figure, 4)})
    values: dict[str, object] = {}
    if facts.license is not None:
        values["license"] = facts.license
    if facts.corpus.languages:
        values["language"] = list(facts.corpus.languages)
    values |= {
        "library_name": usage.library,
        "pipeline_tag": usage.pipeline,
        "tags": ["autogpt", facts.architecture.family],
        "model-index": [
            {
                "name": facts.name,
                "results": [
                    {
                        "task": {"type": usage.pipeline},
                        "dataset": {
                            "type": {"picture": "image", "sound": "audio"}.get(
                                facts.medium, "text"
                            ),
                            "name": "held-out part of the training data",
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }
    lines = [f"{key}: {_yaml(value)}" for key, value in values.items()]
    return "\n".join(["---", *lines, "---"])


def _yaml(value: object) -> str:
    """Return JSON, which YAML reads alike once what YAML calls unprintable is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in text)


def _opening(facts: ModelFacts) -> str:
    shape, corpus = facts.architecture, facts.corpus
    if facts.task:
        return _opening_of_tuned(facts)
    return "\n\n".join(
        (
            f"# {_inline(facts.name)}",
            f"A language model with {format_count(shape.parameters)} parameters, trained from "
            f"scratch on {format_bytes(corpus.train_bytes)} of text with AutoGPT"
            f"{' ' + facts.autogpt_version if facts.autogpt_version else ''}"
            f"{' on ' + facts.created[:10] if facts.created else ''}. It continues text in the "
            "manner of what it was trained on. It was not taught to follow instructions or to "
            "answer questions.",
        )
    )


def _opening_of_tuned(facts: ModelFacts) -> str:
    began = f"fine-tuned from {_code(facts.base)}" if facts.base else "trained from scratch"
    version = f" {facts.autogpt_version}" if facts.autogpt_version else ""
    created = f" on {facts.created[:10]}" if facts.created else ""
    kinds = {
        "picture": "A model that looks at pictures,",
        "sound": "A model that listens to sounds,",
    }
    does = f"The encoder of {_code(facts.encoder)} listens"
    if not facts.medium:
        does = f"{_code(facts.encoder)} reads"
    ears = (
        f"\n\n{does} for it and has to be there; it was not changed, is not part of this folder, "
        "and has a license of its own."
        if facts.encoder
        else ""
    )
    usual = "A classifier on a sentence encoder" if facts.encoder else "A language model"
    kind = kinds.get(facts.medium, usual)
    if facts.encoder and not facts.medium:
        began = "trained"
    size, corpus = format_count(facts.architecture.parameters), facts.corpus
    return (
        f"# {_inline(facts.name)}\n\n"
        f"{kind} with {size} parameters, {began} for the task {_code(facts.task)} on "
        f"{corpus.train_documents:,} examples ({format_bytes(corpus.train_bytes)}) with "
        f"AutoGPT{version}{created}.{ears}"
    )


def _usage(facts: ModelFacts) -> Usage:
    prompts = (sample.prompt.strip() for sample in facts.samples)
    prompt = next((prompt.splitlines()[0] for prompt in prompts if prompt), "Once")
    return usage_of(
        facts.task,
        facts.reference,
        prompt=prompt,
        medium=facts.medium,
        alone=not facts.encoder,
    )


def _use(facts: ModelFacts) -> str:
    usage = _usage(facts)
    parts = ["## How to use it", _fence(usage.command, "sh"), _fence(usage.python, "python")]
    if usage.other:
        parts += ["Or without AutoGPT:", _fence(usage.other, "python")]
        for name in ("ngrams", "field"):
            if f"accuracy_of_{name}" in facts.result.metrics:
                parts.append(f"There the model answers alone, without `{name}.safetensors`.")
    return "\n\n".join(parts)


def _results(facts: ModelFacts) -> str:
    result, corpus = facts.result, facts.corpus
    rows = [
        ("validation loss, nats per token", f"{result.loss:.4f}"),
        *([] if result.bits_per_byte is None
          else [("bits per byte", f"{result.bits_per_byte:.4f}")]),
        *((name, f"{figure:.4f}") for name, figure in result.metrics.items()),
        *((f"bits per byte of {name}, for comparison", f"{bits:.4f}")
          for name, bits in result.compressors.items()),
    ]  # fmt: skip
    return "\n\n".join(
        (
            "## Results",
            f"Measured on the whole held-out split: {corpus.validation_documents:,} documents, "
            f"{format_bytes(corpus.validation_bytes)}, {corpus.validation_tokens:,} tokens, split "
            "off before cleaning and never trained on.",
            _table(("measure", "value"), rows),
        )
    )


def _training(facts: ModelFacts) -> str:
    shape, training = facts.architecture, facts.training
    rows = [
        ("architecture", f"{shape.family}, {shape.parameters:,} parameters, {shape.layers} layers"),
        (
            "width",
            f"{shape.hidden_size}, {shape.heads} attention heads, "
            f"{shape.key_value_heads} key/value heads",
        ),
        ("context", f"{shape.context_length:,} tokens"),
        (
            "tokenizer",
            f"{facts.tokenizer.kind}, {facts.tokenizer.vocab_size:,} entries, "
            f"{facts.tokenizer.bytes_per_token:.2f} bytes per token",
        ),
        ("method", training.method),
        ("steps", f"{training.steps:,}"),
        ("tokens seen", f"{training.tokens:,} ({_passes(facts):.1f} passes over the text)"),
        (
            "time",
            f"{format_duration(training.train_s)} of training, "
            f"{format_duration(training.wall_s)} in all, {training.tokens_per_s:,.0f} tokens/s",
        ),
        ("machine", training.machine),
    ]
    text = ["## How it was trained", _table(("", ""), rows)]
    if training.energy_kwh is not None:
        energy = f"Energy: {training.energy_kwh:.2g} kWh. {training.energy_basis}"
        text.append(_inline(energy))
    if training.co2_kg is not None:
        text.append(
            f"Carbon dioxide: about {1000 * training.co2_kg:.2g} g, at "
            f"{training.grams_per_kwh:,.0f} g a kilowatt-hour where the power is from "
            "(CodeCarbon's table of countries)."
        )
    return "\n\n".join(text)


def _data(facts: ModelFacts) -> str:
    corpus = facts.corpus
    sources = ", ".join(_code(source) for source in corpus.sources[:10])
    if len(corpus.sources) > 10:
        sources += f" and {len(corpus.sources) - 10:,} more"
    text = [
        "## Data",
        f"Read from {sources}: {corpus.documents:,} documents, {format_bytes(corpus.size_bytes)}. "
        f"Trained on {corpus.train_documents:,} documents, {format_bytes(corpus.train_bytes)}, "
        f"{corpus.train_tokens:,} tokens.",
    ]
    if corpus.removals:
        rows = [
            (removal.step, f"{removal.documents:,}", format_bytes(removal.size_bytes))
            for removal in corpus.removals
        ]
        text += [
            "Removed by cleaning:",
            _table(("step", "documents", "text"), rows),
        ]
    if corpus.skipped:
        text.append(f"{corpus.skipped:,} files or rows could not be read and were passed over.")
    if facts.license is None:
        text.append("No license was chosen. What may be done with the model also depends on the "
                    "rights in this data.")  # fmt: skip
    return "\n\n".join(text)


def _limits(facts: ModelFacts) -> str:
    points = _limits_of_text(facts)
    if facts.medium:
        points = _limits_of_media(facts)
    elif facts.encoder:
        points = _limits_of_vectors(facts)
    return "\n\n".join(("## Limits", "\n".join(f"- {point}" for point in points)))


def _limits_of_media(facts: ModelFacts) -> Sequence[str]:
    kind = f"{facts.medium}s"
    other = "voices, rooms and microphones" if facts.medium == "sound" else "cameras and light"
    knows = "the labels" if facts.task == "recognize" else "the words"
    return (
        f"It has learned from {facts.corpus.train_documents:,} {kind} and knows {knows} of these "
        "alone: whatever else it is given, it answers with them.",
        f"It was measured on {kind} of the same origin only. With other {other} expect worse; "
        "`autogpt evaluate` says how much, given some.",
        "It carries whatever the data carries, prejudice and errors included. Let nothing that "
        "matters to people rest on its answer alone.",
    )


def _limits_of_vectors(facts: ModelFacts) -> Sequence[str]:
    length = facts.architecture.context_length
    return (
        f"It knows the labels of its {facts.corpus.train_documents:,} examples alone: whatever "
        "else it is given, it answers with them.",
        f"It sees of a text what the vector of {_code(facts.encoder)} says of it, in the languages "
        f"which that knows, and of a text of more than {length:,} tokens the beginning.",
        "It was measured on text of the same origin only. On other text, topics or languages "
        "expect worse; `autogpt evaluate` says how much, given some.",
        "It carries whatever the data carries, prejudice and errors included. Let nothing that "
        "matters to people rest on its answer alone.",
    )


def _limits_of_text(facts: ModelFacts) -> Sequence[str]:
    corpus, shape, training = facts.corpus, facts.architecture, facts.training
    seen = (
        f"It knows what {_code(facts.base)} knew, and has the limits and the license of that. "
        if facts.base
        else f"It has seen {format_bytes(corpus.train_bytes)} of text and nothing else: it knows "
        "the words, manner and topics of that text. "
    )
    points = [
        f"{seen}What it states as fact is not to be relied on.",
        f"It looks back at most {shape.context_length:,} tokens (about "
        f"{format_bytes(shape.context_length * facts.tokenizer.bytes_per_token)} of text) and "
        "forgets what came before.",
        "It carries whatever the data carries, prejudice, errors and personal details included, "
        "and may repeat passages of it word for word. It was not made safe for the public: put "
        "moderation in front of it.",
        "It was measured on text of the same origin only. On other text, topics or languages "
        "expect worse.",
    ]
    per_parameter = training.tokens / max(shape.parameters, 1)
    repeated = _passes(facts) > _REPEATS_WITHOUT_LOSS
    if per_parameter < _COMPUTE_OPTIMAL_TOKENS / 2 and not repeated and not facts.base:
        points.append(
            f"It saw {per_parameter:.1f} tokens per parameter, where about "
            f"{_COMPUTE_OPTIMAL_TOKENS} make the best of a given amount of computing (Hoffmann et "
            "al., 2022). Longer training would improve it."
        )
    if repeated:
        points.append(
            f"It saw the same text {_passes(facts):.0f} times; beyond about "
            f"{_REPEATS_WITHOUT_LOSS} passes repeats teach less and less (Muennighoff et al., "
            "2023). More text would improve it, and it may know passages by heart."
        )
    return points


def _samples(samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    parts = ["## Samples", "The prompt, and what the model wrote after it."]
    for sample in samples:
        if sample.settings:
            parts.append(_inline(sample.settings))
        parts.append(_fence(f"{sample.prompt}{sample.continuation}", "text"))
    return "\n\n".join(parts)


def _passes(facts: ModelFacts) -> float:
    return facts.training.tokens / max(facts.corpus.train_tokens, 1)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_inline(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _inline(text: str) -> str:
    """Return ``text`` on one line with nothing in it that Markdown or HTML would act on."""
    escaped = re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))
    return escaped.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")


def _code(text: str) -> str:
    """Return ``text`` as inline code, whatever backticks it holds."""
    line = " ".join(text.split())
    ticks = "`" * (_longest_run("`", line) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{room}{line}{room}{ticks}"


def _fence(text: str, language: str) -> str:
    """Return ``text`` as a code block that the text itself cannot end."""
    ticks = "`" * max(_longest_run("`", text) + 1, 3)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _longest_run(character: str, text: str) -> int:
    return max((len(run) for run in re.findall(re.escape(character) + "+", text)), default=0)
