"""Which examples are held out for validation when nobody says: some of each class, by hash.

What asks the same stays together, so that no answer is given away. A side is decided by the hash of
what an example asks and the seed, so that neither the order of the rows nor new rows of other
classes move an example. Examples of several labels are dealt out by their rarest label first
(Sechidis et al. 2011). Splitting documents by bytes is in ``split.py``.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeVar

from autogpt.core.errors import ConfigError, DataError
from autogpt.core.examples import Example
from autogpt.data.checks import asked, classes_of

__all__ = ["split_examples"]

E = TypeVar("E", bound=Example)
_NO_CLASS = ""


def split_examples(
    examples: Sequence[E], *, fraction: float = 0.1, most: int = 2000, seed: int = 0
) -> tuple[list[E], list[E]]:
    """Return training and validation examples, each in the order given.

    Each class with two texts or more is on both sides.

    Args:
        examples: All of them.
        fraction: Of each class to hold out.
        most: Hold out no more than about this many.
        seed: Of the hash.

    Raises:
        ConfigError: If the fraction is not between 0 and 1.
        DataError: If all examples ask the same.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"The fraction {fraction} is not between 0 and 1.")
    keys = [asked(example) for example in examples]
    classes: dict[str, set[str]] = defaultdict(set)
    for key, example in zip(keys, examples, strict=True):
        classes[key].update(classes_of(example) or (_NO_CLASS,))
    if len(classes) < 2:
        raise DataError(
            f"{len(examples)} examples ask {len(classes)} different questions, too few to hold one "
            "out for validation.",
            hint="Give more examples, or a validation file (--validation).",
        )
    share = min(fraction, most / len(classes))
    held = _held_out(classes, share, seed)
    train = [example for key, example in zip(keys, examples, strict=True) if not held[key]]
    validation = [example for key, example in zip(keys, examples, strict=True) if held[key]]
    return train, validation


def _held_out(classes: dict[str, set[str]], share: float, seed: int) -> dict[str, bool]:
    """Return for each text whether it is held out, dealing out the rarest class first."""
    order = sorted(classes, key=lambda key: (_hash(key, seed), key))
    members: dict[str, list[str]] = defaultdict(list)
    for key in order:
        for name in classes[key]:
            members[name].append(key)
    sizes = Counter({name: len(keys) for name, keys in members.items()})
    held: dict[str, bool] = {}
    for name, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
        wanted = min(max(round(share * size), 1), size - 1) if size > 1 else 0
        free = [key for key in members[name] if key not in held]
        wanted -= sum(held.get(key, False) for key in members[name])
        held |= {key: place < wanted for place, key in enumerate(free)}
    if not any(held.values()):  # every class has a single text
        held[order[0]] = True
    return held


def _hash(key: str, seed: int) -> bytes:
    return hashlib.blake2b(
        f"{seed}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
