"""Gate: praise or blame in Chinese reviews, a model that begins from nothing.

    python benchmarks/quality/reviews_zh.py

Accuracy on an own tenth above TF-IDF of character n-grams with logistic regression.
"""

from classification import judge, read
from common import gate, split


def main() -> None:
    """Teach and judge."""
    own = gate("reviews_zh", __doc__, base=None)
    rows = read(own.data("classification", "reviews.zh.csv"))
    train, test = split(rows, key=lambda row: row[0])
    judge(own, train, test, model="new", goal=lambda linear: linear)


if __name__ == "__main__":
    main()
