"""The loop: a goal, a plan, calls that are allowed and written down, and checks that decide.

::

    plan asks for:   Route     the tools that fit (router)
                     Choose    one option, by the goal's words or the model's likelihoods
                     Fill      JSON of a schema, decoded under it
                     Use       a tool: policy -> journal intent -> run -> journal result
    and returns:     Answer    which checks then call verified, or not

That is :meth:`_Run.drive` and what it serves; everything else is somewhere else. A run ends as
``verified``, ``unverified``, ``failed`` or ``out_of_budget``, and only code says which.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autogpt.agent.calls import decide
from autogpt.agent.checks import (
    Check,
    Checked,
    Grounded,
    Scene,
    demanded,
    judge,
    parse_check,
    run_checks,
)
from autogpt.agent.errors import DeniedError, GaveUpError, OutOfBudgetError, StuckError
from autogpt.agent.journal import Journal, RunLog
from autogpt.agent.models import AgentModel, Reply, open_model, parsed, question
from autogpt.agent.plans import best_template
from autogpt.agent.plans.base import (
    Answer,
    Choose,
    Chosen,
    Fill,
    Goal,
    Plan,
    Request,
    Route,
    Say,
    Use,
)
from autogpt.agent.plans.free import one_call, step_by_step
from autogpt.agent.policy import Approve, Ledger, Limits, Policy, Repeats, call_hash
from autogpt.agent.router import Embed, Router
from autogpt.agent.tools.base import Call, Cost, Result, Tool, as_tool, digest
from autogpt.agent.tools.box import toolbox
from autogpt.agent.tools.folder import Folder
from autogpt.agent.trace import Event, Tracer
from autogpt.core.errors import UsageError
from autogpt.core.messages import Message

__all__ = ["Agent", "Outcome", "journal_path"]

Json = Any
Ask = Callable[[str, Sequence[str]], str | None]
"""Puts a question with options to the user; None: no answer."""


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
        self.model = open_model(model)
        own_name = getattr(self.model, "address", self.model.name)
        self.reference = model if isinstance(model, str) else own_name
        self.larger = None if escalate is None else open_model(escalate)
        own = [as_tool(one) for one in tools]
        functions = {tool.name for tool, one in zip(own, tools, strict=True) if one is not tool}
        self.folder = Folder(root or ".")
        self.sees_files = root is not None or not tools
        built_in = toolbox(self.folder, self.model, web=web) if self.sees_files else []
        self.tools = {tool.name: tool for tool in [*built_in, *own]}
        if len(self.tools) < len(built_in) + len(own):
            raise UsageError("Two tools have the same name.", hint="Rename one of them.")
        unknown = set(yes) - set(self.tools)
        if unknown:
            raise UsageError(
                f"--yes names {min(unknown)!r}, which is no tool.",
                hint=f"Tools: {', '.join(sorted(self.tools))}.",
            )
        self.own = own
        self.policy = Policy(
            yes=frozenset(yes), trusted=frozenset(functions), approve=approve
        )
        self.limits = limits or Limits()
        self.ask = ask
        self.embed = embed
        self.tracer = Tracer(trace, show=show)
        self._journal_path = journal or journal_path()

    def run(self, goal: str, *, checks: Sequence[Check | str] = ()) -> Outcome:
        """Reach a goal, or say why not.

        Args:
            goal: One sentence or a few, English or Chinese.
            checks: What must hold besides, and speaks for the goal; as text, see
                ``checks.parse_check``.

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
                "root": str(self.folder.root),
                "model": self.reference,
                "yes": sorted(self.policy.yes),
                "limits": asdict(self.limits),
                "checks": [one for one in checks if isinstance(one, str)],
            }
            log = journal.begin(goal.strip(), settings)
            return _Run(self, log, goal.strip(), own, happened=None).drive()
        finally:
            journal.close()

    def resume(
        self, run: str, *, checks: Sequence[Check] = (), happened: bool | None = None
    ) -> Outcome:
        """Go on with a run where it was when its process ended.

        Args:
            run: Its name.
            checks: As it was begun with, those that were no text.
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
            return _Run(self, journal.open(run), row.goal, own, happened=happened).drive()
        finally:
            journal.close()


@dataclass(slots=True)
class _Run:
    """One run on its way."""

    agent: Agent
    log: RunLog
    goal_text: str
    checks: Sequence[Check]
    happened: bool | None
    ledger: Ledger = field(init=False)
    repeats: Repeats = field(default_factory=Repeats)
    steps: list[Mapping[str, Json]] = field(default_factory=list)
    measured: dict[tuple[str, str], float] = field(default_factory=dict)
    router: Router | None = None

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.agent.limits)

    def drive(self) -> Outcome:
        """Send the plan what it asks for until it answers; then check."""
        tell, name = self.agent.tracer, self.agent.model.name
        with tell.span("invoke_agent", "autogpt", **{"gen_ai.request.model": name}) as span:
            goal, demands = self._survey()
            plan, reply = self._plan(goal), None
            try:
                while True:
                    reply = self._serve(plan.send(reply), goal)
            except StopIteration as end:
                outcome = self._judged(end.value, demands)
            except OutOfBudgetError as error:
                outcome = self._ended("out_of_budget", str(error))
            except (GaveUpError, DeniedError, StuckError) as error:
                outcome = self._ended("failed", str(error))
            self.log.finish({"state": outcome.state, "answer": outcome.answer})
            span["autogpt.state"] = outcome.state
            span["gen_ai.usage.total_tokens"] = outcome.usage.tokens
        tell.event("end", outcome.answer, state=outcome.state)
        return outcome

    def _serve(self, request: Request, goal: Goal) -> object:
        if isinstance(request, Use):
            return self._use(request)
        if isinstance(request, Choose):
            return self._choose(request, goal)
        if isinstance(request, Fill):
            return self._fill(request)
        if isinstance(request, Say):
            return self._ask_model("say", request.messages, (), request.max_tokens).text
        return self._route(request)

    # -- before and after --------------------------------------------------------------------------

    def _survey(self) -> tuple[Goal, list[Check]]:
        """Look at the folder once; what was seen is what the run goes by, also when resumed."""
        folder = self.agent.folder
        sees = self.agent.sees_files

        def look() -> Json:
            files = folder.files() if sees else []
            return {"files": files, "hashes": {path: folder.sha256(path) for path in files[:500]}}

        seen = self.log.once("survey", digest(self.goal_text), look)
        goal = Goal(text=self.goal_text, files=tuple(seen["files"]))
        self.agent.tracer.event("goal", goal.text, run=self.log.run)
        known = _Before(folder, seen["hashes"])
        return goal, [*demanded(goal.text, known), *self.checks]

    def _plan(self, goal: Goal) -> Plan:
        template = best_template(goal) if self.agent.sees_files else None
        if template is not None and set(template.needs) <= set(self.agent.tools):
            self.agent.tracer.event("plan", template.about, name=template.name)
            return template.plan(goal)
        free = step_by_step if self.agent.model.plans else one_call
        self.agent.tracer.event("plan", "Choose tools freely.", name=free.__name__)
        return free(goal)

    def _judged(self, answer: Answer, demands: Sequence[Check]) -> Outcome:
        scene = Scene(folder=self.agent.folder, answer=answer.text, measured=self.measured)
        checks: list[Check] = [*answer.checks, *demands]
        if answer.slots:
            guessed = {one.slot: None if one.grounded else one.option for one in answer.slots}
            checks.append(Grounded(slots=guessed))
        checked = run_checks(checks, scene)
        for one in checked:
            self.agent.tracer.event("check", one.name, passed=one.passed, detail=one.detail)
        return self._ended(judge(checked), answer.text, checked, answer.confidence)

    def _ended(
        self,
        state: str,
        answer: str,
        checked: Sequence[Checked] = (),
        confidence: float | None = None,
    ) -> Outcome:
        self.ledger.tick()
        return Outcome(
            run=self.log.run,
            state=state,
            answer=answer,
            checks=tuple(checked),
            steps=tuple(self.steps),
            usage=self.ledger.spent,
            confidence=confidence,
        )

    # -- what a plan asks for ----------------------------------------------------------------------

    def _use(self, request: Use) -> Result:
        """Call a tool: is it known, may it, is there budget, write down, run, write down."""
        call = Call(tool=request.tool, arguments=dict(request.arguments))
        tool = self.agent.tools.get(call.tool)
        if tool is None:
            return Result(ok=False, value=f"There is no tool {call.tool!r}.")
        key = call_hash(self.log.run, tool, call.arguments)
        self._permit(tool, call, key)
        most = tool.reserve(call.arguments)
        if not self.log.replays:
            self.ledger.reserve(most)
        tell = self.agent.tracer
        tell.event("call", _line(call), tool=call.tool, arguments=dict(call.arguments))
        marks = {"gen_ai.tool.name": call.tool, "gen_ai.tool.call.id": key[:16]}
        with tell.span("execute_tool", call.tool, **marks):
            reconcile = tool.reconcile
            paid = self.log.act(
                "tool",
                key,
                tool.effect,
                lambda: self._timed(tool, call, most),
                intent={"call": call.to_dict(), "reserved": most.to_dict()},
                reconcile=None
                if reconcile is None
                else lambda: _settled(reconcile(**call.arguments), most, self.ledger),
                ask=lambda: self.happened,
            )
        self.ledger.replayed(Cost(**paid.get("cost", {})), paid.get("wall_s", 0.0))
        result = Result(ok=paid["ok"], value=paid["value"])
        self._note(call, result)
        self.repeats.add(call, result)
        return result

    def _timed(self, tool: Tool, call: Call, most: Cost) -> Json:
        before = _cpu_s()
        result = tool.call(call.arguments)
        cpu_s = _cpu_s() - before if most.cpu_s else 0.0
        cost = Cost(steps=1, cpu_s=cpu_s, disk_bytes=most.disk_bytes if result.ok else 0)
        self.ledger.tick()
        return {**result.to_dict(), "cost": cost.to_dict(), "wall_s": self.ledger.spent.wall_s}

    def _permit(self, tool: Tool, call: Call, key: str) -> None:
        """Ask for a yes where one is needed; it is bound to this call, and used up by it.

        Raises:
            DeniedError: If there is none.
        """
        permission = self.agent.policy.permission(tool, call, self.goal_text)
        if permission.verdict == "allow":
            return
        approve = self.agent.policy.approve
        said = self.log.once(
            "approval", key, lambda: approve is not None and approve(call, permission.reason)
        )
        if not said:
            raise DeniedError(
                f"{_line(call)} was not allowed: {permission.reason}.",
                hint="" if approve else f"Allow it by name: --yes {tool.name}",
            )

    def _note(self, call: Call, result: Result) -> None:
        shown = result.text if len(result.text) <= 400 else result.text[:400] + " ..."
        self.steps.append({**call.to_dict(), "ok": result.ok, "result": shown})
        self.agent.tracer.event("result", shown, ok=result.ok, tool=call.tool)
        if result.ok and isinstance(result.value, dict) and "metrics" in result.value:
            model = str(result.value.get("model", ""))
            for name, value in result.value["metrics"].items():
                self.measured[model, name] = float(value)

    def _choose(self, request: Choose, goal: Goal) -> Chosen:
        """Choose by the goal's words if they decide it, else by the model, else by the user."""
        slot, options = request.slot or request.question, list(request.options)
        if not options:
            raise GaveUpError(f"{request.question} There is nothing to choose from.")
        named = [one for one in request.named if one in options]
        if named or len(options) == 1:
            return Chosen(slot, (named or options)[0], grounded=True)
        asked = question(f"{goal.text}\n\n{request.question}")
        reply = self._ask_model("choose", asked, options, 16)
        verdict = decide(reply.confidence)
        if verdict != "act" and self.agent.ask is not None:
            put = self.agent.ask
            said = self.log.once(
                "question", digest(request.question, options), lambda: put(request.question, options)
            )
            if said in options:
                return Chosen(slot, said, grounded=True)
        self.agent.tracer.event("choice", f"{request.question} {reply.text}", options=options)
        return Chosen(slot, reply.text, grounded=False, confidence=reply.confidence or 0.0)

    def _fill(self, request: Fill) -> tuple[Json, float | None]:
        reply = self._ask_model("fill", request.messages, request.schema, request.max_tokens)
        try:
            return parsed(reply.text), reply.confidence
        except ValueError:
            self.ledger.settle(Cost(steps=1))  # a failed parse counts
            return None, reply.confidence

    def _route(self, request: Route) -> list[Tool]:
        if self.router is None:
            self.router = Router(list(self.agent.tools.values()), embed=self.agent.embed)
        own = {tool.name for tool in self.agent.own}
        ranked = self.router.rank(request.request, request.most)
        found = [one.tool for one in ranked if one.fits]
        if not found and len(self.agent.tools) == 1:  # nothing to choose between
            found = [one.tool for one in ranked if one.tool.name in own]
        return found

    def _ask_model(
        self, how: str, messages: Sequence[Message], what: Json, max_tokens: int
    ) -> Reply:
        """Ask the model, and the larger one if this one is too unsure."""
        reply = self._ask_one(self.agent.model, how, messages, what, max_tokens)
        if self.agent.larger is not None and decide(reply.confidence) == "escalate":
            return self._ask_one(self.agent.larger, how, messages, what, max_tokens)
        return reply

    def _ask_one(
        self,
        model: AgentModel,
        how: str,
        messages: Sequence[Message],
        what: Json,
        max_tokens: int,
    ) -> Reply:
        key = digest(model.name, how, [one.to_dict() for one in messages], what)
        most = model.most(messages, max_tokens=max_tokens)
        if not self.log.replays:
            self.ledger.reserve(most)

        def ask() -> Json:
            if how == "choose":
                reply = model.choose(messages, what)
            elif how == "fill":
                reply = model.fill(messages, what, max_tokens=max_tokens)
            else:
                reply = model.say(messages, max_tokens=max_tokens)
            self.ledger.tick()
            return {**reply.to_dict(), "wall_s": self.ledger.spent.wall_s}

        marks = {"gen_ai.request.model": model.name, "gen_ai.request.max_tokens": max_tokens}
        with self.agent.tracer.span("chat", model.name, **marks) as span:
            kept = self.log.act("model", key, "read", ask, intent={"reserved": most.to_dict()})
            reply = Reply.of(kept)
            span["gen_ai.usage.total_tokens"] = reply.cost.tokens
        self.ledger.replayed(reply.cost, kept.get("wall_s", 0.0))
        return reply


class _Before(Folder):
    """The folder as it was when the run began, for checks of what has changed since."""

    def __init__(self, folder: Folder, hashes: Mapping[str, str | None]) -> None:
        super().__init__(folder.root)
        self._hashes = hashes

    def sha256(self, path: str) -> str | None:
        """Return the hash that a file had."""
        return self._hashes.get(path)


def _settled(value: Json | None, most: Cost, ledger: Ledger) -> Json | None:
    if value is None:
        return None
    ledger.tick()
    cost = Cost(steps=1, disk_bytes=most.disk_bytes).to_dict()
    return {"ok": True, "value": value, "cost": cost, "wall_s": ledger.spent.wall_s}


def _line(call: Call) -> str:
    parts = []
    for name, value in call.arguments.items():
        text = json.dumps(value, ensure_ascii=False)
        parts.append(f"{name}={text if len(text) <= 80 else text[:77] + '...'}")
    return f"{call.tool}({', '.join(parts)})"


def _cpu_s() -> float:
    """Return the processor seconds of this process and its children."""
    return sum(os.times()[:4])
