"""Gate: the title of a Chinese abstract, 800 to learn from and 200 to test.

    python benchmarks/quality/summarize_zh.py

ROUGE-L of characters above that of the first sentence.
"""

from common import gate, write_lines

LEARNED = 800


def main() -> None:
    """Teach and judge."""
    own = gate("summarize_zh", __doc__)
    path = own.data("summarization", "csl-title.zh.dev.tsv")
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    parts = (("train", rows[:LEARNED]), ("test", rows[LEARNED:]))
    files = [
        write_lines(
            own.room / f"{name}.jsonl",
            ({"source": text, "target": title} for _, text, title, *_ in own.limited(part)),
        )
        for name, part in parts
    ]
    run = own.finetune("new", files[0], task="summarize")
    found = own.evaluate(run, files[1], "--task", "summarize")
    own.verdict(found, "rouge_l", goal=found["baselines"]["lead_rouge_l"], baseline="lead")


if __name__ == "__main__":
    main()
