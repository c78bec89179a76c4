"""Translation sentence by sentence, so that nothing is left out and nothing is broken.

::

    text -> blocks -> sentences; marks of lists, code, empty lines stay as they are
    sentence -> what must not change is masked -> the model, with the sentences before as context
             -> unmasked, and checked: everything there, no number lost or made up
    where a check fails: once more without masks, then piece by piece between what is fixed

Sentences of several texts go through the model together. Source: placeholders as in the practice of
localization (ITS 2.0, W3C 2013, "Translate" and "Preserve"); the sentences before as context as in
Tiedemann and Scherrer 2017, "Neural Machine Translation with Extended Context".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from autogpt.core.messages import Message, Prompt, assistant, user
from autogpt.tasks.account import Account
from autogpt.tasks.asking import Form, answer_of, form_of, prompt_for
from autogpt.tasks.base import Progress, Writer
from autogpt.tasks.language import UNSPACED, language_of, named
from autogpt.tasks.masks import Masked, Piece, mask, missing, protected
from autogpt.tasks.sentences import Block, blocks_of, sentences_of

__all__ = ["Lane", "Settings", "Translator", "Unit", "laid_out"]

_AT_ONCE = 16  # sentences in a batch
_LONGER = 3  # a translation may take so many times the tokens of its source

_LETTER = re.compile(r"[^\W\d_]")
_CLAUSES = re.compile(r"(?<=[,;:，；：、—])\s*")
_CELL = re.compile(r"[^|]+")
_SAID_BEFORE = re.compile(
    r"^\s*(?:translation|translated text|译文|翻译|中文|英文|chinese|english)\s*[:：]\s*", re.I
)
_EXAMPLES = {
    ("en", "zh"): (("Where is the station?", "车站在哪里？"), ("I have two cats.", "我有两只猫。")),
    ("zh", "en"): (("车站在哪里？", "Where is the station?"), ("我有两只猫。", "I have two cats.")),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a translation is made.

    Attributes:
        target: The language to translate to.
        source: That of the texts; None: of each sentence, as far as it can be told.
        glossary: Terms and what they become.
        beams: Texts that are followed at once.
        context: Sentences before, that the model sees with their translations.
        seed: None: always the likeliest words.
    """

    target: str
    source: str | None = None
    glossary: Mapping[str, str] = field(default_factory=dict)
    beams: int = 1
    context: int = 0
    seed: int | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """A sentence.

    Attributes:
        text: In the source's language, on one line.
        translated: In the target's; None before.
        lost: What had to be kept and was not, and numbers that were made up.
        is_foreign: Whether the translation is not in the target's language.
        place: Among the sentences of its text.
    """

    text: str
    translated: str | None = None
    lost: tuple[str, ...] = ()
    is_foreign: bool = False
    place: int = 0

    @property
    def fine(self) -> bool:
        """Whether the translation stood all checks."""
        return not self.lost and not self.is_foreign


@dataclass(slots=True, eq=False)
class Lane:
    """A text on its way: what is fixed, and sentences.

    Attributes:
        rows: In order; joined they are the text.
        account: What translating it took.
        units: The sentences, in order.
    """

    rows: list[str | Unit]
    account: Account = field(default_factory=Account)
    units: list[Unit] = field(init=False)

    def __post_init__(self) -> None:
        """Number the sentences."""
        self.units = [row for row in self.rows if isinstance(row, Unit)]
        for place, unit in enumerate(self.units):
            unit.place = place

    def text(self) -> str:
        """Return the text, translated."""
        return "".join(
            row if isinstance(row, str) else row.translated or row.text for row in self.rows
        )


def laid_out(text: str, target: str) -> list[str | Unit]:
    """Return a text as what is fixed and its sentences, joined as the target's language does."""
    rows: list[str | Unit] = []
    at = 0
    between = "" if target in UNSPACED else " "
    for block in _readable(text):
        for number, one in enumerate(sentences_of(text, [block])):
            rows.append(text[at : one.start] if number == 0 else between)
            rows.append(Unit(_one_line(text[one.start : one.end])))
            at = one.end
    return [*rows, text[at:]]


def _readable(text: str) -> Iterator[Block]:
    """Yield the blocks that are read by people; of tables the cells."""
    begin = len(match[0]) if (match := _FRONT_MATTER.match(text)) else 0
    for block in blocks_of(text):
        if block.start < begin or block.kind in ("code", "rule"):
            continue
        if block.kind != "table":
            yield block
            continue
        for cell in _CELL.finditer(text, block.start, block.end):
            if _LETTER.search(cell[0]):
                start = cell.start() + len(cell[0]) - len(cell[0].lstrip())
                yield Block("text", start, start + len(cell[0].strip()))


_FRONT_MATTER = re.compile(r"\A---\r?\n.*?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S)


def _one_line(text: str) -> str:
    tight = re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s*\n\s*(?=[\u3000-\u9fff])", "", text)
    return " ".join(tight.split())


class Translator:
    """Translates with one model.

    Args:
        model: Writes.
        settings: How.
        progress: Told how far it is.
    """

    def __init__(self, model: Writer, settings: Settings, progress: Progress | None = None) -> None:
        self._model, self._settings, self._progress = model, settings, progress
        self._form: Form | None = form_of(model, "translate")
        self._known: dict[str, Unit] = {}

    def translate(self, lanes: Sequence[Lane]) -> None:
        """Translate the sentences of texts, in place."""
        total = sum(len(lane.units) for lane in lanes)
        done = 0
        for batch in self._batches(lanes):
            self._batch(batch)
            done += len(batch)
            if self._progress is not None:
                self._progress(done / max(1, total), f"{done} of {total} sentences")

    def _batches(self, lanes: Sequence[Lane]) -> Iterator[list[tuple[Lane, Unit]]]:
        """Yield sentences that go together: with context, the next one of each text."""
        if not self._settings.context:
            everything = [(lane, unit) for lane in lanes for unit in lane.units]
            for start in range(0, len(everything), _AT_ONCE):
                yield everything[start : start + _AT_ONCE]
            return
        longest = max((len(lane.units) for lane in lanes), default=0)
        for place in range(longest):
            here = [(lane, lane.units[place]) for lane in lanes if place < len(lane.units)]
            for start in range(0, len(here), _AT_ONCE):
                yield here[start : start + _AT_ONCE]

    def _batch(self, batch: Sequence[tuple[Lane, Unit]]) -> None:
        """Translate sentences; what is known already is not asked again."""
        asked: list[tuple[Lane, Unit]] = []
        same: list[tuple[Unit, Unit]] = []
        for lane, unit in batch:
            if self._stays(unit.text):
                unit.translated = unit.text
            elif unit.text in self._known:
                same.append((unit, self._known[unit.text]))
            else:
                self._known[unit.text] = unit
                asked.append((lane, unit))
        self._attempts(asked)
        for unit, other in same:
            unit.translated, unit.lost = other.translated, other.lost
            unit.is_foreign = other.is_foreign

    def _stays(self, text: str) -> bool:
        """Whether there is nothing to translate."""
        readable = "".join(piece.text for piece in protected(text) if piece.becomes is None)
        if not _LETTER.search(readable):
            return True
        return self._settings.source is None and language_of(readable) == self._settings.target

    # -- attempts ----------------------------------------------------------------------------------

    def _attempts(self, asked: Sequence[tuple[Lane, Unit]]) -> None:
        """Mask and ask; ask in the plain; go piece by piece: until nothing is lost."""
        glossary = self._settings.glossary
        masked = [mask(protected(unit.text, glossary)) for _, unit in asked]
        self._ask([(lane, unit, own) for (lane, unit), own in zip(asked, masked, strict=True)])
        again = [
            (lane, unit, mask(protected(unit.text, glossary, numbers=True)))
            for (lane, unit), own in zip(asked, masked, strict=True)
            if unit.lost
        ]
        plain = [(lane, unit, Masked(unit.text, ())) for lane, unit, own in again if own.kept]
        self._ask(plain)
        self._ask([row for row in again if row[1].lost])
        for lane, unit, _ in again:
            if unit.lost:
                self._piecewise(lane, unit)

    def _ask(self, asked: Sequence[tuple[Lane, Unit, Masked]]) -> None:
        """Ask for each; keep an answer if it is the first, or lost less than the one before."""
        if not asked:
            return
        answers = self._write([(lane, own.text, unit) for lane, unit, own in asked])
        for (_, unit, own), answer in zip(asked, answers, strict=True):
            restored = own.restore(answer) if own.kept else answer
            lost = tuple(missing(unit.text, restored or answer, self._settings.glossary))
            if restored is None:  # a mark is not there, or twice
                lost = lost or own.kept
            if unit.translated is None or len(lost) < len(unit.lost):
                unit.translated, unit.lost = restored or answer, lost
                unit.is_foreign = self._is_foreign(unit)

    def _is_foreign(self, unit: Unit) -> bool:
        told = language_of(unit.translated or "")
        return bool(told) and told != self._settings.target and len(unit.text) > 12

    def _piecewise(self, lane: Lane, unit: Unit) -> None:
        """Translate what stands between what is fixed; then nothing can get lost."""
        pieces = protected(unit.text, self._settings.glossary, numbers=True)
        open_ = [p.text.strip() for p in pieces if p.becomes is None and _LETTER.search(p.text)]
        answers = iter(self._write([(lane, text, None) for text in open_]))
        text = "".join(self._placed(piece, answers) for piece in pieces)
        lost = tuple(missing(unit.text, text, self._settings.glossary))
        if len(lost) < len(unit.lost):
            unit.translated, unit.lost = text, lost
            unit.is_foreign = self._is_foreign(unit)

    def _placed(self, piece: Piece, answers: Iterator[str]) -> str:
        """Return a piece in its place, with the space around it and no end it did not have."""
        if piece.becomes is not None:
            return piece.becomes
        own = piece.text.strip()
        if not _LETTER.search(own):
            return piece.text
        answer = next(answers)
        if own[-1:] not in ".!?。！？":
            answer = answer.rstrip(".!?。！？")
        before = piece.text[: len(piece.text) - len(piece.text.lstrip())]
        after = piece.text[len(piece.text.rstrip()) :]
        return f"{before}{answer}{after}"

    # -- asking ------------------------------------------------------------------------------------

    def _write(self, asked: Sequence[tuple[Lane, str, Unit | None]]) -> list[str]:
        """Return what the model makes of texts; one that is too long is cut into clauses."""
        settings = self._settings
        cut = [self._cut(text) for _, text, _ in asked]
        rows = [
            (lane, part, unit)
            for (lane, _, unit), parts in zip(asked, cut, strict=True)
            for part in parts
        ]
        prompts = [self._prompt(lane, text, unit) for lane, text, unit in rows]
        most = max((self._model.count_tokens(text) for _, text, _ in rows), default=1)
        room = max(16, self._model.context_length // 2)
        completions = self._model.write(
            prompts,
            max_tokens=min(room, _LONGER * most + 16),
            temperature=0.0 if settings.seed is None else None,
            beams=settings.beams,
            seed=settings.seed,
            stop=() if self._model.answers_messages or self._form else ("\n",),
            stop_loops=4,
            route="task",
        )
        for (lane, _, _), completion in zip(rows, completions, strict=True):
            lane.account.add([completion])
        answers = iter(_cleaned(completion.text) for completion in completions)
        between = "" if settings.target in UNSPACED else " "
        return [between.join(next(answers) for _ in parts) for parts in cut]

    def _cut(self, text: str) -> list[str]:
        """Return a text in parts of which each fits the model with its question."""
        most = max(8, self._model.context_length // (2 + _LONGER))
        if self._model.count_tokens(text) <= most:
            return [text]
        parts, held = [], ""
        for clause in _CLAUSES.split(text):
            if held and self._model.count_tokens(f"{held} {clause}") > most:
                parts.append(held)
                held = ""
            held = f"{held} {clause}".strip() if held.isascii() else held + clause
        parts.append(held)
        return [piece for part in parts for piece in self._halved(part, most)]

    def _halved(self, text: str, most: int) -> list[str]:
        if self._model.count_tokens(text) <= most or len(text) < 4:
            return [text]
        middle = text.find(" ", len(text) // 2)
        middle = len(text) // 2 if middle < 0 or middle > len(text) * 3 // 4 else middle
        halves = text[:middle].strip(), text[middle:].strip()
        return [piece for half in halves if half for piece in self._halved(half, most)]

    def _prompt(self, lane: Lane, text: str, unit: Unit | None) -> Prompt:
        target = self._settings.target
        if self._form is not None:
            return prompt_for(self._model, self._form.ask(text, target))
        source = self._settings.source or language_of(text)
        before = self._before(lane, unit)
        if self._model.answers_messages:
            turns: list[Message] = []
            for known in before:
                turns.append(user(self._question(known.text, source)))
                turns.append(assistant(known.translated or ""))
            return (*turns, user(self._question(text, source)))
        one, other = named(source) if source else "Text", named(target)
        shown = [*_EXAMPLES.get((source, target), ())]
        shown += [(known.text, known.translated or "") for known in before]
        lines = [f"{one}: {a}\n{other}: {b}\n\n" for a, b in shown]
        return f"{''.join(lines)}{one}: {text}\n{other}:"

    def _question(self, text: str, source: str) -> str:
        origin = f" from {named(source)}" if source else ""
        terms = {
            term: becomes
            for term, becomes in self._settings.glossary.items()
            if term.lower() in text.lower()
        }
        listed = "; ".join(f"{term} = {becomes}" for term, becomes in terms.items())
        using = f" Use these terms: {listed}." if terms else ""
        keep = " Keep marks such as [1] as they are." if re.search(r"\[\d+\]", text) else ""
        return (
            f"Translate{origin} to {named(self._settings.target)}. Answer with the translation "
            f"alone.{using}{keep}\n\n{text}"
        )

    def _before(self, lane: Lane, unit: Unit | None) -> list[Unit]:
        """Return the sentences before, translated, as many as are wanted and fit."""
        if unit is None or not self._settings.context:
            return []
        ready = (
            own
            for own in reversed(lane.units[max(0, unit.place - 16) : unit.place])
            if own.translated and own.fine
        )
        known = list(islice(ready, self._settings.context))[::-1]
        room = self._model.context_length // 4
        while known and self._model.count_tokens("\n".join(o.text for o in known)) > room:
            known = known[1:]
        return known


def _cleaned(text: str) -> str:
    """Return a translation without what models say around it."""
    text = _SAID_BEFORE.sub("", answer_of(text)).strip()
    if len(text) > 2 and (text[0], text[-1]) in (('"', '"'), ("“", "”"), ("「", "」")):
        inner = text[1:-1]
        text = inner if not set(inner) & set('"“”「」') else text
    return " ".join(text.split())
