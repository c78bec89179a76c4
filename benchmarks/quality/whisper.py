"""Whisper base on recorded prompts: its word error rate, and its time beside faster-whisper alone.

    apt-get install asterisk-core-sounds-en-wav asterisk-core-sounds-en
    autogpt models pull whisper-base
    python benchmarks/quality/whisper.py

The first 20 prompts by name whose transcript in ``core-sounds-en.txt`` has four words or more and
no bracket (those describe tones). Goals: a word error rate of 8% by jiwer; at most 1.1 times the
time of faster-whisper itself, both in one process, in turns, on the same files.

Spelling that only the ear could not tell apart is made one before counting: digits are written as
words ("press 1", "press one"), in transcripts and references alike.
"""

from __future__ import annotations

import gzip
import json
import re
import statistics
import time
from pathlib import Path

from common import commit, gate

PROMPTS, WORDS = 20, 4
GOAL, SLOWER = 0.08, 1.1
ROUNDS = 3
_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def transcripts(path: Path) -> dict[str, str]:
    """Return what is said, by the name of the file without its suffix."""
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith(";"))
    return {name.strip(): text.strip() for name, _, text in pairs if text.strip()}


def spelled(text: str) -> str:
    """Return a text with single digits as words."""
    return re.sub(r"\b\d\b", lambda found: _DIGITS[int(found[0])], text)


def main() -> None:
    """Transcribe, count, and time."""
    gate_ = gate("whisper", __doc__, budget="1m", sounds=None, transcripts=None, rounds=None)
    sounds = Path(gate_.args.sounds or "/usr/share/asterisk/sounds/en_US_f_Allison")
    text = Path(
        gate_.args.transcripts or "/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    )
    said = {
        name: words
        for name, words in sorted(transcripts(text).items())
        if len(words.split()) >= WORDS and "[" not in words and "(" not in words
    }
    chosen = [name for name in said if (sounds / f"{name}.wav").is_file()][:PROMPTS]
    paths = [sounds / f"{name}.wav" for name in chosen]

    from faster_whisper import WhisperModel

    import autogpt
    from autogpt.core.hardware import usable_cores
    from autogpt.core.refs import resolve
    from autogpt.data.sounds import facts_of
    from autogpt.evaluation.metrics.transcripts import error_rates

    ours = autogpt.load("whisper-base", dtype="auto")
    alone = WhisperModel(
        str(resolve("whisper-base")), device="cpu", compute_type="int8", cpu_threads=usable_cores()
    )

    def by_library(some: list[Path]) -> list[str]:
        return [
            "".join(part.text for part in alone.transcribe(str(path), vad_filter=True)[0])
            for path in some
        ]

    def by_us(some: list[Path]) -> list[str]:
        return [ours.transcribe(path).text for path in some]

    by_us(paths[:1]), by_library(paths[:1])  # the first time is slower
    took: dict[str, list[float]] = {"autogpt": [], "faster-whisper": []}
    for _ in range(int(gate_.args.rounds or ROUNDS)):
        for name, run in (("autogpt", by_us), ("faster-whisper", by_library)):
            begin = time.perf_counter()
            heard = run(paths)
            took[name].append(time.perf_counter() - begin)
            if name == "autogpt":
                written = heard
    seconds = sum(facts_of(path).seconds for path in paths)
    figures = error_rates([spelled(said[name]) for name in chosen], [spelled(t) for t in written])
    middle = {name: statistics.median(times) for name, times in took.items()}
    ratio = middle["autogpt"] / middle["faster-whisper"]
    wrong = {
        name: [said[name], heard]
        for name, heard in zip(chosen, written, strict=True)
        if error_rates([spelled(said[name])], [spelled(heard)])["word_error_rate"]
    }
    print(
        json.dumps(
            {
                "gate": gate_.name,
                "word_error_rate": round(figures["word_error_rate"], 4),
                "goal": GOAL,
                "reached": figures["word_error_rate"] <= GOAL and ratio <= SLOWER,
                "examples": len(chosen),
                "sound_s": round(seconds, 1),
                "real_time_factor": {n: round(s / seconds, 4) for n, s in middle.items()},
                "time_beside_faster_whisper": round(ratio, 3),
                "wrong": wrong,
                "commit": commit(),
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
