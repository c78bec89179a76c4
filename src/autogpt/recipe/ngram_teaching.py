"""How the n-grams beside a classifier are learned: before it, on the same examples, in seconds.

Each n-gram that two texts hold gets a weight for each label, by logistic regression with a penalty
on TF-IDF. Examples of which nothing was learned say, once the model is taught, how much these
scores are worth beside the model's (``tasks.calibration.fit_share``). Not here: scoring, the file
(``models.ngram_scores``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from autogpt.core.examples import Labeled
from autogpt.models.heads import HeadConfig
from autogpt.models.ngram_scores import NgramScores, document_frequencies
from autogpt.recipe.class_head import share_right, targets_of
from autogpt.recipe.regression_path import class_loss
from autogpt.tasks.calibration import fit_share

__all__ = ["LearnedNgrams", "fit_ngrams", "learn_ngrams"]

_FEWEST_LOOKS = 32  # validation examples that can say how much n-grams are worth
_PART = 0.03  # of the budget, to learn them
_MOST_CHARS = 1 << 22  # of all texts
_MOST_CHARS_A_TEXT = 1 << 12
_MOST_NGRAMS = 1 << 17
_MOST_WEIGHTS = 1 << 22  # of all labels
_FEWEST = 2  # texts that hold an n-gram
_PENALTY = 0.1  # of the squared weights, beside the sum of all texts' losses
_MEMORY = 8  # steps that L-BFGS keeps in mind
_SLICES, _STEPS = 16, 4
_ENOUGH = 5e-4  # nats that a slice of steps gains, of a text


@dataclass(frozen=True, slots=True)
class LearnedNgrams:
    """N-grams that were learned.

    Attributes:
        ngrams: What they say.
        looks: Their scores of the validation examples, [N, C].
    """

    ngrams: NgramScores
    looks: npt.NDArray[np.float64]

    def beside(
        self,
        scores: npt.NDArray[np.float64],
        targets: npt.NDArray[np.int64],
        *,
        multi_label: bool,
    ) -> tuple[npt.NDArray[np.float64], NgramScores | None, dict[str, float]]:
        """Return the scores of the validation examples with what n-grams add, these, and figures.

        Where they add nothing there are neither.

        Args:
            scores: Of the model, [N, C].
            targets: What is right.
            multi_label: Whether several labels may hold.
        """
        share = fit_share(scores, self.looks, targets, multi_label=multi_label)
        if not share:
            return scores, None, {}
        figures = {
            "accuracy_of_model": share_right(scores, targets),
            "accuracy_of_ngrams": share_right(self.looks, targets),
        }
        return scores + share * self.looks, self.ngrams.times(share), figures


def learn_ngrams(
    train: Sequence[Labeled],
    looks: Sequence[Labeled],
    head: HeadConfig,
    *,
    budget_s: float | None,
    seed: int,
) -> LearnedNgrams | None:
    """Return what n-grams say; None where too few examples could tell how much that is worth.

    Args:
        train: Examples to learn from.
        looks: Validation examples, in the order in which a model's scores of them will come.
        head: The labels.
        budget_s: Of the whole run; a small part of it is used.
        seed: Of the choice of texts where there are very many.
    """
    if len(looks) < _FEWEST_LOOKS:
        return None
    ngrams = fit_ngrams(
        [one.text for one in train],
        targets_of(train, head),
        labels=len(head.labels),
        seconds=None if budget_s is None else budget_s * _PART,
        seed=seed,
    )
    return LearnedNgrams(ngrams, ngrams.scores([one.text for one in looks]))


def fit_ngrams(
    texts: Sequence[str],
    targets: npt.NDArray[np.int64],
    *,
    labels: int,
    seconds: float | None,
    seed: int,
) -> NgramScores:
    """Return n-grams and what they say.

    Args:
        texts: To learn from, two or more.
        targets: The number of each text's label, [N]; or 1 for each of its labels, [N, C].
        labels: C.
        seconds: After which the fit ends, about; counting is not among them.
        seed: Of the choice of texts where there are very many.
    """
    texts, targets = _some([text[:_MOST_CHARS_A_TEXT] for text in texts], targets, seed)
    known = _frequent(texts, labels)
    bags = known.bags(texts)
    wanted = torch.from_numpy(targets if targets.ndim == 1 else targets.astype(np.float32))
    weight = torch.zeros(len(known.numbers), labels, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight], max_iter=_STEPS, history_size=_MEMORY, line_search_fn="strong_wolfe"
    )

    def slope() -> torch.Tensor:
        search.zero_grad()
        found = class_loss(bags.times(weight), wanted)
        found = found + _PENALTY / len(texts) * weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    begin, before = time.perf_counter(), np.inf
    for _ in range(_SLICES):
        # A step returns the loss before it.
        now = float(search.step(slope).detach())  # type: ignore[no-untyped-call]
        passed = time.perf_counter() - begin
        if before - now < _ENOUGH or (seconds is not None and passed > seconds):
            break
        before = now
    return NgramScores(numbers=known.numbers, idf=known.idf, weight=weight.detach().numpy())


def _some(
    texts: Sequence[str], targets: npt.NDArray[np.int64], seed: int
) -> tuple[Sequence[str], npt.NDArray[np.int64]]:
    """Return all texts, or as many as memory should hold the n-grams of."""
    order = np.random.default_rng(seed).permutation(len(texts))
    chars = np.cumsum([len(texts[place]) for place in order])
    most = int(np.searchsorted(chars, _MOST_CHARS, side="right"))
    if most == len(texts):
        return texts, targets
    return [texts[place] for place in order[:most]], targets[order[:most]]


def _frequent(texts: Sequence[str], labels: int) -> NgramScores:
    """Return the most frequent n-grams, the blank around texts among them; they say nothing yet."""
    numbers, often = document_frequencies(texts)
    kept = np.flatnonzero(often >= _FEWEST)
    most = min(_MOST_NGRAMS, _MOST_WEIGHTS // labels)
    if len(kept) > most:
        kept = np.sort(kept[np.argsort(-often[kept], kind="stable")[:most]])
    idf = np.log((1 + len(texts)) / (1 + often[kept])) + 1
    return NgramScores(
        numbers=numbers[kept],
        idf=idf.astype(np.float32),
        weight=np.zeros((len(kept), labels), np.float32),
    )
