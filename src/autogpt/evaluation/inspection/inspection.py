"""What was found inside a model while it read a text, and how it is put together.

Not here: the forward pass (``trace``), pages and terminals (``page``, ``view``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch

from autogpt.core.errors import UsageError
from autogpt.evaluation.inspection.attention import (
    AttentionView,
    WorkedExample,
    most_telling,
    work_through,
)
from autogpt.evaluation.inspection.positions import PositionView, view_positions
from autogpt.evaluation.inspection.predictions import (
    Candidate,
    Expectation,
    Head,
    LensToken,
    NextToken,
    expectations,
    logit_lens,
    next_token,
)
from autogpt.evaluation.inspection.trace import trace
from autogpt.inference.params import SamplingParams
from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPT
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["CacheView", "Focus", "Inspection", "ModelFacts", "TokenView", "inspect"]

_CANDIDATES = 5
_NEXT = 12
_LENS_ROWS = 512  # layers times tokens that the lens reads: each costs one product with the head
_KEPT = 2_500_000  # weights kept of all rows together, a key and a number each
_FEWEST_KEPT = 4
_ILLUSTRATED = SamplingParams(temperature=0.8, top_k=40, top_p=0.9)


@dataclass(frozen=True, kw_only=True, slots=True)
class Focus:
    """What to look at closely.

    Attributes:
        token: Its place in the text; negative counts from the end, as in a list.
        layer: Whose attention is worked through; None: where the token looks most decidedly.
        head: Likewise; a head without a layer is of the last one.
        kept: Attention weights to keep of each token in each head; None: as many as a page holds.
    """

    token: int = -1
    layer: int | None = None
    head: int | None = None
    kept: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model that read."""

    name: str
    family: str
    parameters: int
    layers: int
    heads: int
    key_value_heads: int
    head_dim: int
    hidden_size: int
    vocab_size: int
    context: int
    dtype: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token of the text.

    Attributes:
        token_id: Its id.
        text: As it can be shown: bytes that are no whole characters are written as ``<E5AD>``.
        data: Its bytes.
        is_special: Whether it stands for no text.
        expected: What the model expected in its place; None of the first.
    """

    token_id: int
    text: str
    data: bytes
    is_special: bool
    expected: Expectation | None


@dataclass(frozen=True, slots=True)
class CacheView:
    """What the key/value cache takes: 2 x layers x key/value heads x width x bytes, a token.

    Attributes:
        bytes_per_number: 4 in fp32, 2 in bf16.
        bytes_per_token: A key and a value in every layer.
        text_bytes: Of this text.
        context_bytes: Of the longest text; layers with a window need no more than that.
        without_sharing_bytes: Per token if each query head had its own keys and values.
    """

    bytes_per_number: int
    bytes_per_token: int
    text_bytes: int
    context_bytes: int
    without_sharing_bytes: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model while it read a text.

    Attributes:
        model: Which.
        text: What it read.
        tokens: Cut into tokens.
        focus: The place of the token looked at closely.
        positions: How its place is known.
        attention: Who looked where.
        worked: Attention of the token in focus, step by step.
        lens: What would be said after each layer; see ``predictions``.
        next: How the next token is chosen.
        vocabulary: The text of every token that is named and is not in ``tokens``.
        cache: Memory of keys and values.
        wall_s: Seconds that the inspection took.
    """

    model: ModelFacts
    text: str
    tokens: tuple[TokenView, ...]
    focus: int
    positions: PositionView
    attention: AttentionView
    worked: WorkedExample
    lens: tuple[LensToken, ...]
    next: NextToken
    vocabulary: dict[int, str]
    cache: CacheView
    wall_s: float

    @property
    def losses(self) -> list[float]:
        """-ln p of each token but the first, in nats: the terms of the cross-entropy."""
        return [-one.expected.logprob for one in self.tokens if one.expected is not None]

    @property
    def loss(self) -> float | None:
        """Cross-entropy of the text in nats per token; None of a single token."""
        losses = self.losses
        return math.fsum(losses) / len(losses) if losses else None

    @property
    def bits_per_byte(self) -> float | None:
        """Cross-entropy in bits per byte of the text that was predicted."""
        predicted = sum(len(one.data) for one in self.tokens[1:] if not one.is_special)
        return math.fsum(self.losses) / math.log(2) / predicted if predicted else None

    def to_dict(self, *, attention: bool = True) -> dict[str, object]:
        """Return plain values, for JSON.

        Args:
            attention: Whether the weights are among them, which are most of it.
        """
        loss = self.loss
        return {
            "model": asdict(self.model),
            "text": self.text,
            "tokens": [self._token(place) for place in range(len(self.tokens))],
            "focus": self.focus,
            "positions": asdict(self.positions),
            **({"attention": self.attention.to_dict()} if attention else {}),
            "worked": asdict(self.worked),
            "lens": [
                {
                    "token": one.token,
                    "layers": [
                        {"top": self.named(layer.top), "entropy_bits": layer.entropy_bits}
                        for layer in one.layers
                    ],
                }
                for one in self.lens
            ],
            "next": {
                "tokens": [
                    {"id": token_id, "text": self.spelled(token_id), "logit": logit}
                    for token_id, logit in zip(self.next.token_ids, self.next.logits, strict=True)
                ],
                "stages": [asdict(stage) for stage in self.next.stages],
            },
            "loss": {
                "terms": self.losses,
                "mean": loss,
                "perplexity": None if loss is None else math.exp(min(loss, 700.0)),
                "bits_per_byte": self.bits_per_byte,
            },
            "cache": asdict(self.cache),
            "wall_s": self.wall_s,
        }

    def spelled(self, token_id: int) -> str:
        """Return a token as it can be shown."""
        return self.vocabulary[token_id]

    def named(self, candidates: Sequence[Candidate]) -> list[dict[str, object]]:
        """Return candidates with their text."""
        return [
            {"id": one.token_id, "text": self.spelled(one.token_id), "p": one.probability}
            for one in candidates
        ]

    def _token(self, place: int) -> dict[str, object]:
        token = self.tokens[place]
        fields: dict[str, object] = {
            "id": token.token_id,
            "text": token.text,
            "bytes": list(token.data),
            "special": token.is_special,
        }
        if token.expected is not None:
            fields |= {
                "logprob": token.expected.logprob,
                "surprise_bits": token.expected.surprise_bits,
                "rank": token.expected.rank,
                "entropy_bits": token.expected.entropy_bits,
                "expected": self.named(token.expected.top),
            }
        return fields


@torch.inference_mode()
def inspect(
    model: GPT,
    tokenizer: Tokenizer,
    token_ids: Sequence[int],
    *,
    head: Head,
    params: SamplingParams | None = None,
    focus: Focus | None = None,
    name: str = "",
) -> Inspection:
    """Let a model read a text, and return what happened inside.

    Args:
        model: The model, packed or not.
        tokenizer: Its tokenizer.
        token_ids: The text.
        head: Scores the vocabulary for ``[N, D]``, as ``model.logits``.
        params: How the next token would be chosen; default a temperature of 0.8, top-k 40 and
            top-p 0.9, to show what each does.
        focus: What to look at closely.
        name: What the model is called.

    Raises:
        UsageError: If the text is longer than the model's context, or the focus is not in it.
    """
    begin = time.perf_counter()
    focus = focus or Focus()
    config = model.config
    place = _place(focus.token, len(token_ids), "token")
    ids = torch.tensor(list(token_ids), device=model.embedding.weight.device)
    lens = _lens_tokens(len(ids), place, layers=config.num_hidden_layers)
    seen = trace(
        model,
        ids,
        focus=place,
        kept=_kept(focus.kept, len(ids), model),
        lens=torch.tensor(lens, device=ids.device),
    )
    layer, number = most_telling(seen.layers, place)
    if focus.layer is not None or focus.head is not None:
        chosen = -1 if focus.layer is None else focus.layer
        layer = _place(chosen, config.num_hidden_layers, "layer")
        rows = seen.layers[layer].row
        number = int(rows.amax(-1).argmax()) if focus.head is None else focus.head
        number = _place(number, config.num_attention_heads, "head")
    expected = expectations(seen.hidden, head, ids, top=_CANDIDATES)
    found = Inspection(
        model=_facts(model, name),
        text=tokenizer.decode(token_ids, skip_special=True),
        tokens=tuple(
            _token(tokenizer, token_id, None if index == 0 else expected[index - 1])
            for index, token_id in enumerate(token_ids)
        ),
        focus=place,
        positions=view_positions(model, place),
        attention=AttentionView.of(seen.layers),
        worked=work_through(seen.layers[layer], layer=layer, head=number, token=place),
        lens=tuple(logit_lens(seen.residual, model.norm, head, lens, top=_CANDIDATES)),
        next=next_token(
            head(seen.hidden[-1:])[0, : tokenizer.vocab_size], params or _ILLUSTRATED, top=_NEXT
        ),
        vocabulary={},
        cache=_cache(model, len(ids)),
        wall_s=0.0,
    )
    named = {token_id: _spelled(tokenizer, token_id) for token_id in _mentioned(found)}
    return replace(found, vocabulary=named, wall_s=time.perf_counter() - begin)


def _place(number: int, count: int, name: str) -> int:
    if not -count <= number < count:
        raise UsageError(
            f"{name} = {number} is not there: there are {count}, numbered from 0 to {count - 1}."
        )
    return number % count


def _kept(asked: int | None, tokens: int, model: GPT) -> int:
    if asked is not None:
        if asked < 1:
            raise UsageError(f"kept = {asked} must be at least 1.")
        return asked
    config = model.config
    rows = config.num_hidden_layers * (config.num_attention_heads + 1) * tokens
    return max(_FEWEST_KEPT, min(tokens, _KEPT // rows))


def _lens_tokens(tokens: int, focus: int, *, layers: int) -> list[int]:
    """Return the tokens that the lens reads: all of a short text, else those before the focus."""
    count = max(1, min(tokens, _LENS_ROWS // layers))
    start = max(0, min(focus + 1 - count, tokens - count))
    return [*range(start, start + count)]


def _token(tokenizer: Tokenizer, token_id: int, expected: Expectation | None) -> TokenView:
    return TokenView(
        token_id,
        _spelled(tokenizer, token_id),
        tokenizer.token_bytes(token_id),
        token_id in tokenizer.silent_ids,
        expected,
    )


def _spelled(tokenizer: Tokenizer, token_id: int) -> str:
    if token_id >= tokenizer.vocab_size:  # an embedding may have more rows than there are tokens
        return f"<{token_id}>"
    data = tokenizer.token_bytes(token_id)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return f"<{data.hex().upper()}>"


def _mentioned(found: Inspection) -> set[int]:
    tops = [one.expected.top for one in found.tokens if one.expected is not None]
    tops += [layer.top for one in found.lens for layer in one.layers]
    ids = {candidate.token_id for top in tops for candidate in top}
    return ids | {*found.next.token_ids} | {token.token_id for token in found.tokens}


def _facts(model: GPT, name: str) -> ModelFacts:
    config = model.config
    return ModelFacts(
        name=name,
        family=config.model_type,
        parameters=parameter_count(config),
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        hidden_size=config.hidden_size,
        vocab_size=config.vocab_size,
        context=config.max_position_embeddings,
        dtype=str(model.embedding.weight.dtype).removeprefix("torch."),
    )


def _cache(model: GPT, tokens: int) -> CacheView:
    config = model.config
    width = model.embedding.weight.element_size()
    layer = 2 * config.num_key_value_heads * config.head_dim * width
    longest = config.max_position_embeddings
    held = [min(longest, window or longest) for window in config.windows]
    whole = [min(tokens, window or tokens) for window in config.windows]
    per_token = layer * config.num_hidden_layers
    return CacheView(
        bytes_per_number=width,
        bytes_per_token=per_token,
        text_bytes=layer * sum(whole),
        context_bytes=layer * sum(held),
        without_sharing_bytes=per_token * config.num_attention_heads // config.num_key_value_heads,
    )
