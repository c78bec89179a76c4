"""Train the classifiers of hate and offensive language, and measure them by language and group.

    python benchmarks/quality/moderation.py en|zh     # stores the weights, prints JSON

English: Davidson et al. 2017, every fifth tweet held out. Chinese: COLD (Deng et al. 2022), learned
from train, measured on dev. Settings and the shift of the biases were chosen by cross-validation on
the training part alone. Texts against prejudice name the same groups as texts full of it: those of
COLD that hold words of objection, and sentences written here, weigh more among the harmless.
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import random
import re
import sys
import time
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedKFold, train_test_split

sys.path.insert(0, str(Path(__file__).parent))
import injection
import linear

from autogpt.safety.moderation import plain_post
from autogpt.tokenizer.hashed_ngrams import Features

ENGLISH = Features(bits=19, shortest=2, longest=5, words=2)
CHINESE = Features(bits=20, shortest=1, longest=4, words=0)
# Chosen among these and others on held-out fourths and fifths of the training parts.
WEIGHING = {"en": linear.Weighing(0.3, 1.5), "zh": linear.Weighing(1.0, 1.0)}
FOLDS = 4
# Words of objection: a proxy for COLD's label "anti-bias", which train and dev do not carry.
PARTS = tomllib.loads(
    Path(__file__).with_name("moderation_phrases.toml").read_text(encoding="utf-8")
)
OBJECTION = re.compile("|".join(PARTS["objection"]))
# Dialect words of the tweets, as in Blodgett et al. 2016, to look at a group that such classifiers
# are known to wrong (Sap et al. 2019).
DIALECT = re.compile(
    r"(?i)\b(?:ain'?t|finna|gon|tryna|dat|dis|dem|wit|bruh|ion|imma|yall|y'all|af)\b"
)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("language", choices=["en", "zh"])
    parser.add_argument(
        "--objection", type=float, default=16.0, help="Weight of texts against prejudice."
    )
    parser.add_argument(
        "--balance", type=float, default=0.25, help="0: as they are, 1: classes weigh the same."
    )
    parser.add_argument("--data", type=Path, default=linear.DATA, help="The folder of data.")
    args = parser.parse_args()
    linear.DATA = args.data
    begin = time.time()
    report = english(args) if args.language == "en" else chinese(args)
    report["seconds"] = round(time.time() - begin, 1)
    print(json.dumps(report, indent=1, ensure_ascii=False))


def english(args: argparse.Namespace) -> dict[str, object]:
    """Train on four fifths of the tweets and harmless texts; measure on the fifth."""
    with linear.safety_data("davidson_labeled_data.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [plain_post(html.unescape(row["tweet"])) for row in rows]
    labels = np.array([int(row["class"]) for row in rows])
    votes = np.array(
        [[int(row[n]) for n in ("hate_speech", "offensive_language", "neither")] for row in rows],
        dtype=float,
    )
    votes /= votes.sum(axis=1, keepdims=True)
    train, test = train_test_split(
        np.arange(len(texts)), test_size=0.2, random_state=0, stratify=labels
    )
    calm = calm_texts("en")
    learned = linear.matrix([*(texts[place] for place in train), *calm], ENGLISH)
    shares = np.concatenate([votes[train], np.tile([0.0, 0.0, 1.0], (len(calm), 1))])
    chosen, idf = choose(
        learned.counts,
        shares,
        labels[train],
        weighing=WEIGHING["en"],
        strengths=(2.0,),
        calm_counts=True,
        balance=args.balance,
    )
    scaled = linear.scaled(learned.counts, idf)
    model = linear.fit(scaled, shares, strength=chosen.strength, balance=args.balance)
    classifier = linear.write(
        "moderation_en",
        model,
        idf,
        learned.numbers,
        ["hate", "offensive", "neither"],
        features=ENGLISH,
        shift=chosen.shift,
    )
    held = [texts[place] for place in test]
    probabilities = linear.evaluate(classifier, held)
    guess, truth = probabilities.argmax(1), labels[test]
    dialect = np.array([bool(DIALECT.search(text)) for text in held])
    neither = truth == 2
    return {
        "macro_f1": linear.bootstrap(linear.macro_f1, truth, guess),
        "f1_hate_offensive_neither": [
            linear.bootstrap(one_f1(place), truth, guess) for place in range(3)
        ],
        "harmless_flagged": flagged(guess[neither] < 2),
        "harmless_flagged_with_dialect": flagged(guess[neither & dialect] < 2),
        "harmless_flagged_without_dialect": flagged(guess[neither & ~dialect] < 2),
        "hate_at": by_threshold(probabilities[:, 0], truth == 0),
        "offensive_at": by_threshold(probabilities[:, 1], truth == 1),
        "other_texts_at": {
            name: by_threshold(linear.evaluate(classifier, some)[:, 0], np.zeros(len(some), bool))
            for name, some in other_texts("en").items()
        },
        "chosen": asdict(chosen),
    }


def chinese(args: argparse.Namespace) -> dict[str, object]:
    """Train on COLD's train part, sentences of our own and harmless texts; measure on dev."""
    train, dev = cold("train"), cold("dev")
    ours = against_prejudice(1500)
    calm = calm_texts("zh")
    texts = [text for text, _, _ in train]
    own = np.array([label for _, label, _ in train])
    learned = linear.matrix([*texts, *ours, *calm], CHINESE)
    labels = np.concatenate([own, np.zeros(len(ours) + len(calm))])[:, None]
    objection = np.array([bool(OBJECTION.search(text)) for text in texts])
    sample = np.ones(len(labels))
    sample[: len(texts)][objection & (own == 0)] = args.objection
    chosen, idf = choose(
        learned.counts,
        labels,
        own,
        weighing=WEIGHING["zh"],
        strengths=(8.0,),
        sample=sample,
    )
    scaled = linear.scaled(learned.counts, idf)
    model = linear.fit(scaled, labels, strength=chosen.strength, sample=sample)
    classifier = linear.write(
        "moderation_zh",
        model,
        idf,
        learned.numbers,
        ["hate"],
        features=CHINESE,
        shift=chosen.shift,
    )
    held = [text for text, _, _ in dev]
    truth = np.array([label for _, label, _ in dev])
    topics = np.array([topic for _, _, topic in dev])
    scores = linear.evaluate(classifier, held)[:, 0]
    guess = (scores >= 0.5).astype(np.int64)
    objecting = np.array([bool(OBJECTION.search(text)) for text in held]) & (truth == 0)
    fresh = against_prejudice(500, seed=9, patterns="against_others")
    return {
        "chosen": asdict(chosen),
        "macro_f1": linear.bootstrap(linear.macro_f1, truth, guess),
        "macro_f1_by_threshold": {
            str(at): round(linear.macro_f1(truth, (scores >= at).astype(np.int64)), 4)
            for at in (0.4, 0.45, 0.5, 0.55, 0.6)
        },
        "macro_f1_by_topic": {
            topic: linear.bootstrap(linear.macro_f1, truth[topics == topic], guess[topics == topic])
            for topic in ("race", "region", "gender")
        },
        "harmless_with_objection_flagged_by_threshold": {
            str(at): flagged(scores[objecting] >= at) for at in (0.4, 0.45, 0.5, 0.55, 0.6)
        },
        "harmless_flagged": flagged(guess[truth == 0] == 1),
        "harmless_with_objection_flagged": flagged(guess[objecting] == 1),
        "own_sentences_against_prejudice_flagged": flagged(
            linear.evaluate(classifier, fresh)[:, 0] >= 0.5
        ),
        "hate_at": by_threshold(scores, truth == 1),
        "other_texts_at": {
            name: by_threshold(linear.evaluate(classifier, some)[:, 0], np.zeros(len(some), bool))
            for name, some in other_texts("zh").items()
        },
    }


def against_prejudice(count: int, *, seed: int = 0, patterns: str = "against") -> list[str]:
    """Return sentences that speak for groups, some quoting what they object to."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        group = chance.choice(PARTS["groups"])
        text = (
            chance.choice(PARTS[patterns])
            .replace("{g}", group)
            .replace("{s}", chance.choice(PARTS["slurs"]))
        )
        made.append(text + chance.choice(["", "。", "！", "，谢谢。"]))
    return made


def cold(part: str) -> list[tuple[str, int, str]]:
    """Return texts, labels (1 is offensive) and topics of COLD."""
    with linear.safety_data(f"cold/{part}.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            (plain_post(row["TEXT"]), int(row["label"]), row["topic"])
            for row in csv.DictReader(file)
        ]


def _corpora(language: str) -> dict[str, list[str]]:
    left_out = ("tweets", "posts_zh", "shakespeare")
    own = {
        name: [text[:240] for text in texts]
        for name, texts in injection.corpora().items()
        if name.endswith("_zh") == (language == "zh") and name not in left_out
    }
    for texts in own.values():
        random.Random(3).shuffle(texts)
    return own


def calm_texts(language: str) -> list[str]:
    """Return harmless texts of other kinds, which no training set of posts holds."""
    return [text for texts in _corpora(language).values() for text in texts[:250]]


def other_texts(language: str) -> dict[str, list[str]]:
    """Return more of them, by where they are from, to be measured on."""
    return {name: texts[250:1250] for name, texts in _corpora(language).items() if len(texts) > 300}


@dataclass(frozen=True)
class Choice:
    """Settings, as chosen on the training part alone."""

    strength: float
    shift: list[float]
    macro_f1: float


def choose(
    features: csr_matrix,
    shares: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    weighing: linear.Weighing,
    strengths: tuple[float, ...],
    calm_counts: bool = False,
    balance: float = 0.0,
    sample: NDArray[np.float64] | None = None,
) -> tuple[Choice, NDArray[np.float32]]:
    """Return the settings with the best macro-F1 on held-out folds, and what features count.

    Args:
        features: Unscaled; behind the texts with labels come harmless ones, which are only learned.
        shares: Of all of them.
        labels: Of the first ones.
        weighing: Of features.
        strengths: To be tried.
        calm_counts: Whether the harmless ones, too, say what features count. On held-out tweets
            that was better (macro-F1 0.7655 to 0.7649).
        balance: As in ``linear.fit``.
        sample: Weights of all of them.
    """
    size = len(labels)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=1).split(labels, labels)
    logits = {strength: np.zeros((size, shares.shape[1])) for strength in strengths}
    for known, judged in folds:
        rows = np.concatenate([known, np.arange(size, len(shares))])
        known = rows if calm_counts else known
        idf = linear.idf_of(features[known], shares[known], weighing)
        inside = linear.scaled(features[rows], idf)
        outside = linear.scaled(features[judged], idf)
        for strength in strengths:
            model = linear.fit(
                inside,
                shares[rows],
                strength=strength,
                balance=balance,
                sample=None if sample is None else sample[rows],
            )
            logits[strength][judged] = model.logits(outside)
    found = {strength: best_shift(own, labels) for strength, own in logits.items()}
    strength = max(found, key=lambda each: found[each][0])
    value, shift = found[strength]
    counted = len(shares) if calm_counts else size
    idf = linear.idf_of(features[:counted], shares[:counted], weighing)
    return Choice(strength, shift, round(value, 4)), idf


def best_shift(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, list[float]]:
    """Return the best macro-F1, and what to add to the biases for it; a single one stays."""
    if logits.shape[1] == 1:
        return linear.macro_f1(labels, (logits[:, 0] > 0).astype(np.int64)), [0.0]
    best, found = -1.0, [0.0, 0.0, 0.0]
    for hate in np.arange(-1.0, 2.6, 0.1):
        for neither in np.arange(-1.0, 1.1, 0.2):
            guess = (logits + np.array([hate, 0.0, neither])).argmax(1)
            value = float(np.mean([one_f1(place)(labels, guess) for place in range(3)]))
            if value > best:
                best, found = value, [float(hate), 0.0, float(neither)]
    return best, found


def one_f1(place: int):
    """Return the F1 of one class as a measure."""

    def measure(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
        hits = float(((truth == place) & (guess == place)).sum())
        return 2 * hits / max(1.0, float((truth == place).sum() + (guess == place).sum()))

    return measure


def flagged(which: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share that is true."""
    return linear.share(int(which.sum()), len(which))


def by_threshold(
    scores: NDArray[np.float64], truth: NDArray[np.bool_]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return how much is found, and how much of the rest is stopped, at some thresholds."""
    return {
        str(at): {"found": flagged(scores[truth] >= at), "wrongly": flagged(scores[~truth] >= at)}
        for at in (0.5, 0.6, 0.8, 0.9, 0.95, 0.98)
    }


if __name__ == "__main__":
    main()
