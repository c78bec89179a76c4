"""How the embedding of a new model with a head begins: tokens with like neighbors alike.

A head's labels are few numbers a text, too few to learn from them what thousands of tokens mean.
The texts themselves say much of it: tokens that stand beside the same tokens mean similar things.
The positive pointwise mutual information of neighbors, reduced to the width of the model, takes
seconds, and a model that begins with it needs fewer passes and ends higher (docs/log.md).

Source: Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization"; smoothed
contexts and the square root of singular values: Levy et al. 2015, "Improving Distributional
Similarity", section 3. Not here: training.

Letters in shapes: V vocabulary, D hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.models.heads import HeadedGPT

__all__ = ["embed_by_neighbors", "neighbor_vectors"]

_WINDOW = 4  # tokens on each side; nearer ones count more
_MOST_TOKENS = 6144  # the commonest; their table of neighbors is dense
_SMOOTHING = 0.75  # of how common a neighbor is


def embed_by_neighbors(
    model: HeadedGPT, texts: Sequence[npt.NDArray[np.int64]], *, scale: float
) -> None:
    """Give a new model an embedding that knows which tokens are alike.

    Args:
        model: Its other weights stay.
        texts: Token ids.
        scale: Standard deviation of the numbers.
    """
    config = model.config
    counts = np.bincount(np.concatenate(list(texts)), minlength=config.vocab_size)
    common = np.argsort(-counts, kind="stable")[:_MOST_TOKENS]
    common = common[counts[common] > 0]
    vectors = neighbor_vectors(
        texts, common, vocab_size=config.vocab_size, width=config.hidden_size
    )
    with torch.no_grad():
        weight = model.embedding.weight
        weight.normal_(0.0, scale)
        weight[torch.from_numpy(common)] = (vectors * (scale / vectors.std())).to(weight.dtype)


def neighbor_vectors(
    texts: Sequence[npt.NDArray[np.int64]],
    tokens: npt.NDArray[np.int64],
    *,
    vocab_size: int,
    width: int,
) -> Float[Tensor, "N D"]:
    """Return a vector for each of some tokens, by the tokens that stand beside it.

    Args:
        texts: Token ids.
        tokens: Which ones, N, the only ones that are counted as neighbors too.
        vocab_size: V.
        width: D.
    """
    place = np.full(vocab_size, -1, dtype=np.int64)
    place[tokens] = np.arange(len(tokens))
    gap = np.full(_WINDOW, -1, dtype=np.int64)
    row = place_of(texts, place, gap)
    size = len(tokens)
    table = np.zeros(size * size, dtype=np.float32)
    for step in range(1, _WINDOW + 1):
        left, right = row[:-step], row[step:]
        both = (left >= 0) & (right >= 0)
        pairs = left[both] * size + right[both]
        found, times = np.unique(pairs, return_counts=True)
        table[found] += times.astype(np.float32) / step
    together = torch.from_numpy(table).view(size, size)
    together = together + together.T
    of_token, of_neighbor = together.sum(1), together.sum(0).pow(_SMOOTHING)
    expected = of_token[:, None] * (of_neighbor / of_neighbor.sum())[None, :]
    information = (together / expected.clamp_min(1e-9)).clamp_min(1e-9).log_().clamp_min_(0.0)
    rank = min(width, size)
    left_vectors, values, _ = torch.svd_lowrank(information, q=rank, niter=2)
    vectors = left_vectors * values.sqrt()
    if rank < width:
        vectors = torch.nn.functional.pad(vectors, (0, width - rank))
    return vectors


def place_of(
    texts: Sequence[npt.NDArray[np.int64]],
    place: npt.NDArray[np.int64],
    gap: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return the places of all tokens in one row, with a gap between texts; -1 is none."""
    parts: list[npt.NDArray[np.int64]] = []
    for text in texts:
        parts += [place[text], gap]
    return np.concatenate(parts)
