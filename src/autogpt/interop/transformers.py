"""Sentence encoders (BERT and its kin), through the library ``transformers``, an extra.

::

    encoder = autogpt.load("all-minilm-l6-v2")
    a, b = encoder.embed(["The boiler is broken.", "No hot water since Monday."])
    float(a @ b)                                  # cosine: 1 is the same meaning, 0 unrelated

A folder of ``sentence-transformers`` is followed: which vectors are pooled, how long a text may be,
which words go before it. A plain encoder gives the mean of its tokens. Weights are safetensors
only, and no code that comes with a model is ever run. Not here: decoders (``models``), which text
is near another (``Tensor`` products do that).

Source: Reimers and Gurevych, "Sentence-BERT" (2019); its library's ``modules.json`` (v2 to v5).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from autogpt.core.errors import CheckpointError, MissingExtraError, UsageError
from autogpt.core.files import read_json, sha256_known
from autogpt.core.refs import resolve
from autogpt.data.preprocessing import EncoderConfig
from autogpt.interop.pooling import Steps, pool, read_object, read_steps
from autogpt.models.weights import open_weights, weight_files

__all__ = [
    "Embedded",
    "Encoder",
    "NotADecoderError",
    "explained",
    "is_encoder",
    "load_encoder",
    "open_sentence_encoder",
    "refuse_foreign_code",
    "without_bars",
]

_logger = logging.getLogger(__name__)

CONFIG = "config.json"
_ENCODERS = (
    *("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert"),
    *("mpnet", "roberta", "xlm-roberta"),
)
_BATCH_ROWS = 32
_UNUSED_WEIGHTS = ("pooler.",)  # of the sentence pair task BERT was trained with; not called here


class NotADecoderError(UsageError, AttributeError):
    """A model that only embeds was asked for something else."""


def is_encoder(path: Path) -> bool:
    """Whether a model folder holds an encoder that :func:`load_encoder` reads."""
    if not (path / CONFIG).is_file():
        return False
    config = read_json(path / CONFIG)
    return isinstance(config, dict) and config.get("model_type") in _ENCODERS


def load_encoder(
    folder: Path, *, dtype: Literal["auto", "float32", "bfloat16"] = "float32"
) -> Encoder:
    """Read an encoder's folder.

    Args:
        folder: In Hugging Face layout, with or without the files of ``sentence-transformers``.
        dtype: To compute in; "auto" is what the weights are stored as.

    Raises:
        MissingExtraError: If ``transformers`` is not installed.
        CheckpointError: If a file is missing or damaged; the weights are pickles or lack a tensor;
            the model brings code of its own; or it ends in a step that is not known.
    """
    config = read_object(folder / CONFIG)
    refuse_foreign_code(folder, config)
    steps = read_steps(folder)
    with open_weights(folder):  # refuses pickles and torn files, in words of our own
        pass
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "transformers", extra="transformers", purpose=f"A {config['model_type']} encoder"
        ) from error
    kind = "auto" if dtype == "auto" else getattr(torch, dtype)
    with explained(folder), without_bars(transformers):
        model, found = transformers.AutoModel.from_pretrained(
            folder,
            dtype=kind,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    _check_weights(model, found["missing_keys"], folder)
    return Encoder(model.eval(), tokenizer, steps)


def refuse_foreign_code(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model whose ``config.json`` names code that comes with it.

    Raises:
        CheckpointError: If it does.
    """
    if "auto_map" in config:
        raise CheckpointError(
            f"{str(folder)!r} is made for code of its own (auto_map), and code that comes with a "
            "model is never run.",
            hint="Choose a model that transformers knows by itself.",
        )


@contextlib.contextmanager
def explained(folder: Path, *, what: str = "an encoder") -> Iterator[None]:
    """Turn what the library says of a broken folder into one sentence; ``what`` it should be."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200].removesuffix(".") or type(error).__name__
        raise CheckpointError(f"{str(folder)!r} cannot be read as {what}: {reason}.") from error


@contextlib.contextmanager
def without_bars(library: Any) -> Iterator[None]:  # noqa: ANN401 - a module that may be missing
    """Keep the library's progress bars off standard error, and leave its setting as it was."""
    settings = library.utils.logging
    shown = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            settings.enable_progress_bar()


def _check_weights(model: nn.Module, missing: Iterable[str], folder: Path) -> None:
    """Refuse weights that the library has made up, or that are no numbers."""
    lacking = sorted(name for name in missing if not name.startswith(_UNUSED_WEIGHTS))
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise CheckpointError(f"The weights in {str(folder)!r} lack {lacking[0]!r}{more}.")
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise CheckpointError(f"{str(folder)!r} holds NaN or infinity in {name!r}.")


def open_sentence_encoder(
    name: str,
    *,
    expected: EncoderConfig | None = None,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
) -> tuple[Encoder, EncoderConfig]:
    """Open an encoder that a classifier reads with, and say which it is.

    Args:
        name: Any MODEL.
        expected: What the classifier was taught with.
        dtype: As for :func:`load_encoder`.

    Raises:
        UsageError: If there is no such model here, or it is no encoder.
        CheckpointError: If it is damaged, or not the one that is expected.
        MissingExtraError: If ``transformers`` is not installed.
    """
    path = resolve(name)
    if not is_encoder(path):
        raise UsageError(
            f"{name!r} is no sentence encoder, whose vectors a classifier could read.",
            hint="Get one with: autogpt models pull all-minilm-l6-v2",
        )
    digests = [sha256_known(path, file.name) for file in weight_files(path)]
    sha256 = digests[0]
    if len(digests) > 1:
        sha256 = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    if expected is not None and expected.sha256 != sha256:
        raise CheckpointError(
            f"{name!r} is not the encoder that this model was taught with: its weights differ.",
            hint="Get the original again, or teach the model anew.",
        )
    encoder = load_encoder(path, dtype=dtype)
    return encoder, EncoderConfig(name=name, width=encoder.dimension, sha256=sha256)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts as vectors.

    Attributes:
        vectors: One a text.
        tokens: How many were read of each.
    """

    vectors: Float[Tensor, "N D"]
    tokens: Sequence[int]


class Encoder:
    """A model that turns texts into vectors. Made by :func:`load_encoder`.

    Args:
        model: The encoder, of ``transformers``.
        tokenizer: Its tokenizer, of ``transformers``.
        steps: What happens before and after it.

    Attributes:
        config: Of ``transformers``.
        dimension: Length of a vector.
        max_tokens: Longer texts are cut.
        prompts: Words that :meth:`embed` can put before texts, by name.
    """

    def __init__(self, model: Any, tokenizer: Any, steps: Steps) -> None:  # noqa: ANN401 - of an extra
        config = model.config
        self.config = config
        self._model = model
        self._tokenizer = tokenizer
        self._steps = steps
        # RoBERTa and its kin count positions from behind the padding token's number.
        offset = config.pad_token_id + 1 if "roberta" in config.model_type else 0
        room = getattr(config, "max_position_embeddings", None)
        limits = [steps.max_tokens, tokenizer.model_max_length, room and room - offset]
        self.max_tokens = min(int(limit) for limit in limits if limit)
        self.dimension = int(config.hidden_size) * len(steps.modes)
        self.prompts: Mapping[str, str] = dict(steps.prompts)

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(weight.numel() for weight in self._model.parameters())

    @property
    def vocab_size(self) -> int:
        """How many tokens its tokenizer knows."""
        return len(self._tokenizer)

    def __repr__(self) -> str:
        return (
            f"Encoder({self._model.config.model_type}, {self.dimension} numbers a text, "
            f"up to {self.max_tokens} tokens)"
        )

    def __getattr__(self, name: str) -> NoReturn:
        """Explain, in place of a method that only decoders have, what this model does."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotADecoderError(
            f"This model embeds texts and does not have {name!r}.",
            hint="Call embed(texts); to write text, load a decoder such as smollm2-135m-instruct.",
        )

    def embed(
        self, texts: Sequence[str], *, normalize: bool = True, prompt: str | None = None
    ) -> Float[Tensor, "N D"]:
        """Return one vector a text, near where the meaning is near.

        A text gives the same vector alone and among others, up to rounding. Of a text longer than
        ``max_tokens`` only the beginning counts; a warning says how many were cut.

        Args:
            texts: Any Unicode, none of it special.
            normalize: To length 1, so that a product of two is their cosine.
            prompt: The name of words that go before each text, one of ``prompts``; default those
                the model always wants, if any.

        Raises:
            UsageError: If ``texts`` is not a list of texts, or there are no such words.
        """
        return self.read(texts, normalize=normalize, prompt=prompt).vectors

    def read(
        self, texts: Sequence[str], *, normalize: bool = True, prompt: str | None = None
    ) -> Embedded:
        """Return vectors as :meth:`embed` does, and how many tokens were read of each text."""
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError(
                "embed takes a list of texts.", hint='Write it like embed(["one", "another"]).'
            )
        token_ids = self._encode(list(texts), self._words(prompt))
        rows = torch.zeros(len(token_ids), self.dimension)
        # Texts of like length go together, so that little is computed for padding.
        order = sorted(range(len(token_ids)), key=lambda index: len(token_ids[index]))
        for start in range(0, len(order), _BATCH_ROWS):
            batch = order[start : start + _BATCH_ROWS]
            rows[batch] = self._run([token_ids[index] for index in batch])
        vectors = nn.functional.normalize(rows, dim=-1) if normalize else rows
        return Embedded(vectors, [len(ids) for ids in token_ids])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens of each text :meth:`embed` reads."""
        return [len(ids) for ids in self._token_ids(list(texts), truncation=True)]

    def _words(self, prompt: str | None) -> str:
        name = prompt or self._steps.default_prompt
        if name is None:
            return ""
        if name not in self.prompts:
            known = ", ".join(map(repr, self.prompts)) or "none"
            raise UsageError(f"This model has no prompt {name!r}.", hint=f"It has: {known}.")
        return self.prompts[name]

    def _encode(self, texts: list[str], words: str) -> list[list[int]]:
        if not texts:
            return []
        given = [words + text for text in texts]
        if self._steps.lower_case:
            given = [text.lower() for text in given]
        token_ids = self._token_ids(given, truncation=False)
        long = [index for index, ids in enumerate(token_ids) if len(ids) > self.max_tokens]
        if long:
            shortened = self._token_ids([given[index] for index in long], truncation=True)
            for index, ids in zip(long, shortened, strict=True):
                token_ids[index] = ids
            _logger.warning(
                "%d of %d texts are longer than %d tokens: only their beginnings count.",
                len(long),
                len(texts),
                self.max_tokens,
            )
        return token_ids

    def _token_ids(self, texts: list[str], *, truncation: bool) -> list[list[int]]:
        encoded: list[list[int]] = self._tokenizer(
            texts,
            truncation=truncation,
            max_length=self.max_tokens if truncation else None,
            split_special_tokens=True,  # what looks like a special token in a text is text
            verbose=False,
        )["input_ids"]
        return encoded

    @torch.inference_mode()
    def _run(self, token_ids: list[list[int]]) -> Float[Tensor, "B D"]:
        pad, longest = self._tokenizer.pad_token_id or 0, max(map(len, token_ids))
        inputs = torch.tensor([ids + [pad] * (longest - len(ids)) for ids in token_ids])
        lengths = torch.tensor([len(ids) for ids in token_ids])
        mask: Bool[Tensor, "B T"] = torch.arange(longest) < lengths.unsqueeze(1)
        vectors = self._model(input_ids=inputs, attention_mask=mask.long()).last_hidden_state
        return pool(vectors.float(), mask, self._steps.modes)
