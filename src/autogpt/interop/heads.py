"""Encoders with a head (BERT and its kin), through the library ``transformers``, an extra.

They come behind the same methods as our own (``llm.classifier``, ``llm.tagger``). What a head that
was never trained says is noise, so such a folder is refused: its weights are missing (the library
would draw some at random), or are as they were drawn, with a bias of exactly zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from autogpt.core.errors import CheckpointError, MissingExtraError
from autogpt.interop.pooling import read_object
from autogpt.interop.transformers import explained, refuse_foreign_code, without_bars
from autogpt.models.head_files import head_kind, read_head
from autogpt.models.heads import HeadConfig, HeadKind
from autogpt.models.weights import open_weights
from autogpt.tasks.scores import TextScores, TokenScores
from autogpt.tasks.spans import units_of

__all__ = ["EncoderHead", "load_encoder_head"]

_TOKENS_AT_ONCE = 2048
_HINT = "Train one: autogpt finetune MODEL DATA --task classify (or tag)."


def load_encoder_head(
    folder: Path, *, dtype: Literal["auto", "float32", "bfloat16"] = "float32"
) -> EncoderHead:
    """Read an encoder with a head.

    Args:
        folder: In Hugging Face layout.
        dtype: To compute in; "auto" is what the weights are stored as.

    Raises:
        MissingExtraError: If ``transformers`` is not installed.
        CheckpointError: If a file is missing or damaged, the model brings code of its own, or its
            head is not trained.
    """
    settings = read_object(folder / "config.json")
    kind = head_kind(settings)
    if kind is None:
        raise CheckpointError(f"{str(folder)!r} has no classification head.", hint=_HINT)
    refuse_foreign_code(folder, settings)
    with open_weights(folder):  # refuses pickles and torn files, in words of our own
        pass
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "transformers", extra="transformers", purpose=f"A {settings['model_type']} model"
        ) from error
    auto: Any = {
        "sequence": transformers.AutoModelForSequenceClassification,
        "token": transformers.AutoModelForTokenClassification,
    }[kind]
    with explained(folder), without_bars(transformers):
        model, found = auto.from_pretrained(
            folder,
            dtype="auto" if dtype == "auto" else getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    _check_trained(model, sorted(found["missing_keys"]), folder)
    return EncoderHead(model.eval(), tokenizer, _head(settings, model), kind)


def _head(settings: Mapping[str, Any], model: Any) -> HeadConfig:  # noqa: ANN401 - of an extra
    labels = {str(number): label for number, label in model.config.id2label.items()}
    return read_head({**settings, "id2label": labels})


def _check_trained(model: Any, missing: Sequence[str], folder: Path) -> None:  # noqa: ANN401 - of an extra
    """Refuse a head that says nothing.

    Raises:
        CheckpointError: If weights are missing, no numbers, or as they were drawn.
    """
    if missing:
        raise CheckpointError(
            f"The weights in {str(folder)!r} lack {missing[0]!r}: its head is not trained, and "
            "what it said would be noise.",
            hint=_HINT,
        )
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise CheckpointError(f"{str(folder)!r} holds NaN or infinity in {name!r}.")
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    if (
        last.out_features == model.config.num_labels
        and last.bias is not None
        and not last.bias.any()
    ):
        raise CheckpointError(
            f"The head in {str(folder)!r} is as it was drawn at random (its bias is exactly zero): "
            "it is not trained, and what it said would be noise.",
            hint=_HINT,
        )


class EncoderHead:
    """An encoder with a head. Made by :func:`load_encoder_head`.

    Args:
        model: Of ``transformers``.
        tokenizer: Its tokenizer, of ``transformers``.
        head: Its labels.
        kind: Whether of a text or of each token.

    Attributes:
        head: As given.
        kind: As given.
        max_tokens: Of a text; longer ones are cut.
    """

    def __init__(self, model: Any, tokenizer: Any, head: HeadConfig, kind: HeadKind) -> None:  # noqa: ANN401 - of an extra
        self._model, self._tokenizer = model, tokenizer
        self.head, self.kind = head, kind
        config = model.config
        offset = config.pad_token_id + 1 if "roberta" in config.model_type else 0
        room = getattr(config, "max_position_embeddings", None)
        limits = [tokenizer.model_max_length, room and room - offset]
        self.max_tokens = min(int(limit) for limit in limits if limit)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return self.head.labels

    def read(self, texts: Sequence[str]) -> TextScores:
        """Return the scores of each text; of a long one only the beginning counts."""
        encoded = self._encode(texts, offsets=False)
        found = np.zeros((len(texts), len(self.labels)))
        for places, rows in self._passes([ids for ids, _ in encoded]):
            found[places] = rows
        return TextScores(found, [len(ids) for ids, _ in encoded])

    def read_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Return the scores of the first token of each unit of each text.

        Such models learn the label of a word with its first token alone (Devlin et al. 2019,
        "BERT", section 5.3). A long text is read in windows that do not overlap.
        """
        cut = self._windows(texts)
        encoded = self._encode([text for _, _, text in cut], offsets=True)
        scored: list[npt.NDArray[np.float64] | None] = [None] * len(cut)
        for places, rows in self._passes([ids for ids, _ in encoded]):
            for place, row in zip(places, rows, strict=True):
                scored[place] = row
        found: list[tuple[list[tuple[int, int]], list[npt.NDArray[np.float64]]]] = [
            ([], []) for _ in texts
        ]
        read = [0] * len(texts)
        for (number, begin, text), (ids, offsets), row in zip(cut, encoded, scored, strict=True):
            assert row is not None  # every place was in one pass
            read[number] += len(ids)
            spans, logits = found[number]
            for first, start, end in _first_tokens(units_of(text), offsets):
                spans.append((begin + start, begin + end))
                logits.append(row[first])
        width = len(self.labels)
        return [
            TokenScores(spans, np.arange(len(spans)), np.array(logits).reshape(-1, width), count)
            for (spans, logits), count in zip(found, read, strict=True)
        ]

    def _windows(self, texts: Sequence[str]) -> list[tuple[int, int, str]]:
        """Return parts of texts that the model can see: whose they are, where they begin."""
        whole = self._tokenizer(
            list(texts), split_special_tokens=True, return_offsets_mapping=True, verbose=False
        )["offset_mapping"] if texts else []  # fmt: skip
        most = self.max_tokens - self._tokenizer.num_special_tokens_to_add()
        parts = []
        for number, (text, offsets) in enumerate(zip(texts, whole, strict=True)):
            borders = {start for start, _ in units_of(text)}
            begin, taken = 0, 0
            for start, end in offsets:
                if (taken >= most * 3 // 4 and start in borders) or taken >= most - 1:
                    parts.append((number, begin, text[begin:start]))
                    begin, taken = start, 0
                taken += end > start
            parts.append((number, begin, text[begin:]))
        return parts

    def _encode(
        self, texts: Sequence[str], *, offsets: bool
    ) -> list[tuple[list[int], list[tuple[int, int]]]]:
        if not texts:
            return []
        found = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self.max_tokens,
            split_special_tokens=True,
            return_offsets_mapping=offsets,
            verbose=False,
        )
        places = found["offset_mapping"] if offsets else [[]] * len(texts)
        return list(zip(found["input_ids"], places, strict=True))

    @torch.inference_mode()
    def _passes(
        self, token_ids: Sequence[list[int]]
    ) -> Iterator[tuple[list[int], npt.NDArray[np.float64]]]:
        """Yield the logits of rows of like length, and where they belong."""
        order = sorted(range(len(token_ids)), key=lambda place: -len(token_ids[place]))
        pad = self._tokenizer.pad_token_id or 0
        while order:
            longest = max(1, len(token_ids[order[0]]))
            count = max(1, _TOKENS_AT_ONCE // longest)
            some, order = order[:count], order[count:]
            rows = [token_ids[place] for place in some]
            inputs = torch.tensor([[*ids, *[pad] * (longest - len(ids))] for ids in rows])
            lengths = torch.tensor([len(ids) for ids in rows])
            mask = (torch.arange(longest) < lengths[:, None]).long()
            logits = self._model(input_ids=inputs, attention_mask=mask).logits
            yield some, logits.double().numpy()


def _first_tokens(
    units: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Yield the first token of each unit that has one, and where what its tokens cover lies."""
    starts = np.array([start for start, _ in units], dtype=np.int64)
    first, begin, end, unit = -1, 0, 0, -1
    for number, (start, stop) in enumerate(offsets):
        if stop <= start:  # stands for no text
            continue
        own = int(np.searchsorted(starts, start, side="right")) - 1
        # Some tokenizers count the space before a word in.
        own = (
            own + 1
            if own + 1 < len(units) and units[own + 1][0] < stop and start >= units[own][1]
            else own
        )
        if own != unit:
            if first >= 0:
                yield first, begin, end
            first, unit = number, own
            begin, end = max(start, units[max(own, 0)][0]), stop
        end = max(end, stop)
    if first >= 0:
        yield first, begin, end
