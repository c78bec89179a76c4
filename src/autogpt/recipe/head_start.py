"""How a head begins: where in the model it sits, and of a class with which weights.

The last blocks of a language model turn what it has understood into the next token. That is of no
use to a head: it tells labels apart as well, or better, some blocks earlier, and a model without
the rest is learned and run in less time. So some examples are read, and after which block labels
are told apart is measured.

A head of random weights sends random gradients into a model that knows something, for as long as it
takes to learn what could have been computed at once. So logistic regression on what the model makes
of the examples is the first head.

Sources: Alain and Bengio 2016, "Understanding Intermediate Layers Using Linear Classifier Probes";
Tenney et al. 2019, "BERT Rediscovers the Classical NLP Pipeline" (entities are told early);
Gromov et al. 2024, "The Unreasonable Ineffectiveness of the Deeper Layers"; Kumar et al. 2022,
"Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution" (a fitted head
first). Not here: training.

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

from autogpt.data.text_batches import IGNORED, TextBatch, TextBatches
from autogpt.models.gpt import GPT
from autogpt.models.heads import HeadedGPT
from autogpt.training.kernels import eager

__all__ = ["best_depth", "fit_head", "go_through", "logistic_regression"]

_MOST_TEXTS, _TEXTS_PER_LABEL = 2048, 24
_PROBED_TOKENS = 8192  # of texts whose tokens have labels: each is an example
_TOKENS_AT_ONCE = 2048
_STEPS = 60
_DEPTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # of the blocks
_JUDGED = 3  # one of so many texts judges a depth, the others are learned from


def best_depth(gpt: GPT, batches: TextBatches, *, labels: int, seed: int) -> int:
    """Return after how many blocks labels are told apart: the fewest that are about the best.

    Of what differs by less than a standard error, the shallower is taken.

    Args:
        gpt: A model that knows something.
        batches: The training examples.
        labels: C.
        seed: Of the choice of texts.
    """
    chosen = _some(batches, labels, seed)
    depths = sorted({max(1, round(share * len(gpt.layers))) for share in _DEPTHS})
    if len(chosen) < 2 * _JUDGED:
        return depths[-1]
    hidden: list[list[Tensor]] = [[] for _ in depths]
    targets: list[Tensor] = []
    judged: list[Tensor] = []
    rank = {place: number for number, place in enumerate(chosen)}
    training = gpt.training
    gpt.eval()
    with torch.no_grad(), eager():
        for places in _together(batches, chosen):
            batch, before = batches.gather(places), 0
            states: Tensor | None = None
            rows, tokens = _asked(batch)
            for found, depth in zip(hidden, depths, strict=True):
                states = gpt(batch.inputs, hidden=states, blocks=slice(before, depth))
                found.append(gpt.norm(states[rows, tokens]).float())
                before = depth
            of_token = _is_of_tokens(batch)
            targets.append(batch.targets[rows, tokens] if of_token else batch.targets)
            judges = torch.tensor([rank[place] % _JUDGED == 0 for place in places])
            judged.append(judges[rows])
    gpt.train(training)
    judges, wanted = torch.cat(judged), torch.cat(targets)
    right = [_right(torch.cat(own), wanted, judges, labels, outside=of_token) for own in hidden]
    shares = [float(each.float().mean()) if len(each) else 0.0 for each in right]
    best = max(shares)
    if not best:  # too few examples to tell
        return depths[-1]
    error = (best * (1 - best) / max(1, len(right[shares.index(best)]))) ** 0.5
    return next(d for d, share in zip(depths, shares, strict=True) if share >= best - error)


def _is_of_tokens(batch: TextBatch) -> bool:
    """Whether each token has a label, rather than each text one or several."""
    return batch.targets.ndim == 2 and not batch.targets.is_floating_point()


def _asked(batch: TextBatch) -> tuple[Tensor, Tensor]:
    """Return rows and places of the tokens whose states tell labels apart."""
    if _is_of_tokens(batch):
        rows, tokens = (batch.targets != IGNORED).nonzero(as_tuple=True)
        return rows, tokens
    return torch.arange(len(batch.lengths)), batch.lengths - 1


def _right(
    hidden: Tensor, targets: Tensor, judged: Tensor, labels: int, *, outside: bool
) -> Tensor:
    """Return which of the judged texts, or of their labels, a head of the others gets right.

    Where label 0 means that a token is of no entity, tokens count that are of one or said to be.
    """
    weight = logistic_regression(hidden[~judged], targets[~judged], labels=labels)
    scores, wanted = hidden[judged] @ weight.T, targets[judged]
    if targets.is_floating_point():
        return ((scores > 0) == (wanted > 0.5)).flatten()
    found = scores.argmax(1)
    right = found == wanted
    return right[(found > 0) | (wanted > 0)] if outside else right


def fit_head(model: HeadedGPT, batches: TextBatches, *, seed: int) -> None:
    """Give a model the head that suits some of the texts best; its other weights stay.

    Args:
        model: With a head for texts.
        batches: The training examples.
        seed: Of the choice of texts.
    """
    labels = len(model.labels.labels)
    chosen = _some(batches, labels, seed)
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
            hidden.append(model.pooled(states, batch.lengths).float())
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


def _some(batches: TextBatches, labels: int, seed: int) -> list[int]:
    """Return the places of some rows: enough to tell so many labels apart."""
    most = max(_MOST_TEXTS // 2, min(_MOST_TEXTS, _TEXTS_PER_LABEL * labels))
    order: list[int] = np.random.default_rng(seed).permutation(len(batches.rows)).tolist()
    if _is_of_tokens(batches.gather(order[:1])):
        tokens = np.cumsum([batches.lengths[place] for place in order])
        most = min(most, int(np.searchsorted(tokens, _PROBED_TOKENS)) + 1)
    return order[:most]


def _together(batches: TextBatches, places: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows of like length together, the longest first."""
    order = sorted(places, key=lambda place: -batches.lengths[place])
    while order:
        count = max(1, _TOKENS_AT_ONCE // batches.lengths[order[0]])
        some, order = order[:count], order[count:]
        yield some
