"""What the rails decide by: for each category an action and a threshold, from a TOML file.

::

    [safety]
    base = "default"                    # or "strict"; what is not said here is as there
    allow = ["support@example.org"]     # never counted as anything
    [safety.rules.hate]
    action = "refuse"                   # allow, mask, safe-complete or refuse
    threshold = 0.9
    [safety.rules."personal.ip"]        # one kind of a category
    action = "allow"
    [safety.routes.classify.hate]       # one task, or a route of the server
    action = "allow"

Not here: how a category is found; what a refusal says (``answers``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

from autogpt.core.config import from_mapping, read_toml
from autogpt.core.errors import ConfigError, UsageError

__all__ = ["ACTIONS", "CATEGORIES", "OFF", "Action", "Direction", "Policy", "Rule", "load_policy"]

Action = Literal["allow", "mask", "safe-complete", "refuse"]
ACTIONS: tuple[Action, ...] = get_args(Action)
"""From the mildest to the firmest."""
Direction = Literal["input", "output", "untrusted", "context"]
"""What a user says, what a model says, what a document or a tool says; and what is known already:
a developer's system message, earlier answers. That is masked only."""

CATEGORIES = (
    *("secrets", "personal", "hate", "offensive", "self_harm", "encouragement"),
    *("jailbreak", "injection", "active", "script", "size", "error", "guard"),
)
"""What the rails know; kinds follow after a dot, as in ``personal.email``."""

_PRESETS = ("default", "strict", "off")
_FOLDER = Path(__file__).parent / "policies"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What happens where a category is found.

    Attributes:
        action: "allow" only reports it; "mask" puts a placeholder there; "safe-complete" answers
            with help in place of the model; "refuse" stops.
        output: The action for what the model writes, if it is another one.
        threshold: From which score on it counts as found, 0 to 1.
    """

    action: Action = "allow"
    output: Action | None = None
    threshold: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("action", self.action), ("output", self.output or "allow")):
            if value not in ACTIONS:
                raise ConfigError(
                    f"{name} = {value!r} of a safety rule is no action.",
                    hint=f"Known: {', '.join(ACTIONS)}.",
                )
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold = {self.threshold} of a safety rule is not 0 to 1.")

    def on(self, direction: Direction) -> Action:
        """Return the action for one direction."""
        return self.output or self.action if direction == "output" else self.action


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """All rules.

    Attributes:
        name: For the audit.
        rules: By category, or by category and kind.
        routes: Rules that one task or route has of its own, by its name.
        allow: Texts that no rail counts, as an address of one's own.
        max_chars: Longer inputs are refused.
        hold_tokens: A stream is let through after so many tokens where no sentence ends.
        lookbehind_chars: What has been let through and is read again beside what follows.
        audit: The file of a log of what was decided, see ``audit``; None keeps none.
        enabled: False: nothing is checked at all.
    """

    name: str = "custom"
    rules: Mapping[str, Rule] = field(default_factory=dict)
    routes: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    max_chars: int = 2_000_000
    hold_tokens: int = 64
    lookbehind_chars: int = 200
    audit: str | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        for name in [*self.rules, *(name for rules in self.routes.values() for name in rules)]:
            family = name.partition(".")[0]
            if family not in CATEGORIES:
                near = difflib.get_close_matches(family, CATEGORIES, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(CATEGORIES)}."
                raise ConfigError(f"There is no safety category {name!r}.", hint=hint)
        for name in ("max_chars", "hold_tokens", "lookbehind_chars"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} of a policy must be 1 or more.")

    @property
    def families(self) -> frozenset[str]:
        """What it has a rule for; the rest need not be looked for."""
        every = [*self.rules, *(name for rules in self.routes.values() for name in rules)]
        return frozenset(name.partition(".")[0] for name in every)

    def rule(self, category: str, route: str | None = None) -> Rule:
        """Return the rule for a category: the route's before the general, the kind's before it."""
        family = category.partition(".")[0]
        for rules in (self.routes.get(route or "", {}), self.rules):
            for name in (category, family):
                if name in rules:
                    return rules[name]
        return _REFUSE if family in ("size", "error", "guard") else _ALLOW


_ALLOW, _REFUSE = Rule(), Rule(action="refuse")
OFF = Policy(name="off", enabled=False)
"""Nothing is checked."""


def load_policy(reference: str | Path | Policy | None = "default") -> Policy:
    """Return the policy that is meant: "default", "strict", "off", or a TOML file.

    Raises:
        UsageError: If there is no such policy.
        ConfigError: If the file cannot be read, or a setting in it is wrong.
    """
    if isinstance(reference, Policy):
        return reference
    if reference is None or reference == "off":
        return OFF
    if reference in _PRESETS:
        return _read(_FOLDER / f"{reference}.toml")
    path = Path(reference)
    if not path.is_file():
        near = difflib.get_close_matches(str(reference), _PRESETS, n=1)
        raise UsageError(
            f"There is no safety policy {str(reference)!r}.",
            hint=f"Did you mean {near[0]}?" if near else "Give default, strict, off or a file.",
        )
    return _read(path)


def _read(path: Path) -> Policy:
    settings = read_toml(path)
    table = settings.pop("safety", None)
    if settings or not isinstance(table, Mapping):
        raise ConfigError(f"The policy {str(path)!r} must be one table, [safety].")
    table = dict(table)
    base = table.pop("base", None)
    known = from_mapping(Policy, {"name": path.stem, **table}, where="safety.")
    if base is None:
        return known
    if base not in _PRESETS:
        raise ConfigError(f"safety.base = {base!r}, expected one of {', '.join(_PRESETS)}.")
    under = load_policy(cast("str", base))
    changed = {name: getattr(known, name) for name in table if name not in ("rules", "routes")}
    return replace(
        under,
        **{"name": known.name} | changed,
        rules={**under.rules, **known.rules},
        routes={**under.routes, **known.routes},
    )
