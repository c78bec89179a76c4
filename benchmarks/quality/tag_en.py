"""Gate: people, places and organizations in tweets, fine-tuned smollm2-135m-instruct.

    python benchmarks/quality/tag_en.py

The Broad Twitter Corpus (Derczynski et al. 2016): sections a, b, e, f and g to learn from, h to
test. Strict F1 at least that of a conditional random field with the usual features.
"""

from common import gate
from tagging import judge, read


def main() -> None:
    """Teach and judge."""
    own = gate("tag_en", __doc__)
    train = [s for part in "abefg" for s in read(own.data("ner", f"btc.{part}.conll"))]
    test = read(own.data("ner", "btc.h.conll"))
    judge(own, train, test, model="smollm2-135m-instruct")


if __name__ == "__main__":
    main()
