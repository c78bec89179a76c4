"""What may run: budgets reserved before each call, approval of the exact call, no going in circles.

- **Budgets.** Before a call the most that it takes is set aside, and afterwards what it took is
  booked; a call that does not fit is not begun.
- **Approval.** What only reads, runs. Everything else needs a yes that is bound to the hash of the
  exact call, its tool's fingerprint included, and is used up by it. The user can give it in
  advance for a tool by name, and then the effect still only goes where the user's own words point:
  each argument that says where (``Tool.aims``) must be in the goal. What a document or a tool's
  output says can therefore not direct an effect, whatever the model makes of it; this holds by
  construction, no text is judged (plan and data kept apart: Beurer-Kellner et al. 2025, "Design
  Patterns for Securing LLM Agents"; Debenedetti et al. 2025, "Defeating Prompt Injections by
  Design").
- **Circles.** The third identical call whose result is unchanged ends the run.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from autogpt.agent.errors import OutOfBudgetError, StuckError
from autogpt.agent.tools.base import COSTS, Call, Cost, Result, Tool, digest
from autogpt.core.errors import UsageError

__all__ = ["Approve", "Ledger", "Limits", "Permission", "Policy", "Repeats", "call_hash"]

Approve = Callable[[Call, str], bool]
"""Asks the user whether a call may run; the sentence says why it is asked."""

_SAME_RESULTS = 3
_UNITS = {
    "steps": "steps", "tokens": "tokens", "wall_s": "seconds", "money": "of money",
    "cpu_s": "processor seconds of training", "disk_bytes": "bytes of disk",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a run may take in all; None is no limit.

    Attributes:
        steps: Calls of tools, and failed parses.
        tokens: Read and written by models.
        wall_s: Seconds on the clock, over all processes that worked on the run.
        money: What endpoints may cost.
        cpu_s: Processor seconds of training.
        disk_bytes: Bytes written by tools.
    """

    steps: int | None = 30
    tokens: int | None = 200_000
    wall_s: float | None = 3600.0
    money: float | None = 0.0
    cpu_s: float | None = 3600.0
    disk_bytes: int | None = 2 * 10**9

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            UsageError: If a limit is negative.
        """
        for name in COSTS:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise UsageError(f"The limit {name} is {value}; 0 or more was expected.")


class Ledger:
    """What a run has spent, and what is set aside for the call that is under way.

    Args:
        limits: What it may take.
        clock: Seconds; a test's own.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.spent = Cost()
        self._reserved = Cost()
        self._clock = clock
        self._mark = clock()

    def reserve(self, cost: Cost) -> None:
        """Set aside the most that the next call takes.

        Raises:
            OutOfBudgetError: If it does not fit; the call must not be begun.
        """
        self.tick()
        wanted = self.spent + cost
        for name in COSTS:
            limit = getattr(self.limits, name)
            if limit is None:
                continue
            over = getattr(wanted, name) > limit + 1e-9
            if over or (name == "wall_s" and self.spent.wall_s >= limit):
                raise OutOfBudgetError(
                    f"The run may take {limit:g} {_UNITS[name]}; {getattr(self.spent, name):g} are "
                    f"spent and the next call may take {getattr(cost, name):g}.",
                    hint=f"Raise the limit: --limit {name}=...",
                )
        self._reserved = cost

    def settle(self, actual: Cost) -> None:
        """Book what the call took; time is booked by the clock."""
        self._reserved = Cost()
        self.spent = self.spent + Cost(
            steps=actual.steps,
            tokens=actual.tokens,
            money=actual.money,
            cpu_s=actual.cpu_s,
            disk_bytes=actual.disk_bytes,
        )
        self.tick()

    def tick(self) -> None:
        """Book the time since it was last booked."""
        now = self._clock()
        self.spent = self.spent + Cost(wall_s=max(0.0, now - self._mark))
        self._mark = now

    def replayed(self, actual: Cost, wall_s: float) -> None:
        """Book what a recorded call took; ``wall_s`` is what the run had taken after it."""
        self.settle(actual)
        if wall_s > self.spent.wall_s:
            self.spent = self.spent + Cost(wall_s=wall_s - self.spent.wall_s)

    @property
    def left_s(self) -> float | None:
        """Seconds that are left, None without a limit."""
        self.tick()
        limit = self.limits.wall_s
        return None if limit is None else max(0.0, limit - self.spent.wall_s)


class Repeats:
    """Counts identical calls with unchanged results."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def add(self, call: Call, result: Result) -> None:
        """Count one.

        Raises:
            StuckError: If it is the third.
        """
        key = digest(call.to_dict(), result.to_dict())
        self._seen[key] += 1
        if self._seen[key] >= _SAME_RESULTS:
            raise StuckError(
                f"The call {call.tool} was made {_SAME_RESULTS} times with the same arguments and "
                "the same result, so the run goes in a circle."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """Whether a call may run, and why."""

    verdict: Literal["allow", "ask"]
    reason: str


@dataclass(kw_only=True, slots=True)
class Policy:
    """Who may do what.

    Attributes:
        yes: Tools that the user has allowed by name, where the goal says where their effects go.
        trusted: Tools that a programmer handed over as functions: they are allowed as they are.
        approve: Asks the user about an exact call; None: nobody is there to ask.
    """

    yes: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()
    approve: Approve | None = None

    def permission(self, tool: Tool, call: Call, goal: str) -> Permission:
        """Return whether a call may run without being asked about.

        Args:
            tool: The tool.
            call: The call.
            goal: What the user wrote; nothing else counts as the user's words.
        """
        if tool.effect == "read":
            return Permission(verdict="allow", reason=f"{tool.name} only reads")
        if tool.name in self.trusted:
            return Permission(verdict="allow", reason=f"{tool.name} was handed over in code")
        if tool.name not in self.yes:
            return Permission(verdict="ask", reason=f"{tool.name} changes something")
        for name in tool.aims:
            value = call.arguments.get(name)
            if value is not None and not mentions(goal, str(value)):
                return Permission(
                    verdict="ask", reason=f"{name} = {str(value)!r:.80} is not in the goal"
                )
        return Permission(verdict="allow", reason=f"{tool.name} was allowed by name (--yes)")


def mentions(goal: str, value: str) -> bool:
    """Whether a text names a value as a whole: not as a part of a longer path or word."""
    goal, value = (unicodedata.normalize("NFC", text) for text in (goal, value))
    bare = value.removeprefix("./")
    if not bare.strip():
        return False
    edge = r"[A-Za-z0-9_./\\-]"
    # A full stop that ends the sentence is no part of the name.
    pattern = rf"(?<!{edge})(?:\./)?{re.escape(bare)}(?!{edge}|\.)|" \
              rf"(?<!{edge})(?:\./)?{re.escape(bare)}(?=\.(?:\s|$))"  # fmt: skip
    return re.search(pattern, goal) is not None


def call_hash(run: str, tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Return what an approval is bound to: this run, this tool as it is, these arguments."""
    return digest(run, tool.fingerprint, dict(arguments))
