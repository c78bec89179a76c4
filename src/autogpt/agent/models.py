"""The models an agent thinks with: one protocol, a loaded model, an endpoint of OpenAI's API.

An agent asks three things of a model: write JSON of a schema (:meth:`AgentModel.fill`), say how
likely each of some options is (:meth:`AgentModel.choose`), and write text (:meth:`AgentModel.say`).
Each answer comes with what it took and how sure the model was of it. Not here: models that are
none, for tests (``stand_ins``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from autogpt.agent.tools.base import Cost
from autogpt.core.errors import UsageError
from autogpt.core.messages import Message, TokenLogprob, user

if TYPE_CHECKING:
    from autogpt.llm import LLM

__all__ = ["AgentModel", "LocalModel", "Reply", "open_model"]

Json = Any
CHARS_PER_TOKEN = 2  # fewest that are counted on when a prompt is estimated: Chinese has some 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a model answered.

    Attributes:
        text: As it wrote it.
        confidence: How likely it found its own words, from 0 to 1: the geometric mean of the
            probabilities of the tokens it had a choice in; None where it does not say.
        probabilities: Of the options, where there were some.
        cost: What it took.
        model: Who answered.
    """

    text: str
    cost: Cost
    model: str
    confidence: float | None = None
    probabilities: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """Return plain values, for the journal."""
        return {
            "text": self.text,
            "confidence": self.confidence,
            "probabilities": list(self.probabilities),
            "cost": self.cost.to_dict(),
            "model": self.model,
        }

    @classmethod
    def of(cls, values: Mapping[str, Json]) -> Reply:
        """Return a recorded reply."""
        return cls(
            text=values["text"],
            confidence=values["confidence"],
            probabilities=tuple(values["probabilities"]),
            cost=Cost(**values["cost"]),
            model=values["model"],
        )


class AgentModel(Protocol):
    """What an agent needs of a model.

    Attributes:
        name: Who it is, for the trace and for what is remembered of it.
        plans: Whether it can be trusted to plan freely; None: not measured yet.
    """

    name: str
    plans: bool | None

    def fill(
        self, messages: Sequence[Message], schema: Mapping[str, Json], *, max_tokens: int
    ) -> Reply:
        """Write JSON that fits a schema."""
        ...

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:
        """Choose one of some options; ``text`` is the likeliest."""
        ...

    def say(self, messages: Sequence[Message], *, max_tokens: int) -> Reply:
        """Write text."""
        ...

    def most(self, messages: Sequence[Message], *, max_tokens: int) -> Cost:
        """Return the most that an answer takes, to be reserved before it is asked for."""
        ...


def open_model(reference: str | object, *, key: str | None = None) -> AgentModel:
    """Return the model that a user named: an address of an endpoint, or a MODEL reference.

    Args:
        reference: ``http://127.0.0.1:8000/v1`` (with ``#name`` for one of several models there),
            a MODEL as everywhere, a loaded model, or an ``AgentModel``.
        key: Of the endpoint; None: ``AUTOGPT_API_KEY`` or ``OPENAI_API_KEY``.

    Raises:
        UsageError: If it is none of these.
    """
    if isinstance(reference, str):
        if reference.startswith(("http://", "https://")):
            from autogpt.agent.endpoint import EndpointModel

            return _remembering(EndpointModel(reference, key=key))
        return _remembering(LocalModel(lambda: _load(reference), name=reference))
    if all(hasattr(reference, name) for name in ("fill", "choose", "say", "most")):
        return _remembering(reference)  # type: ignore[arg-type]  # just looked at
    own = _writing(reference, "model")
    return _remembering(LocalModel(lambda: own, name="model"))


def _remembering(model: AgentModel) -> AgentModel:
    """Return a model that knows whether it plans freely, if that was ever measured."""
    if model.plans is None:
        from autogpt.agent.probing import remembered

        model.plans = remembered(model.name)
    return model


def _load(reference: str) -> LLM:
    """Load a model that writes.

    Raises:
        UsageError: If it does something else.
    """
    from autogpt.llm import load

    loaded: LLM = load(reference)
    return _writing(loaded, reference)


def _writing(loaded: object, name: str) -> LLM:
    if not hasattr(loaded, "likelihoods"):
        raise UsageError(
            f"{name!r} does not write text, so it cannot be an agent.",
            hint="Name one that was taught to chat, as smollm2-135m-instruct.",
        )
    return loaded  # type: ignore[return-value]  # just looked at


class LocalModel:
    """A model in this process.

    Args:
        load: Returns the model; called when it is first asked something.
        name: Who it is.

    Attributes:
        name: As given.
        plans: Whether it plans freely; None until it was measured.
    """

    def __init__(self, load: Callable[[], LLM], *, name: str = "model") -> None:
        self._load = load
        self._loaded: LLM | None = None
        self.name = name
        self.plans: bool | None = None

    @property
    def _llm(self) -> LLM:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def fill(
        self, messages: Sequence[Message], schema: Mapping[str, Json], *, max_tokens: int
    ) -> Reply:
        """Write JSON that fits a schema: greedy, and constrained token by token."""
        found = self._llm.generate(
            self._prompt(messages),
            max_tokens=max_tokens,
            temperature=0.0,
            json_schema=schema,
            logprobs=1,
        )
        return Reply(
            text=found.text,
            confidence=sureness(found.logprobs or ()),
            cost=Cost(tokens=found.usage.prompt_tokens + found.usage.completion_tokens),
            model=self.name,
        )

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:
        """Choose by the likelihood of each option per character; each is read once."""
        found = self._llm.likelihoods([self._prompt(messages)], [list(options)])[0]
        scores = [one.logprob / max(1, one.tokens) for one in found]
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        probabilities = tuple(power / sum(powers) for power in powers)
        best = max(range(len(options)), key=lambda place: probabilities[place])
        return Reply(
            text=options[best],
            confidence=probabilities[best],
            probabilities=probabilities,
            cost=Cost(tokens=self._count(messages) + sum(one.tokens for one in found)),
            model=self.name,
        )

    def say(self, messages: Sequence[Message], *, max_tokens: int) -> Reply:
        """Write text, greedily."""
        found = self._llm.generate(
            self._prompt(messages), max_tokens=max_tokens, temperature=0.0, logprobs=1, stop_loops=3
        )
        return Reply(
            text=found.text.strip(),
            confidence=sureness(found.logprobs or ()),
            cost=Cost(tokens=found.usage.prompt_tokens + found.usage.completion_tokens),
            model=self.name,
        )

    def most(self, messages: Sequence[Message], *, max_tokens: int) -> Cost:
        """Return the tokens of the prompt and of the longest answer."""
        return Cost(tokens=self._count(messages) + max_tokens)

    def classify(self, texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each label of each text, without training."""
        return self._llm.classify(list(texts), list(labels))

    def _count(self, messages: Sequence[Message]) -> int:
        text = "".join(message.content for message in messages)
        return len(self._llm.tokenizer.encode(text)) + 8 * len(messages)

    def _prompt(self, messages: Sequence[Message]) -> Sequence[Message] | str:
        if self._llm.tokenizer.roles.chat_template is not None:
            return messages
        return "\n\n".join(message.content for message in messages) + "\n\n"


def sureness(logprobs: Sequence[TokenLogprob]) -> float | None:
    """Return the geometric mean of the probabilities of the tokens; None without any.

    Tokens that a schema leaves no choice about still count with what the model thought of them
    freely, so a text that is forced on a model shows as one that it would not have written.
    """
    if not logprobs:
        return None
    return math.exp(sum(max(one.logprob, -20.0) for one in logprobs) / len(logprobs))


def question(text: str) -> list[Message]:
    """Return a conversation of one question."""
    return [user(text)]


def parsed(text: str) -> Json:
    """Return the JSON in an answer, also where prose or a fence stands around it.

    Raises:
        ValueError: If there is none.
    """
    stripped = text.strip()
    try:
        return json.loads(stripped)
    except json.JSONDecodeError:
        begin = stripped.find("{")
        if begin < 0:
            raise
        value, _ = json.JSONDecoder().raw_decode(stripped[begin:])
        return value
