"""Whether a model's files are sound, before any engine runs them.

The manifest's sha256, the settings, the shape of every weight and that all are finite numbers, the
tokenizer's round trip on hard texts, and the chat template. What there is nothing to check by is
said and not passed over.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from autogpt.core.errors import AutoGPTError, CheckpointError, UsageError
from autogpt.core.files import MANIFEST, read_json, verify_manifest
from autogpt.core.messages import TemplateMessage
from autogpt.core.store import holds
from autogpt.evaluation.engines.engine import Format
from autogpt.interop.gguf import open_gguf
from autogpt.interop.gguf.vocabulary_writing import HARD_TEXTS
from autogpt.interop.tensorflow import SETTINGS
from autogpt.interop.transformers import open_sentence_encoder
from autogpt.models.checkpoint import load_model, read_config, read_settings
from autogpt.models.embedding_head import is_embedding_head, load_embedding_head
from autogpt.models.gpt import GPT
from autogpt.models.head_files import head_kind, load_headed
from autogpt.models.multimodal_files import is_multimodal, load_multimodal
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.chat import render

__all__ = ["Check", "check_files", "writes_text"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        status: "absent" where there is nothing to check, which is no fault.
        detail: What was found, in a few words; the fault, where there is one.
    """

    name: str
    status: Literal["ok", "fault", "absent"]
    detail: str


def check_files(path: Path, kind: Format) -> list[Check]:
    """Look at everything that can be looked at without an engine.

    Args:
        path: A folder, or a GGUF file.
        kind: What it is.
    """
    checks = [_check("manifest", lambda: _manifest(path))]
    if kind == "gguf":
        checks += _model_checks(lambda: open_gguf(path).model(dtype="auto"))
        tokenizer: Callable[[], Tokenizer] = lambda: open_gguf(path).tokenizer()  # noqa: E731
    elif kind == "hf" and is_embedding_head(read_settings(path)):
        return [*checks, *_embedding_checks(path)]
    elif kind == "hf":
        checks += _model_checks(lambda: _read(path))
        tokenizer = lambda: Tokenizer.load(path)  # noqa: E731
    else:  # weights are in a graph or in Keras' form: whether they are right, an engine says
        settings = path / SETTINGS if kind == "tensorflow" else path
        checks += [_check("settings", lambda: _settings(settings))]
        tokenizer = lambda: Tokenizer.load(settings)  # noqa: E731
    return [*checks, *_tokenizer_checks(tokenizer)]


def _check(name: str, look: Callable[[], str | None]) -> Check:
    """Look, and tell a fault as what was found."""
    try:
        detail = look()
    except AutoGPTError as error:
        return Check(name, "fault", error.message)
    return Check(name, "absent", "there is none") if detail is None else Check(name, "ok", detail)


def _manifest(path: Path) -> str | None:
    folder = path if path.is_dir() else path.parent
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    if path.is_file() and not holds(path) and path.name not in read_json(manifest).get("files", {}):
        return None  # of something else in that folder
    files = verify_manifest(folder)["files"]
    return f"sha256 of {len(files)} files agree"


def _settings(path: Path) -> str:
    config = read_config(path)
    return f"{config.model_type}, {config.num_hidden_layers} layers"


def writes_text(path: Path) -> bool:
    """Whether a folder's model continues text: it has no head, and neither sees nor hears."""
    settings = read_settings(path)
    return not is_multimodal(settings) and head_kind(settings) is None


def _read(path: Path) -> GPT:
    """Read a folder's model of whichever kind; what is around the decoder is read with it."""
    settings = read_settings(path)
    if is_multimodal(settings):
        return load_multimodal(path, dtype="auto", deep=False)[0]
    if head_kind(settings) is not None:
        return load_headed(path, dtype="auto", deep=False)[0]
    return load_model(path, dtype="auto", deep=False)


def _embedding_checks(path: Path) -> Iterator[Check]:
    """Yield what a head on vectors says of itself, and whether its encoder is the right one."""

    def head() -> str:
        found, _ = load_embedding_head(path, deep=False)  # refuses what a model's weights do, too
        count = found.weight.numel() + found.bias.numel()
        return f"{count:,} numbers, all finite, every shape as expected"

    def encoder() -> str:
        found, _ = load_embedding_head(path, deep=False)
        reader, named = open_sentence_encoder(found.encoder.name, expected=found.encoder)
        rows = reader.read([*HARD_TEXTS, ""]).vectors
        if not bool(torch.isfinite(rows).all()):
            raise CheckpointError(f"{named.name!r} computes numbers that are not finite.")
        return f"{named.name}, {named.width} numbers a text, its sha256 agrees"

    yield _check("weights", head)
    yield _check("encoder", encoder)


def _model_checks(build: Callable[[], GPT]) -> Iterator[Check]:
    """Yield what reading the weights says: their names and shapes, and whether all are finite."""
    try:
        model = build()  # refuses what is missing, unknown, of another shape or not finite
    except AutoGPTError as error:
        yield Check("weights", "fault", error.message)
        return
    broken = [
        name
        for name, weight in model.state_dict().items()
        if not bool(torch.isfinite(weight).all())
    ]
    if broken:
        yield Check("weights", "fault", f"{broken[0]!r} holds numbers that are not finite.")
        return
    parameters = sum(weight.numel() for weight in model.parameters())
    yield Check("weights", "ok", f"{parameters:,} numbers, all finite, every shape as expected")


def _tokenizer_checks(build: Callable[[], Tokenizer]) -> Iterator[Check]:
    try:
        tokenizer = build()
    except AutoGPTError as error:
        yield Check("tokenizer", "fault", error.message)
        return
    yield _check("tokenizer", lambda: _round_trip(tokenizer))
    yield _check("chat template", lambda: _template(tokenizer))


def _round_trip(tokenizer: Tokenizer) -> str:
    for text in HARD_TEXTS:
        back = tokenizer.decode(tokenizer.encode(text))
        if unicodedata.normalize("NFC", back) != unicodedata.normalize("NFC", text):
            raise CheckpointError(f"{text[:24]!r} comes back as {back[:24]!r}.")
    return f"{len(HARD_TEXTS)} hard texts come back as they were"


def _template(tokenizer: Tokenizer) -> str | None:
    roles = tokenizer.roles
    if roles.chat_template is None:
        return None
    messages: list[TemplateMessage] = [
        {"role": "user", "content": "你好, who are you?"},
        {"role": "assistant", "content": "A model."},
        {"role": "user", "content": "Good."},
    ]
    tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": roles.bos or ""}
    try:
        text = render(messages, template=roles.chat_template, tokens=tokens)
    except UsageError as error:
        raise CheckpointError(f"It refuses a plain conversation: {error.message}") from error
    lost = [message["content"] for message in messages if message["content"] not in text]
    if lost:
        raise CheckpointError(f"It leaves out {lost[0]!r}.")
    return "writes a conversation, and every message is in it"
