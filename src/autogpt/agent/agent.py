"""The agent that a user holds: a model, tools, a folder, and what is allowed; goals go in.

::

    agent = Agent("smollm2-135m-instruct", root="notes", yes=["write_file"])
    outcome = agent.run("Write the names in people.csv to names.txt")
    outcome.state, outcome.answer, outcome.checks

What happens then is in ``loop``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autogpt.agent.checks import Check
from autogpt.agent.demands import parse_check
from autogpt.agent.executor import Ask, Means
from autogpt.agent.journal import Journal
from autogpt.agent.loop import Outcome, Run
from autogpt.agent.memory import Memory, recall_tool
from autogpt.agent.models import open_model
from autogpt.agent.plans.base import Goal, Plan
from autogpt.agent.policy import Approve, Limits, Policy
from autogpt.agent.router import Embed
from autogpt.agent.tools.base import Tool, as_tool
from autogpt.agent.tools.box import toolbox
from autogpt.agent.tools.folder import Folder
from autogpt.agent.trace import Event, Tracer
from autogpt.core.errors import UsageError

__all__ = ["Agent", "journal_path"]

Json = Any


def journal_path() -> Path:
    """Return where the journal is if nobody says: among the user's data (XDG), not in a cache."""
    shared = os.environ.get("XDG_DATA_HOME")
    home = Path(shared) if shared else Path.home() / ".local" / "share"
    return home / "autogpt" / "agent.sqlite"


class Agent:
    """Reaches goals in a folder, with a model and tools.

    Args:
        model: A loaded model, a MODEL reference, an endpoint's address, or an ``AgentModel``.
        tools: Own functions, allowed as they are; and :class:`Tool` objects, under the policy.
        root: The folder that tools may see; None: no files, only the tools given.
        yes: Tools that are allowed by name, where the goal says where their effects go.
        limits: What a run may take.
        approve: Asks the user about an exact call; None: what needs a yes is refused.
        ask: Asks the user to choose where the model is unsure; None: it is not asked.
        escalate: A larger model, for what this one is unsure of.
        journal: Where runs are written down; None: the user's own.
        trace: A file for spans as JSON lines.
        show: Is told what happens.
        embed: Sentence embeddings for routing.
        web: Whether pages may be fetched at all.

    Attributes:
        tools: All tools by name.
        tracer: Tells what happens; ``spans`` of the runs so far.
        reference: How the model was named.

    Raises:
        UsageError: If the model cannot be used, or two tools have one name.
    """

    def __init__(  # noqa: PLR0913 - each is spelled out for the user
        self,
        model: object,
        *,
        tools: Sequence[Callable[..., Json] | Tool] = (),
        root: Path | str | None = None,
        yes: Sequence[str] = (),
        limits: Limits | None = None,
        approve: Approve | None = None,
        ask: Ask | None = None,
        escalate: object | None = None,
        journal: Path | None = None,
        trace: Path | None = None,
        show: Callable[[Event], None] | None = None,
        embed: Embed | None = None,
        web: bool = False,
    ) -> None:
        thinks = open_model(model)
        own_name = getattr(thinks, "address", thinks.name)
        self.reference = model if isinstance(model, str) else own_name
        own = [as_tool(one) for one in tools]
        functions = {tool.name for tool, one in zip(own, tools, strict=True) if one is not tool}
        folder = Folder(root or ".")
        sees_files = root is not None or not tools
        self._journal_path = journal or journal_path()
        built_in: list[Tool] = []
        if sees_files:
            built_in = [*toolbox(folder, thinks, web=web), recall_tool(self._journal_path)]
        self.tools = {tool.name: tool for tool in [*built_in, *own]}
        if len(self.tools) < len(built_in) + len(own):
            raise UsageError("Two tools have the same name.", hint="Rename one of them.")
        unknown = set(yes) - set(self.tools)
        if unknown:
            raise UsageError(
                f"--yes names {min(unknown)!r}, which is no tool.",
                hint=f"Tools: {', '.join(sorted(self.tools))}.",
            )
        self.tracer = Tracer(trace, show=show)
        self._means = Means(
            model=thinks,
            larger=None if escalate is None else open_model(escalate),
            tools=self.tools,
            own=frozenset(tool.name for tool in own),
            folder=folder,
            sees_files=sees_files,
            policy=Policy(yes=frozenset(yes), trusted=frozenset(functions), approve=approve),
            limits=limits or Limits(),
            ask=ask,
            embed=embed,
            tracer=self.tracer,
        )

    def run(
        self,
        goal: str,
        *,
        checks: Sequence[Check | str] = (),
        plan: Callable[[Goal], Plan] | None = None,
    ) -> Outcome:
        """Reach a goal, or say why not.

        Args:
            goal: One sentence or a few, English or Chinese.
            checks: What must hold besides, and speaks for the goal; as text, see
                ``checks.parse_check``.
            plan: An own plan in place of those that are known, see ``plans.base``.

        Raises:
            UsageError: If the goal is empty, or a check is none.
            ResourceError: If the journal or the model's endpoint cannot be used.
        """
        if not goal.strip():
            raise UsageError("The goal is empty.", hint='Write it like: autogpt agent "..."')
        own = [parse_check(one) if isinstance(one, str) else one for one in checks]
        journal = Journal(self._journal_path)
        try:
            settings = {
                "root": str(self._means.folder.root),
                "model": self.reference,
                "yes": sorted(self._means.policy.yes),
                "limits": asdict(self._means.limits),
                "checks": [one for one in checks if isinstance(one, str)],
            }
            log = journal.begin(goal.strip(), settings)
            memory = Memory(journal)
            return Run(self._means, log, goal.strip(), own, memory, own_plan=plan).drive()
        finally:
            self._close_tools()
            journal.close()

    def resume(
        self,
        run: str,
        *,
        checks: Sequence[Check] = (),
        plan: Callable[[Goal], Plan] | None = None,
        happened: bool | None = None,
    ) -> Outcome:
        """Go on with a run where it was when its process ended.

        Args:
            run: Its name.
            checks: As it was begun with, those that were no text.
            plan: As it was begun with.
            happened: Whether an effect that was under way happened, where that cannot be told.

        Raises:
            UsageError: If there is no such run.
            AmbiguousError: If it is not known whether an effect happened.
            DivergedError: If tools or settings have changed since.
        """
        journal = Journal(self._journal_path)
        try:
            row = journal.row(run)
            kept = [parse_check(one) for one in row.settings.get("checks", ())]
            own = [*kept, *checks]
            log = journal.open(run)
            memory = Memory(journal)
            return Run(self._means, log, row.goal, own, memory, happened, plan).drive()
        finally:
            self._close_tools()
            journal.close()

    def _close_tools(self) -> None:
        for tool in self.tools.values():
            if tool.close is not None:
                tool.close()
