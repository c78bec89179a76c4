"""Train the classifiers of hate and offensive language, and measure them by language and group.

    python benchmarks/quality/moderation.py en|zh     # stores the weights in the package, prints JSON

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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

sys.path.insert(0, str(Path(__file__).parent))
import injection
import linear

# Words of objection: a proxy for COLD's label "anti-bias", which train and dev do not carry.
OBJECTION = re.compile(
    "歧视|偏见|刻板印象|地域黑|平等|尊重|反对|一概而论|以偏概全|污名|标签化|不应该|不能因为|别黑|不要黑|仇视|抹黑|种族主义|性别对立|一棍子|一竿子"
)
# Dialect words of the tweets, as in Blodgett et al. 2016, to look at a group that such classifiers
# are known to wrong (Sap et al. 2019).
DIALECT = re.compile(
    r"(?i)\b(?:ain'?t|finna|gon|tryna|dat|dis|dem|wit|bruh|ion|imma|yall|y'all|af)\b"
)

_GROUPS = (
    "黑人|白人|亚裔|犹太人|印度人|非洲人|少数民族|维族人|回族人|藏族人|女性|女人|男性|男人|女司机|全职妈妈|单身女性|"
    "家庭主妇|河南人|东北人|上海人|广东人|新疆人|四川人|外地人|农村人|北方人|南方人|同性恋|外国人|移民|凤凰男|留学生"
).split("|")
_AGAINST = (
    "不要歧视{g}|歧视{g}是不对的|{g}也应该得到尊重|请尊重每一位{g}|我反对任何针对{g}的偏见|不能因为个别人就否定所有{g}|"
    "为什么总有人要黑{g}|{g}里有好人也有坏人，不能一概而论|说{g}都素质低的人才是真的素质低|我的{g}朋友都很善良|"
    "对{g}的刻板印象该改改了|骂{g}的人自己没见过几个{g}吧|{g}和我们一样都是人|别再地图炮{g}了|{g}凭什么要被区别对待|"
    "拒绝对{g}污名化|媒体不该给{g}贴标签|那些说{g}是垃圾的言论让人恶心|{g}也有权利追求自己的生活|"
    "把{g}叫做劣等人是种族主义|用“{s}”来称呼{g}是侮辱|有人骂{g}“{s}”，这种话不该说|如果有人说{g}“{s}”，请站出来反对|"
    "研究表明{g}在求职中受到歧视|法律禁止以身份为由歧视{g}|我们要消除对{g}的不平等|作为{g}，我经常遇到不公平的对待|"
    "平等对待{g}是基本的教养|攻击{g}并不能让你高人一等|身边的{g}都挺好的，别以偏概全"
).split("|")
_SLURS = "黑鬼|尼哥|蠢货|垃圾|低素质|小偷|骗子|婊子|妓女|废物|猪|恶心|脏|懒|绿茶|野蛮人|蛮子|乡巴佬".split(
    "|"
)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("language", choices=["en", "zh"])
    parser.add_argument("--strength", type=float)
    parser.add_argument(
        "--objection", type=float, default=4.0, help="Weight of texts against prejudice."
    )
    parser.add_argument(
        "--balance", type=float, default=0.5, help="0: as they are, 1: classes weigh the same."
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
    texts = [html.unescape(row["tweet"]) for row in rows]
    labels = np.array([int(row["class"]) for row in rows])
    train, test = train_test_split(
        np.arange(len(texts)), test_size=0.2, random_state=0, stratify=labels
    )
    calm = calm_texts("en")
    features = linear.matrix([*(texts[place] for place in train), *calm])
    own = labels[train]
    idf = linear.idf_of(features[: len(train)])
    scaled = linear.scaled(features, idf)
    strength = args.strength or 4.0
    weights = balanced(own, args.balance)
    shift = best_shift(scaled, own, strength, weights, extra=len(calm))
    model = linear.fit(
        scaled, np.concatenate([own, np.full(len(calm), 2)]), strength=strength, weights=weights
    )
    classifier = linear.write(
        "moderation_en", model, idf, ["hate", "offensive", "neither"], shift=shift
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
        "shift": [round(float(value), 3) for value in shift],
    }


def chinese(args: argparse.Namespace) -> dict[str, object]:
    """Train on COLD's train part, sentences of our own and harmless texts; measure on dev."""
    train, dev = cold("train"), cold("dev")
    ours = against_prejudice(1500)
    calm = calm_texts("zh")
    texts = [text for text, _, _ in train]
    own = np.array([label for _, label, _ in train])
    features = linear.matrix([*texts, *ours, *calm])
    idf = linear.idf_of(features[: len(train)])
    labels = np.concatenate([own, np.zeros(len(ours) + len(calm), dtype=np.int64)])
    objection = np.array([bool(OBJECTION.search(text)) for text in texts])
    sample = np.ones(len(labels))
    sample[: len(texts)][objection & (own == 0)] = args.objection
    model = linear.fit(
        linear.scaled(features, idf), labels, strength=args.strength or 12.0, sample=sample
    )
    classifier = linear.write("moderation_zh", model, idf, ["hate"])
    held = [text for text, _, _ in dev]
    truth = np.array([label for _, label, _ in dev])
    topics = np.array([topic for _, _, topic in dev])
    scores = linear.evaluate(classifier, held)[:, 0]
    guess = (scores >= 0.5).astype(np.int64)
    objecting = np.array([bool(OBJECTION.search(text)) for text in held]) & (truth == 0)
    fresh = against_prejudice(500, seed=9, patterns=_AGAINST_OTHER)
    return {
        "macro_f1": linear.bootstrap(linear.macro_f1, truth, guess),
        "macro_f1_by_topic": {
            topic: linear.bootstrap(linear.macro_f1, truth[topics == topic], guess[topics == topic])
            for topic in ("race", "region", "gender")
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


_AGAINST_OTHER = (
    "我不同意你对{g}的看法，这是偏见|请不要这样说{g}，他们没有做错什么|把{g}和“{s}”画等号是无知|"
    "看到有人嘲笑{g}我很难过|{g}同样为社会做出了贡献|你凭什么看不起{g}|网上对{g}的谩骂太多了，希望大家理性|"
    "我是{g}，但我不是你说的“{s}”|不管是不是{g}，都值得被善待|对{g}好一点，世界会更好"
).split("|")


def against_prejudice(count: int, *, seed: int = 0, patterns: list[str] = _AGAINST) -> list[str]:
    """Return sentences that speak for groups, some quoting what they object to."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        group = chance.choice(_GROUPS)
        text = chance.choice(patterns).replace("{g}", group).replace("{s}", chance.choice(_SLURS))
        made.append(text + chance.choice(["", "。", "！", "，谢谢。"]))
    return made


def cold(part: str) -> list[tuple[str, int, str]]:
    """Return texts, labels (1 is offensive) and topics of COLD."""
    with linear.safety_data(f"cold/{part}.csv").open(encoding="utf-8-sig", newline="") as file:
        return [(row["TEXT"], int(row["label"]), row["topic"]) for row in csv.DictReader(file)]


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
    return {name: texts[250:1250] for name, texts in _corpora(language).items()}


def balanced(labels: NDArray[np.int64], power: float) -> dict[int, float]:
    """Return class weights between none (0) and such that classes weigh the same (1)."""
    counts = np.bincount(labels)
    return {
        place: float((len(labels) / len(counts) / count) ** power)
        for place, count in enumerate(counts)
    }


def best_shift(
    features: object,
    labels: NDArray[np.int64],
    strength: float,
    weights: dict[int, float],
    *,
    extra: int,
) -> list[float]:
    """Return what to add to the biases for the best macro-F1, by threefold cross-validation."""
    logits = np.zeros((len(labels), 3))
    own = features[: len(labels)]  # type: ignore[index]
    calm = np.arange(len(labels), len(labels) + extra)
    for fit_on, judge in StratifiedKFold(3, shuffle=True, random_state=0).split(own, labels):
        rows = np.concatenate([fit_on, calm])
        known = np.concatenate([labels[fit_on], np.full(extra, 2)])
        model = linear.fit(features[rows], known, strength=strength, weights=weights)  # type: ignore[index]
        logits[judge] = model.decision_function(own[judge])
    best, found = -1.0, [0.0, 0.0, 0.0]
    for hate in np.arange(-1.0, 1.6, 0.1):
        for neither in np.arange(-1.0, 1.1, 0.1):
            shift = np.array([hate, 0.0, neither])
            value = linear.macro_f1(labels, (logits + shift).argmax(1))
            if value > best:
                best, found = value, shift.tolist()
    return found


def one_f1(place: int):  # noqa: ANN201 - a measure for bootstrap
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
