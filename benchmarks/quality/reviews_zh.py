"""Gate: praise or blame in Chinese reviews, a model that begins from nothing.

    python benchmarks/quality/reviews_zh.py

It reads the reviews it is taught with as plain text first, and learns their labels then: both take
45 minutes together. Accuracy on an own tenth above TF-IDF of character n-grams with logistic
regression.
"""

from classification import judge, read
from common import gate, split, write_lines

READING = "20m"
SIZES = ["model.hidden_size=192", "model.num_hidden_layers=4"]  # the plan's are too small for this
LEARNING = [  # all of so small a model, at ten times the rate of one three times as wide
    "finetune.layers=4",
    "finetune.frozen_layers=0",
    "finetune.dropout=0.2",
    "finetune.label_smoothing=0.1",
    "finetune.pooling=mean",
    "training.lr=0.0005",
]


def main() -> None:
    """Read, teach and judge."""
    own = gate("reviews_zh", __doc__, budget="25m", base=None, reading=None)
    rows = read(own.data("classification", "reviews.zh.csv"))
    train, test = split(rows, key=lambda row: row[0])
    texts = dict.fromkeys(text for text, _ in own.limited(train))
    text = write_lines(own.room / "texts.jsonl", ({"text": one} for one in texts))
    model = "new"
    if not own.args.base:
        model = str(own.train(text, budget=own.args.reading or READING, settings=SIZES))
        own.settings = LEARNING
    judge(own, train, test, model=model, goal=lambda linear: linear)


if __name__ == "__main__":
    main()
