"""What the rails say of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autogpt.safety.policy import Action
from autogpt.safety.spans import Span

__all__ = ["Verdict"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was found in a text, and what follows from it.

    Attributes:
        action: What the policy asks for: the firmest action of all that was found.
        category: What that action is for; "" if nothing was found.
        flagged: Whether anything was found, though the policy may allow it.
        categories: The score of each category that was looked for, 0 to 1.
        spans: Where; sentences for what is judged by sentence.
        masked: The spans that the policy wants masked.
    """

    action: Action = "allow"
    category: str = ""
    flagged: bool = False
    categories: Mapping[str, float] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    masked: tuple[Span, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether the text must not go on as it is, not even masked."""
        return self.action in ("refuse", "safe-complete")

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt moderate --json``."""
        return {
            "flagged": self.flagged,
            "action": self.action,
            "categories": {name: round(score, 4) for name, score in self.categories.items()},
            "spans": [span.to_dict() for span in self.spans],
        }
