"""From a reference to a model that is ready to write: folders, GGUF files, quantized or not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.core.files import read_json
from autogpt.core.refs import resolve
from autogpt.core.store import holds
from autogpt.inference.backends import Backend, TorchBackend
from autogpt.inference.completion import end_ids
from autogpt.inference.native import CacheKind, load_backend, prepare
from autogpt.inference.packing import pack_layers, pack_model
from autogpt.inference.params import SamplingParams
from autogpt.inference.speculative import DraftModel, PromptLookup, Speculator
from autogpt.interop.heads import load_encoder_head
from autogpt.interop.transformers import is_encoder, load_encoder, open_sentence_encoder
from autogpt.interop.vision import is_vision, load_vision
from autogpt.interop.whisper import is_whisper, load_whisper
from autogpt.llm.classifier import Classifier, EmbeddingScorer, OwnTextScorer
from autogpt.llm.media import Recognizer, Transcriber, listener_of
from autogpt.llm.model import LLM
from autogpt.llm.tagger import EncoderTokenScorer, OwnTokenScorer, Tagger
from autogpt.models import FAMILIES, adapter_files
from autogpt.models.checkpoint import (
    load_model,
    read_config,
    read_generation_config,
    read_settings,
)
from autogpt.models.embedding_head import is_embedding_head, load_embedding_head
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.head_files import HeadSettings, head_kind, load_headed
from autogpt.models.heads import HeadConfig, HeadKind
from autogpt.models.multimodal_files import is_multimodal, load_multimodal
from autogpt.models.ngram_scores import NgramScores, load_ngrams
from autogpt.models.quantized import (
    Quantization,
    QuantizedModel,
    Quantizer,
    check_quantization,
    load_quantized,
    one_thread,
)
from autogpt.models.tag_field import load_field
from autogpt.nn.quantize import Bits
from autogpt.safety.policy import Policy, load_policy
from autogpt.safety.rails import Guard, Rails
from autogpt.tasks import asking
from autogpt.tasks.asking import Form
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["load"]

_logger = logging.getLogger(__name__)

_SAMPLED = ("temperature", "top_k", "top_p", "min_p")


def load(  # noqa: PLR0913 - each is a choice of its own
    reference: str | Path,
    *,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    quantize: Quantization | None = None,
    cache: CacheKind = "float16",
    cache_bytes: int | None = None,
    draft: str | Path | None = None,
    adapters: Sequence[str | Path] = (),
    policy: str | Path | Policy | None = "default",
    guards: Sequence[Guard] = (),
) -> LLM | Any:  # noqa: ANN401 - an Encoder is rare, and would make every caller of LLM look twice
    """Return the model that ``reference`` names, ready to write; of an encoder, an ``Encoder``.

    A model with a trained head gives a ``Classifier`` or a ``Tagger``; one that was taught pictures
    or sounds, a ``Recognizer`` or a ``Transcriber``; a Whisper or a vision model of others, what
    has the same methods.

    Args:
        reference: A model folder in Hugging Face layout, a run folder, a ``.gguf`` file, a short
            name or ``hf:organization/name``, see ``core.refs``.
        dtype: To compute in. float32 gives the same text alone and in a batch, to the bit; on a
            CPU with bfloat16 instructions, bfloat16 takes half the memory and is up to 1.3 times
            as fast, but rounds. "auto" is what the weights are stored as, float32 for quantized
            ones.
        quantize: "int8" or "int4" rounds the weights to so many bits, whatever ``dtype`` says: a
            fraction of the memory, and several times as fast where a C++ compiler is. Same text
            alone and in a batch. ``LLM.model`` then has no weights.
        cache: How keys and values of a quantized model are kept where a C++ compiler is: "int8"
            halves their memory, is faster in contexts of thousands of tokens, and rounds.
        cache_bytes: Memory for keys and values, taken as it is used, at least that of one whole
            context; None: a quarter of what is free at most.
        draft: What guesses tokens ahead, to be checked several at a time; the text stays the
            same, and guessing stops where it does not pay. "lookup" guesses that the text repeats
            what its prompt or itself said; else a small model with the same tokenizer.
        adapters: Folders of LoRA adapters, of ``finetune`` or of PEFT, that are added to the
            weights as they are read. Several add up; without them the model is what it was.
        policy: What the safety rails do with prompts and texts: "default", "strict", a TOML file
            or a :class:`Policy`; "off" checks nothing, and says so; None does not say so, for
            measuring a model. See ``safety.policy``.
        guards: Further judges of the rails, see ``llm.guards``.

    Raises:
        ConfigError: If the quantization is unknown, or the policy is wrong.
        UsageError: If there is no such model; names the nearest ones. If the draft has another
            tokenizer.
        CheckpointError: If the model or its tokenizer is damaged or not supported.
        ResourceError: If a file may not be read.
    """
    begin = time.perf_counter()
    rails = Rails(load_policy(policy), guards=guards)
    if policy is not None and not rails.policy.enabled:
        _logger.warning("The safety rails are off: nothing that goes in or comes out is checked.")
    path = resolve(reference)
    settings = read_settings(path) if (path / "config.json").is_file() else {}
    if is_multimodal(settings) or is_whisper(path) or is_vision(path):
        if quantize is not None or draft is not None or adapters:
            raise UsageError(
                f"{str(reference)!r} sees or hears: quantize, draft and adapters are for models "
                "that write.",
                hint='Load it without; dtype="bfloat16" may make it faster.',
            )
        return _read_media(path, settings, dtype=dtype)
    kind = head_kind(settings)
    if kind is not None:
        if quantize is not None or draft is not None or adapters:
            raise UsageError(
                f"{str(reference)!r} has a head: quantize, draft and adapters are for models that "
                "write.",
                hint='Load it without; dtype="bfloat16" is what makes it faster.',
            )
        return _read_headed(path, kind, dtype=dtype)
    if is_encoder(path):
        return load_encoder(path, dtype=dtype)
    backend = None
    if quantize is None:
        model, tokenizer, generation = _read(path, dtype=dtype, adapters=adapters)
    else:
        model, tokenizer, generation, backend = _read_quantized(path, quantize, cache, adapters)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise CheckpointError(
            f"The tokenizer in {str(path)!r} has {tokenizer.vocab_size} tokens, its model only "
            f"{model.config.vocab_size}."
        )
    ends = end_ids(tokenizer, model.config.eos_token_id, generation.get("eos_token_id"))
    # Torch has products of 4 bits. Its products of 8 would round a row, not groups of it.
    bits: Bits | None = 4 if quantize == "int4" else None
    head = pack_model(model, bits=bits) if backend is None else None
    return LLM(
        model,
        tokenizer,
        ends=ends,
        defaults=_read_defaults(generation, path),
        head=head,
        backend=backend,
        speculator=None if draft is None else _read_draft(draft, tokenizer, dtype=dtype),
        load_s=time.perf_counter() - begin,
        rails=rails if rails.policy.enabled else None,
        form=_read_form(path, adapters),
        cache_bytes=cache_bytes,
    )


def _read_media(
    path: Path, settings: Mapping[str, Any], *, dtype: Literal["auto", "float32", "bfloat16"]
) -> Recognizer | Transcriber | Any:  # noqa: ANN401 - models of others have the same methods
    """Return a model that sees or hears: one of ours, or one that runs in another library."""
    if is_whisper(path):
        return load_whisper(path, dtype=dtype)
    if not is_multimodal(settings):
        return load_vision(path, dtype=dtype)
    model, recognition = load_multimodal(path, dtype=dtype, deep=not holds(path))
    tokenizer = Tokenizer.load(path)
    listener = listener_of(model.medium)
    if recognition.task == "recognize":
        return Recognizer(model, tokenizer, recognition, listener=listener)
    return Transcriber(model, tokenizer, listener=listener)


def _read_form(path: Path, adapters: Sequence[str | Path]) -> Form | None:
    """Return how a model, or else an adapter on it, was taught to be asked for a task."""
    for folder in (*map(adapter_files.find_adapter, reversed(adapters)), path):
        file = folder / asking.FILE
        if file.is_file():
            return Form.from_dict(read_json(file), where=str(file))
    return None


def _read_headed(
    path: Path, kind: HeadKind, *, dtype: Literal["auto", "float32", "bfloat16"]
) -> Classifier | Tagger:
    """Return a model with a head: one of ours, or one that runs in transformers."""
    settings = read_settings(path)
    if is_embedding_head(settings):
        head, how = load_embedding_head(path, deep=not holds(path))
        reader, _ = open_sentence_encoder(head.encoder.name, expected=head.encoder, dtype=dtype)
        return Classifier(EmbeddingScorer(head, reader, _ngrams(path, how, head.labels)), how)
    if settings.get("model_type") not in FAMILIES:
        encoder = load_encoder_head(path, dtype=dtype)
        return Classifier(encoder) if kind == "sequence" else Tagger(EncoderTokenScorer(encoder))
    model, how = load_headed(path, dtype=dtype, deep=not holds(path))
    pack_layers(model)
    tokenizer = Tokenizer.load(path)
    if kind == "sequence":
        return Classifier(OwnTextScorer(model, tokenizer, _ngrams(path, how, model.labels)), how)
    field = load_field(path, tags=len(model.labels.labels)) if how.field else None
    return Tagger(OwnTokenScorer(model, tokenizer), how, field)


def _ngrams(path: Path, how: HeadSettings, head: HeadConfig) -> NgramScores | None:
    """Return what n-grams add to the scores of a head, if they do."""
    return load_ngrams(path, labels=len(head.labels)) if how.ngrams else None


def _read(
    path: Path,
    *,
    dtype: Literal["auto", "float32", "bfloat16"],
    adapters: Sequence[str | Path] = (),
) -> tuple[GPT, Tokenizer, Mapping[str, Any]]:
    """Return the model, the tokenizer and the generation settings of a folder or a GGUF file."""
    if path.is_dir():
        # A stored model's sha256 were compared when it came, its sizes just now.
        keep = _added(adapters, read_config(path)) if adapters else None
        model = load_model(path, dtype=dtype, deep=not holds(path), keep=keep)
        return model, Tokenizer.load(path), read_generation_config(path)
    from autogpt.interop.gguf import open_gguf  # only those who have such a file wait for it

    file = open_gguf(path)
    tokenizer = file.tokenizer()
    keep = _added(adapters, file.config) if adapters else None
    return file.model(dtype=dtype, keep=keep), tokenizer, file.generation()


def _added(adapters: Sequence[str | Path], config: GPTConfig) -> Callable[[str, Tensor], Tensor]:
    """Return what adds adapters to each weight."""
    return adapter_files.add([adapter_files.load(each, config) for each in adapters])


def _read_quantized(
    path: Path, quantization: Quantization, cache: CacheKind, adapters: Sequence[str | Path]
) -> tuple[GPT, Tokenizer, Mapping[str, Any], Backend | None]:
    """Return also what runs the model; None: torch does, with weights that are rounded."""
    check_quantization(quantization)
    prepare()
    if path.is_dir():
        if adapters:
            quantized = _quantized_with(adapters, path, quantization)
        else:
            quantized = load_quantized(path, quantization)
        tokenizer, generation = Tokenizer.load(path), read_generation_config(path)
    else:
        from autogpt.interop.gguf import open_gguf

        file, quantizer = open_gguf(path), Quantizer(quantization)
        tokenizer, generation = file.tokenizer(), file.generation()
        add = _added(adapters, file.config)
        with one_thread():
            quantized = quantizer.finish(
                file.model(
                    dtype="auto",
                    keep=lambda name, w: quantizer(name, add(name, w)),
                    take=None if adapters else quantizer.take,
                )
            )
    backend = load_backend(quantized, cache=cache)
    model = quantized.dequantized(torch.bfloat16) if backend is None else quantized.model
    return model, tokenizer, generation, backend


def _quantized_with(
    adapters: Sequence[str | Path], path: Path, quantization: Quantization
) -> QuantizedModel:
    """Round weights with adapters in them; what is kept of the weights alone is no help."""
    quantizer, add = Quantizer(quantization), _added(adapters, read_config(path))
    with one_thread():
        return quantizer.finish(
            load_model(
                path,
                dtype="auto",
                deep=not holds(path),
                keep=lambda name, weight: quantizer(name, add(name, weight)),
            )
        )


def _read_draft(
    draft: str | Path, tokenizer: Tokenizer, *, dtype: Literal["auto", "float32", "bfloat16"]
) -> Speculator:
    """Return what guesses ahead."""
    if draft == "lookup":
        return Speculator(PromptLookup())
    model, own, _ = _read(resolve(draft), dtype=dtype)
    size = tokenizer.vocab_size
    if own.vocab_size != size or any(
        own.token_bytes(token_id) != tokenizer.token_bytes(token_id) for token_id in range(size)
    ):
        raise UsageError(
            f"The draft {str(draft)!r} has another tokenizer than the model.",
            hint="Give a model trained with the same one, or 'lookup'.",
        )
    backend = TorchBackend(model, pack_model(model))
    context = model.config.max_position_embeddings
    return Speculator(DraftModel(backend, context=context, vocab_size=size))


def _read_defaults(generation: Mapping[str, Any], path: Path) -> SamplingParams:
    """Return the sampling settings that a model's ``generation_config.json`` asks for."""
    given = {name: generation.get(name) for name in ("repetition_penalty", *_SAMPLED)}
    if not generation.get("do_sample", True):
        given |= {"temperature": 0.0, "top_k": None, "top_p": None, "min_p": None}
    if given["top_k"] == 0:  # transformers' word for "all"
        given["top_k"] = None
    try:
        return SamplingParams(**{name: value for name, value in given.items() if value is not None})
    except ConfigError as error:
        raise CheckpointError(
            f"The generation settings of {str(path)!r} are not valid: {error.message}"
        ) from error
