"""Settings of the classifier of jailbreaks, compared on folds of what it may learn from.

    python benchmarks/quality/injection_folds.py    # stores nothing, prints JSON

Four folds of the half of the jailbreaks that ``injection.py`` learns from; families of near copies
stay together, and the harmless texts of each corpus are parted too. What a fold holds out is scored
as the rail scores it, by its highest window and the rules, but without undoing encodings. Nothing
that ``injection.py`` holds out is looked at, but with ``--whole``, which holds out every jailbreak
once: a figure, not something to choose settings by. One family makes up most of the half that is
learned from and is easy to find, so the others are told apart.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import injection
import injection_phrases
import linear

from autogpt.safety.injection import _FEW_CHARS, _RULE_SCORE, _has_rule
from autogpt.safety.normalize import normalize
from autogpt.safety.sentences import pieces

FOLDS = 4
FALSE_POSITIVES = (0.005, 0.01, 0.02)
COUNTED = 250  # harmless texts of a corpus that the test has
RECIPES = {
    "shipped": injection.Recipe(),
    "beginnings": injection.Recipe(windows=False),
    "fewer harmless texts": injection.Recipe(more=0),
    "fewer written": injection.Recipe(written=4000),
    "C 3": injection.Recipe(strength=3.0),
    "C 30": injection.Recipe(strength=30.0),
}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="*", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--whole", action="store_true", help="Jailbreaks of both halves.")
    parser.add_argument("--data", type=Path, default=linear.DATA, help="The folder of data.")
    args = parser.parse_args()
    linear.DATA = args.data
    chance = random.Random(0)
    wild, other = injection.halves(injection.wild(), chance)
    made = injection_phrases.attacks(3000, chance)
    for name in args.recipes:
        recipe, own = RECIPES[name], random.Random(1)
        calm, _, more = injection.calm(own, recipe.more)
        harmless = [*injection_phrases.harmless(recipe.written, own), *more]
        found = measure(
            [*wild, *(other if args.whole else [])], calm, made, harmless, recipe=recipe
        )
        print(json.dumps({"recipe": name, **asdict(found)}), flush=True)


@dataclass(frozen=True)
class Found:
    """What the folds hold out and find.

    Attributes:
        recall: At each share of harmless texts in ``FALSE_POSITIVES`` that is stopped.
        thresholds: For those.
        missed: How many jailbreaks at the one of 1%.
        texts: Jailbreaks.
        without_largest: The recall at that, without the largest family.
        by_corpus: Share of the harmless texts of each corpus that are stopped at that.
    """

    recall: list[dict[str, float]]
    thresholds: list[float]
    missed: int
    texts: int
    without_largest: dict[str, float]
    by_corpus: dict[str, float]


def measure(
    wild: Sequence[str],
    calm: dict[str, list[str]],
    made: Sequence[str],
    harmless: Sequence[str],
    *,
    recipe: injection.Recipe,
) -> Found:
    """Return what is found of the texts that a fold holds out, over all folds.

    Args:
        wild: Jailbreaks.
        calm: Harmless texts by corpus, shuffled.
        made: Sentences of attacks, always learned.
        harmless: Always learned, too.
        recipe: How.
    """
    folds: list[list[str]] = [[] for _ in range(FOLDS)]
    families = injection.families(wild)
    for family in families:  # the largest first, each where there is least
        min(folds, key=len).extend(family)
    attacks: list[float] = []
    stopped: dict[str, list[float]] = {name: [] for name in calm}
    for place, held in enumerate(folds):
        known = [text for fold in folds if fold is not held for text in fold]
        kept = {name: texts[place::FOLDS] for name, texts in calm.items()}
        learned = [
            text for texts in calm.values() for at, text in enumerate(texts) if at % FOLDS != place
        ]
        positive = injection.attacks(known, made, learned, random.Random(place), recipe=recipe)
        scores = _scores(
            positive, [*learned, *harmless], [held, *kept.values()], strength=recipe.strength
        )
        attacks += scores[0]
        for name, own in zip(kept, scores[1:], strict=True):
            stopped[name] += own
    return summary(  # the largest family is the beginning of the first fold
        np.array(attacks),
        {name: np.array(own) for name, own in stopped.items()},
        largest=len(families[0]),
    )


def _scores(
    positive: Sequence[str],
    negative: Sequence[str],
    held: Sequence[Sequence[str]],
    *,
    strength: float,
) -> list[list[float]]:
    """Learn from some texts; return the score of others, by group."""
    read = [normalize(text).text for text in chain.from_iterable(held)]
    windows = [[text[begin:end] for begin, end in pieces(text, chars=1200)] for text in read]
    flat = list(chain.from_iterable(windows))
    size = len(positive) + len(negative)
    learned = linear.matrix([*positive, *negative, *flat], injection.FEATURES)
    shares = np.array([1.0] * len(positive) + [0.0] * len(negative))[:, None]
    idf = linear.idf_of(learned.counts[:size], shares, injection.WEIGHING)
    model = linear.fit(linear.scaled(learned.counts[:size], idf), shares, strength=strength)
    logits = model.logits(linear.scaled(learned.counts[size:], idf))[:, 0]
    sure = 1 / (1 + np.exp(-logits)) * np.minimum(1.0, np.array([*map(len, flat)]) / _FEW_CHARS)
    each = iter(
        max(score, _RULE_SCORE) if _has_rule(text) else score
        for text, score in zip(flat, sure.tolist(), strict=True)
    )
    found = iter([max((next(each) for _ in own), default=0.0) for own in windows])
    return [[next(found) for _ in group] for group in held]


def summary(
    attacks: NDArray[np.float64], calm: dict[str, NDArray[np.float64]], *, largest: int
) -> Found:
    """Return the recall at the thresholds of harmless texts; corpora weigh as in the test."""
    scores = np.concatenate(list(calm.values()))
    weights = np.concatenate(
        [np.full(len(own), min(1.0, COUNTED / max(1, len(own)))) for own in calm.values()]
    )
    order = np.argsort(-scores)
    above = np.cumsum(weights[order]) / weights.sum()
    limits = [float(scores[order[np.searchsorted(above, share)]]) for share in FALSE_POSITIVES]
    limit = limits[FALSE_POSITIVES.index(0.01)]
    return Found(
        recall=[linear.share(int((attacks > each).sum()), len(attacks)) for each in limits],
        thresholds=[round(each, 4) for each in limits],
        missed=int((attacks <= limit).sum()),
        texts=len(attacks),
        without_largest=linear.share(
            int((attacks[largest:] > limit).sum()), len(attacks) - largest
        ),
        by_corpus={name: round(float((own > limit).mean()), 4) for name, own in calm.items()},
    )


if __name__ == "__main__":
    main()
