"""Heads on the one decoder: a class for a text, or a tag for each of its tokens.

::

    a class    score of the last token           Qwen3ForSequenceClassification and the like
               or of the mean of all tokens      no class of transformers
    a tag      score of every token              Qwen3ForTokenClassification and the like

The mean suits small models that begin from nothing: what each token says counts at once, where the
last one must first learn to gather it (docs/decisions/0008).

A tag depends on what stands to the right as well. So a tagger's tokens look at the whole text,
``"is_causal": false`` in ``config.json``, of Gemma ``use_bidirectional_attention``; transformers
builds its mask accordingly (a class of GPT-2, or another model with a sliding window, does not, and
stays causal here too). The other way, to read the text twice and tag the second copy, keeps the
model as it was trained, but takes twice the time and is done by no other program
(docs/decisions/0005).

Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training"
(the score of the last token); Dukic and Snajder 2024, "Looking Right is Sometimes Right" (decoders
without the causal mask). Not here: its folder (``models.head_files``), training
(``training.objective``), text (``llm``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from autogpt.core.errors import ConfigError
from autogpt.models import gemma3_text
from autogpt.models.empty import without_weights
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.attention import AttentionForm

__all__ = ["CLASSES", "HeadConfig", "HeadKind", "HeadedGPT", "Pooling", "put_head", "with_weights"]

HeadKind = Literal["sequence", "token"]
Pooling = Literal["last", "mean"]

CLASSES = {
    "gemma3_text": "Gemma3Text",
    "gpt2": "GPT2",
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
}
"""What the names of transformers' classes begin with, by ``model_type``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadConfig:
    """What a head says.

    Attributes:
        kind: Whether of a text or of each token.
        labels: Their names, in the order of the scores.
        multi_label: Whether a text may have several labels, or none.
        pooling: What a text's score is of: its last token, or the mean of all.
    """

    kind: HeadKind
    labels: tuple[str, ...]
    multi_label: bool = False
    pooling: Pooling = "last"

    def __post_init__(self) -> None:
        """Check the labels.

        Raises:
            ConfigError: If there are too few, or one twice.
        """
        if len(self.labels) < (1 if self.multi_label else 2):
            raise ConfigError(f"A head needs two labels or more, not {list(self.labels)}.")
        if len(set(self.labels)) < len(self.labels):
            raise ConfigError("A head has a label twice.")
        if self.pooling not in get_args(Pooling):
            raise ConfigError(f"pooling = {self.pooling!r}, expected one of {get_args(Pooling)}.")


class HeadedGPT(GPT):
    """The decoder with a head; what it is trained and run as.

    Its hidden states are :class:`GPT`'s own, and so are the names of its weights.

    Args:
        config: The switches.
        head: The head.
        attention: See :class:`GPT`.

    Attributes:
        labels: The head, as given.
        score: From a hidden state to a score for each label.
    """

    def __init__(
        self, config: GPTConfig, head: HeadConfig, *, attention: AttentionForm = "sdpa"
    ) -> None:
        super().__init__(config, attention=attention)
        self.labels = head
        self.score = nn.Linear(config.hidden_size, len(head.labels), bias=head.kind == "token")
        with torch.no_grad():
            self.score.weight.normal_(0.0, config.initializer_range)
            if head.kind == "token":
                self.score.bias.zero_()

    def scores(
        self, hidden: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B *T C"]:
        """Return fp32 scores of the labels: of each row, or of every token.

        Args:
            hidden: What the model made of the rows.
            lengths: Tokens of each row; padding follows.
        """
        if self.labels.kind == "sequence":
            hidden = self.pooled(hidden, lengths)
        output: Tensor = self.score(hidden)
        return output.float()

    def pooled(
        self, hidden: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B D"]:
        """Return what stands for each row: its last token, or the mean of all of them."""
        if self.labels.pooling == "last":
            return hidden[torch.arange(len(lengths), device=hidden.device), lengths - 1]
        inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
        return (hidden * inside[..., None]).sum(1) / lengths[:, None].to(hidden.dtype)

    def read_rows(
        self,
        token_ids: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"],
        *,
        hidden: Float[Tensor, "B T D"] | None = None,
        blocks: slice = slice(None),
    ) -> Float[Tensor, "B *T C"]:
        """Return the scores of rows that are padded on the right, with whatever token.

        Args:
            token_ids: The rows.
            lengths: Tokens of each row.
            hidden: As in :class:`GPT`: what the blocks before those of ``blocks`` made of them.
            blocks: Which blocks are left to go through.
        """
        mask = self.row_mask(token_ids, lengths)
        return self.scores(
            self(token_ids, document_ids=mask, hidden=hidden, blocks=blocks), lengths
        )

    def row_mask(
        self, token_ids: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]
    ) -> Int[Tensor, "B T"] | None:
        """Return what keeps padding away from texts; None where they look back only."""
        if self.config.is_causal:
            return None
        place = torch.arange(token_ids.shape[1], device=token_ids.device)
        return (place >= lengths[:, None]).long()


def put_head(body: GPT, head: HeadConfig, *, layers: int | None = None) -> HeadedGPT:
    """Return a model with the weights of ``body`` and a head that has learned nothing.

    The two share memory; ``body`` is used up. A tagger's tokens look at the whole text where the
    family can say so.

    Args:
        body: The decoder.
        head: The labels.
        layers: Blocks to keep, from the first; None: all.

    Raises:
        ConfigError: If the body's family has no such class, or it has fewer blocks.
    """
    config = replace(body.config, tie_word_embeddings=True)  # there is no other head
    if layers is not None:
        if layers > config.num_hidden_layers:
            raise ConfigError(
                f"layers = {layers} is more than the {config.num_hidden_layers} blocks of the "
                "model."
            )
        config = config.with_layers(layers)
    if config.model_type not in CLASSES:
        raise ConfigError(f"Models of type {config.model_type!r} do not take a head.")
    if head.kind == "token" and _can_look_ahead(config):
        config = _looking_ahead(config)
    weights = {
        name: weight
        for name, weight in body.state_dict().items()
        if not name.startswith("head.") and _is_kept(name, config.num_hidden_layers)
    }
    score = nn.Linear(config.hidden_size, len(head.labels), bias=head.kind == "token")
    nn.init.normal_(score.weight, 0.0, config.initializer_range)
    if head.kind == "token":
        nn.init.zeros_(score.bias)
    dtype, device = body.embedding.weight.dtype, body.embedding.weight.device
    weights |= {
        f"score.{name}": weight.detach().to(device, dtype)
        for name, weight in score.state_dict().items()
    }
    return with_weights(config, head, weights, attention=body.attention)


def _is_kept(name: str, layers: int) -> bool:
    """Whether a weight is not of a block that is left out."""
    room, _, rest = name.partition(".")
    return room != "layers" or int(rest.partition(".")[0]) < layers


def with_weights(
    config: GPTConfig,
    head: HeadConfig,
    weights: Mapping[str, Tensor],
    *,
    attention: AttentionForm = "sdpa",
) -> HeadedGPT:
    """Return a model that has ``weights``, by our names, and shares their memory."""
    with without_weights():
        model = HeadedGPT(config, head, attention=attention)
    model.load_state_dict(dict(weights), assign=True)
    return model.eval()


def _can_look_ahead(config: GPTConfig) -> bool:
    """Whether transformers reads that a model does, in ``config.json``."""
    if config.model_type == "gemma3_text":
        return True
    return config.sliding_window is None and config.model_type != "gpt2"


def _looking_ahead(config: GPTConfig) -> GPTConfig:
    window = config.sliding_window
    return replace(
        config,
        is_causal=False,
        sliding_window=None if window is None else gemma3_text.halved(window),
    )
