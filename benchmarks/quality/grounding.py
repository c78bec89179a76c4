"""How well grounding tells what a source says from what was changed.

    python benchmarks/quality/grounding.py     # prints JSON

Extractive: three sentences taken from a document, held against it; what is marked is a false alarm.
Of other documents: a sentence of one, held against another, is to be marked.
Exchanged: one number of such a sentence is replaced by another number of the same document.
Translations: pairs of people's translations pass if nothing is marked; then a number, an address or
a placeholder is changed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import linear

from autogpt.safety.facts import numbers
from autogpt.safety.grounding import check
from autogpt.safety.sentences import sentences
from autogpt.tasks.language import language_of
from autogpt.tasks.masks import missing, protected


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=linear.DATA, help="The folder of data.")
    parser.add_argument("--limit", type=int, default=400, help="Documents of each kind.")
    args = parser.parse_args()
    report = {name: summaries(texts[: args.limit]) for name, texts in documents(args.data).items()}
    report["translations"] = translations(args.data, args.limit)
    print(json.dumps(report, indent=1, ensure_ascii=False))


def documents(data: Path) -> dict[str, list[str]]:
    """Return documents that hold numbers."""
    wiki = (data / "text/en/wikitext2-valid.txt").read_text(encoding="utf-8")
    wiki = re.sub(r" @([,.-])@ ", r"\1", wiki)  # its own way to write 1,000
    wiki = re.sub(r" ([,.;:)%'])", r"\1", wiki)
    english = [part for part in wiki.split("\n") if len(part) > 600]
    rows = (data / "summarization/csl-title.zh.dev.tsv").read_text(encoding="utf-8").splitlines()
    chinese = [
        cells[1] for row in rows if len(cells := row.split("\t")) > 1 and len(cells[1]) > 120
    ]
    return {"en": english, "zh": chinese}


def summaries(texts: list[str]) -> dict[str, object]:
    """Return the share of alarms on own sentences, and of exchanged numbers that are found."""
    chance = random.Random(0)
    alarms = total = found = changed = 0
    for text in texts:
        parts = [text[begin:end] for begin, end in sentences(text)]
        taken = sorted(chance.sample(range(len(parts)), min(3, len(parts))))
        report = check("\n".join(parts[place] for place in taken), text)
        total += len(report.sentences)
        alarms += sum(not each.supported for each in report.sentences)
        known = sorted({text[fact.start : fact.end] for fact in numbers(text)})
        for place in taken:
            own = [
                f for f in numbers(parts[place]) if re.search(r"\d", parts[place][f.start : f.end])
            ]
            if not own or len(known) < 2:
                continue
            fact = chance.choice(own)
            other = [
                value
                for value in known
                if re.search(r"\d", value) and next(numbers(value), fact).value != fact.value
            ]
            if not other:
                continue
            swapped = parts[place][: fact.start] + chance.choice(other) + parts[place][fact.end :]
            changed += 1
            found += any(not each.supported for each in check(swapped, text).sentences)
    return {
        "false_alarms": linear.share(alarms, total),
        "of_other_documents_found": strangers(texts),
        "exchanged_numbers_found": linear.share(found, changed),
    }


def strangers(texts: list[str]) -> dict[str, float]:
    """Return the share of sentences that are marked when they are held against another document."""
    chance = random.Random(1)
    found = 0
    for place, text in enumerate(texts):
        own = [text[begin:end] for begin, end in sentences(text) if end - begin > 20]
        found += check(chance.choice(own), texts[place - 1]).supported < 1
    return linear.share(found, len(texts))


def passes(chinese: str, english: str) -> bool:
    """Whether ``autogpt translate`` would find nothing wrong with a translation."""
    is_foreign = language_of(chinese) not in ("zh", "") and len(english) > 12
    return not is_foreign and not missing(english, chinese)


def translations(data: Path, limit: int) -> dict[str, object]:
    """Return the share of good translations that pass, and of changed ones that do not."""
    chance = random.Random(0)
    result: dict[str, object] = {}
    for name in ("reference", "installguide", "gettext", "tatoeba"):
        lines = (data / f"translation/{name}.en-zh.tsv").read_text(encoding="utf-8").splitlines()
        pairs = [row.split("\t")[:2] for row in lines if row.count("\t")]
        pairs = [pair for pair in pairs if len(pair[0].split()) > 3]
        chance.shuffle(pairs)
        passed = caught = changed = 0
        some = pairs[: 2 * limit]
        for english, chinese in some:
            passed += passes(chinese, english)
        for english, chinese in pairs:
            digits = list(re.finditer(r"\d+", chinese))
            marks = [piece.text for piece in protected(chinese) if piece.becomes is not None]
            if changed == limit or not (digits or marks):
                continue
            if not passes(chinese, english):
                continue
            if digits:
                match = chance.choice(digits)
                worse = f"{chinese[: match.start()]}{int(match[0]) + 7}{chinese[match.end() :]}"
            else:
                mark = chance.choice(marks)
                worse = chinese.replace(mark, "", 1)
            changed += 1
            caught += not passes(worse, english)
        result[name] = {
            "pass": linear.share(passed, len(some)),
            "changes_found": linear.share(caught, changed),
        }
    return result


if __name__ == "__main__":
    main()
