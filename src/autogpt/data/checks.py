"""What may be wrong with examples, counted and named before anything is trained on them.

Classes that are rare, texts that stand in training and in validation, texts with contradictory
labels, texts that are too long. Only copies in training of what validation asks are taken out;
everything else is reported and left to whoever owns the data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from autogpt.core.examples import (
    Conversation,
    Example,
    Labeled,
    Observed,
    Pair,
    Preference,
    Tagged,
)

__all__ = [
    "Balance",
    "Checks",
    "Contradiction",
    "Lengths",
    "asked",
    "check",
    "classes_of",
    "contradictions",
    "lengths",
    "without_copies",
    "written",
]

E = TypeVar("E", bound=Example)
_NAMED = 5  # of what is wrong, as many are named
_RARE = 5  # a class of fewer examples is hardly learned, and not measured
_SKEWED = 0.8  # of one class: saying always that is right so often


def asked(example: Example) -> str:
    """Return what an example asks, without its answer: the same for two is a copy."""
    match example:
        case Pair():
            return example.source.strip()
        case Conversation():
            turns = list(example.messages)
            if turns and turns[-1].role == "assistant":
                turns.pop()
            return "\0".join(f"{turn.role}:{turn.content.strip()}" for turn in turns)
        case Preference():
            return "\0".join(f"{turn.role}:{turn.content.strip()}" for turn in example.messages)
        case Observed():
            return example.digest
        case _:
            return example.text.strip()


def written(example: Example) -> str:
    """Return all text of an example that a model reads or writes."""
    match example:
        case Pair():
            return f"{example.source}\n{example.target}"
        case Conversation():
            return "\n".join(turn.content for turn in example.messages)
        case Preference():
            longer = max(example.chosen, example.rejected, key=len)
            return "\n".join([*(turn.content for turn in example.messages), longer])
        case _:
            return example.text


def classes_of(example: Example) -> tuple[str, ...]:
    """Return the labels of a text, or the types of the entities in it; nothing of other kinds."""
    match example:
        case Labeled():
            return example.labels
        case Tagged():
            return tuple(dict.fromkeys(entity.type for entity in example.entities))
        case Observed() if example.is_label:
            return (example.text,)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Balance:
    """How many examples each class has, most frequent first; and how many have none or several."""

    counts: Counter[str]
    none: int = 0
    several: int = 0

    @classmethod
    def of(cls, examples: Iterable[Example]) -> Balance:
        """Count the classes of examples."""
        counts: Counter[str] = Counter()
        none = several = 0
        for example in examples:
            classes = classes_of(example)
            counts.update(classes)
            none += not classes
            several += len(classes) > 1
        return cls(Counter(dict(counts.most_common())), none, several)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A text that stands in the data with different labels, and where."""

    text: str
    labels: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """How long examples are in tokens, and how many are longer than the limit."""

    longest: int
    mean: float
    limit: int
    longer: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Checks:
    """What was found in the examples of a run.

    Attributes:
        examples: In training, what was taken out not counted.
        validation: In validation.
        balance: Classes in training.
        copies: Examples that were in training and validation, taken out of training.
        repeated: Examples in training that ask what one before them asks.
        contradictions: Texts with different labels; the first of them.
        contradicted: How many there are.
        unseen: Classes of validation that training does not have.
        lengths: Of training; None without a limit.
    """

    examples: int
    validation: int
    balance: Balance
    copies: int = 0
    repeated: int = 0
    contradictions: tuple[Contradiction, ...] = ()
    contradicted: int = 0
    unseen: tuple[str, ...] = ()
    lengths: Lengths | None = field(default=None)

    def warnings(self) -> list[str]:
        """Return what somebody should look at, a sentence each."""
        found = _about_balance(self.balance, self.examples)
        if self.copies:
            found.append(
                f"{self.copies} training examples ask what validation asks; they were left out."
            )
        if self.repeated:
            found.append(f"{self.repeated} training examples repeat an earlier one.")
        if self.contradictions:
            first = self.contradictions[0]
            found.append(
                f"{self.contradicted} texts have different labels in different places, as "
                f"{_short(first.text)!r}: {' and '.join(first.labels)} ({', '.join(first.places)})."
            )
        if self.unseen:
            found.append(f"Only validation has the classes {', '.join(self.unseen[:_NAMED])}.")
        if self.lengths is not None and self.lengths.longer:
            size = self.lengths
            found.append(
                f"{size.longer} examples have more than {size.limit} tokens and will be cut; the "
                f"longest has {size.longest}."
            )
        return found

    def to_dict(self) -> dict[str, object]:
        """Return the checks as plain values."""
        size = self.lengths
        return {
            "examples": self.examples,
            "validation": self.validation,
            "classes": dict(self.balance.counts),
            "without_class": self.balance.none,
            "with_several_classes": self.balance.several,
            "copies_removed": self.copies,
            "repeated": self.repeated,
            "contradicted": self.contradicted,
            "contradictions": [
                {"text": item.text, "labels": list(item.labels), "places": list(item.places)}
                for item in self.contradictions
            ],
            "unseen_classes": list(self.unseen),
            "longest_tokens": size.longest if size else None,
            "mean_tokens": round(size.mean, 1) if size else None,
            "limit_tokens": size.limit if size else None,
            "longer": size.longer if size else None,
            "warnings": self.warnings(),
        }


def check(
    train: Sequence[E],
    validation: Sequence[E],
    *,
    count_tokens: Callable[[str], int] | None = None,
    limit: int | None = None,
) -> tuple[list[E], Checks]:
    """Return the training examples that validation does not ask for too, and what was found.

    Args:
        train: Examples to learn from.
        validation: Examples to measure with.
        count_tokens: Returns how many tokens a text has.
        limit: How many of them fit.
    """
    kept = without_copies(train, validation)
    found = contradictions([*kept, *validation])
    balance = Balance.of(kept)
    measured = Balance.of(validation).counts
    sized = count_tokens is not None and limit is not None
    return kept, Checks(
        examples=len(kept),
        validation=len(validation),
        balance=balance,
        copies=len(train) - len(kept),
        repeated=len(kept) - len({asked(example) for example in kept}),
        contradictions=tuple(found[:_NAMED]),
        contradicted=len(found),
        unseen=tuple(name for name in measured if name not in balance.counts),
        lengths=lengths(kept, count_tokens, limit) if sized else None,  # type: ignore[arg-type]  # both are there
    )


def without_copies(train: Sequence[E], validation: Iterable[Example]) -> list[E]:
    """Return the training examples that ask nothing that validation asks."""
    measured = {asked(example) for example in validation}
    return [example for example in train if asked(example) not in measured]


def contradictions(examples: Iterable[Example]) -> list[Contradiction]:
    """Return the texts that stand in the data with different labels or entities, in order."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for example in examples:
        if isinstance(example, Labeled):
            answer = ", ".join(sorted(example.labels)) or "none"
        elif isinstance(example, Tagged):
            spans = [f"{item.type} {item.start}-{item.end}" for item in example.entities]
            answer = ", ".join(spans) or "none"
        elif isinstance(example, Observed) and example.is_label:
            answer = example.text
        else:
            continue
        said[asked(example)].setdefault(answer, example.place)
    return [
        Contradiction(text, tuple(answers), tuple(answers.values()))
        for text, answers in said.items()
        if len(answers) > 1
    ]


def lengths(examples: Sequence[Example], count_tokens: Callable[[str], int], limit: int) -> Lengths:
    """Return how long examples are, their prompts and templates not counted."""
    counts = [count_tokens(written(example)) for example in examples]
    return Lengths(
        longest=max(counts, default=0),
        mean=sum(counts) / max(1, len(counts)),
        limit=limit,
        longer=sum(count > limit for count in counts),
    )


def _about_balance(balance: Balance, examples: int) -> list[str]:
    found = []
    rare = [name for name, count in balance.counts.items() if count < _RARE]
    if rare:
        named = ", ".join(f"{name} ({balance.counts[name]})" for name in rare[:_NAMED])
        more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
        found.append(f"Few training examples have the classes {named}{more}.")
    for name, count in balance.counts.most_common(1):
        if len(balance.counts) > 1 and count > _SKEWED * examples:
            found.append(f"{count / examples:.0%} of the training examples have {name!r}.")
    return found


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
