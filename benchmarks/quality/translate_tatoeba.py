"""Gate: English to Chinese and Chinese to English, one model that begins from nothing.

    python benchmarks/quality/translate_tatoeba.py

28,105 pairs of Tatoeba. The 1,000 test sentences are parted by their English and by their Chinese,
so that neither side of a tested pair is learned. sacrebleu 22 or more each way (its zh tokenizer
for Chinese), chrF beside it.
"""

import hashlib

from common import Gate, gate, write_lines

GOAL, TESTED = 22.0, 1000

Pair = tuple[str, str]  # English, Chinese


def main() -> None:
    """Teach both directions at once and judge each."""
    own = gate("translate_tatoeba", __doc__)
    train, test = parted(read(own))
    train, test = own.limited(train), own.limited(test)
    both = [{"source": en, "target": zh} for en, zh in train]
    both += [{"source": zh, "target": en} for en, zh in train]
    run = own.finetune("new", write_lines(own.room / "train.jsonl", both), task="translate")
    for to, rows in (
        ("zh", [{"source": en, "target": zh} for en, zh in test]),
        ("en", [{"source": zh, "target": en} for en, zh in test]),
    ):
        asked = write_lines(own.room / f"test.to-{to}.jsonl", rows)
        found = own.evaluate(run, asked, "--task", "translate", "--to", to)
        metrics = found["metrics"]
        own.verdict(
            found,
            "bleu",
            goal=GOAL,
            to=to,
            chrf=metrics.get("chrf"),
            signature=found["signatures"].get("bleu"),
            baselines=found["baselines"],
        )


def read(own: Gate) -> list[Pair]:
    """Return the pairs of the file; its third column says who wrote them."""
    path = own.data("translation", "tatoeba.en-zh.tsv")
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(english, chinese) for english, chinese, *_ in lines]


def parted(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return pairs to learn from, and one pair of each of 1,000 English sentences to test."""
    order = sorted({english for english, _ in pairs}, key=_hash)
    tested = set(order[:TESTED])
    first: dict[str, str] = {}
    for english, chinese in pairs:
        if english in tested:
            first.setdefault(english, chinese)
    known = {chinese for english, chinese in pairs if english in tested}
    train = [pair for pair in pairs if pair[0] not in tested and pair[1] not in known]
    return train, list(first.items())


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


if __name__ == "__main__":
    main()
