"""Gate: people, places and organizations in Chinese news, a model that begins from nothing.

    python benchmarks/quality/tag_zh.py

6,000 sentences of MSRA (SIGHAN 2006), an own tenth to test. Strict F1 at least that of a
conditional random field over characters.
"""

from common import gate, split
from tagging import judge, read, tokens


def main() -> None:
    """Teach and judge."""
    own = gate("tag_zh", __doc__)
    train, test = split(read(own.data("ner", "msra.train6k.conll")), key=tokens)
    judge(own, train, test, model="new")


if __name__ == "__main__":
    main()
