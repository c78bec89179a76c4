"""The one path that every text takes, into a model and out of it, streamed or not.

::

    rails = Rails(load_policy("default"))
    admitted = rails.admit(["Write to ada@example.org"])    # Admission: texts, masked; verdict
    rail = rails.output(admitted.vault)                     # OutputRail, see ``streaming``
    rail.push("Dear [EMAIL_1], ...")                        # what may be shown
    rails.clean(page)                                       # a document, without its instructions

Each text is folded (``normalize``), then read by what finds secrets, personal data, self-harm,
active content, hate, jailbreaks and, in what nobody wrote for the model, instructions; then by the
guards that were given. The policy makes an action of what they found. Whatever goes wrong on the
way, the answer is "refuse".

Not here: what a category is (its own module), the models' scores (``classifier``).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from autogpt.core.errors import RefusedError
from autogpt.safety.active import find_active
from autogpt.safety.answers import help_lines, refusal
from autogpt.safety.audit import AuditLog
from autogpt.safety.injection import score_injection
from autogpt.safety.masking import Vault, replace_spans
from autogpt.safety.moderation import score_moderation
from autogpt.safety.normalize import Normalized, normalize
from autogpt.safety.personal import find_personal
from autogpt.safety.policy import ACTIONS, Action, Direction, Policy, load_policy
from autogpt.safety.secrets import find_secrets
from autogpt.safety.self_harm import find_self_harm
from autogpt.safety.spans import Span, merge_spans
from autogpt.safety.verdict import Verdict

if TYPE_CHECKING:
    from autogpt.safety.streaming import Form, OutputRail

__all__ = ["Admission", "Guard", "Rails"]

# What is always looked for, so that a report says so where it found none.
_MARKS = ("secrets", "personal")
_JUDGED = ("hate", "offensive", "self_harm", "encouragement")
_SCORED: dict[Direction, tuple[str, ...]] = {
    "input": (*_MARKS, *_JUDGED, "jailbreak"),
    "untrusted": (*_MARKS, *_JUDGED, "injection"),
    "output": (*_MARKS, *_JUDGED, "active", "script"),
}

_logger = logging.getLogger(__name__)


class Guard(Protocol):
    """A further judge: any model that gives categories of a text a score."""

    def scores(self, text: str) -> Mapping[str, float]:
        """Return the score of each category, 0 to 1; names of the rails' own or ``guard.NAME``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """What may go into a model.

    Attributes:
        texts: The texts, with placeholders where the policy masks; empty if refused.
        verdict: What was found.
        vault: Leads the placeholders back.
        answer: What to say in place of the model, if it may not answer.
    """

    texts: tuple[str, ...]
    verdict: Verdict
    vault: Vault
    answer: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the model is not to see the texts."""
        return self.verdict.is_blocked

    def raise_if_refused(self) -> None:
        """Raise for a refusal; help in place of an answer is no refusal.

        Raises:
            RefusedError: If the policy refuses.
        """
        if self.verdict.action == "refuse":
            raise RefusedError(
                f"A safety rail refused the input: {self.verdict.category}.",
                hint="See what it found with autogpt moderate; --policy chooses other rules.",
            )


@dataclass(slots=True)
class _Findings:
    """What is found while a text is read."""

    spans: list[Span] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    def add(self, spans: Iterator[Span] | Sequence[Span]) -> None:
        for span in spans:
            self.spans.append(span)
            self.note(span.family, span.score)

    def note(self, category: str, score: float) -> None:
        self.scores[category] = max(self.scores.get(category, 0.0), score)


class Rails:
    """Rails that follow one policy. They keep nothing of what they read.

    Args:
        policy: A policy, its name, or its file.
        guards: Further judges; one that fails counts as a refusal.

    Attributes:
        policy: As read.
        guards: As given.
        audit: Where decisions are logged, if the policy says so. A log that cannot be written is an
            error: nothing goes on unlogged.
    """

    def __init__(
        self, policy: Policy | str | None = "default", *, guards: Sequence[Guard] = ()
    ) -> None:
        self.policy = load_policy(policy)
        self.guards = tuple(guards)
        self._wanted = self.policy.families
        self.audit = AuditLog(Path(self.policy.audit)) if self.policy.audit else None

    def __repr__(self) -> str:
        return f"Rails({self.policy.name!r})"

    def check(
        self,
        text: str,
        *,
        direction: Direction = "input",
        route: str | None = None,
        before: str = "",
    ) -> Verdict:
        """Return what is found in a text, and the action that follows.

        Args:
            text: Any Unicode.
            direction: Whose text it is.
            route: The task or route, for rules of its own.
            before: What stood before the text and has been let through: it is read with it, and
                only what reaches into ``text`` counts. Offsets are those of ``text``.
        """
        if not self.policy.enabled:
            return Verdict()
        try:
            if len(text) > self.policy.max_chars:
                return self._refused("size")
            found = self._find(before + text, direction)
            return self._decide(found, len(before), direction, route)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rails fail closed
            # No traceback: it may hold the text.
            _logger.error("a safety rail failed (%s), so the text is refused", type(error).__name__)  # noqa: TRY400
            return self._refused("error")

    def marks(self, text: str, *, before: str = "", route: str | None = None) -> Sequence[Span]:
        """Return what is masked by rule in what a model writes: secrets, personal, active content.

        Args:
            text: What is not let through yet, with its end perhaps still to come.
            before: What stood before it.
            route: The task or route, for rules of its own.

        Raises:
            Exception: Whatever goes wrong; ``check`` of the same text then refuses it.
        """
        found = self._marked(before + text, "output")
        return self._decide(found, len(before), "output", route).masked

    def admit(
        self,
        texts: Sequence[str],
        *,
        directions: Sequence[Direction] = (),
        route: str | None = None,
    ) -> Admission:
        """Return what a model may read of a request.

        Args:
            texts: All of its texts, as the messages of a conversation.
            directions: Whose each text is; by default all are the user's. Help is given for the
                last of the user's alone: who has had it is not answered with it for ever.
            route: The task or route, for rules of its own.
        """
        user: Direction = "input"
        whose = tuple(directions) or (user,) * len(texts)
        last = max((place for place, each in enumerate(whose) if each == "input"), default=-1)
        vault = Vault("\n".join(texts))
        shown, verdicts = [], []
        for place, (text, direction) in enumerate(zip(texts, whose, strict=True)):
            verdict = self.check(text, direction=direction, route=route)
            helped = verdict.action == "safe-complete" and place != last
            if self.audit is not None:
                self.audit.write(direction, text=text, verdict=verdict, policy=self.policy.name)
            if verdict.is_blocked and not helped:
                reply = answer(verdict, text)
                return Admission(texts=(), verdict=verdict, vault=vault, answer=reply)
            shown.append(_mask(text, verdict.masked, vault))
            verdicts.append(replace(verdict, action="allow") if helped else verdict)
        return Admission(texts=tuple(shown), verdict=_joined(verdicts), vault=vault)

    def clean(self, text: str, *, route: str | None = None) -> tuple[str, Verdict]:
        """Return a document or a tool's result as a model may read it, and what was found in it.

        Sentences that instruct the model are replaced by ``[INJECTION]``, secrets by their kind.
        Of a text that the policy refuses nothing is left.
        """
        verdict = self.check(text, direction="untrusted", route=route)
        if verdict.is_blocked:
            return "", verdict
        return replace_spans(text, verdict.masked), verdict

    def output(
        self,
        vault: Vault | None = None,
        *,
        route: str | None = None,
        form: Form = "text",
        given: Collection[str] = (),
    ) -> OutputRail:
        """Return what the text of one answer goes through, piece by piece.

        Args:
            vault: Leads placeholders of the request back.
            route: The task or route, for rules of its own.
            form: What is written; all but "text" is blocked rather than masked.
            given: What whoever asks has written himself, which is not masked.
        """
        from autogpt.safety.streaming import OutputRail

        return OutputRail(self, vault=vault, route=route, form=form, given=given)

    def _find(self, text: str, direction: Direction) -> _Findings:
        read = normalize(text)
        found = self._marked(read, direction)
        if direction == "context":
            return found
        for name in _SCORED[direction]:
            if name in self._wanted:
                found.note(name, 0.0)
        if self._wants("self_harm", "encouragement"):
            found.add(find_self_harm(read))
        if self._wants("hate", "offensive"):
            found.add(score_moderation(read))
        if direction != "output" and self._wants("jailbreak", "injection"):
            found.add(score_injection(read, by_sentence=direction == "untrusted"))
        for guard in self.guards:
            for category, score in guard.scores(text).items():
                found.add([Span(category=category, start=0, end=len(text), score=score)])
        return found

    def _wants(self, *families: str) -> bool:
        return not self._wanted.isdisjoint(families)

    def _marked(self, text: str | Normalized, direction: Direction) -> _Findings:
        found = _Findings()
        read = normalize(text) if isinstance(text, str) else text
        for spans in (find_secrets(read), find_personal(read)):
            found.add(self._listed(spans, read.original))
        if direction == "output":
            found.add(find_active(read.original))
        return found

    def _listed(self, spans: list[Span], text: str) -> list[Span]:
        """Return the spans without those that the policy lists as harmless."""
        allowed = self.policy.allow
        return [span for span in spans if text[span.start : span.end] not in allowed]

    def _decide(
        self, found: _Findings, offset: int, direction: Direction, route: str | None
    ) -> Verdict:
        counted: list[Span] = []
        masked: list[Span] = []
        action: Action = "allow"
        category = ""
        kinds = {span.category for span in found.spans}
        rules = {kind: self.policy.rule(kind, route) for kind in kinds}
        for span in found.spans:
            rule = rules[span.category]
            if span.score < rule.threshold or span.end <= offset:
                continue
            start = max(span.start - offset, 0)
            own = replace(span, start=start, end=span.end - offset)
            wanted = rule.on(direction)
            counted.append(own)
            if wanted == "mask":
                masked.append(own)
            if not category or ACTIONS.index(wanted) > ACTIONS.index(action):
                action, category = wanted, span.category
        return Verdict(
            action=action,
            category=category,
            flagged=bool(counted),
            categories=found.scores,
            spans=tuple(sorted(counted, key=lambda span: (span.start, span.end))),
            masked=tuple(merge_spans(masked)),
        )

    @staticmethod
    def _refused(category: str) -> Verdict:
        return Verdict(action="refuse", category=category, flagged=True, categories={category: 1.0})


def answer(verdict: Verdict, text: str) -> str:
    """Return what is said in place of a model's answer to ``text``."""
    if verdict.action == "safe-complete":
        return help_lines(text)
    return refusal(text, verdict.category)


def _mask(text: str, spans: Sequence[Span], vault: Vault) -> str:
    """Put placeholders that lead back; an instruction does not come back."""
    pieces, place = [], 0
    for span in spans:
        pieces.append(text[place : span.start])
        own = text[span.start : span.end]
        if span.family in ("secrets", "personal"):
            pieces.append(vault.mask(own, [replace(span, start=0, end=len(own))]))
        else:
            pieces.append(replace_spans(own, [replace(span, start=0, end=len(own))]))
        place = span.end
    return "".join([*pieces, text[place:]])


def _joined(verdicts: Sequence[Verdict]) -> Verdict:
    """Return one verdict for several texts; spans of several texts would be ambiguous, so none."""
    if len(verdicts) == 1:
        return verdicts[0]
    scores: dict[str, float] = {}
    for verdict in verdicts:
        for name, score in verdict.categories.items():
            scores[name] = max(scores.get(name, 0.0), score)
    worst = max(verdicts, key=lambda verdict: ACTIONS.index(verdict.action), default=Verdict())
    return Verdict(
        action=worst.action,
        category=worst.category,
        flagged=any(verdict.flagged for verdict in verdicts),
        categories=scores,
    )
