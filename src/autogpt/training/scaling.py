"""What a model will reach: a scaling law over weights, tokens and corpus, fitted to our own runs.

The loss is predicted relative to what counting as many tokens gives (``data.ngrams``, trigrams),
which takes most of the difference between corpora away::

    loss / H(min(D, U))  =  (E  +  A n^-a  +  B (1 + c z) d^-b)  p^-((q + r z) n^g)  exp(o h)
    H(t)  the loss of a trigram model counted on t tokens of the text
    z     how fast H falls with the text: ln(H(U / 2) / H(U)) / 0.05 - 1
    n     weights without embeddings, d effective and u different training tokens, in millions;
          those of a model of few layers are worth more: n = weights / l^s
    l     layers, of those beyond 4 none
    p     passes over the text, at least 1;  h = (n / u)^0.5 max(0, p - 2)

A text that counting learns fast (steep H) gives a Transformer more to learn on later passes, and a
larger one more than a small one; many weights on little text learn by heart in the end, which is
the last factor.
Repeated tokens count less: with U tokens seen D times in all, d = U + 15.4 U (1 - e^-(D/U-1)/15.4)
(Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", equation 5 and its R*). The
form in n and d is that of Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models".

The runs are in ``scaling_runs.jsonl`` beside this file (``benchmarks/scaling.py`` makes them); the
fit is least squares on the logarithm of the loss with weak priors and takes milliseconds, so it is
made when it is needed, and any corpus can be left out of it. Each corpus has an offset of its own
in the fit, which is 0 for the one that is asked about: what is particular to one text is not taken
for an effect of size.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import ConfigError
from autogpt.data.ngrams import ngram_losses

__all__ = ["Corpus", "Law", "effective_tokens", "fit", "law", "look_at"]

_Numbers = npt.NDArray[np.float64]

_REPEATS = 15.4  # R*_D of Muennighoff et al. 2023
_FRESH_PASSES = 2  # over a text, before learning by heart begins to cost
_COUNTED = 1 << 21  # training tokens that are counted, at most
_ORDERS = 3  # of n-grams; longer ones copy boilerplate, which a Transformer learns late
_SHARES = (32, 16, 8, 4, 2, 1)  # parts of the text that are counted
_WINDOW = 256  # tokens of it that stay together
_PREDICTED = 1 << 17  # held-out tokens that are predicted, at most
_FEWEST_RUNS = 8

# E, A, a, B, b, c, o, q, r, g, s: where the fit begins and how far it may go. a and b are those of
# Hoffmann et al. 2022; the others are what our first runs suggested.
_START = (0.45, 0.10, 0.34, 0.40, 0.28, 0.3, 0.01, 0.0, 0.0, 0.3, 0.0)
_SPREAD = (0.15, 0.05, 0.10, 0.15, 0.10, 0.3, 0.01, 0.1, 0.1, 0.3, 0.5)
_USUAL_SLOPE = 0.05
_DEEP = 4  # layers; what more of them do is not in our runs
_NOISE = 0.015  # of the logarithm of a loss, from run to run
_OFFSET = 0.04  # of the same, from corpus to corpus
_LEAST_NOISE = 0.02  # of a forecast
_WITHIN = 1.645  # standard deviations on either side that hold 90% of a normal distribution


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """What a forecast needs to know of a corpus.

    Attributes:
        vocab_size: V.
        train_tokens: U, tokens to learn from.
        validation_tokens: Held out.
        bytes_per_token: Of the held-out text.
        counted: How well counting so many training tokens predicts, as (tokens, nats a token),
            from few to all of them (or some two million).
    """

    vocab_size: int
    train_tokens: int
    validation_tokens: int
    bytes_per_token: float
    counted: tuple[tuple[int, float], ...]

    @property
    def ngram_loss(self) -> float:
        """What counting all training tokens gives, in nats a token."""
        return self.counting(self.train_tokens)

    @property
    def slope(self) -> float:
        """How much counting gains by the last doubling of the text, in its logarithm, s."""
        tokens, loss = self.counted[-1]
        return math.log(self.counting(tokens / 2) / loss)

    def counting(self, tokens: float) -> float:
        """Return what counting so many training tokens gives, in nats a token."""
        return _counting(self.counted, min(tokens, self.train_tokens))

    def bits_per_byte(self, loss: float) -> float:
        """Return nats a token as bits a byte."""
        return loss / math.log(2) / self.bytes_per_token


@dataclass(frozen=True, slots=True)
class Law:
    """A fitted law.

    Attributes:
        values: E, A, a, B, b, c, o, q, r, g, s.
        noise: Standard deviation of the logarithm of a loss on a corpus it was not fitted to.
    """

    values: tuple[float, ...]
    noise: float

    def loss(self, corpus: Corpus, *, weights: int, layers: int, tokens: float) -> float:
        """Return the expected validation loss in nats a token.

        Args:
            corpus: The text.
            weights: Of the model, without embeddings and head.
            layers: That these are in.
            tokens: Seen in training, repetitions included.
        """
        run = _Runs(
            weights=np.array(weights / 1e6),
            layers=np.array(layers),
            tokens=np.array(tokens / 1e6),
            unique=np.array(corpus.train_tokens / 1e6),
            slope=np.array(corpus.slope),
        )
        return corpus.counting(tokens) * float(_relative(self.values, run))

    def interval(self, loss: float) -> tuple[float, float]:
        """Return the range that holds the loss nine times in ten."""
        factor = math.exp(_WITHIN * self.noise)
        return loss / factor, loss * factor


def effective_tokens(tokens: float, unique: float) -> float:
    """Return how many fresh tokens are worth as much as ``tokens`` out of ``unique``."""
    return float(_effective(np.array(tokens), np.array(unique)))


def _effective(tokens: _Numbers, unique: _Numbers) -> _Numbers:
    again = np.maximum(tokens / unique, 1.0) - 1
    worth: _Numbers = unique * (1 + _REPEATS * (1 - np.exp(-again / _REPEATS)))
    return np.minimum(tokens, worth)


def look_at(
    train: npt.ArrayLike, held_out: npt.ArrayLike, *, vocab_size: int, held_out_bytes: int
) -> Corpus:
    """Return what a forecast needs of these tokens, by counting; two seconds for two million.

    Parts of the text are windows from all over it, because training draws them so and neighbors
    resemble each other.
    """
    seen, unseen = np.asarray(train), np.asarray(held_out)
    starts = np.arange(0, max(1, len(seen) - _WINDOW), _WINDOW)
    np.random.default_rng(0).shuffle(starts)
    counted: list[tuple[int, float]] = []
    for share in _SHARES:
        windows = min(len(starts) // share, _COUNTED // _WINDOW)
        part = seen
        if windows < len(starts):
            chosen = [seen[at : at + _WINDOW] for at in np.sort(starts[:windows])]
            part = np.concatenate([seen[:0], *chosen])
        if len(part) > (counted[-1][0] if counted else 0):
            losses = ngram_losses(part, unseen[:_PREDICTED], vocab_size=vocab_size, orders=_ORDERS)
            counted.append((len(part), min(losses)))
    return Corpus(
        vocab_size=vocab_size,
        train_tokens=len(seen),
        validation_tokens=len(unseen),
        bytes_per_token=held_out_bytes / len(unseen),
        counted=tuple(counted),
    )


def _counting(counted: Sequence[tuple[float, float]], tokens: float) -> float:
    """Return the loss of counting ``tokens``: on the lines through its neighbors in log-log."""
    if len(counted) == 1:
        return counted[0][1]
    known = [(math.log(n), math.log(loss)) for n, loss in counted]
    wanted = math.log(tokens)
    pairs = list(pairwise(known))
    (low, a), (high, b) = next((p for p in pairs if wanted <= p[1][0]), pairs[-1])
    return math.exp(a + (b - a) * (wanted - low) / (high - low))


@cache
def law(*, without: tuple[str, ...] = ()) -> Law:
    """Return the law fitted to all kept runs, but those of the corpora left out.

    Raises:
        ConfigError: If too few runs are left.
    """
    text = (files("autogpt.training") / "scaling_runs.jsonl").read_text(encoding="utf-8")
    runs = [json.loads(line) for line in text.splitlines()]
    return fit([run for run in runs if run["corpus"] not in without])


def fit(runs: Sequence[Mapping[str, object]]) -> Law:
    """Fit the law to runs as ``benchmarks/scaling.py`` writes them.

    The noise is that of leaving each corpus out in turn.

    Raises:
        ConfigError: If there are too few runs.
    """
    if len(runs) < _FEWEST_RUNS:
        raise ConfigError(f"{len(runs)} runs are too few to fit a law, at least {_FEWEST_RUNS}.")
    names = np.array([str(run["corpus"]) for run in runs])
    rows = _Runs.of(runs)
    errors: list[float] = []
    for left_out in sorted(set(names.tolist())) if len(set(names.tolist())) > 1 else ():
        asked = names == left_out
        others = _solve(rows.some(~asked), names[~asked])
        errors.extend(_errors(others, rows.some(asked)).tolist())
    noise = math.sqrt(float(np.mean(np.square(errors)))) if errors else _LEAST_NOISE
    return Law(_solve(rows, names), max(noise, _LEAST_NOISE))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Runs:
    """Weights and tokens in millions, layers, slope, and loss / H, of each run [N]."""

    weights: _Numbers
    layers: _Numbers
    tokens: _Numbers
    unique: _Numbers
    slope: _Numbers
    relative: _Numbers = field(default_factory=lambda: np.ones(()))

    @classmethod
    def of(cls, runs: Sequence[Mapping[str, object]]) -> _Runs:
        """Return runs as ``benchmarks/scaling.py`` writes them."""
        facts = [_facts(run) for run in runs]
        return cls(**{name: np.array([each[name] for each in facts]) for name in cls.__slots__})

    def some(self, chosen: npt.NDArray[np.bool_]) -> _Runs:
        """Return those that are marked."""
        return _Runs(**{name: getattr(self, name)[chosen] for name in self.__slots__})


def _facts(run: Mapping[str, object]) -> dict[str, float]:
    def number(name: str) -> float:
        value = run[name]
        if not isinstance(value, int | float):
            raise ConfigError(f"A run has {name} = {value!r}, expected a number.")
        return float(value)

    counted = run["counted"]
    if not isinstance(counted, list):
        raise ConfigError(f"A run has counted = {counted!r}, expected pairs of numbers.")
    corpus = Corpus(
        vocab_size=int(number("vocab")),
        train_tokens=int(number("unique_tokens")),
        validation_tokens=0,
        bytes_per_token=1.0,
        counted=tuple((int(tokens), float(loss)) for tokens, loss in counted),
    )
    return {
        "weights": number("block_weights") / 1e6,
        "layers": number("layers"),
        "tokens": number("tokens") / 1e6,
        "unique": corpus.train_tokens / 1e6,
        "slope": corpus.slope,
        "relative": number("loss") / corpus.counting(number("tokens")),
    }


def _relative(values: Sequence[float], runs: _Runs) -> _Numbers:
    (
        floor,
        a_size,
        a_power,
        b_size,
        b_power,
        c_slope,
        by_heart,
        q_passes,
        r_slope,
        g_size,
        s_deep,
    ) = values
    steep = runs.slope / _USUAL_SLOPE - 1
    passes = runs.tokens / runs.unique
    weights = runs.weights / np.minimum(runs.layers, _DEEP) ** s_deep
    size = a_size * weights ** -max(a_power, 0.01)
    seen = _effective(runs.tokens, runs.unique)
    text = b_size * (1 + c_slope * steep) * seen ** -max(b_power, 0.01)
    gain = (q_passes + r_slope * steep) * weights**g_size
    again = np.maximum(1.0, passes) ** -gain
    crammed = np.sqrt(weights / runs.unique) * np.maximum(0.0, passes - _FRESH_PASSES)
    cost = np.exp(np.minimum(max(by_heart, 0.0) * crammed, 5.0))
    relative: _Numbers = (floor + size + text) * again * cost
    return relative


def _errors(values: Sequence[float], runs: _Runs) -> _Numbers:
    """Return ln(predicted / seen) of each run."""
    errors: _Numbers = np.log(np.maximum(_relative(values, runs), 1e-3) / runs.relative)
    return errors


def _solve(runs: _Runs, names: npt.NDArray[np.str_]) -> tuple[float, ...]:
    """Fit by Gauss-Newton with damping (Levenberg 1944, Marquardt 1963).

    The runs of a corpus share an offset of standard deviation ``_OFFSET``. It is not solved for:
    errors are whitened by the covariance that it brings, noise^2 I + offset^2 1 1^T.
    """
    start, spread = np.array(_START), np.array(_SPREAD)
    groups = [names == name for name in sorted(set(names.tolist()))]
    whitened = 0.0 + np.eye(len(names))
    for group in groups:
        count = int(group.sum())
        share = 1 - 1 / math.sqrt(1 + count * (_OFFSET / _NOISE) ** 2)
        whitened -= np.outer(group, group) * share / count

    def residuals(values: _Numbers) -> _Numbers:
        errors = whitened @ _errors(values.tolist(), runs)
        return np.concatenate([errors / _NOISE, (values - start) / spread])

    values, damping = start.copy(), 1e-2
    now = residuals(values)
    for _ in range(100):
        slopes = np.stack(
            [(residuals(values + step) - now) / 1e-6 for step in 1e-6 * np.eye(len(values))], 1
        )
        normal = slopes.T @ slopes
        step = np.linalg.solve(normal + damping * np.diag(normal.diagonal()), -slopes.T @ now)
        after = residuals(values + step)
        gained = now @ now - after @ after
        if gained > 0:
            values, now, damping = values + step, after, damping / 3
        else:
            damping *= 4
        if abs(gained) < 1e-9 * (now @ now):
            break
    return tuple(float(value) for value in values)
