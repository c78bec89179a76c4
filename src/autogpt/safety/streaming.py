"""The rail for what a model writes: nothing of it is shown before it has been read.

A piece is held until a sentence ends or 64 tokens have come; it is read together with the 200
characters before it, and let through as far as it passed. What may still become part of a key, a
number or a link waits on: the last run of characters without a blank, digits with blanks between
them, a key block that has not ended. So no part of what is masked is ever let through, wherever the
pieces are cut; what is shown does not depend on whether it was streamed.

A text that a program reads, as JSON of a schema, is not masked: a number that becomes ``[CARD]`` is
none any more, and a changed string is a wrong value. What would be masked ends it, as a block does.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from autogpt.core.messages import TokenLogprob
from autogpt.safety.active import last_part
from autogpt.safety.masking import Vault, replace_spans
from autogpt.safety.normalize import normalize
from autogpt.safety.rails import Rails, answer
from autogpt.safety.sentences import last_end
from autogpt.safety.spans import Span
from autogpt.safety.verdict import Verdict

__all__ = ["Form", "OutputRail", "Passed"]

Form = Literal["text", "fixed", "json"]
"""What is written: text for people; one that must match a rule; one that must be JSON."""

_GRAPHIC = "".join(map(chr, range(0x21, 0x7F)))
# A number with blanks, as cards and telephones have; the longest takes 43 characters.
_NUMBER = re.compile(r"(?:[A-Z]{2}\d{2}|[+(]?\d)[A-Z0-9 .()\-]{0,44}\Z")
_OPEN = (
    # the first line of a key block, which has blanks
    re.compile(r"-----BEGIN[A-Z0-9 ]{0,60}-{0,5}\Z"),
    # a value whose name says that it is secret
    re.compile(
        r"(?i)(?:password|passwd|passphrase|pwd|密码|口令|key|token|secret|bearer|密钥|令牌)"
        r"[\"']?\s{0,8}(?:[:=]|=>|是|为|\bis\b|\s)?\s{0,8}[\"']?[^\s\"'<>,;，。；、]{0,200}\Z"
    ),
    re.compile(r"[\x1b\x9b][^A-Za-z]{0,200}\Z"),
)
# A link or an image that is not closed yet; an element that may come to run.
_OPEN_IMAGE = (
    re.compile(r"!?\[[^\]\n]{0,500}(?:\](?:[(\[][^)\]\n]{0,500})?)?\Z"),
    re.compile(r"(?i)<(?:i|im|img\b[^>]{0,500})?\Z"),
)
_OPEN_SCRIPT = (
    re.compile(r"<[A-Za-z/!]?[^>]{0,1000}\Z"),
    re.compile(r"(?i)<(?:script|iframe|object|embed|svg)\b(?:(?!</)[^\x00]){0,1900}\Z"),
)
_TAIL = 2000  # characters in which those are looked for


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be shown.

    Attributes:
        text: Text to append.
        logprobs: The tokens of it; those of masked parts are left out.
        blocked: Whether the answer ends here: nothing more passes.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    blocked: bool = False


class OutputRail:
    """Reads one answer. Made by :meth:`Rails.output`.

    Args:
        rails: What is looked for.
        vault: Leads placeholders of the request back.
        route: The task or route, for rules of its own.
        form: What is written; all but "text" may not be changed.
        given: Secrets and personal data that whoever asks has written: to say them again to him
            gives nothing away.

    Attributes:
        verdict: What stopped the answer; None while nothing has.
        masked: How many parts were masked.
    """

    def __init__(
        self,
        rails: Rails,
        *,
        vault: Vault | None = None,
        route: str | None = None,
        form: Form = "text",
        given: Collection[str] = (),
    ) -> None:
        self._rails = rails
        self._vault = vault or Vault()
        self._route = route
        self._form = form
        self._given = frozenset(given)
        self._opening = [*_OPEN]
        for category, patterns in (("active.image", _OPEN_IMAGE), ("script", _OPEN_SCRIPT)):
            if rails.policy.rule(category, route).on("output") != "allow":
                self._opening += patterns
        self._held = ""
        self._before = ""
        self._tokens = 0  # since something was let through or tried
        self._patience = rails.policy.hold_tokens
        self._place = 0  # of the first character that is held, in the whole answer
        self._entries: deque[tuple[int, int, tuple[TokenLogprob, ...]]] = deque()
        self._shown: list[str] = []  # for the log
        self.verdict: Verdict | None = None
        self.masked = 0

    @property
    def answer(self) -> str:
        """What to say of an answer that was stopped, in its language."""
        if self.verdict is None:
            return ""
        return answer(self.verdict, self._before or self._held)

    def holds(self, text: str) -> bool:
        """Whether one more token with this text would be kept and not looked at yet."""
        return (
            self.verdict is None
            and self._rails.policy.enabled
            and self._tokens + 1 < self._patience
            and not last_end(self._held + text)
        )

    def push(self, text: str, logprobs: Sequence[TokenLogprob] = (), *, tokens: int = 1) -> Passed:
        """Take the next piece of an answer, and return what may be shown.

        Args:
            text: What the model wrote.
            logprobs: Its tokens.
            tokens: How many they are.
        """
        if self.verdict is not None:
            return Passed("", blocked=True)
        if not self._rails.policy.enabled:
            return Passed(text, tuple(logprobs))
        begin = self._place + len(self._held)
        if logprobs:
            self._entries.append((begin, begin + len(text), tuple(logprobs)))
        self._held += text
        self._tokens += tokens
        full = self._tokens >= self._patience
        if not full and not last_end(self._held):
            return Passed("")
        end = self._open()
        if not full:  # whole sentences: each is read once, and not once more for its last word
            end = last_end(self._held[:end])
        passed = self._let_through(end) if end > 0 else Passed("")
        if full and not passed.text and not passed.blocked:
            self._patience += max(16, self._patience // 2)
        return passed

    def close(self) -> Passed:
        """Return what is left when no more comes."""
        if self.verdict is not None:
            return Passed("", blocked=True)
        if self._held:
            passed = self._let_through(len(self._held), closing=True)
        else:
            passed = Passed("", self._take(self._place, []))
        if not passed.blocked:
            self._log("output")
        return passed

    def _log(self, event: str) -> None:
        audit = self._rails.audit
        if audit is not None:
            audit.write(
                event,
                text="".join(self._shown),
                verdict=self.verdict,
                masked=self.masked,
                policy=self._rails.policy.name,
            )

    def _let_through(self, end: int, *, closing: bool = False) -> Passed:
        # Spans are looked for in all that is held, as those that end behind the cut move it.
        cut = end
        if not closing:
            marks = self._rails.marks(self._held, before=self._before, route=self._route)
            cut = _before_spans(marks, end, len(self._held))
            if cut <= 0:
                return Passed("")
        verdict = self._check(self._held[:cut])
        if verdict.is_blocked:
            self.verdict = verdict
            return self._blocked()
        spans = [span for span in verdict.masked if span.start < cut and not self._may_stay(span)]
        if spans and self._form != "text":
            self.verdict = replace(verdict, action="refuse", category=spans[0].category)
            return self._blocked()
        return self._release(cut, spans)

    def _may_stay(self, span: Span) -> bool:
        if self._form == "json" and span.category == "active.escape":
            # Behind an escaped backslash it stays spelled out when the JSON is read, as in code.
            text = self._held[: span.start + 1]
            escaped = (len(text) - len(text.rstrip("\\"))) % 2 == 0
            rule = self._rails.policy.rule("active.code_escape", self._route)
            return escaped and rule.on("output") == "allow"
        return self._held[span.start : span.end] in self._given

    def _blocked(self) -> Passed:
        self._entries.clear()
        self._log("blocked")
        return Passed("", blocked=True)

    def _check(self, text: str) -> Verdict:
        return self._rails.check(text, direction="output", route=self._route, before=self._before)

    def _release(self, cut: int, spans: Sequence[Span]) -> Passed:
        raw = self._held[:cut]
        shown = replace_spans(raw, spans)
        self.masked += len(spans)
        logprobs = self._take(self._place + cut, spans)
        self._before = last_part(self._before + raw, self._rails.policy.lookbehind_chars)
        self._held = self._held[cut:]
        self._place += cut
        self._tokens, self._patience = 0, self._rails.policy.hold_tokens
        if self._rails.audit is not None:
            self._shown.append(shown)
        return Passed(self._vault.unmask(shown, in_json=self._form == "json"), logprobs)

    def _take(self, end: int, spans: Sequence[Span]) -> tuple[TokenLogprob, ...]:
        """Return the tokens up to ``end`` that are not part of what is masked."""
        taken: list[TokenLogprob] = []
        while self._entries and self._entries[0][1] <= end:
            first, last, entries = self._entries.popleft()
            hidden = any(
                first < self._place + span.end and self._place + span.start < last for span in spans
            )
            if not hidden:
                taken.extend(entries)
        return tuple(taken)

    def _open(self) -> int:
        """Return where what may still become part of something begins, in what is held."""
        read = normalize(self._before + self._held)
        text = read.text
        first = len(text.rstrip(_GRAPHIC))
        found = [(_NUMBER, max(0, len(text) - 64))]
        found += [(pattern, max(0, len(text) - _TAIL)) for pattern in self._opening]
        for pattern, begin in found:
            match = pattern.search(text, begin)
            if match is not None:
                first = min(first, match.start())
        return (read.start(first) if first < len(text) else read.end(first)) - len(self._before)


def _before_spans(spans: Sequence[Span], end: int, length: int) -> int:
    """Return the last place up to ``end`` that no span crosses and none may still grow over."""
    for span in reversed(spans):
        if span.start < end and (span.end > end or span.end == length):
            end = span.start
    return end
