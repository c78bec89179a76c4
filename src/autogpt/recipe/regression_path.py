"""Logistic regression on vectors, from strict to free: each penalty begins where the last ended.

With a strong penalty a head says little; the weaker it is, the more it follows the examples, until
it follows what is only theirs. Where the loss on other examples is lowest is seen by looking after
each penalty, and no learning rate has to be found. A step is one of L-BFGS, over all vectors.

Source: Friedman, Hastie and Tibshirani 2010, "Regularization Paths for Generalized Linear Models
via Coordinate Descent" (warm starts along the path); Liu and Nocedal 1989 (L-BFGS).

Letters in shapes: N texts, D numbers of a vector, C labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "EXPECTED_STEPS",
    "Fitted",
    "class_loss",
    "regression_path",
    "seconds_of_a_step",
]

EXPECTED_STEPS = 400
"""Of a whole path, about."""

# Of the squared weights, for vectors of length 1: 0.01 to 3e-8.
_PENALTIES = tuple(10 ** (-half / 2) for half in range(4, 16))
_STEPS = 60  # of each penalty, at most
_PROBED = 4096  # vectors, to see how long a step takes
_SEARCHED = 1.3  # looks down the slope that a step takes
_SLICE = 10  # steps between two looks at the clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A head on the path.

    Attributes:
        penalty: Of its squared weights.
        steps: Of all penalties so far.
        loss: On the examples it learned from, without the penalty.
        weight: Of the vectors.
        bias: Of each label.
    """

    penalty: float
    steps: int
    loss: float
    weight: Float[Tensor, "C D"]
    bias: Float[Tensor, " C"]

    def scores(self, vectors: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Return the logits of the labels."""
        return vectors.float() @ self.weight.T + self.bias


def seconds_of_a_step(texts: int, width: int, labels: int) -> float:
    """Return about how long a step will take: N vectors of D numbers, C labels."""
    rows = min(texts, _PROBED)
    vectors, targets = torch.randn(rows, width + 1), torch.zeros(rows, dtype=torch.long)
    weight = torch.zeros(labels, width + 1, requires_grad=True)
    seconds = []
    for _ in range(2):  # the first is slower
        begin = time.perf_counter()
        class_loss(F.linear(vectors, weight), targets).backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - begin)
    return _SEARCHED * seconds[-1] * texts / rows


def class_loss(scores: Float[Tensor, "N C"], targets: Tensor) -> Tensor:
    """Return the mean negative log likelihood of the right labels, in nats a text.

    Args:
        scores: Logits.
        targets: The number of each text's label; of several, 1.0 for each, ``[N, C]``.
    """
    if targets.is_floating_point():
        wrong = F.binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(-1)
        return wrong.mean()
    return F.cross_entropy(scores, targets)


def regression_path(
    vectors: Float[Tensor, "N D"],
    targets: Tensor,
    *,
    labels: int,
    most_steps: int | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Fitted]:
    """Yield a head for each penalty, the strongest first.

    Args:
        vectors: Of length 1.
        targets: As for :func:`class_loss`.
        labels: C.
        most_steps: After so many the path ends.
        enough: Asked between a few steps: whether to end now.
    """
    vectors = torch.cat([vectors.float(), torch.ones(len(vectors), 1)], dim=1)
    weight = torch.zeros(labels, vectors.shape[1], requires_grad=True)
    taken = 0
    for penalty in _PENALTIES:
        search = torch.optim.LBFGS([weight], line_search_fn="strong_wolfe")
        before = taken
        while taken - before < _STEPS:
            left = _STEPS - (taken - before)
            if most_steps is not None:
                left = min(left, most_steps - taken)
            search.param_groups[0]["max_iter"] = wanted = min(_SLICE, left)
            search.param_groups[0]["max_eval"] = 2 * wanted
            done = _steps_of(search, weight)
            search.step(lambda: _slope(search, weight, vectors, targets, penalty))  # type: ignore[no-untyped-call]  # noqa: B023 - called at once
            own = _steps_of(search, weight) - done
            taken += own
            over = (most_steps is not None and taken >= most_steps) or enough()
            if own < wanted or over:  # there is no way down any more, or it is to end
                break
        else:
            over = False
        with torch.no_grad():
            loss = float(class_loss(F.linear(vectors, weight), targets))
        learned = weight.detach().clone()
        yield Fitted(
            penalty=penalty,
            steps=taken,
            loss=loss,
            weight=learned[:, :-1],
            bias=learned[:, -1],
        )
        if over:
            return


def _slope(
    search: torch.optim.LBFGS, weight: Tensor, vectors: Tensor, targets: Tensor, penalty: float
) -> Tensor:
    search.zero_grad()
    loss = class_loss(F.linear(vectors, weight), targets)
    loss = loss + penalty * weight[:, :-1].square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss


def _steps_of(search: torch.optim.LBFGS, weight: Tensor) -> int:
    return int(search.state[weight].get("n_iter", 0))
