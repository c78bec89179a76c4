"""The likeliest labels of a text's units among those that are legal, and how sure each entity is.

A model scores each token by itself; taken one by one, its favorites may spell nonsense, such as an
``I-LOC`` after ``O``. Here a label may only follow one that it can follow: Viterbi's search finds
the likeliest such row of labels, and the sums of forward and backward passes say how probable an
entity is, given that the labels are legal.

Source: Viterbi 1967; Rabiner 1989, "A Tutorial on Hidden Markov Models", section III; as in a
conditional random field (Lafferty et al. 2001) whose transitions are either allowed or not.

Letters: U units, T tokens, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autogpt.tasks.spans import OUTSIDE, Span, parse_label, read_spans, scheme_of, token_labels

__all__ = ["Lattice", "backward_sums", "forward_sums", "log_sum"]

Array = npt.NDArray[np.float64]


class Lattice:
    """Which labels may begin a text, follow each other, and end it.

    Args:
        labels: All of them, in the order of the scores.

    Attributes:
        labels: As given.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        tags = [parse_label(label) for label in labels]
        scheme = scheme_of(labels)
        # Where a type has no B, its entities begin with I (IOB1 and IO).
        begun = {tag.type for tag in tags if tag.prefix in ("B", "S")}
        loose = any(tag.prefix == "I" and tag.type not in begun for tag in tags)
        exact = scheme in ("BIOES", "BMES")
        starts = [
            tag.prefix in (OUTSIDE, "B", "S") or (loose and tag.prefix == "I") for tag in tags
        ]
        closes = [tag.prefix in (OUTSIDE, "E", "S") or not exact for tag in tags]
        goes_on = np.array(
            [
                [
                    after.prefix in ("I", "M", "E")
                    and before.prefix in ("B", "I", "M")
                    and before.type == after.type
                    for after in tags
                ]
                for before in tags
            ]
        )
        self._goes_on = goes_on
        allowed = goes_on | (np.array(closes)[:, None] & np.array(starts)[None])
        self._start, self._end = _logs(np.array(starts)), _logs(np.array(closes))
        self._follow = _logs(allowed)  # [before, after]
        self._close = _logs(allowed & ~goes_on)
        self._spelled = token_labels(labels)  # [4, C]

    def emissions(self, scores: Array, unit_of_token: npt.NDArray[np.int64]) -> Array:
        """Return the log probability of each label for each unit, ``[U, C]``.

        That of a unit of several tokens is the mean over them.

        Args:
            scores: Of the tokens, ``[T, C]``; logits, the temperature applied.
            unit_of_token: Which unit each is of, rising, each unit having one token or more.
        """
        shifted = scores - scores.max(axis=1, keepdims=True)
        logprobs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        first = np.ones(len(logprobs), dtype=bool)
        first[1:] = unit_of_token[1:] != unit_of_token[:-1]
        last = np.append(first[1:], [True])
        place = np.where(first, np.where(last, 0, 1), np.where(last, 3, 2))
        spelled = np.take_along_axis(logprobs, self._spelled[place], axis=1)  # [T, C]
        begins = np.flatnonzero(first)
        counts = np.diff(np.append(begins, len(first)))
        found: Array = np.add.reduceat(spelled, begins, axis=0) / counts[:, None]
        return found

    def best(self, emissions: Array) -> list[int]:
        """Return the likeliest legal row of labels."""
        if not len(emissions):
            return []
        total = self._start + emissions[0]
        back = np.zeros(emissions.shape, dtype=np.int64)
        for unit in range(1, len(emissions)):
            paths = total[:, None] + self._follow
            back[unit] = paths.argmax(axis=0)
            total = paths[back[unit], np.arange(len(self.labels))] + emissions[unit]
        label = int((total + self._end).argmax())
        found = [label]
        for unit in range(len(emissions) - 1, 0, -1):
            label = int(back[unit, label])
            found.append(label)
        return found[::-1]

    def entities(self, emissions: Array) -> list[tuple[Span, float]]:
        """Return the entities of the likeliest labels, in units, each with its probability."""
        path = self.best(emissions)
        spans = read_spans([self.labels[label] for label in path])
        if not spans:
            return []
        forward = forward_sums(emissions, self._follow, self._start)
        backward = backward_sums(emissions, self._follow, self._end)
        whole = log_sum(forward[-1] + self._end)
        found = []
        for span in spans:
            first, last = path[span.start], path[span.end - 1]
            before = (
                self._start[first]
                if span.start == 0
                else log_sum(forward[span.start - 1] + self._close[:, first])
            )
            inside = emissions[np.arange(span.start, span.end), path[span.start : span.end]].sum()
            after = (
                self._end[last]
                if span.end == len(emissions)
                else log_sum(self._close[last] + emissions[span.end] + backward[span.end])
            )
            found.append((span, float(min(1.0, np.exp(before + inside + after - whole)))))
        return found


def forward_sums(emissions: Array, follow: Array, start: Array | float = 0.0) -> Array:
    """Return the log sum of all beginnings of rows of labels, up to and with each unit, [U, C].

    Args:
        emissions: What each unit's labels score, [U, C]; one unit or more.
        follow: What a label scores behind another, [C, C].
        start: What it scores as the first, [C].
    """
    sums = np.empty_like(emissions)
    sums[0] = start + emissions[0]
    for unit in range(1, len(emissions)):
        sums[unit] = log_sum(sums[unit - 1][:, None] + follow) + emissions[unit]
    return sums


def backward_sums(emissions: Array, follow: Array, end: Array | float = 0.0) -> Array:
    """Return the log sum of all endings behind each unit, [U, C]; as :func:`forward_sums`."""
    sums = np.empty_like(emissions)
    sums[-1] = end
    for unit in range(len(emissions) - 2, -1, -1):
        sums[unit] = log_sum((follow + emissions[unit + 1] + sums[unit + 1]).T)
    return sums


_NEVER = -1e30  # instead of minus infinity, of which differences are no numbers


def _logs(allowed: npt.NDArray[np.bool_]) -> Array:
    return np.where(allowed, 0.0, _NEVER)


def log_sum(logs: Array) -> Array:
    """Return the logarithm of the sum over the first axis."""
    highest = logs.max(axis=0)
    total: Array = highest + np.log(np.exp(logs - highest).sum(axis=0))
    return total
