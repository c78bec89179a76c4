"""What the gates of tagging share: strict F1 of entities beside a conditional random field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common import Gate

Sentence = str  # lines of CoNLL, one a token


def read(path: Path) -> list[Sentence]:
    """Return the sentences of a file of CoNLL."""
    blocks = path.read_text(encoding="utf-8").replace("\r\n", "\n").split("\n\n")
    return [block.strip("\n") for block in blocks if block.strip()]


def tokens(sentence: Sentence) -> str:
    """Return the tokens of a sentence, joined by spaces."""
    return " ".join(line.split()[0] for line in sentence.split("\n") if line.strip())


def judge(gate: Gate, train: Sequence[Sentence], test: Sequence[Sentence], *, model: str) -> None:
    """Fine-tune, evaluate beside the random field on the same sentences, and print the verdict."""
    files = []
    for name, part in (("train", train), ("test", test)):
        files.append(gate.room / f"{name}.conll")
        files[-1].write_text("\n\n".join(gate.limited(part)) + "\n", encoding="utf-8")
    learned, asked = files
    run = gate.finetune(model, learned, task="tag")
    found = gate.evaluate(run, asked, "--task", "tag", "--train", str(learned))
    names = [name for name in found["baselines"] if name.endswith("_f1")]
    field = next(name for name in names if "macro" not in name).removesuffix("_f1")
    goal = found["baselines"][f"{field}_f1"]
    types = {row["name"]: row["f1"] for row in found["classes"]}
    gate.verdict(found, "f1", goal=goal, baseline=field, types=types)
