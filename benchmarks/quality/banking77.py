"""Gate: 77 intents of bank customers, fine-tuned smollm2-135m-instruct, accuracy 0.92 or more.

    autogpt models pull smollm2-135m-instruct
    python benchmarks/quality/banking77.py
    python benchmarks/quality/banking77.py --base all-minilm-l6-v2  # a head on vectors

The official split (Casanueva et al. 2020, "Efficient Intent Detection with Dual Sentence
Encoders"); BERT-base is published near 0.93.
"""

from classification import judge, read
from common import gate

GOAL = 0.92


def main() -> None:
    """Teach and judge."""
    own = gate("banking77", __doc__, base=None)
    train = read(own.data("classification", "banking77.train.csv"))
    test = read(own.data("classification", "banking77.test.csv"))
    if own.args.limit:  # the files are in the order of labels
        few = sorted({label for _, label in train})[:5]
        train, test = ([row for row in rows if row[1] in few] for rows in (train, test))
        train, test = train[:: max(1, len(train) // own.args.limit)], test[::5]
    judge(own, train, test, model="smollm2-135m-instruct", goal=lambda _: GOAL)


if __name__ == "__main__":
    main()
