"""Attention, as it is shown: whose weights, a head's habits, and the formula with real numbers.

softmax(Q Kᵀ / √E) V of one token and one head, worked through step by step. Source of the formula:
Vaswani et al. 2017, "Attention Is All You Need", equation 1.

Letters in shapes: L layers, H heads, T tokens, E head width, N kept weights of a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.evaluation.inspection.trace import LayerTrace

__all__ = ["AttentionView", "HeadView", "SeenKey", "WorkedExample", "most_telling", "work_through"]

_SHOWN_NUMBERS = 4  # of a vector, in the worked example
_MOST_KEYS = 12


@dataclass(frozen=True, slots=True)
class HeadView:
    """Where a head looks on average; see ``trace.HeadHabits``."""

    layer: int
    head: int
    first: float
    itself: float
    previous: float
    entropy_bits: float


@dataclass(frozen=True, slots=True)
class AttentionView:
    """Who looked where.

    Attributes:
        keys: For each layer, head (the last is the mean over heads) and token, what it takes most
            of, by falling weight.
        weights: How much; zero where a token sees fewer.
        habits: Of each head.
    """

    keys: Int[Tensor, "L H+1 T N"]
    weights: Float[Tensor, "L H+1 T N"]
    habits: tuple[HeadView, ...]

    @classmethod
    def of(cls, layers: Sequence[LayerTrace]) -> AttentionView:
        """Return what the layers of a trace did."""
        habits = []
        for layer, seen in enumerate(layers):
            own = seen.habits
            columns = (own.first, own.itself, own.previous, own.entropy_bits)
            rows = torch.stack(columns).T.tolist()
            habits += [HeadView(layer, head, *row) for head, row in enumerate(rows)]
        return cls(
            torch.stack([seen.keys for seen in layers]),
            torch.stack([seen.weights for seen in layers]),
            tuple(habits),
        )

    @property
    def heads(self) -> int:
        """H."""
        return self.keys.shape[1] - 1

    @property
    def kept(self) -> int:
        """N."""
        return self.keys.shape[-1]

    @property
    def is_complete(self) -> bool:
        """Whether every weight was kept."""
        return self.kept == self.keys.shape[2]

    def row(self, layer: int, head: int | None, token: int) -> list[tuple[int, float]]:
        """Return what a token takes of others, by falling weight; None is the mean over heads."""
        place = self.heads if head is None else head
        keys = self.keys[layer, place, token].tolist()
        weights = self.weights[layer, place, token].tolist()
        pairs = zip(keys, weights, strict=True)
        return [(key, weight) for key, weight in pairs if weight > 0]

    def to_dict(self) -> dict[str, object]:
        """Return plain values; ``top[layer][head][token]`` lists ``[key, weight]``."""
        layers = self.keys.shape[0]
        # All at once: a long text has millions of weights.
        whole = [
            [
                [
                    [[key, weight] for key, weight in zip(*row, strict=True) if weight > 0]
                    for row in zip(*head, strict=True)
                ]
                for head in zip(*layer, strict=True)
            ]
            for layer in zip(self.keys.tolist(), self.weights.tolist(), strict=True)
        ]
        return {
            "layers": layers,
            "heads": self.heads,
            "kept": self.kept,
            "complete": self.is_complete,
            "top": [own[:-1] for own in whole],
            "top_of_mean": [own[-1] for own in whole],
            "habits": [asdict(habit) for habit in self.habits],
        }


@dataclass(frozen=True, slots=True)
class SeenKey:
    """One token that the token in focus sees.

    Attributes:
        token: Its place.
        products: The first products q[i] k[i] of the sum.
        product: q . k, the sum of all E of them.
        score: That times the scale.
        exponential: e to the score less the largest score.
        weight: Its share of the sum of all exponentials.
        value: The first numbers of its value vector.
    """

    token: int
    products: tuple[float, ...]
    product: float
    score: float
    exponential: float
    weight: float
    value: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WorkedExample:
    """softmax(q Kᵀ / √E) V for one token and head.

    Attributes:
        layer: Which.
        head: Which.
        key_head: The key/value head that it shares with others.
        token: The token that asks.
        width: E.
        scale: What products are multiplied with; 1 / √E in most families.
        query: The first numbers of its query vector.
        keys: The tokens that weigh most, by falling weight.
        seen: How many tokens it sees.
        largest_score: What is taken off all scores before the exponential, so that none overflows.
        sum_of_exponentials: Over all tokens seen.
        rest: The weight of those that are not listed.
        output: The first numbers of the weighted sum of values, computed step by step here.
        model_output: The same numbers as the model's own pass has them.
        difference: The largest difference over all E numbers.
    """

    layer: int
    head: int
    key_head: int
    token: int
    width: int
    scale: float
    query: tuple[float, ...]
    keys: tuple[SeenKey, ...]
    seen: int
    largest_score: float
    sum_of_exponentials: float
    rest: float
    output: tuple[float, ...]
    model_output: tuple[float, ...]
    difference: float


def most_telling(layers: Sequence[LayerTrace], token: int) -> tuple[int, int]:
    """Return the layer and head whose weight on one token, not the first nor itself, is largest.

    Many heads rest on the first token when they have nothing to say; those would teach little.
    """
    rows = torch.stack([seen.row for seen in layers]).clone()  # [L, H, T]
    if token > 1:
        rows[:, :, 0] = 0
        rows[:, :, token] = 0
    best = int(rows.amax(-1).argmax())
    return divmod(best, rows.shape[1])


def work_through(seen: LayerTrace, *, layer: int, head: int, token: int) -> WorkedExample:
    """Compute one token's attention in small steps, and compare with the pass.

    Args:
        seen: The layer.
        layer: Its number.
        head: Which head.
        token: The token that the trace has in focus.
    """
    shared = head // (seen.query.shape[0] // seen.key.shape[0])
    query, row = seen.query[head].double(), seen.row[head].double()
    visible = row.nonzero()[:, 0]  # a weight of exactly zero is masked, or too small for fp32
    keys, values = seen.key[shared, visible].double(), seen.value[shared, visible].double()
    products = query * keys  # [S, E]
    dots = products.sum(-1)
    scores = dots * seen.scale
    exponentials = (scores - scores.max()).exp()
    weights = exponentials / exponentials.sum()
    output = weights @ values
    order = weights.argsort(descending=True)[:_MOST_KEYS]
    listed = tuple(
        SeenKey(
            token=int(visible[place]),
            products=_first(products[place]),
            product=float(dots[place]),
            score=float(scores[place]),
            exponential=float(exponentials[place]),
            weight=float(weights[place]),
            value=_first(values[place]),
        )
        for place in order.tolist()
    )
    return WorkedExample(
        layer=layer,
        head=head,
        key_head=shared,
        token=token,
        width=len(query),
        scale=seen.scale,
        query=_first(query),
        keys=listed,
        seen=len(visible),
        largest_score=float(scores.max()),
        sum_of_exponentials=float(exponentials.sum()),
        rest=max(0.0, 1.0 - math.fsum(key.weight for key in listed)),
        output=_first(output),
        model_output=_first(seen.mixed[head].double()),
        difference=float((output - seen.mixed[head].double()).abs().max()),
    )


def _first(vector: Float[Tensor, " E"]) -> tuple[float, ...]:
    return tuple(vector[:_SHOWN_NUMBERS].tolist())
