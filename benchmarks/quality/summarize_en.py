"""Gate: a line that says what a software package is for, fine-tuned smollm2-135m-instruct.

    python benchmarks/quality/summarize_en.py

8,000 package descriptions with their synopsis; an own twentieth is the test. ROUGE-L at least 1.3
times that of the first sentence, and 95% of numbers and names found in the source.
"""

import json

from common import gate, split, write_lines

TIMES_LEAD, FACTS, SHARE = 1.3, 0.95, 0.05
RATE = "training.lr=0.0003"  # three times the default: the budget ends before half a pass


def main() -> None:
    """Teach and judge."""
    own = gate("summarize_en", __doc__)
    own.settings = [RATE]
    path = own.data("summarization", "package-synopsis.en.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    train, test = split(rows, key=lambda row: row["text"], share=SHARE)
    files = [
        write_lines(
            own.room / f"{name}.jsonl",
            ({"source": row["text"], "target": row["summary"]} for row in own.limited(part)),
        )
        for name, part in (("train", train), ("test", test))
    ]
    run = own.finetune("smollm2-135m-instruct", files[0], task="summarize")
    found = own.evaluate(run, files[1], "--task", "summarize")
    lead = found["baselines"]["lead_rouge_l"]
    own.verdict(found, "rouge_l", goal=TIMES_LEAD * lead, baseline="lead")
    own.verdict(found, "facts_in_source", goal=FACTS)


if __name__ == "__main__":
    main()
