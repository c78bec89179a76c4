"""A record of a known shape to an example, or what is wrong with it.

Nothing is guessed here: which field is what was decided for the file in ``shapes.py``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, get_args

from autogpt.core.examples import (
    Conversation,
    Entity,
    Example,
    Labeled,
    Pair,
    Passage,
    Preference,
    Tagged,
)
from autogpt.core.messages import Message, Role, assistant, system, user
from autogpt.data.columns import by_name
from autogpt.data.conll import are_characters, is_tag, tagged_of
from autogpt.data.readers import whole
from autogpt.data.shapes import Shape

__all__ = ["BadRowError", "example_of"]

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user",
    "prompter": "user", "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant",
    "bot": "assistant", "model": "assistant",
}  # fmt: skip
_SPEAKERS = re.compile(r"(?:^|\n\n)(Human|Assistant):[ ]?")
_TRUE = ("1", "true")
_ENTITY_TYPE = ("type", "label", "entity", "entity_group", "tag")


class BadRowError(Exception):
    """A record is no example; the message says why and follows its place."""


def example_of(value: object, shape: Shape, *, place: str = "") -> Example | None:
    """Return the example that a record is, or None if it is empty.

    Args:
        value: The record's value, as JSON, CSV or Parquet give it.
        shape: Of its file.
        place: Where it stands.

    Raises:
        BadRowError: If it is none.
    """
    return _MAKERS[shape.kind](value, shape, place)


def _passage(value: object, shape: Shape, place: str) -> Passage | None:
    text = value if isinstance(value, str) else _text(_row(value), shape, "text")
    return Passage(text=whole(text), place=place) if text.strip() else None


def _conversation(value: object, shape: Shape, place: str) -> Conversation | None:
    if "source" in shape.fields:
        row = _row(value)
        source, target = _text(row, shape, "source"), _text(row, shape, "target")
        if not source.strip() or not target.strip():
            return None
        messages = [user(source), assistant(target)]
    elif "messages" in shape.fields:
        row = _row(value)
        listed = _field(row, shape.fields["messages"][0])
        if listed is None or listed == []:
            return None
        messages = _turns(listed)
    else:
        row, messages = {}, _turns(value)
    if not any(turn.role == "assistant" for turn in messages):
        raise BadRowError("has no message of the assistant, so there is nothing to learn")
    if any(turn.role == "assistant" and not turn.content.strip() for turn in messages):
        return None
    return Conversation(messages=(*_system(row, shape), *messages), place=place)


def _pair(value: object, shape: Shape, place: str) -> Pair | None:
    row = _row(value)
    source, target = _text(row, shape, "source"), _text(row, shape, "target")
    if not source.strip() or not target.strip():
        return None
    return Pair(source=source, target=target, place=place)


def _labeled(value: object, shape: Shape, place: str) -> Labeled | None:
    row = _row(value)
    text = _text(row, shape, "text", between="\n")
    if not text.strip():
        return None
    return Labeled(text=text, labels=_labels(row, shape), place=place)


def _labels(row: dict[str, Any], shape: Shape) -> tuple[str, ...]:
    names = shape.fields["label"]
    if len(names) > 1:
        return tuple(name for name in names if _is_true(_field(row, name), name))
    value = _field(row, names[0])
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = _listed(value)
    if isinstance(value, list):
        return tuple(dict.fromkeys(_label(item, names[0]) for item in value))
    text = _label(value, names[0])
    if shape.separator is None:
        return (text,)
    parts = (part.strip() for part in text.split(shape.separator))
    return tuple(dict.fromkeys(filter(None, parts)))


def _label(value: object, name: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # a column of whole numbers in which one was missing
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    if not isinstance(value, str | int | float) and value is not None:
        raise BadRowError(f"has a {type(value).__name__} in the field {name!r}, not a label")
    text = "" if value is None else whole(str(value)).strip()
    if not text:
        raise BadRowError(f"has no label in the field {name!r}")
    return text


def _listed(text: str) -> object:
    """Read a list that is spelled in a text, as JSON or as Python would."""
    for spelling in (text, text.replace("'", '"')):
        try:
            return json.loads(spelling)
        except (ValueError, RecursionError):
            continue
    return text


def _is_true(value: object, name: str) -> bool:
    text = _label(value, name).lower()
    if text not in (*_TRUE, "0", "false"):
        raise BadRowError(f"has {text!r} in the field {name!r}; 0 or 1 was expected")
    return text in _TRUE


def _tagged(value: object, shape: Shape, place: str) -> Tagged | None:
    row = _row(value)
    if "tokens" in shape.fields:
        tokens, tags = (_strings(row, shape.fields[role][0]) for role in ("tokens", "tags"))
        if len(tokens) != len(tags):
            raise BadRowError(f"has {len(tokens)} tokens and {len(tags)} tags")
        if not all(map(is_tag, tags)):
            raise BadRowError(f"has the tag {next(tag for tag in tags if not is_tag(tag))!r}")
        if not all(token.strip() for token in tokens):
            raise BadRowError("has an empty token")
        characters = are_characters([tokens])
        return tagged_of(tokens, tags, characters=characters, place=place) if tokens else None
    text = _text(row, shape, "text")
    found = _field(row, shape.fields["entities"][0])
    if not isinstance(found, list):
        raise BadRowError("has no list of entities")
    entities = sorted((_entity(item, text) for item in found), key=lambda item: item.start)
    for first, second in pairwise(entities):
        if second.start < first.end:
            raise BadRowError(f"has entities that overlap: {first.text!r} and {second.text!r}")
    return Tagged(text=text, entities=tuple(entities), place=place) if text.strip() else None


def _entity(value: object, text: str) -> Entity:
    """Read one entity: a mapping, or a list of start, end and type."""
    if isinstance(value, list) and len(value) == 3:
        value = dict(zip(("start", "end", "type"), value, strict=True))
    if not isinstance(value, dict):
        raise BadRowError("has an entity that is neither a mapping nor [start, end, type]")
    start = value.get("start", value.get("start_offset"))
    end = value.get("end", value.get("end_offset"))
    kinds = [value[name] for name in _ENTITY_TYPE if isinstance(value.get(name), str)]
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        raise BadRowError(f"has an entity from {start!r} to {end!r} in {len(text)} characters")
    if not kinds:
        raise BadRowError(f"has an entity without a type, from {start} to {end}")
    said = value.get("text", text[start:end])
    if said != text[start:end]:
        raise BadRowError(f"has {text[start:end]!r} where its entity says {said!r}")
    return Entity(type=kinds[0], start=start, end=end, text=text[start:end])


def _preference(value: object, shape: Shape, place: str) -> Preference | None:
    row = _row(value)
    prompt: list[Message] = []
    if "prompt" in shape.fields:
        asked = _field(row, shape.fields["prompt"][0])
        prompt = [user(whole(asked))] if isinstance(asked, str) else _turns(asked)
    chosen, rejected = (
        _answer_turns(_field(row, shape.fields[role][0])) for role in ("chosen", "rejected")
    )
    if not all(turns and turns[-1].role == "assistant" for turns in (chosen, rejected)):
        raise BadRowError("has no answer of the assistant to prefer")
    if chosen[:-1] != rejected[:-1]:
        raise BadRowError("has answers to two different conversations")
    messages = chosen[:-1] or prompt  # where the answers are whole conversations, they tell it all
    if len(chosen) > 1 and prompt and chosen[: len(prompt)] != prompt:
        messages = prompt + chosen[:-1]
    good, bad = chosen[-1].content, rejected[-1].content
    if not messages or not any(turn.content.strip() for turn in messages):
        raise BadRowError("has no prompt")
    if not good.strip() or not bad.strip():
        return None
    if good == bad:
        raise BadRowError("prefers an answer to itself")
    messages = [*_system(row, shape), *messages]
    return Preference(messages=tuple(messages), chosen=good, rejected=bad, place=place)


def _answer_turns(value: object) -> list[Message]:
    """Read an answer: a text, a message, a conversation, or one as text (Bai et al. 2022)."""
    if isinstance(value, dict):
        return _turns([value])
    if not isinstance(value, str):
        return _turns(value)
    spoken = _SPEAKERS.split(whole(value))
    if len(spoken) < 5 or spoken[0].strip():
        return [assistant(whole(value))]
    return [
        (user if speaker == "Human" else assistant)(content.strip())
        for speaker, content in zip(spoken[1::2], spoken[2::2], strict=True)
    ]


def _turns(value: object) -> list[Message]:
    if not isinstance(value, list):
        raise BadRowError(f"has a {type(value).__name__} where messages were expected")
    return [_message(item, number) for number, item in enumerate(value, 1)]


def _message(value: object, number: int) -> Message:
    if not isinstance(value, dict):
        raise BadRowError(f"has no message in turn {number}, but a {type(value).__name__}")
    said = value.get("role", value.get("from"))
    role = _ROLES.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        expected = ", ".join(get_args(Role))
        raise BadRowError(f"has the role {said!r} in turn {number}; expected was {expected}")
    if value.get("weight", 1) != 1:
        raise BadRowError(f"has weight {value['weight']!r} in turn {number}; all turns count alike")
    content = next((value[name] for name in ("content", "value", "text") if name in value), None)
    if isinstance(content, list):
        content = _joined_parts(content, number)
    if not isinstance(content, str):
        raise BadRowError(f"has no text in turn {number}")
    return Message(role, whole(content))


def _joined_parts(parts: Iterable[object], number: int) -> str:
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise BadRowError(f"has a part that is no text in turn {number}")
        texts.append(text)
    return "".join(texts)


def _system(row: dict[str, Any], shape: Shape) -> list[Message]:
    if "system" not in shape.fields:
        return []
    text = _text(row, shape, "system")
    return [system(text)] if text.strip() else []


def _row(value: object) -> dict[str, Any]:
    row = by_name(value)
    if row is None:
        kind = "null" if value is None else f"a {type(value).__name__}"
        raise BadRowError(f"is {kind}, an object with fields was expected")
    return row


def _field(row: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    if name not in row:
        listed = ", ".join(map(repr, row)) or "none"
        raise BadRowError(f"has no field {name!r}; its fields are {listed}")
    return row[name]


def _text(row: dict[str, Any], shape: Shape, role: str, *, between: str = "\n\n") -> str:
    """Return the text of the fields of a role, without those that are empty."""
    texts = []
    for number, name in enumerate(shape.fields[role]):
        optional = number > 0 or role == "system"
        value = row.get(name) if optional else _field(row, name)
        if value is not None and not isinstance(value, str):
            kind = type(value).__name__
            raise BadRowError(f"has a {kind} in the field {name!r}, text was expected")
        texts.append(whole(value or ""))
    if len(texts) == 1:
        return texts[0]
    return between.join(text for text in texts if text.strip())


def _strings(row: dict[str, Any], name: str) -> Sequence[str]:
    value = _field(row, name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRowError(f"has no list of texts in the field {name!r}")
    return [whole(item) for item in value]


_MAKERS = {
    "passage": _passage,
    "conversation": _conversation,
    "pair": _pair,
    "labeled": _labeled,
    "tagged": _tagged,
    "preference": _preference,
}
