"""Sentences that instruct a model, and harmless ones that look like them, written for training.

Every sentence is made of parts by chance from a seed. None is taken from a data set, so that what
is measured on data sets measures something else than what was learned by heart here.
"""

from __future__ import annotations

import base64
import codecs
import random
import tomllib
from collections.abc import Callable
from pathlib import Path

__all__ = ["attacks", "harmless", "obfuscate"]

_PARTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _fill(text: str, chance: random.Random) -> str:
    slots: dict[str, Callable[[], str]] = {
        "{way}": lambda: chance.choice(_PARTS["ways"]),
        "{what}": lambda: chance.choice(_PARTS["what"]),
        "{then}": lambda: chance.choice(_PARTS["then"]),
        "{task}": lambda: chance.choice(_PARTS["tasks"]),
        "{persona}": lambda: chance.choice(_PARTS["personas"]),
        "{mode}": lambda: chance.choice(_PARTS["modes"]),
        "{name}": lambda: chance.choice(_PARTS["names"]),
        "{thing}": lambda: chance.choice(_PARTS["things"]),
        "{url}": lambda: (
            f"https://{chance.choice(_PARTS['names']).lower()}.example/{chance.randrange(999)}"
        ),
        "{mail}": lambda: f"{chance.choice(_PARTS['names']).lower()}@mail.example",
        "{number}": lambda: str(chance.randrange(10**7, 10**8)),
        "{do}": lambda: chance.choice(_PARTS["do"]),
        "{topic}": lambda: chance.choice(_PARTS["topics"]),
        "{role}": lambda: chance.choice(_PARTS["roles"]),
        "{format}": lambda: chance.choice(_PARTS["formats"]),
        "{f}": lambda: chance.choice(_PARTS["formats_zh"]),
        "{t}": lambda: chance.choice(_PARTS["topics_zh"]),
    }
    for _ in range(3):  # parts have parts
        for slot, make in slots.items():
            while slot in text:
                text = text.replace(slot, make(), 1)
    return text


def attacks(count: int, chance: random.Random) -> list[str]:
    """Return sentences that instruct a model; two in five are not in English."""
    made = []
    for _ in range(count):
        if chance.random() < 0.6:
            text = _fill(chance.choice(_PARTS["patterns"]), chance)
        else:
            name = chance.choice(["zh", "zh", "zh", *_PARTS["foreign"]])
            text = chance.choice(_PARTS["foreign"][name])
            tasks = _PARTS["tasks_zh"] if name == "zh" else ["", "", "{task}"]
            end = "" if text.endswith((":", "：")) else chance.choice(["，", " ", ": "])
            text = _fill(text + end + chance.choice(tasks), chance)
        if chance.random() < 0.2:
            text = text.upper()
        made.append(text[:1].upper() + text[1:] + chance.choice(["", ".", "!", "\n"]))
    return made


def harmless(count: int, chance: random.Random) -> list[str]:
    """Return sentences that look a little like those and instruct nobody against anybody."""
    made = []
    for _ in range(count):
        text = _fill(chance.choice(_PARTS["calm" if chance.random() < 0.7 else "calm_zh"]), chance)
        if chance.random() < 0.1:
            text = text.upper()
        made.append(text + chance.choice(["", ".", "!", "?"]))
    return made


_LEET = str.maketrans("aeiostAEIOST", "431057431057")


def obfuscate(text: str, how: str) -> str:
    """Return a text in one disguise, as "base64" or "leet"."""
    ways: dict[str, Callable[[str], str]] = {
        "base64": lambda t: base64.b64encode(t.encode()).decode(),
        "hex": lambda t: t.encode().hex(),
        "leet": lambda t: t.translate(_LEET),
        "spaced": lambda t: "   ".join(" ".join(word) for word in t.split()),
        "reversed": lambda t: t[::-1],
        "rot13": lambda t: codecs.encode(t, "rot13"),
        "wide": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
        "invisible": lambda t: "\u200b".join(t),
    }
    return ways[how](text)
