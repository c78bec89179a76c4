"""Gate: English to Chinese and Chinese to English, one model that begins from nothing.

    python benchmarks/quality/translate_tatoeba.py
    python benchmarks/quality/translate_tatoeba.py --few-shot gemma3-270m  # what that model can

28,105 pairs of Tatoeba. The 1,000 test sentences are parted by their English and by their Chinese,
so that neither side of a tested pair is learned. sacrebleu 22 or more each way (its zh tokenizer
for Chinese), chrF beside it. A model that writes is shown eight pairs, none of which is tested, and
asked for the next line.
"""

import hashlib
import json
import time

from common import Gate, gate, write_lines

GOAL, TESTED, SHOWN = 22.0, 1000, 8
LANGUAGES = {"en": "English", "zh": "Chinese"}

Pair = tuple[str, str]  # English, Chinese


def main() -> None:
    """Teach both directions at once and judge each."""
    own = gate("translate_tatoeba", __doc__, few_shot=None)
    train, test = parted(read(own))
    train, test = own.limited(train), own.limited(test)
    if own.args.few_shot:
        for source, target in (("en", "zh"), ("zh", "en")):
            print(json.dumps(few_shot(own.args.few_shot, train, test, source, target)), flush=True)
        return
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


def few_shot(
    model: str, train: list[Pair], test: list[Pair], source: str, target: str
) -> dict[str, object]:
    """Return how well a model translates that was shown some pairs in its prompt."""
    import autogpt
    from autogpt.evaluation.metrics.metric import measure
    from autogpt.evaluation.metrics.texts import translation_metrics

    llm = autogpt.load(model, quantize="int8", policy=None)
    shown = sorted(train, key=lambda pair: _hash(pair[1]))[:SHOWN]
    places = {"en": 0, "zh": 1}

    def lines(pair: Pair, *, ended: bool) -> str:
        asked = f"{LANGUAGES[source]}: {pair[places[source]]}\n{LANGUAGES[target]}:"
        return f"{asked} {pair[places[target]]}\n\n" if ended else asked

    before = "".join(lines(pair, ended=True) for pair in shown)
    begin = time.perf_counter()
    written = llm.write(
        [before + lines(pair, ended=False) for pair in test],
        temperature=0.0,
        max_tokens=96,
        stop=["\n"],
    )
    seconds = time.perf_counter() - begin
    metrics = translation_metrics(
        [completion.text.strip() for completion in written],
        [pair[places[target]] for pair in test],
    )
    figures = [measure(metric) for metric in metrics]
    return {
        "gate": "translate_tatoeba",
        "reference": model,
        "shown": SHOWN,
        "to": target,
        **{f.name: [round(f.value, 2), round(f.low, 2), round(f.high, 2)] for f in figures},
        "signatures": {metric.name: metric.signature for metric in metrics},
        "examples": len(test),
        "minutes": round(seconds / 60, 2),
    }


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
