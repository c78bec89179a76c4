"""Gate: people, places and organizations in Chinese news, fine-tuned gemma3-270m.

    autogpt models pull gemma3-270m --accept-license gemma  # once its terms are read
    python benchmarks/quality/tag_zh.py
    python benchmarks/quality/tag_zh.py --base new  # a model that begins from nothing

6,000 sentences of MSRA (SIGHAN 2006), an own tenth to test. Strict F1 at least that of a
conditional random field over characters.
"""

from common import gate, split
from tagging import judge, read, tokens

STILL = "finetune.frozen_layers=1"  # and the embedding: of 262,144 tokens these sentences have few


def main() -> None:
    """Teach and judge."""
    own = gate("tag_zh", __doc__, base=None)
    if not own.args.base:
        own.settings = [STILL]
    train, test = split(read(own.data("ner", "msra.train6k.conll")), key=tokens)
    judge(own, train, test, model=own.args.base or "gemma3-270m")


if __name__ == "__main__":
    main()
