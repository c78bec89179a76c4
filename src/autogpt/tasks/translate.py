"""Translation: to any language a model knows, of texts and files; what must not change is kept.

A model that was taught translations (``finetune --task translate``) is asked sentence by sentence
as it was taught, with beam search; any other assistant is asked in words, with the sentences before
as context; a model without a chat template goes on after examples. How is in ``translating``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autogpt.core.errors import UsageError
from autogpt.core.examples import Pair
from autogpt.core.messages import Timing, Usage
from autogpt.tasks.account import USAGE
from autogpt.tasks.asking import Form, form_of
from autogpt.tasks.base import TEXT, Job, Progress, Task, Writer
from autogpt.tasks.documents import FORMATS, Document, read_document
from autogpt.tasks.language import NAMES, language_of, named
from autogpt.tasks.schema import Schema, object_schema
from autogpt.tasks.translating import Lane, Settings, Translator, laid_out

__all__ = ["TASK", "Translate", "Translation"]

_AT_ONCE = 16  # texts whose sentences go together
_BEAMS = 4  # Wu et al. 2016, section 7: no gain beyond
_CONTEXT = 2  # sentences before
_PROMPT = "Translate to {language}:\n\n{text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """A text in another language.

    Attributes:
        text: In the target's language.
        source: The language it was in, as told from most of it; "" where it cannot be told.
        target: The language it is in.
        lost: What had to be kept and is not there, or numbers that were made up; mostly none.
        doubtful: Sentences whose translation is not in the target's language, or lost something.
        usage: Tokens read and written.
        timing: Seconds and speed.
    """

    text: str
    source: str
    target: str
    lost: tuple[str, ...]
    doubtful: tuple[str, ...]
    usage: Usage
    timing: Timing

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt translate --json``."""
        return {
            "text": self.text,
            "from": self.source,
            "to": self.target,
            "lost": list(self.lost),
            "doubtful": list(self.doubtful),
            "usage": self.usage.to_dict(),
            "timing": self.timing.to_dict(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Translate:
    """The task.

    Attributes:
        to: Code of the language to translate to, as "zh".
        source: Of the language of the texts; None: told from each sentence. Sentences that are in
            the target's language already stay.
        format: What a text is: "text" (plain or Markdown), "srt", "po" or "jsonl".
        text_field: Of "jsonl": the field to translate.
        glossary: Terms and what they become.
        beams: Texts followed at once; None: 4 with a model that was taught to translate, if it can.
        context: Sentences before that are shown; None: 2 in texts and subtitles, and none to a
            model that was taught.
        seed: None: always the likeliest words.
    """

    to: str
    source: str | None = None
    format: str = "text"
    text_field: str | None = None
    glossary: Mapping[str, str] = field(default_factory=dict)
    beams: int | None = None
    context: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UsageError: If a language or a format is unknown, or something is out of its range.
        """
        for name, code in (("to", self.to), ("from", self.source)):
            if code is not None and code not in NAMES:
                raise UsageError(
                    f"{name} = {code!r} is no language that is known here.",
                    hint=f"Codes: {', '.join(NAMES)}.",
                )
        if self.format not in FORMATS:
            raise UsageError(f"format = {self.format!r}, expected {', '.join(FORMATS)}.")
        if not all(term.strip() for term in self.glossary):
            raise UsageError("The glossary has an empty term.")
        if self.beams is not None and not 1 <= self.beams <= 32:
            raise UsageError(f"beams = {self.beams}, expected from 1 to 32.")
        if self.context is not None and not 0 <= self.context <= 8:
            raise UsageError(f"context = {self.context}, expected from 0 to 8.")
        if self.beams not in (None, 1) and self.seed is not None:
            raise UsageError("beams leave nothing to chance, so a seed says nothing.")

    def run(
        self, model: object, texts: Sequence[str], progress: Progress | None = None
    ) -> Iterator[Translation]:
        """Yield the translation of each text, in order.

        Raises:
            UsageError: If the model does not write, or was taught to translate otherwise.
            DataError: If a text is not of the format.
        """
        if not isinstance(model, Writer):
            raise UsageError(f"{model!r} cannot translate.", hint="Name a model that writes.")
        form = form_of(model, "translate")
        if form is not None and form.languages:
            self._check_languages(form)
        return self._run(model, texts, self._settings(model, form), progress)

    def _check_languages(self, form: Form) -> None:
        """Raise a UsageError if the model was taught other languages."""
        taught = [pair for pair in form.languages if pair[1] == self.to]
        if taught and (self.source is None or any(pair[0] == self.source for pair in taught)):
            return
        known = ", ".join(f"{named(a) or '?'} to {named(b) or '?'}" for a, b in form.languages)
        wanted = f"{named(self.source)} to {named(self.to)}" if self.source else named(self.to)
        raise UsageError(
            f"The model was taught {known}, not {wanted}.",
            hint="Name another model, or languages that it knows.",
        )

    def _settings(self, model: Writer, form: Form | None) -> Settings:
        can_search = bool(getattr(model, "can_search", True))
        beams, context = self.beams, self.context
        if beams is None:
            beams = _BEAMS if form is not None and can_search and self.seed is None else 1
        if context is None:
            context = _CONTEXT if form is None and self.format in ("text", "srt") else 0
        return Settings(
            target=self.to,
            source=self.source,
            glossary=self.glossary,
            beams=beams,
            context=0 if form is not None else context,
            seed=self.seed,
        )

    def _run(
        self,
        model: Writer,
        texts: Sequence[str],
        settings: Settings,
        progress: Progress | None,
    ) -> Iterator[Translation]:
        for first in range(0, len(texts), _AT_ONCE):
            some = texts[first : first + _AT_ONCE]

            def tell(share: float, words: str, first: int = first, count: int = len(some)) -> None:
                if progress is not None:
                    progress((first + share * count) / len(texts), words)

            documents = [
                read_document(text, self.format, target=self.to, field=self.text_field)
                for text in some
            ]
            lanes = [[Lane(laid_out(t, self.to)) for t in d.texts] for d in documents]
            translator = Translator(model, settings, tell)
            whole = [Lane([row for lane in own for row in lane.rows]) for own in lanes]
            translator.translate(whole)
            for document, own, lane in zip(documents, lanes, whole, strict=True):
                yield self._finished(document, own, lane)

    def _finished(self, document: Document, lanes: Sequence[Lane], whole: Lane) -> Translation:
        units = whole.units
        told = Counter({"": 0})
        for unit in units:
            told[language_of(unit.text)] += len(unit.text)
        return Translation(
            text=document.put([lane.text() for lane in lanes]),
            source=self.source or max(told, key=lambda code: told[code]),
            target=self.to,
            lost=tuple(lost for unit in units for lost in unit.lost),
            doubtful=tuple(unit.text for unit in units if not unit.fine),
            usage=whole.account.usage,
            timing=whole.account.timing(),
        )


def _teach(pairs: Sequence[Pair], *, new: bool) -> Form:
    """Return how a model is taught: bare, where the language of a text says that of its answer."""
    counts = Counter((language_of(pair.source), language_of(pair.target)) for pair in pairs)
    enough = max(1, len(pairs) // 50)  # a name or a quotation is no language
    known = tuple(pair for pair, count in counts.most_common() if count >= enough and all(pair))
    targets = sorted({target for _, target in known}) or ["en", "zh"]
    if not new:
        prompts = {target: _PROMPT.replace("{language}", named(target)) for target in targets}
    elif len({source for source, _ in known}) == len(known):
        prompts = {"": "{text}"}
    else:
        prompts = {target: f"{target}: {{text}}" for target in targets}
    return Form(task="translate", prompts=prompts, chosen_by="answer", languages=known)


def _prepare(
    *,
    to: str,
    source: str | None = None,
    format: str = "text",  # noqa: A002 - the name of the parameter
    text_field: str | None = None,
    glossary: Mapping[str, str] | None = None,
    beams: int | None = None,
    context: int | None = None,
    seed: int | None = None,
) -> Job:
    return Translate(
        to=to,
        source=source,
        format=format,
        text_field=text_field,
        glossary=glossary or {},
        beams=beams,
        context=context,
        seed=seed,
    )


_LANGUAGE = {"type": "string", "enum": list(NAMES)}

_RESULT: dict[str, Schema] = {
    "text": {"type": "string"},
    "from": {"type": "string"},
    "to": {"type": "string"},
    "lost": {"type": "array", "items": {"type": "string"}},
    "doubtful": {"type": "array", "items": {"type": "string"}},
    "usage": USAGE,
    "timing": {"type": "object"},
}  # "from" is no name of a parameter

TASK = Task(
    name="translate",
    about="Translate a text or a file; placeholders, markup, numbers and links stay as they are.",
    about_zh="翻译文本或文件；占位符、标记、数字和链接保持不变。",
    input=TEXT,
    parameters=object_schema(
        "to",
        to={
            **_LANGUAGE,
            "description": "Code of the language to translate to, as zh.",
            "description_zh": "目标语言的代码，例如 en。",
        },
        source={
            **_LANGUAGE,
            "description": "Code of the language of the text; left out: told from each sentence.",
            "description_zh": "原文语言的代码；不填则逐句判断。",
        },
        format={
            "type": "string",
            "enum": list(FORMATS),
            "default": "text",
            "description": "What the text is: text or Markdown, subtitles (srt), a gettext catalog "
            "(po), JSON lines (jsonl); it comes back as such.",
            "description_zh": "文本格式：text（纯文本或Markdown）、srt（字幕）、po（gettext）、"
            "jsonl（每行一个JSON）；译文保持同样的格式。",
        },
        text_field={
            "type": "string",
            "description": "Of JSON lines: the field to translate.",
            "description_zh": "jsonl中要翻译的字段。",
        },
        glossary={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Terms and what they are to become.",
            "description_zh": "术语表：术语及其译法。",
        },
        beams={
            "type": "integer",
            "minimum": 1,
            "maximum": 32,
            "description": "Texts that are followed at once; 4 for a model taught to translate.",
            "description_zh": "束搜索的宽度；受过翻译训练的模型默认为4。",
        },
        context={
            "type": "integer",
            "minimum": 0,
            "maximum": 8,
            "description": "Sentences before that the model sees with their translations; 2.",
            "description_zh": "模型可参考的前文句数（连同译文）；默认为2。",
        },
        seed={
            "type": "integer",
            "description": "Let the model sample with this seed, in place of its likeliest words.",
            "description_zh": "让模型以此随机种子采样，而不是总取最可能的词。",
        },
    ),
    result=object_schema(
        *("text", "from", "to", "lost", "doubtful", "usage", "timing"),
        **_RESULT,
    ),
    needs="trained",
    prepare=_prepare,
    teach=_teach,
)
