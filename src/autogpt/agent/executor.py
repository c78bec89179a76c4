"""What a plan asks for, done: choices, calls and questions, under policy, budget and journal.

Every call goes the same way: is it allowed, does it fit into what is left, intent, run, result,
booked. Not here: what is asked for (``plans``) and what its answer is worth (``loop``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogpt.agent.calls import decide
from autogpt.agent.errors import DeniedError, GaveUpError
from autogpt.agent.journal import RunLog
from autogpt.agent.models import AgentModel, Reply, parsed, question
from autogpt.agent.plans.base import Choose, Chosen, Fill, Goal, Request, Route, Say, Use
from autogpt.agent.policy import Ledger, Limits, Policy, Repeats, call_hash
from autogpt.agent.router import Embed, Router
from autogpt.agent.tools.base import Call, Cost, Result, Tool, digest
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.toolkit import specialist_tool
from autogpt.agent.trace import Tracer
from autogpt.core.messages import Message

__all__ = ["Ask", "Executor", "Means"]

Json = Any
Ask = Callable[[str, Sequence[str]], str | None]
"""Puts a question with options to the user; None: no answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What runs of an agent have to work with.

    Attributes:
        model: Thinks.
        larger: Is asked where ``model`` is unsure.
        tools: By name; specialists that are made on the way come to them.
        own: Names of the tools that were handed over.
        folder: What tools see.
        sees_files: Whether there are tools over it at all.
        policy: Who may do what.
        limits: What a run may take.
        ask: Asks the user to choose.
        embed: For routing.
        tracer: Is told what happens.
    """

    model: AgentModel
    larger: AgentModel | None
    tools: dict[str, Tool]
    own: frozenset[str]
    folder: Folder
    sees_files: bool
    policy: Policy
    limits: Limits
    ask: Ask | None
    embed: Embed | None
    tracer: Tracer


@dataclass(slots=True)
class Executor:
    """Does what one run asks for.

    Attributes:
        means: With what.
        log: Where it is written down.
        goal_text: The user's words.
        happened: Whether an effect that was under way when the run was interrupted happened.
        ledger: What was spent.
        steps: The calls that were made.
        measured: Metrics that code measured, by model and name.
    """

    means: Means
    log: RunLog
    goal_text: str
    happened: bool | None
    ledger: Ledger = field(init=False)
    steps: list[Mapping[str, Json]] = field(default_factory=list)
    measured: dict[tuple[str, str], float] = field(default_factory=dict)
    _repeats: Repeats = field(default_factory=Repeats)
    _router: Router | None = None

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.means.limits)

    def serve(self, request: Request, goal: Goal) -> object:
        """Return what a plan gets for a request.

        Raises:
            OutOfBudgetError, DeniedError, StuckError: If it may not, or goes in a circle.
        """
        if isinstance(request, Use):
            return self.use(request)
        if isinstance(request, Choose):
            return self.choose(request, goal)
        if isinstance(request, Fill):
            return self.fill(request)
        if isinstance(request, Say):
            return self._ask_model("say", request.messages, (), request.max_tokens).text
        return self.route(request)

    def use(self, request: Use) -> Result:
        """Call a tool: is it known, may it, is there budget, write down, run, write down."""
        call = Call(tool=request.tool, arguments=dict(request.arguments))
        tool = self.means.tools.get(call.tool)
        if tool is None:
            return Result(ok=False, value=f"There is no tool {call.tool!r}.")
        key = call_hash(self.log.run, tool, call.arguments)
        try:
            self._permit(tool, call, key)
        except DeniedError as error:
            if not request.optional:
                raise
            return Result(ok=False, value=str(error))
        most = tool.reserve(call.arguments)
        if not self.log.replays:
            self.ledger.reserve(most)
        tell = self.means.tracer
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
        self._repeats.add(call, result)
        return result

    def _timed(self, tool: Tool, call: Call, most: Cost) -> Json:
        before = _cpu_s()
        result = tool.call(call.arguments)
        cpu_s = _cpu_s() - before if most.cpu_s else 0.0
        # What a tool reads with a model is booked as it was reserved: it does not count itself.
        cost = Cost(
            steps=1,
            tokens=most.tokens,
            cpu_s=cpu_s,
            disk_bytes=most.disk_bytes if result.ok else 0,
        )
        self.ledger.tick()
        return {**result.to_dict(), "cost": cost.to_dict(), "wall_s": self.ledger.spent.wall_s}

    def _permit(self, tool: Tool, call: Call, key: str) -> None:
        """Ask for a yes where one is needed; it is bound to this call, and used up by it.

        Raises:
            DeniedError: If there is none.
        """
        permission = self.means.policy.permission(tool, call, self.goal_text)
        if permission.verdict == "allow":
            return
        approve = self.means.policy.approve
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
        self.means.tracer.event("result", shown, ok=result.ok, tool=call.tool)
        if result.ok and isinstance(result.value, dict) and "metrics" in result.value:
            model = str(result.value.get("model", ""))
            for name, value in result.value["metrics"].items():
                self.measured[model, name] = float(value)
            if call.tool == "make_specialist":  # from now on it is a tool itself
                made = specialist_tool(self.means.folder, model)
                self.means.tools[made.name] = made
                self._router = None

    def choose(self, request: Choose, goal: Goal) -> Chosen:
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
        if verdict != "act" and self.means.ask is not None:
            put = self.means.ask
            said = self.log.once(
                "question",
                digest(request.question, options),
                lambda: put(request.question, options),
            )
            if said in options:
                return Chosen(slot, said, grounded=True)
        self.means.tracer.event("choice", f"{request.question} {reply.text}", options=options)
        return Chosen(slot, reply.text, grounded=False, confidence=reply.confidence or 0.0)

    def fill(self, request: Fill) -> tuple[Json, float | None]:
        """Return JSON of a schema and how sure the model is of it; None if it is no JSON."""
        reply = self._ask_model("fill", request.messages, request.schema, request.max_tokens)
        try:
            return parsed(reply.text), reply.confidence
        except ValueError:
            self.ledger.settle(Cost(steps=1))  # a failed parse counts
            return None, reply.confidence

    def route(self, request: Route) -> list[Tool]:
        """Return the tools for a request, the best first."""
        if self._router is None:
            self._router = Router(list(self.means.tools.values()), embed=self.means.embed)
        ranked = self._router.rank(request.request, request.most)
        found = [one.tool for one in ranked if one.fits or not request.fitting]
        if not found and len(self.means.tools) == 1:  # nothing to choose between
            found = [one.tool for one in ranked if one.tool.name in self.means.own]
        return found

    def _ask_model(
        self, how: str, messages: Sequence[Message], what: Json, max_tokens: int
    ) -> Reply:
        """Ask the model, and the larger one if this one is too unsure."""
        reply = self._ask_one(self.means.model, how, messages, what, max_tokens)
        if self.means.larger is not None and decide(reply.confidence) == "escalate":
            return self._ask_one(self.means.larger, how, messages, what, max_tokens)
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
        with self.means.tracer.span("chat", model.name, **marks) as span:
            kept = self.log.act("model", key, "read", ask, intent={"reserved": most.to_dict()})
            reply = Reply.of(kept)
            span["gen_ai.usage.total_tokens"] = reply.cost.tokens
        self.ledger.replayed(reply.cost, kept.get("wall_s", 0.0))
        return reply


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
