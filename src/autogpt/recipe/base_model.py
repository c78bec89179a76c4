"""What fine-tuning begins with: a model of any kind, or a new one that is sized for the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autogpt.core.errors import UsageError
from autogpt.core.refs import resolve
from autogpt.core.store import holds
from autogpt.data.shards import TokenShard
from autogpt.interop.speech_encoder import is_speech_encoder
from autogpt.models.card_facts import CorpusFacts
from autogpt.models.checkpoint import load_model, read_config, read_settings
from autogpt.models.embedding_head import is_embedding_head
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.multimodal_files import is_multimodal
from autogpt.models.presets import ModelConfig, build_config
from autogpt.recipe import folder, planning
from autogpt.recipe.new_size import sized_to_read
from autogpt.recipe.prepare import Prepared
from autogpt.recipe.settings import PAIRS, FinetuneRecipe, Recipe
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.bpe import train as train_tokenizer
from autogpt.tokenizer.chat import CHAT_TEMPLATE, PAIR_TEMPLATE

__all__ = ["NEW", "BaseModel", "listens_first", "new_model", "new_tokenizer", "open_base"]

NEW = "new"
_HELD_OUT = 10  # one text in so many, to say how compressible texts are


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseModel:
    """A model before it is fine-tuned.

    Attributes:
        name: What the user called it.
        config: Its switches.
        tokenizer: Its tokenizer.
        read: Returns its weights in a dtype ("float32" or "bfloat16"), each time anew.
    """

    name: str
    config: GPTConfig
    tokenizer: Tokenizer
    read: Callable[[str], GPT]


def listens_first(reference: str, *, task: str) -> bool:
    """Whether a reference names a Whisper, whose encoder is the ears of a new model.

    Raises:
        UsageError: If there is no such model, or the task is not one of sounds.
    """
    if reference == NEW or not is_speech_encoder(resolve(reference)):
        return False
    if task not in ("recognize", "transcribe"):
        raise UsageError(
            f"{reference!r} listens to sounds, which the task {task!r} has none of.",
            hint="Use --task recognize or --task transcribe, or name a model that reads text.",
        )
    return True


def open_base(reference: str) -> BaseModel:
    """Open the model that a reference names; its weights are read later.

    Raises:
        UsageError: If there is no such model, or it is one that is not taught further.
        CheckpointError: If it is damaged or not supported.
    """
    path = resolve(reference)
    if path.is_dir() and is_embedding_head(read_settings(path)):
        raise UsageError(
            f"{reference!r} is a head on a sentence encoder, and is not taught further here.",
            hint="Name the encoder, with all examples.",
        )
    if path.is_dir() and is_multimodal(read_settings(path)):
        raise UsageError(
            f"{reference!r} was taught pictures or sounds already, and is not taught further here.",
            hint="Name a model that writes, or 'new', with all examples.",
        )
    if path.is_dir():
        deep = not holds(path)  # a stored model was checked when it came
        return BaseModel(
            name=reference,
            config=read_config(path),
            tokenizer=Tokenizer.load(path),
            read=lambda dtype: load_model(path, dtype=dtype, deep=deep),  # type: ignore[arg-type]
        )
    from autogpt.interop.gguf import open_gguf  # only those who have such a file wait for it

    file = open_gguf(path)
    return BaseModel(
        name=reference,
        config=file.config,
        tokenizer=file.tokenizer(),
        read=lambda dtype: file.model(dtype=dtype),  # type: ignore[arg-type]
    )


def new_tokenizer(texts: Sequence[str], recipe: FinetuneRecipe, out: Path) -> Tokenizer:
    """Return the tokenizer of a new model: that of the run, or one made for the texts."""
    kept = out / folder.DATA / folder.TOKENIZER
    if kept.exists():
        return Tokenizer.load(kept)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    tokenizer = train_tokenizer(
        texts,
        recipe.tokenizer,
        corpus_bytes=size,
        chat_template=PAIR_TEMPLATE if recipe.finetune.task in PAIRS else CHAT_TEMPLATE,
    )
    tokenizer.save(kept)
    return tokenizer


def new_model(
    texts: Sequence[str], tokenizer: Tokenizer, recipe: FinetuneRecipe, *, before_s: float
) -> tuple[BaseModel, FinetuneRecipe]:
    """Return a model sized for texts and budget, and the recipe that says its sizes.

    Args:
        texts: What it will learn.
        tokenizer: Made for them.
        recipe: With a context length; sizes that are set stay.
        before_s: Seconds of the budget that are gone.
    """
    if recipe.model.hidden_size is None or recipe.model.preset == "auto":
        recipe = replace(recipe, model=_sized(texts, tokenizer, recipe, before_s=before_s))
    config = build_config(
        recipe.model,
        tokenizer.vocab_size,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )
    return BaseModel(
        name=NEW, config=config, tokenizer=tokenizer, read=lambda _: GPT(config)
    ), recipe


def _sized(
    texts: Sequence[str], tokenizer: Tokenizer, recipe: FinetuneRecipe, *, before_s: float
) -> ModelConfig:
    """Let the planner choose, as it does for a model that is trained on text, where it can."""
    if recipe.finetune.task in (*PAIRS, "tag"):  # of which its law knows nothing
        return sized_to_read(
            recipe,
            vocab_size=tokenizer.vocab_size,
            tokens=len(tokenizer.encode_flat(texts).ids) + len(texts),
            before_s=before_s,
        )
    plain = Recipe(
        seed=recipe.seed,
        tokenizer=recipe.tokenizer,
        model=recipe.model,
        training=recipe.training,
        kernels=recipe.kernels,
    )
    held_out = texts[::_HELD_OUT]
    train = [text for place, text in enumerate(texts) if place % _HELD_OUT] or texts
    prepared = Prepared(
        tokenizer=tokenizer,
        train=_shard(train, tokenizer),
        validation=_shard(held_out, tokenizer),
        corpus=_no_facts(),
        tokenizer_config=recipe.tokenizer,
    )
    by_steps = recipe.training.max_steps is not None
    corpus = None if by_steps else planning.look_at(prepared)
    return planning.decide(plain, prepared, corpus, before_s=before_s).recipe.model


def _shard(texts: Sequence[str], tokenizer: Tokenizer) -> TokenShard:
    pieces = [[*tokenizer.encode(text), tokenizer.pad_id] for text in texts]
    ends = np.cumsum([0, *map(len, pieces)], dtype=np.uint64)
    return TokenShard(
        tokens=np.concatenate([np.array(piece, dtype=np.uint32) for piece in pieces]),
        starts=ends[:-1],
        total_bytes=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts),
        vocab_size=tokenizer.vocab_size,
    )


def _no_facts() -> CorpusFacts:
    """Return what the planner does not ask for."""
    return CorpusFacts(
        sources=(),
        documents=0,
        size_bytes=0,
        train_documents=0,
        train_bytes=0,
        train_tokens=0,
        validation_documents=0,
        validation_bytes=0,
        validation_tokens=0,
    )
