"""How a head of a class begins: as the one that tells labels apart best by what the model says.

A head of random weights sends random gradients into a model that knows something, for as long as it
takes to learn what could have been computed at once. So some examples are read, and logistic
regression on what the model makes of them is the first head.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution" (LP-FT). Not here: training.

Letters in shapes: N texts, D hidden, C labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from autogpt.data.text_batches import TextBatches
from autogpt.models.heads import HeadedGPT
from autogpt.training.kernels import eager

__all__ = ["fit_head", "go_through", "logistic_regression"]

_MOST_TEXTS, _TEXTS_PER_LABEL = 2048, 24
_TOKENS_AT_ONCE = 2048
_STEPS = 60


def fit_head(model: HeadedGPT, batches: TextBatches, *, seed: int) -> None:
    """Give a model the head that suits some of the texts best; its other weights stay.

    Args:
        model: With a head for texts.
        batches: The training examples.
        seed: Of the choice of texts.
    """
    labels = len(model.labels.labels)
    most = max(_MOST_TEXTS // 2, min(_MOST_TEXTS, _TEXTS_PER_LABEL * labels))
    chosen = np.random.default_rng(seed).permutation(len(batches.rows))[:most].tolist()
    hidden, targets = [], []
    training = model.training
    model.eval()
    with torch.no_grad(), eager():
        for places in _together(batches, chosen):
            batch = batches.gather(places)
            states = model(
                batch.inputs,
                document_ids=model.row_mask(batch.inputs, batch.lengths),
                hidden=batch.hidden,
                blocks=slice(batch.blocks, None),
            )
            hidden.append(states[torch.arange(len(states)), batch.lengths - 1].float())
            targets.append(batch.targets)
    fitted = logistic_regression(torch.cat(hidden), torch.cat(targets), labels=labels)
    with torch.no_grad():
        model.score.weight.copy_(fitted)
    model.train(training)


def go_through(model: HeadedGPT, batches: TextBatches, *, blocks: int) -> TextBatches:
    """Return batches that know what the first blocks make of each row, in the model's dtype.

    Blocks that do not learn need not be gone through in each epoch.

    Args:
        model: Its first blocks, and what is before them, do not learn.
        batches: The rows.
        blocks: How many.
    """
    weight = model.embedding.weight
    ends = np.cumsum(batches.lengths)
    known = weight.new_empty(int(ends[-1]), weight.shape[1])
    training = model.training
    model.eval()
    with torch.no_grad(), eager():
        for places in _together(batches, range(len(batches.rows))):
            batch = batches.gather(places)
            states = model(
                batch.inputs,
                document_ids=model.row_mask(batch.inputs, batch.lengths),
                blocks=slice(0, blocks),
            )
            for row, place in zip(states, places, strict=True):
                length = batches.lengths[place]
                known[ends[place] - length : ends[place]] = row[:length]
    model.train(training)
    return replace(batches, hidden=known, blocks=blocks)


def logistic_regression(
    hidden: Float[Tensor, "N D"], targets: Tensor, *, labels: int, penalty: float = 0.02
) -> Float[Tensor, "C D"]:
    """Return the weights, without a bias, under which the right labels are likeliest.

    Args:
        hidden: What tells the labels apart.
        targets: A number for each text, or 0.0 or 1.0 for each of its labels.
        labels: C.
        penalty: Of the squared weights of numbers that were scaled to a mean square of 1.
    """
    scale = hidden.square().mean(dim=0).sqrt().clamp_min(1e-6)  # [D]
    scaled = hidden / scale
    weight = torch.zeros(labels, hidden.shape[1], requires_grad=True)
    search = torch.optim.LBFGS([weight], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        scores = F.linear(scaled, weight)
        if targets.is_floating_point():
            wrong = F.binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(-1)
        else:
            wrong = F.cross_entropy(scores, targets, reduction="none")
        found: Tensor = wrong.mean() + penalty * weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with torch.enable_grad():
        search.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach() / scale


def _together(batches: TextBatches, places: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows of like length together, the longest first."""
    order = sorted(places, key=lambda place: -batches.lengths[place])
    while order:
        count = max(1, _TOKENS_AT_ONCE // batches.lengths[order[0]])
        some, order = order[:count], order[count:]
        yield some
