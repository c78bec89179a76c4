"""The tokenizer: text to token ids and back, by BPE whose form is ``tokenizer.json``.

Any text is a sequence of tokens, and the ids are those of Hugging Face ``tokenizers`` reading the
same file (Sennrich et al., 2016; Radford et al., 2019). Ours are byte-level: any bytes come back
exactly. SentencePiece ones with byte fallback are read too; they take ``▁`` for a space. Learning
merges is in ``training.py``, encoding on all cores in ``encoder.py``, the file in ``pipeline.py``,
how tokens spell bytes in ``spelling.py``.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as HFTokenizer

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.files import read_json, write_json, write_text
from autogpt.tokenizer import pipeline
from autogpt.tokenizer.chat import CHAT_TEMPLATE
from autogpt.tokenizer.encoder import Encoded, Encoder, TokenIds
from autogpt.tokenizer.spelling import spelling_of
from autogpt.tokenizer.training import (
    TokenizerConfig,
    TrainingReport,
    choose_vocab_size,
    fit,
)

__all__ = [
    "StreamDecoder",
    "Tokenizer",
    "TokenizerConfig",
    "TokenizerRoles",
    "TrainingReport",
    "choose_vocab_size",
    "train",
]

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
TEMPLATE_FILE = "chat_template.jinja"

_SURROGATES = re.compile("([\ud800-\udfff]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerRoles:
    """What a model folder says of its tokenizer beside ``tokenizer.json``.

    Attributes:
        eos: The token that ends a message, and text generation.
        pad: The token that separates documents and fills batches.
        bos: The token that begins a text; ours have none.
        add_bos: Whether the model expects ``bos`` before a text; ``encode`` does not add it.
        chat_template: The jinja template of conversations.
    """

    eos: str = pipeline.MESSAGE_END
    pad: str = pipeline.END_OF_TEXT
    bos: str | None = None
    add_bos: bool = False
    chat_template: str | None = CHAT_TEMPLATE


class Tokenizer:
    """Text to ids and back. Made by ``train`` or ``load``; safe to share between threads.

    Args:
        tokenizer: A tokenizer that has a token for every byte, or nearly every one.
        roles: Its special tokens and chat template.
        training: How it was made, if it was made here.

    Attributes:
        roles: As given.
        training: As given.
        vocab_size: Number of ids: one more than the largest.
        eos_id: ``<|im_end|>``, or what ends generation in a loaded model.
        pad_id: ``<|endoftext|>``, or what separates documents in a loaded model.
        bos_ids: What the model expects before a text: the id of one token, or nothing.
        im_start_id: ``<|im_start|>``; None in models that have no such token.
    """

    def __init__(
        self,
        tokenizer: HFTokenizer,
        *,
        roles: TokenizerRoles | None = None,
        training: TrainingReport | None = None,
    ) -> None:
        self.roles = roles or TokenizerRoles()
        self.training = training
        vocab = tokenizer.get_vocab(with_added_tokens=True)
        self._spelling = spelling_of(tokenizer, vocab)
        bos = self.roles.bos if self.roles.add_bos else None
        for role, content in (
            ("eos_token", self.roles.eos), ("pad_token", self.roles.pad), ("bos_token", bos)
        ):  # fmt: skip
            if content is not None and content not in vocab:
                raise CheckpointError(f"The {role} {content!r} is not in the vocabulary.")
        self.vocab_size: int = max(vocab.values()) + 1
        self.eos_id: int = vocab[self.roles.eos]
        self.pad_id: int = vocab[self.roles.pad]
        self.bos_ids: tuple[int, ...] = () if bos is None else (vocab[bos],)
        self.im_start_id: int | None = vocab.get(pipeline.MESSAGE_START)
        self._vocab = vocab
        self._tokenizer = tokenizer
        self._encoder = Encoder(tokenizer)

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size})"

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """The special tokens, and any other added ones, with their ids."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token.content: token_id for token_id, token in added.items()}

    @cached_property
    def silent_ids(self) -> frozenset[int]:
        """The added tokens that stand for no text; others, such as runs of spaces, do."""
        added = self._tokenizer.get_added_tokens_decoder()
        return frozenset(token_id for token_id, token in added.items() if token.special)

    @cached_property
    def token_byte_counts(self) -> npt.NDArray[np.int32]:
        """How many bytes of text each id stands for; 0 for special tokens."""
        counts = np.array([len(token) for token in self._tokens], dtype=np.int32)
        counts[list(self.silent_ids)] = 0
        return counts

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """Return the ids of ``text``.

        Args:
            text: Any string. A surrogate that stands for an undecodable byte (``surrogateescape``)
                gives that byte, any other lone surrogate U+FFFD.
            allow_special: Take ``<|im_end|>`` and the like in ``text`` for the tokens, as chat
                templates need; never for text that comes from outside.
        """
        return [int(token_id) for token_id in self._encode(text, allow_special=allow_special)]

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """Return the ids of each text, using all cores."""
        return self.encode_flat(texts).rows()

    def encode_flat(self, texts: Sequence[str]) -> Encoded:
        """Return the ids of all texts in one array, using all cores: the fastest form."""
        try:
            return self._encoder.encode_all(texts)
        except (UnicodeEncodeError, TypeError):  # lone surrogates: which, depends on the engine
            rows = [self._encode(text) for text in texts]
            ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
            return Encoded(np.concatenate(rows), ends)

    def encode_ends(self, text: str) -> tuple[TokenIds, npt.NDArray[np.int64]]:
        """Return the ids of ``text``, and for each where in it the token ends, in characters.

        Lone surrogates count as U+FFFD. Slower than ``encode``.
        """
        return self._encoder.encode_ends(_SURROGATES.sub(_replaced, text))

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return ids that ``decode_bytes`` turns into ``data`` again, whatever bytes it has."""
        return self.encode(data.decode("utf-8", "surrogateescape"))

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Return the text of ``ids``; bytes that are no UTF-8 become U+FFFD.

        Raises:
            UsageError: If an id is not in the vocabulary.
        """
        return self.decode_bytes(ids, skip_special=skip_special).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int], *, skip_special: bool = False) -> bytes:
        """Return the exact bytes of ``ids``.

        Raises:
            UsageError: If an id is not in the vocabulary.
        """
        skipped = self.silent_ids if skip_special else frozenset()
        data = b"".join(self.token_bytes(token_id) for token_id in ids if token_id not in skipped)
        return data.removeprefix(b" ") if self._spelling.space_first else data

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes of one token, which need not be whole characters.

        Raises:
            UsageError: If the id is not in the vocabulary.
        """
        if not 0 <= token_id < self.vocab_size:
            raise UsageError(
                f"Token id {token_id} is not in the vocabulary of {self.vocab_size} tokens."
            )
        return self._tokens[token_id]

    def ids_with(self, texts: Sequence[str]) -> frozenset[int]:
        """Return the tokens whose text contains one of ``texts``."""
        wanted = [text.encode() for text in texts]
        return frozenset(
            token_id
            for token_id, token in enumerate(self._tokens)
            if any(text in token for text in wanted)
        )

    def fingerprint(self) -> str:
        """Return a sha256 that changes when any id of any text could."""
        canonical = json.dumps(json.loads(self._json), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``."""
        return self._json

    def save(self, folder: Path | str) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json`` into ``folder``, atomically."""
        folder = Path(folder)
        write_text(folder / TOKENIZER_FILE, self._json)
        write_json(folder / CONFIG_FILE, self._config())

    @classmethod
    def load(cls, folder: Path | str) -> Tokenizer:
        """Read the tokenizer of a model folder.

        Raises:
            CheckpointError: If a file is missing or damaged, or the tokenizer lacks bytes.
        """
        folder = Path(folder)
        path = folder / TOKENIZER_FILE
        if not path.is_file():
            raise CheckpointError(f"{str(path)!r} is missing: the folder has no tokenizer.")
        document = read_json(path)
        try:
            tokenizer = HFTokenizer.from_str(json.dumps(document))
        except Exception as error:  # `tokenizers` raises nothing narrower
            raise CheckpointError(f"{str(path)!r} is not a tokenizer: {error}.") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, roles=_read_roles(folder, document))

    @cached_property
    def _json(self) -> str:
        return self._tokenizer.to_str()

    @cached_property
    def _tokens(self) -> list[bytes]:
        """The bytes of each id."""
        special = set(self.special_ids)
        tokens = [b""] * self.vocab_size
        spelled = self._spelling.token_bytes
        for name, token_id in self._vocab.items():
            tokens[token_id] = name.encode() if name in special else spelled(name)
        return tokens

    def _encode(self, text: str, *, allow_special: bool = False) -> TokenIds:
        if not _SURROGATES.search(text):
            return self._encoder.encode(text, allow_special=allow_special)
        rows = []
        for position, part in enumerate(_SURROGATES.split(text)):
            if position % 2 == 0:
                rows.append(self._encoder.encode(part, allow_special=allow_special))
            else:
                rows.extend(self._encode_surrogate(character) for character in part)
        return np.concatenate(rows)

    def _encode_surrogate(self, character: str) -> TokenIds:
        if "\udc80" <= character <= "\udcff":
            token_id = self._vocab.get(self._spelling.byte_name(ord(character) - 0xDC00))
            if token_id is not None:
                return np.array([token_id], dtype=np.int32)
        return self._encoder.encode("\ufffd")

    def _config(self) -> dict[str, object]:
        added = self._tokenizer.get_added_tokens_decoder()
        roles = self.roles
        named = {roles.eos, roles.pad, roles.bos}
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": roles.bos,
            "eos_token": roles.eos,
            "pad_token": roles.pad,
            "unk_token": None,
            "additional_special_tokens": [
                token.content
                for token in added.values()
                if token.special and token.content not in named
            ],
            "added_tokens_decoder": {
                str(token_id): _describe(token) for token_id, token in added.items()
            },
            **({"add_bos_token": True} if roles.add_bos else {}),
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "errors": "replace",
            "chat_template": roles.chat_template,
        }


def _replaced(found: re.Match[str]) -> str:
    return "\ufffd" * len(found[0])


class StreamDecoder:
    """Turn ids into text as they come, whole characters only.

    The text of all pushes and the flush, joined, is that of ``Tokenizer.decode`` (and the space
    that some tokenizers begin a text with: here a text goes on): a character that is split over
    tokens waits for its last byte, and bytes that can no longer become one are U+FFFD.

    Args:
        tokenizer: Knows the bytes of each id.
        skip_special: Give no text for special tokens.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = False) -> None:
        self._tokenizer = tokenizer
        self._skipped = tokenizer.silent_ids if skip_special else frozenset()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        """Return the text that ``token_id`` completes; may be empty."""
        if token_id in self._skipped:
            return ""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id))

    def flush(self) -> str:
        """Return what is left, as U+FFFD, and start anew."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


def train(
    texts: Callable[[], Iterable[str]] | Iterable[str],
    config: TokenizerConfig,
    *,
    corpus_bytes: int,
    chat_template: str | None = CHAT_TEMPLATE,
) -> Tokenizer:
    """Make a tokenizer from a corpus, using all cores; its ``training`` says how that went.

    Args:
        texts: The corpus, or a function that returns it, in documents or blocks of any length. It
            is read once; of more than 100 MB an even sample is used.
        config: What to make.
        corpus_bytes: Size of the corpus in bytes, at least about; decides vocabulary and sampling.
        chat_template: How conversations are written.

    Raises:
        DataError: If there is no text.
    """
    begin = time.perf_counter()
    fitted = fit(texts() if callable(texts) else texts, config, corpus_bytes=corpus_bytes)
    tokenizer = Tokenizer(
        pipeline.build(fitted.merges), roles=TokenizerRoles(chat_template=chat_template)
    )
    seconds = time.perf_counter() - begin
    tokens = len(tokenizer.encode_flat(fitted.excerpt).ids)
    tokenizer.training = TrainingReport(
        kind=fitted.kind,
        engine=fitted.engine,
        vocab_size=tokenizer.vocab_size,
        corpus_bytes=corpus_bytes,
        sample_bytes=fitted.sample_bytes,
        seconds=seconds,
        bytes_per_token=len("".join(fitted.excerpt).encode()) / tokens,
    )
    return tokenizer


def _read_roles(folder: Path, document: object) -> TokenizerRoles:
    """Return what ``tokenizer_config.json`` says; ours where there is no such file.

    Args:
        folder: The model folder.
        document: Its ``tokenizer.json``.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        return TokenizerRoles()
    config = read_json(path)
    if not isinstance(config, dict):
        raise CheckpointError(f"{str(path)!r} is damaged: an object was expected.")
    eos = _content(config.get("eos_token"))
    if eos is None:
        raise CheckpointError(f"{str(path)!r} names no eos_token, which generation needs.")
    template = config.get("chat_template")
    separate = folder / TEMPLATE_FILE
    if template is None and separate.is_file():
        template = separate.read_text(encoding="utf-8")
    bos = _content(config.get("bos_token"))
    add_bos = config.get("add_bos_token")
    if not isinstance(add_bos, bool):
        add_bos = _begins_with(document, bos)
    return TokenizerRoles(
        eos=eos,
        pad=_content(config.get("pad_token")) or eos,
        bos=bos,
        add_bos=add_bos and bos is not None,
        chat_template=template if isinstance(template, str) else None,
    )


def _begins_with(document: object, bos: str | None) -> bool:
    """Whether the ``post_processor`` of a ``tokenizer.json`` puts ``bos`` before a text."""
    step = document.get("post_processor") if isinstance(document, dict) else None
    steps = step.get("processors", [step]) if isinstance(step, dict) else []
    firsts = [step["single"][:1] for step in steps if step.get("type") == "TemplateProcessing"]
    return any(first and first[0].get("SpecialToken", {}).get("id") == bos for first in firsts)


def _content(token: object) -> str | None:
    """Return the text of a token, which is written as a string or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _describe(token: Any) -> dict[str, object]:  # noqa: ANN401 - AddedToken's stub lacks its fields
    return {
        "content": token.content,
        "lstrip": token.lstrip,
        "normalized": token.normalized,
        "rstrip": token.rstrip,
        "single_word": token.single_word,
        "special": token.special,
    }
