"""Speed of training and encoding beside Hugging Face ``tokenizers``, and that the ids are the same.

Run: ``python benchmarks/tokenizer.py``. Both sides get the same 8 MB, half English and half
Chinese, in the same documents of 4,096 characters (the length at which ``tokenizers`` was found
fastest), the same vocabulary size and all cores. They take turns, and medians are compared.
``tokenizers`` is given credit: encoding is its fastest call, ``encode_batch_fast``, and its ids
are not fetched from its results, while ours end up in arrays. One long text is timed too, which
``tokenizers`` encodes on one core. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import models, pre_tokenizers, trainers

import autogpt.data
from autogpt.tokenizer import pipeline
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT_TEXT = ROOT.parent / "shared" / "data" / "text"
QUICKSTART_TEXT = Path(autogpt.data.__file__).parent / "quickstart"
DOCUMENT_CHARS = 4096


def read_text(size_bytes: int) -> tuple[str, str]:
    """Return text of about ``size_bytes``, half of it English, and where it is from."""
    files = sorted(DEVELOPMENT_TEXT.glob("*/*.txt"))
    source = "development texts, repeated to the size"
    if not files:
        files = sorted(QUICKSTART_TEXT.glob("*.txt"))
        source = "quickstart texts, repeated to the size"
    texts = [path.read_text(encoding="utf-8") for path in files]
    english = "".join(text for text in texts if text[:1000].isascii())
    chinese = "".join(text for text in texts if not text[:1000].isascii())
    halves = [_sized(text, size_bytes // 2) for text in (english, chinese)]
    return "".join(halves), f"{source}: {', '.join(path.name for path in files)}"


def _sized(text: str, size_bytes: int) -> str:
    gathered = bytearray()
    for chunk in cycle([text.encode()]):
        gathered += chunk
        if len(gathered) >= size_bytes:
            return gathered[:size_bytes].decode("utf-8", "ignore")
    return ""


def interleaved(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each side; they take turns after one unmeasured round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, run in sides.items():
            begin = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def train_theirs(documents: list[str], vocab_size: int) -> HFTokenizer:
    """Train with ``tokenizers``, the same split and size."""
    tokenizer = HFTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pipeline.pre_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(pipeline.SPECIAL_TOKENS),
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def compare(text: str, vocab_size: int, repeats: int) -> dict[str, object]:
    """Time both sides on one text."""
    size_bytes = len(text.encode())
    documents = [text[i : i + DOCUMENT_CHARS] for i in range(0, len(text), DOCUMENT_CHARS)]
    config = TokenizerConfig(kind="bpe", vocab_size=vocab_size)
    ours: Tokenizer = train(documents, config, corpus_bytes=size_bytes)
    with tempfile.TemporaryDirectory() as folder:
        ours.save(folder)
        theirs = HFTokenizer.from_file(f"{folder}/tokenizer.json")
    theirs.encode_special_tokens = True
    training = interleaved(
        {
            "ours": lambda: train(documents, config, corpus_bytes=size_bytes),
            "tokenizers": lambda: train_theirs(documents, vocab_size),
        },
        repeats,
    )
    encoding = interleaved(
        {
            "ours": lambda: ours.encode_batch(documents),
            "tokenizers": lambda: theirs.encode_batch_fast(documents),
        },
        repeats,
    )
    long_text = interleaved(
        {
            "ours": lambda: ours.encode_batch([text]),
            "tokenizers": lambda: theirs.encode_batch_fast([text]),
        },
        repeats,
    )
    expected = [np.array(encoding.ids) for encoding in theirs.encode_batch_fast(documents)]
    same = all(map(np.array_equal, ours.encode_batch(documents), expected))
    whole = np.array_equal(ours.encode_batch([text])[0], theirs.encode_batch_fast([text])[0].ids)
    report = ours.training
    return {
        "engine": report.engine if report else "",
        "bytes_per_token": round(size_bytes / sum(map(len, expected)), 3),
        "train": _figures(training, size_bytes),
        "encode": _figures(encoding, size_bytes),
        "encode_one_long_text": _figures(long_text, size_bytes),
        "identical_ids": bool(same and whole),
    }


def _figures(seconds: dict[str, float], size_bytes: int) -> dict[str, float]:
    speeds = {f"{name}_mb_per_s": size_bytes / 1e6 / value for name, value in seconds.items()}
    ratio = seconds["tokenizers"] / seconds["ours"]
    return {name: round(value, 2) for name, value in {**speeds, "ratio": ratio}.items()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size-mb", type=float, default=8.0)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    text, source = read_text(round(arguments.size_mb * 1e6))
    figures = compare(text, arguments.vocab_size, arguments.repeats)
    settings = {
        "text": source,
        "bytes": len(text.encode()),
        "vocab_size": arguments.vocab_size,
        "repeats": arguments.repeats,
        "cores": os.cpu_count(),
    }
    print(json.dumps({**settings, **figures}, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
