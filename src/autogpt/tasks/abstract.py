"""Summaries that a model writes: map and reduce over whatever length.

The parts of a text that fit the model are made short, each by itself; what came of them is a text
that is cut and made short again, until one part is left. The parts of several texts go in one
batch. An answer with a number or a name that its part does not have is written anew some times by
chance, and the one with the fewest of them is kept. Not here: whether a model is to write at all
(``summarize``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from autogpt.safety.grounding import Source
from autogpt.safety.words import length_of
from autogpt.tasks.account import Account
from autogpt.tasks.asking import answer_of, form_of, prompt_for
from autogpt.tasks.base import Progress, Writer
from autogpt.tasks.language import is_chinese
from autogpt.tasks.sentences import blocks_of, sections_of, sentences_of
from autogpt.tasks.summary import (
    Style,
    Summary,
    joined,
    source_of,
    split_written,
    words_wanted,
)

__all__ = ["Abstract"]

_AT_ONCE = 8  # texts that are written in one batch
_PART_TOKENS = 1500  # of a part: small models lose the thread beyond, whatever their context
_LEAST_TOKENS = 64  # of a part, also in the smallest context
_ANEW, _TEMPERATURE = 4, 0.7  # more tries where a fact has no source
_ROUNDS = 6  # of making short again; each leaves a third or less

_WORDS = {
    "en": {
        "paragraph": "Summarize the following text in about {length} words. Use only what the "
        "text says.\n\n{text}",
        "bullets": "List the main points of the following text, one a line, in about {length} "
        "words in all. Use only what the text says.\n\n{text}",
        "headline": "Write a headline of at most {length} words for the following text.\n\n{text}",
    },
    "zh": {
        "paragraph": "请用大约{length}个字概括下面的文本，只写文中提到的内容。\n\n{text}",
        "bullets": "请列出下面文本的要点，每行一条，总共大约{length}个字，"
        "只写文中提到的内容。\n\n{text}",
        "headline": "请为下面的文本写一个不超过{length}个字的标题。\n\n{text}",
    },
}


@dataclass(slots=True)
class _Draft:
    """A text on its way to its summary."""

    text: str
    parts: list[str]
    account: Account = field(default_factory=Account)
    rounds: int = 0
    written: list[str] | None = None


class Abstract:
    """Lets a model write summaries.

    Args:
        model: Writes.
        length: As of ``Summarize``.
        style: As of ``Summarize``.
        seed: None: always the likeliest words.
        progress: Told how far it is.
    """

    def __init__(
        self,
        model: Writer,
        *,
        length: str | int,
        style: Style,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._model, self._form = model, form_of(model, "summarize")
        self._length, self._style, self._seed = length, style, seed
        self._progress = progress

    def run(self, texts: Sequence[str]) -> Iterator[Summary]:
        """Yield the summary of each text."""
        for first in range(0, len(texts), _AT_ONCE):
            some = texts[first : first + _AT_ONCE]
            drafts = [_Draft(text, self._cut(text)) for text in some]
            begun = first / len(texts)
            self._write(drafts, begun, (first + len(some)) / len(texts))
            for draft in drafts:
                yield self._finished(draft)

    def _write(self, drafts: Sequence[_Draft], begun: float, over: float) -> None:
        """Write all drafts, round by round; parts of all texts go in one batch."""
        total = sum(len(draft.parts) + (len(draft.parts) > 1) for draft in drafts)
        done = 0
        while open_ := [draft for draft in drafts if draft.written is None and draft.parts]:
            asked = [(draft, part) for draft in open_ for part in draft.parts]
            answers: list[list[str]] = []
            for start in range(0, len(asked), _AT_ONCE):
                answers += self._asked(asked[start : start + _AT_ONCE])
                done += len(asked[start : start + _AT_ONCE])
                share = begun + (over - begun) * min(1.0, done / max(total, done))
                if self._progress is not None:
                    self._progress(share, f"{done} of {max(total, done)} parts")
            found = iter(answers)
            for draft in open_:
                self._take(draft, [next(found) for _ in draft.parts])
            total = max(total, done + sum(len(d.parts) for d in drafts if d.written is None))

    def _take(self, draft: _Draft, answers: Sequence[list[str]]) -> None:
        """Go on with what came of the parts: it is the summary, or is made short again."""
        rows = [row for answer in answers for row in answer]
        if len(answers) == 1 or not rows:
            draft.written, draft.parts = rows, []
            return
        draft.rounds += 1
        draft.parts = self._cut(joined(rows, "paragraph"))
        if draft.rounds >= _ROUNDS:
            draft.parts = draft.parts[:1]

    def _asked(self, asked: Sequence[tuple[_Draft, str]]) -> list[list[str]]:
        """Return the sentences that the model writes for parts, inventing as little as it can."""
        temperature = 0.0 if self._seed is None else None
        answers = self._written(asked, temperature=temperature, seed=self._seed)
        sources = [source_of(part) for _, part in asked]
        invented = [_invented(*pair) for pair in zip(answers, sources, strict=True)]
        for turn in range(_ANEW):
            open_ = [place for place, count in enumerate(invented) if count]
            if not open_:
                break
            seed = (self._seed or 0) + turn + 1
            others = self._written(
                [asked[place] for place in open_], temperature=_TEMPERATURE, seed=seed
            )
            for place, other in zip(open_, others, strict=True):
                count = _invented(other, sources[place])
                if other and count < invented[place]:
                    answers[place], invented[place] = other, count
        return answers

    def _written(
        self, asked: Sequence[tuple[_Draft, str]], *, temperature: float | None, seed: int | None
    ) -> list[list[str]]:
        completions = self._model.write(
            [prompt_for(self._model, self._question(draft, part)) for draft, part in asked],
            max_tokens=max(self._room(draft, part) for draft, part in asked),
            temperature=temperature,
            seed=seed,
            stop_loops=4,
            route="task",
        )
        for (draft, _), completion in zip(asked, completions, strict=True):
            draft.account.add([completion])
        return [
            split_written(answer_of(completion.text), ended=completion.finish_reason == "stop")
            for completion in completions
        ]

    def _question(self, draft: _Draft, part: str) -> str:
        chinese = is_chinese(part)
        if self._form is not None:
            return self._form.ask(part, "zh" if chinese else "en")
        style = self._style if len(draft.parts) == 1 else "paragraph"
        words = _WORDS["zh" if chinese else "en"][style]
        return words.replace("{length}", str(self._words(draft, part))).replace("{text}", part)

    def _words(self, draft: _Draft, part: str) -> int:
        """Return how long what is made of a part is to be."""
        wanted = words_wanted(draft.text, self._length, self._style)
        if len(draft.parts) == 1:
            return wanted
        return max(wanted // 2, min(length_of(part) // 4, 150))

    def _room(self, draft: _Draft, part: str) -> int:
        """Return how many tokens may be written for a part."""
        rate = self._model.count_tokens(part) / max(1, length_of(part))
        length = length_of(part) if self._form is not None else self._words(draft, part)
        return min(self._model.context_length // 2, max(32, round(1.5 * rate * length) + 16))

    def _cut(self, text: str) -> list[str]:
        """Return the text in parts that fit the model, cut where sections and sentences end."""
        overhead = self._model.count_tokens(prompt_for(self._model, self._framing(text)))
        room = self._model.context_length // 2 - overhead
        most = max(_LEAST_TOKENS, min(_PART_TOKENS, room))
        if self._model.count_tokens(text) <= most:
            return [text] if text.strip() else []
        blocks = blocks_of(text)
        starts = {section.start for section in sections_of(text, blocks)}
        pieces = [(one.start, one.start in starts) for one in sentences_of(text, blocks)] or [
            (0, False)
        ]
        spans = [
            (start, end, begins)
            for (start, begins), end in zip(
                pieces, [*(start for start, _ in pieces[1:]), len(text)], strict=True
            )
        ]
        return [text[start:end].strip() for start, end in self._packed(text, spans, most)]

    def _framing(self, text: str) -> str:
        words = _WORDS["zh" if is_chinese(text) else "en"]["bullets"]
        return self._form.ask("", "") if self._form is not None else words

    def _packed(
        self, text: str, spans: Sequence[tuple[int, int, bool]], most: int
    ) -> Iterator[tuple[int, int]]:
        """Yield parts of sentences in a row; a section begins one where the last is half full."""
        begin, held = 0, 0
        for start, end, begins_section in spans:
            size = self._model.count_tokens(text[start:end])
            if held and (held + size > most or (begins_section and 2 * held > most)):
                yield begin, start
                begin, held = start, 0
            held += size
            while held > most:  # a sentence that is too long by itself
                share = begin + max(1, (end - begin) * most // held)
                yield begin, share
                held = held - most
                begin = share
        if begin < len(text):
            yield begin, len(text)

    def _finished(self, draft: _Draft) -> Summary:
        rows = draft.written or []
        style = self._style
        if style == "headline" and rows:
            rows = [rows[0].rstrip(".。").strip("\"'“”‘’《》")]
        source = source_of(draft.text)
        return Summary(
            text=joined(rows, style),
            method="abstractive",
            evidence=tuple(source.support(row) for row in rows),
            usage=draft.account.usage,
            timing=draft.account.timing(),
        )


def _invented(sentences: Sequence[str], source: Source) -> int:
    """Return how many numbers and names of sentences their source does not have."""
    return sum(len(source.support(sentence).missing) for sentence in sentences)
