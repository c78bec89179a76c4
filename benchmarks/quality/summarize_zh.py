"""Gate: the title of a Chinese abstract, 200 to test, by the extractive headline; nothing learned.

    python benchmarks/quality/summarize_zh.py

ROUGE-L of characters above that of the first sentence. 800 examples are too few to learn to write,
and the headline needs none: they stay unused, apart from the baseline of the nearest example.
"""

import time
from typing import Any

from common import autogpt_lines, gate, write_lines

from autogpt.core.examples import Pair
from autogpt.evaluation.judging import judge_summaries
from autogpt.evaluation.results import conclude

LEARNED = 800


def main() -> None:
    """Ask and judge."""
    own = gate("summarize_zh", __doc__)
    path = own.data("summarization", "csl-title.zh.dev.tsv")
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [
        Pair(place=f"{path.name}:{number}", source=text, target=title)
        for number, (_, text, title, *_) in enumerate(rows, 1)
    ]
    known, asked = own.limited(pairs[:LEARNED]), own.limited(pairs[LEARNED:])
    file = write_lines(own.room / "test.jsonl", ({"text": pair.source} for pair in asked))
    begin = time.perf_counter()
    answers = autogpt_lines(["summarize", "--input", str(file), "--style", "headline", "--quiet"])
    found: dict[str, Any] = conclude(
        judge_summaries(asked, [str(answer["text"]) for answer in answers], train=known),
        model="extractive headline",
        data=str(file),
        task="summarize",
        wall_s=time.perf_counter() - begin,
        seed=own.args.seed,
    ).to_dict()
    lead = found["baselines"]["lead_rouge_l"]
    facts = found["metrics"]["facts_in_source"]
    own.verdict(found, "rouge_l", goal=lead, baseline="lead", facts_in_source=facts)


if __name__ == "__main__":
    main()
