"""What the records of a file are: conversations, pairs, labeled texts..., and in which fields.

Decided once per file from its first records, the names of their fields, and what the user named.
Making an example of a record is ``rows.py``'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from autogpt.core.errors import ConfigError, DataError
from autogpt.data.columns import (
    Columns,
    are_messages,
    folded,
    is_label,
    is_list_of,
    is_text,
    is_text_or_messages,
    most,
)
from autogpt.data.fields import check_field

__all__ = [
    "FORMATS_READ",
    "KIND_OF_TASK",
    "KNOWN_NAMES",
    "Kind",
    "Named",
    "Shape",
    "shape_of",
]

Kind = Literal["passage", "conversation", "pair", "labeled", "tagged", "preference", "observed"]
KIND_OF_TASK: dict[str, Kind] = {
    "text": "passage", "chat": "conversation", "summarize": "pair", "translate": "pair",
    "classify": "labeled", "tag": "tagged", "preference": "preference",
    "recognize": "observed", "transcribe": "observed",
}  # fmt: skip
"""What each task is taught with."""

FORMATS_READ: dict[Kind, str] = {
    "passage": "plain text, or rows with a text field",
    "conversation": "OpenAI messages, ShareGPT, Alpaca, or prompt and completion",
    "pair": "rows with a source and a target field, such as text and summary, en and zh",
    "labeled": "rows with a text and a label field",
    "tagged": "CoNLL (a token and its tag a line), or rows of tokens and tags or text and entities",
    "preference": "rows of prompt, chosen and rejected",
    "observed": "folders of pictures or sounds by label, files with a .txt beside each, a manifest "
    "of files and texts, or .npz",
}
"""What each kind of example can be read from."""

_MESSAGES = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
_PROMPT = ("prompt", "question", "query", "instruction", "input", "问题", "提问")
_COMPLETION = (
    "completion",
    "response",
    "answer",
    "output",
    "reply",
    "chosen",
    "回答",
    "答案",
    "回复",
)
_SOURCE = (
    "source", "src", "source_text", "document", "article", "dialogue", "text", "content", "body",
    "passage", "abstract", "input", "prompt", "question", "context", "原文", "正文", "文本", "内容",
    "摘要",
)  # fmt: skip
_TARGET = (
    "target", "tgt", "target_text", "summary", "highlights", "headline", "synopsis", "translation",
    "title", "output", "completion", "response", "answer", "continuation", "译文", "标题", "总结",
)  # fmt: skip
_LABEL = (
    "label_text", "label_name", "label", "labels", "category", "class", "intent", "sentiment",
    "polarity", "topic", "emotion", "tag", "tags", "target", "rating", "stars", "标签", "类别",
    "分类", "情感", "意图",
)  # fmt: skip
_TEXT = (
    "text", "sentence", "content", "review", "comment", "tweet", "utterance", "question", "query",
    "message", "body", "document", "article", "title", "文本", "句子", "内容", "评论", "正文",
)  # fmt: skip
_MAYBE_LABEL = ("target", "tag", "tags", "topic")  # or else a text
_TEXT_PAIRS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"),
    ("text_a", "text_b"), ("text1", "text2"), ("question", "sentence"),
    ("sentence_a", "sentence_b"),
)  # fmt: skip
_TOKENS, _TAGS = ("tokens", "words"), ("ner_tags", "tags", "labels", "ner")
_ENTITIES = ("entities", "spans", "label", "labels", "ner")
_LANGUAGES = (
    "en", "zh", "de", "fr", "es", "it", "pt", "ru", "ja", "ko", "ar", "nl", "pl", "tr", "vi", "id",
    "hi", "cs", "sv", "fi", "da", "no", "el", "he", "th", "uk", "ro", "hu", "bg", "fa", "zh_cn",
    "english", "chinese", "german", "french", "spanish", "italian", "portuguese", "russian",
    "japanese", "korean", "arabic", "英文", "中文", "英语", "汉语",
)  # fmt: skip
KNOWN_NAMES = frozenset().union(
    _MESSAGES, _PROMPT, _COMPLETION, _SOURCE, _TARGET, _LABEL, _TEXT, *_TEXT_PAIRS, ["rejected"]
)
"""Names that tell column names from data, in lower case."""
_SEPARATORS = "|;"


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """The fields that the user names; several are joined by commas.

    Attributes:
        text: Text to classify or to go on with.
        label: Its label; several fields of 0 and 1 are a label each.
        source: Text that something is made of.
        target: What is made of it.
        separator: What stands between the labels of a text that may have several.
    """

    text: str | None = None
    label: str | None = None
    source: str | None = None
    target: str | None = None
    separator: str | None = None

    def columns(self) -> list[str]:
        """Return all names that are given, those that are joined also one by one."""
        given = (self.text, self.label, self.source, self.target)
        return [name for names in given if names for name in {names, *_split(names)}]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How the records of a file are examples.

    Attributes:
        name: Of the format, as people call it.
        kind: Of the examples.
        fields: What is in which fields.
        separator: Between labels, where a text may have several in one field.
    """

    name: str
    kind: Kind
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    separator: str | None = None

    def describe(self) -> str:
        """Return which fields are used, as in ``text: review, label: stars``."""
        shown = ", ".join(f"{role}: {' + '.join(names)}" for role, names in self.fields.items())
        return shown + (f" (several, between {self.separator!r})" if self.separator else "")


def shape_of(rows: Sequence[Any], *, kind: Kind | None, named: Named, name: str) -> Shape:
    """Return how ``rows``, the first records of a file, are examples.

    Args:
        rows: Their values.
        kind: What they have to be; None to find out.
        named: What the user says about fields.
        name: Of the file, for errors.

    Raises:
        DataError: If they are nothing of that kind; it says which fields there are, what would be
            read, and what the file suits.
    """
    if kind is not None and kind not in get_args(Kind):
        raise ConfigError(f"{kind!r} is no kind of example.", hint=f"Known: {get_args(Kind)}.")
    table = Columns(rows)
    for given in (named.text, named.label, named.source, named.target):
        for column in _split_known(given, table) if given else ():
            check_field(column, table.names, name=name)
    for read in _READERS[kind] if kind else _GUESSES:
        shape = read(table, named)
        if shape is not None:
            return shape
    raise _unsuited(table, kind, name)


def _unsuited(table: Columns, kind: Kind | None, name: str) -> DataError:
    listed = ", ".join(map(repr, table.names)) or "none"
    tasks = " or ".join(f"--task {task}" for task, fits in KIND_OF_TASK.items() if fits == kind)
    wanted = f"for {tasks}: {FORMATS_READ[kind]}" if kind else "; ".join(FORMATS_READ.values())
    found = next((shape for read in _GUESSES if (shape := read(table, Named()))), None)
    fits = [task for task, taught in KIND_OF_TASK.items() if found and found.kind == taught]
    hint = "Name the fields (--text-field, --label-field, --source-field, --target-field)."
    if found is not None and kind != found.kind:
        suits = " or ".join(f"--task {task}" for task in fits)
        hint = f"It looks like {found.name}, which suits {suits}; or name the fields."
    return DataError(
        f"{name!r} cannot be read as examples; its fields are {listed}; expected was {wanted}.",
        hint=hint,
    )


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _messages(table: Columns, _: Named) -> Shape | None:
    if table.lists:
        return Shape(name="lists of messages", kind="conversation")
    found = table.find(*_MESSAGES, of=lambda value: isinstance(value, list))
    first = next((value[0] for value in table.values(found or "") if are_messages(value)), None)
    if found is None or first is None:
        return None
    fields = {"messages": (found,)}
    system = table.find("system", "system_prompt", of=is_text)
    if system is not None:
        fields["system"] = (system,)
    name = "ShareGPT" if "from" in first else "OpenAI messages"
    return Shape(name=name, kind="conversation", fields=fields)


def _alpaca(kind: Kind) -> Callable[[Columns, Named], Shape | None]:
    def read(table: Columns, named: Named) -> Shape | None:
        asked = table.find("instruction", of=is_text)
        answered = table.find("output", "response", of=is_text)
        if asked is None or answered is None or named.source or named.target:
            return None
        given = table.find("input", "context", of=is_text)
        fields = {"source": (asked, given) if given else (asked,), "target": (answered,)}
        system = table.find("system", of=is_text)
        if system is not None and kind == "conversation":
            fields["system"] = (system,)
        return Shape(name="Alpaca", kind=kind, fields=fields)

    return read


def _prompts(table: Columns, named: Named) -> Shape | None:
    asked = table.find(*_PROMPT, of=is_text)
    answered = table.find(*_COMPLETION, of=is_text)
    if asked is None or answered is None or asked == answered or named.source or named.target:
        return None
    fields = {"source": (asked,), "target": (answered,)}
    return Shape(name="prompt and completion", kind="conversation", fields=fields)


def _pairs(kind: Kind, *, sure: bool) -> Callable[[Columns, Named], Shape | None]:
    """Read two fields of known or given names; or, unless this must be ``sure``, the first two."""

    def read(table: Columns, named: Named) -> Shape | None:
        source, target = named.source or named.text, named.target
        languages = [name for name in table.texts() if folded(name) in _LANGUAGES]
        if not (source or target) and len(languages) == 2:
            source, target = languages
        source = source or table.find(*_without(table, _SOURCE, target), of=is_text)
        target = target or table.find(*_without(table, _TARGET, source), of=is_text)
        if not sure:
            others = iter([name for name in table.texts() if name not in (source, target)])
            source = source or next(others, None)
            target = target or next(others, None)
        if source is None or target is None or source == target:
            return None
        fields = {"source": _split_known(source, table), "target": _split_known(target, table)}
        return Shape(name="pairs of texts", kind=kind, fields=fields)

    return read


def _without(table: Columns, usual: Sequence[str], taken: str | None) -> list[str]:
    """Return the usual names without that of a field that is taken."""
    used = {folded(name) for name in _split_known(taken, table)} if taken else set()
    return [name for name in usual if name not in used]


def _split_known(name: str, table: Columns) -> tuple[str, ...]:
    """Return the fields that a name stands for: a name may hold a comma itself."""
    return (name,) if name in table.names else _split(name)


def _labels(*, sure: bool) -> Callable[[Columns, Named], Shape | None]:
    """Read a text and a label of known or given names; or, unless ``sure``, of likely ones."""

    def read(table: Columns, named: Named) -> Shape | None:
        label = _label_fields(table, named, sure=sure)
        text = _text_fields(table, named, taken=label) if label else ()
        if not label or not text:
            return None
        values = [value for name in label for value in table.values(name)]
        separator = named.separator or _separator(values)
        several = separator or len(label) > 1 or any(isinstance(value, list) for value in values)
        name = "texts with several labels" if several else "texts with a label"
        if len(text) > 1:
            name = name.replace("texts", "pairs of texts")
        fields = {"text": text, "label": label}
        return Shape(name=name, kind="labeled", fields=fields, separator=separator)

    return read


def _label_fields(table: Columns, named: Named, *, sure: bool) -> tuple[str, ...]:
    if named.label:
        return _split_known(named.label, table)
    taken = _split_known(named.text, table) if named.text else ()
    for usual in _LABEL:
        found = table.find(usual, of=is_label)
        doubtful = usual in _MAYBE_LABEL and found and not _may_be_label(table, found)
        if found is not None and found not in taken and not doubtful:
            return (found,)
    marks = [name for name in table.names if _is_indicator(table.values(name))]
    if len(marks) > 1 and table.texts():
        return tuple(marks)
    likely = [name for name in table.names if table.repeats(name) and name not in taken]
    return (likely[-1],) if likely and not sure else ()


def _may_be_label(table: Columns, name: str) -> bool:
    return table.repeats(name) or most(table.values(name), lambda value: isinstance(value, list))


def _text_fields(table: Columns, named: Named, *, taken: tuple[str, ...]) -> tuple[str, ...]:
    if named.text:
        return _split_known(named.text, table)
    for pair in _TEXT_PAIRS:
        both = [found for name in pair if (found := table.find(name, of=is_text)) is not None]
        if len(both) == 2 and not set(both) & set(taken):
            return tuple(both)
    left = [name for name in table.texts() if name not in taken]
    used = {folded(name) for name in taken}
    usual = table.find(*(name for name in _TEXT if name not in used), of=is_text)
    found = usual or table.longest(left)
    return (found,) if found else ()


def _is_indicator(values: Sequence[object]) -> bool:
    return bool(values) and {str(value) for value in values} <= {"0", "1", "True", "False"}


def _separator(values: Sequence[object]) -> str | None:
    """Return what stands between labels, if some stand together and elsewhere alone."""
    texts = [value for value in values if isinstance(value, str)]
    for mark in _SEPARATORS:
        parts = [text.split(mark) for text in texts]
        alone = {part[0].strip() for part in parts if len(part) == 1}
        together = {item.strip() for part in parts if len(part) > 1 for item in part}
        if together & alone:
            return mark
    return None


def _tokens(table: Columns, _: Named) -> Shape | None:
    tokens = table.find(*_TOKENS, of=lambda value: is_list_of(value, str))
    tags = table.find(*_TAGS, of=lambda value: is_list_of(value, str))
    if tokens is None or tags is None:
        return None
    return Shape(
        name="tokens and tags", kind="tagged", fields={"tokens": (tokens,), "tags": (tags,)}
    )


def _spans(table: Columns, named: Named) -> Shape | None:
    text = named.text or table.find(*_TEXT, of=is_text)
    entities = named.label or table.find(
        *_ENTITIES, of=lambda value: is_list_of(value, (dict, list))
    )
    if text is None or entities is None or not any(table.values(entities)):
        return None
    fields = {"text": (text,), "entities": (entities,)}
    return Shape(name="texts with entities", kind="tagged", fields=fields)


def _preferences(table: Columns, _: Named) -> Shape | None:
    chosen = table.find("chosen", "accepted", "preferred", of=is_text_or_messages)
    rejected = table.find("rejected", "dispreferred", of=is_text_or_messages)
    if chosen is None or rejected is None:
        return None
    fields = {"chosen": (chosen,), "rejected": (rejected,)}
    prompt = table.find(*_PROMPT, *_MESSAGES, of=is_text_or_messages)
    if prompt is not None:
        fields = {"prompt": (prompt,)} | fields
    system = table.find("system", of=is_text)
    if system is not None:
        fields["system"] = (system,)
    return Shape(name="preferences", kind="preference", fields=fields)


def _passages(table: Columns, named: Named) -> Shape | None:
    text = named.text or table.find(*_TEXT, of=is_text) or table.longest(table.texts())
    return Shape(name="rows of text", kind="passage", fields={"text": (text,)}) if text else None


_READERS: dict[Kind, tuple[Callable[[Columns, Named], Shape | None], ...]] = {
    "passage": (_passages,),
    "conversation": (
        _messages,
        _alpaca("conversation"),
        _prompts,
        _pairs("conversation", sure=False),
    ),
    "pair": (_alpaca("pair"), _pairs("pair", sure=False)),
    "labeled": (_labels(sure=False),),
    "tagged": (_tokens, _spans),
    "preference": (_preferences,),
}


def _if_named(table: Columns, named: Named) -> Shape | None:
    """Read what the user's choice of names already decides."""
    if named.source or named.target:
        return _pairs("pair", sure=False)(table, named)
    return _labels(sure=False)(table, named) if named.label else None


_GUESSES: tuple[Callable[[Columns, Named], Shape | None], ...] = (
    _if_named, _preferences, _messages, _tokens, _spans, _alpaca("conversation"), _prompts,
    _labels(sure=True), _pairs("pair", sure=True), _labels(sure=False), _pairs("pair", sure=False),
    _passages,
)  # fmt: skip
