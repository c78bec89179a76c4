"""The loop: a goal, a plan, calls that are allowed and written down, and checks that decide.

::

    plan asks for:   Route     the tools that fit (router)
                     Choose    one option, by the goal's words or the model's likelihoods
                     Fill      JSON of a schema, decoded under it
                     Use       a tool: policy -> journal intent -> run -> journal result
    and returns:     Answer    which checks then call verified, or not

:meth:`Run.drive` is the loop; what it serves is in ``executor``. A run ends as ``verified``,
``unverified``, ``failed`` or ``out_of_budget``, and only code says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogpt.agent.checks import Check, Checked, Grounded, Scene, judge, run_checks
from autogpt.agent.demands import demanded, outputs
from autogpt.agent.errors import DeniedError, GaveUpError, OutOfBudgetError, StuckError
from autogpt.agent.executor import Executor, Means
from autogpt.agent.journal import RunLog
from autogpt.agent.memory import Memory
from autogpt.agent.plans import best_template
from autogpt.agent.plans.base import Answer, Goal, Plan
from autogpt.agent.plans.coverage import Covered
from autogpt.agent.plans.free import one_call, step_by_step
from autogpt.agent.tools.base import Cost, digest
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tables import SUFFIXES, columns_of

__all__ = ["Outcome", "Run"]

Json = Any
_MOST_TABLES = 50  # whose columns are looked at
_MOST_FACT_CHARS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a goal.

    Attributes:
        run: Its name in the journal.
        state: ``verified``, ``unverified``, ``failed`` or ``out_of_budget``.
        answer: For the user; of a failed run the reason.
        checks: What was checked.
        steps: The calls that were made, with their results.
        usage: What it took.
        confidence: How sure the plan was; None where nothing says.
    """

    run: str
    state: str
    answer: str
    checks: tuple[Checked, ...]
    steps: tuple[Mapping[str, Json], ...]
    usage: Cost
    confidence: float | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return the fields of ``autogpt agent --json``."""
        return {
            "run": self.run,
            "state": self.state,
            "answer": self.answer,
            "checks": [one.to_dict() for one in self.checks],
            "steps": list(self.steps),
            "usage": {name: round(value, 3) for name, value in self.usage.to_dict().items()},
            "confidence": self.confidence,
        }


@dataclass(slots=True)
class Run:
    """One run on its way.

    Attributes:
        means: With what.
        log: Its journal.
        goal_text: What the user wants.
        checks: What must hold besides.
        memory: Where what was verified is kept.
        happened: Whether an effect that was under way happened.
        own_plan: In place of those that are known.
        executor: Does what the plan asks for.
    """

    means: Means
    log: RunLog
    goal_text: str
    checks: Sequence[Check]
    memory: Memory
    happened: bool | None = None
    own_plan: Callable[[Goal], Plan] | None = None
    executor: Executor = field(init=False)

    def __post_init__(self) -> None:
        self.executor = Executor(self.means, self.log, self.goal_text, self.happened)

    def drive(self) -> Outcome:
        """Send the plan what it asks for until it answers; then check."""
        tell, name = self.means.tracer, self.means.model.name
        with tell.span("invoke_agent", "autogpt", **{"gen_ai.request.model": name}) as span:
            goal, demands = self._survey()
            plan, reply = self._plan(goal), None
            try:
                while True:
                    reply = self.executor.serve(plan.send(reply), goal)
            except StopIteration as end:
                outcome = self._judged(end.value, demands)
            except OutOfBudgetError as error:
                outcome = self._ended("out_of_budget", str(error))
            except (GaveUpError, DeniedError, StuckError) as error:
                outcome = self._ended("failed", str(error))
            self.log.finish({"state": outcome.state, "answer": outcome.answer})
            self._remember(outcome)
            span["autogpt.state"] = outcome.state
            span["gen_ai.usage.total_tokens"] = outcome.usage.tokens
        tell.event("end", outcome.answer, state=outcome.state)
        return outcome

    # -- before and after --------------------------------------------------------------------------

    def _survey(self) -> tuple[Goal, list[Check]]:
        """Look at the folder once; what was seen is what the run goes by, also when resumed."""
        folder = self.means.folder
        sees = self.means.sees_files

        def look() -> Json:
            files = folder.files() if sees else []
            tables = [path for path in files if path.lower().endswith(SUFFIXES)][:_MOST_TABLES]
            return {
                "files": files,
                "columns": {path: columns_of(folder, path) for path in tables},
                "hashes": {path: folder.sha256(path) for path in outputs(self.goal_text)},
            }

        seen = self.log.once("survey", digest(self.goal_text), look)
        goal = Goal(
            text=self.goal_text,
            files=tuple(seen["files"]),
            columns={path: tuple(names) for path, names in seen["columns"].items()},
        )
        self.means.tracer.event("goal", goal.text, run=self.log.run)
        known = _Before(folder, seen["hashes"])
        return goal, [*demanded(goal.text, known), *self.checks]

    def _plan(self, goal: Goal) -> Plan:
        if self.own_plan is not None:
            return self.own_plan(goal)
        template = best_template(goal) if self.means.sees_files else None
        if template is not None and set(template.needs) <= set(self.means.tools):
            self.means.tracer.event("plan", template.about, name=template.name)
            return template.plan(goal)
        free = step_by_step if self.means.model.plans else one_call
        self.means.tracer.event("plan", "Choose tools freely.", name=free.__name__)
        return free(goal)

    def _judged(self, answer: Answer, demands: Sequence[Check]) -> Outcome:
        scene = Scene(folder=self.means.folder, answer=answer.text, measured=self.executor.measured)
        checks: list[Check] = [*answer.checks, *demands]
        if self.own_plan is None:  # of an own plan, its author says what counts
            checks.append(self._coverage(answer))
        if answer.slots:
            guessed = {one.slot: None if one.grounded else one.option for one in answer.slots}
            checks.append(Grounded(slots=guessed))
        checked = run_checks(checks, scene)
        for one in checked:
            self.means.tracer.event("check", one.name, passed=one.passed, detail=one.detail)
        return self._ended(judge(checked), answer.text, checked, answer.confidence)

    def _coverage(self, answer: Answer) -> Check:
        left = "what else counts, the checks that were given say" if self.checks else ""
        return Covered(
            goal=self.goal_text,
            covers=tuple(answer.covers),
            meets=frozenset(answer.meets),
            left=left,
        )

    def _ended(
        self,
        state: str,
        answer: str,
        checked: Sequence[Checked] = (),
        confidence: float | None = None,
    ) -> Outcome:
        self.executor.ledger.tick()
        return Outcome(
            run=self.log.run,
            state=state,
            answer=answer,
            checks=tuple(checked),
            steps=tuple(self.executor.steps),
            usage=self.executor.ledger.spent,
            confidence=confidence,
        )

    def _remember(self, outcome: Outcome) -> None:
        """Keep what was verified, as a fact with its source."""
        if outcome.state != "verified" or len(outcome.answer) > _MOST_FACT_CHARS:
            return
        sources = {
            str(value)
            for step in self.executor.steps
            for name, value in dict(step["arguments"]).items()
            if name in ("path", "below", "data") and value
        }
        source = ", ".join(sorted(sources)) or "worked out"
        fact = f"{self.goal_text} -> {outcome.answer}"
        self.memory.add(fact, source=source, run=self.log.run)


class _Before(Folder):
    """The folder as it was when the run began, for checks of what has changed since."""

    def __init__(self, folder: Folder, hashes: Mapping[str, str | None]) -> None:
        super().__init__(folder.root)
        self._hashes = hashes

    def sha256(self, path: str) -> str | None:
        """Return the hash that a file had."""
        return self._hashes.get(path)
