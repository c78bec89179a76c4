"""Models that are none: one that says what it is told to, one that says anything, one that repeats.

With them plans, tools, policy and journal run without a model: the scripted one for a certain
course, the random one for whatever a schema allows, the recorded one for what a real model once
answered.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autogpt.agent.models import AgentModel, Reply
from autogpt.agent.tools.base import Cost, digest
from autogpt.core.errors import UsageError
from autogpt.core.messages import Message

__all__ = ["RandomModel", "Recorder", "ScriptedModel"]

Json = Any
_COST = Cost(tokens=10)


class ScriptedModel:
    """Answers with what a script holds, in order.

    Args:
        answers: JSON values for ``fill``, texts for ``say`` and ``choose``; or functions of what
            is asked.
        confidence: How sure it says it is.
        plans: Whether it counts as one that plans freely.
    """

    def __init__(
        self,
        answers: Sequence[Json | Callable[[Sequence[Message]], Json]] = (),
        *,
        confidence: float = 0.9,
        plans: bool | None = True,
    ) -> None:
        self.name = "scripted"
        self.plans = plans
        self.asked: list[list[Message]] = []
        self._answers = list(answers)
        self._confidence = confidence

    def fill(
        self, messages: Sequence[Message], schema: Mapping[str, Json], *, max_tokens: int  # noqa: ARG002 - as of AgentModel
    ) -> Reply:
        """Return the next answer as JSON."""
        answer = self._next(messages)
        return self._reply(answer if isinstance(answer, str) else json.dumps(answer))

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:
        """Return the next answer, the first option where that is none."""
        answer = self._next(messages) if self._answers else options[0]
        text = str(answer) if answer in options else options[0]
        return self._reply(text, [self._confidence if one == text else 0.0 for one in options])

    def say(self, messages: Sequence[Message], *, max_tokens: int) -> Reply:  # noqa: ARG002 - as of AgentModel
        """Return the next answer."""
        return self._reply(str(self._next(messages)))

    def most(self, messages: Sequence[Message], *, max_tokens: int) -> Cost:  # noqa: ARG002 - as of AgentModel
        """Return what it always takes."""
        return _COST

    def _next(self, messages: Sequence[Message]) -> Json:
        self.asked.append(list(messages))
        if not self._answers:
            raise UsageError("The script has come to its end.")
        answer = self._answers.pop(0)
        return answer(messages) if callable(answer) else answer

    def _reply(self, text: str, probabilities: Sequence[float] = ()) -> Reply:
        return Reply(
            text=text,
            confidence=self._confidence,
            probabilities=tuple(probabilities),
            cost=_COST,
            model=self.name,
        )


class RandomModel(ScriptedModel):
    """Answers with anything that the schema allows.

    Args:
        seed: Of what.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.name = f"random {seed}"
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def fill(
        self, messages: Sequence[Message], schema: Mapping[str, Json], *, max_tokens: int  # noqa: ARG002 - as of AgentModel
    ) -> Reply:
        """Return JSON of the schema."""
        return self._reply(json.dumps(self._any(schema), ensure_ascii=False))

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:  # noqa: ARG002 - as of AgentModel
        """Return any option."""
        weights = [self._random.random() + 1e-6 for _ in options]
        total = sum(weights)
        shares = [weight / total for weight in weights]
        best = max(range(len(options)), key=lambda place: shares[place])
        self._confidence = shares[best]
        return self._reply(options[best], shares)

    def say(self, messages: Sequence[Message], *, max_tokens: int) -> Reply:  # noqa: ARG002 - as of AgentModel
        """Return any words."""
        words = "the total is 42 锅炉 \"quote\" out.csv rm -rf / ignore".split()
        return self._reply(" ".join(self._random.choices(words, k=6)))

    def _any(self, schema: Mapping[str, Json]) -> Json:
        pick = self._random
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return pick.choice(schema["enum"])
        if schema.get("anyOf"):
            return self._any(pick.choice(schema["anyOf"]))
        kind = schema.get("type")
        if kind == "object":
            required = set(schema.get("required", ()))
            own = schema.get("properties", {}).items()
            return {
                name: self._any(one) for name, one in own if name in required or pick.random() < 0.5
            }
        if kind == "array":
            return [self._any(schema.get("items", {})) for _ in range(pick.randrange(3))]
        if kind == "integer":
            return pick.randrange(-5, 100)
        if kind == "number":
            return round(pick.uniform(-5, 100), 2)
        if kind == "boolean":
            return pick.random() < 0.5
        if kind == "null":
            return None
        return pick.choice(["a", "../../etc/passwd", "data.csv", "SELECT 1", "锅炉", "", "1+1"])


class Recorder:
    """Keeps a model's answers in a file, and gives them again without it.

    Args:
        path: JSON lines of question hash and answer.
        model: Who is asked what is not recorded; None: nobody.
    """

    def __init__(self, path: Path, model: AgentModel | None = None) -> None:
        self._path, self._model = path, model
        self.name = "recorded" if model is None else model.name
        self.plans = None if model is None else model.plans
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self._kept = {one["key"]: one["reply"] for one in map(json.loads, lines)}

    def fill(
        self, messages: Sequence[Message], schema: Mapping[str, Json], *, max_tokens: int
    ) -> Reply:
        """Return what is recorded, or ask and record."""
        ask = lambda model: model.fill(messages, schema, max_tokens=max_tokens)  # noqa: E731
        return self._once("fill", messages, schema, ask)

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:
        """Return what is recorded, or ask and record."""
        return self._once(
            "choose", messages, list(options), lambda model: model.choose(messages, options)
        )

    def say(self, messages: Sequence[Message], *, max_tokens: int) -> Reply:
        """Return what is recorded, or ask and record."""
        return self._once(
            "say", messages, None, lambda model: model.say(messages, max_tokens=max_tokens)
        )

    def most(self, messages: Sequence[Message], *, max_tokens: int) -> Cost:
        """Return what the model says."""
        if self._model is None:
            return _COST
        return self._model.most(messages, max_tokens=max_tokens)

    def _once(
        self,
        how: str,
        messages: Sequence[Message],
        what: Json,
        ask: Callable[[AgentModel], Reply],
    ) -> Reply:
        key = digest(how, [one.to_dict() for one in messages], what)
        if key not in self._kept:
            if self._model is None:
                raise UsageError(f"{str(self._path)!r} holds no answer to this question.")
            self._kept[key] = ask(self._model).to_dict()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                line = {"key": key, "reply": self._kept[key]}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return Reply.of(self._kept[key])
