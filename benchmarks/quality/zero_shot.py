"""Gate: praise or blame without any training, smollm2-135m-instruct, accuracy 0.70 or more.

    python benchmarks/quality/zero_shot.py

The same test sentences as ``sentence_polarity.py``; the label's likelihood decides.
"""

from classification import read, write
from common import gate, split

GOAL = 0.70


def main() -> None:
    """Ask and judge."""
    own = gate("zero_shot", __doc__)
    rows = read(own.data("classification", "sentence-polarity.csv"))
    _, test = split(rows, key=lambda row: row[0])
    asked = write(own.room / "test.jsonl", own.limited(test))
    found = own.evaluate("smollm2-135m-instruct", asked, "--task", "classify")
    own.verdict(found, "accuracy", goal=GOAL, baseline="majority")


if __name__ == "__main__":
    main()
