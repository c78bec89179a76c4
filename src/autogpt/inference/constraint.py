"""What a text must match: a JSON schema, a regular expression, one of some choices, or a grammar.

Each function here checks what the user gave and returns a :class:`Constraint`; what cannot be
promised is refused in one sentence, before any model is loaded. The rules themselves are carried
out by ``llguidance`` (2024-2026), which follows JSON Schema 2020-12, the syntax of Rust's regular
expressions, and Lark's grammars.

JSON is written without line breaks, with at most one space after a comma or a colon: a model that
may indent may also do nothing else. Properties come in the order of the schema.

Not here: tokens (``grammar``), and how a text is brought to its end in time (``closing``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from autogpt.core.errors import ConfigError

if TYPE_CHECKING:
    from llguidance import LLParserLimits

__all__ = ["Constraint", "choices", "json_schema", "lark", "limits", "regex"]

JsonSchema = Mapping[str, object] | bool

_MAX_CHARS = 1 << 18  # of a schema, of all choices, of a grammar
_MAX_REGEX_CHARS = 1 << 14
_MAX_CHOICES = 10_000
# Measured: a regex of 10,000 characters takes 16 ms for its first mask, one of 100,000 0.3 s.
_MAX_WRITTEN_OUT = 20_000
_MAX_DEPTH = 64
# Nesting along references, which llguidance follows by recursion: measured to overflow the stack
# of 8 MB at 2,000 to 3,000.
_MAX_REACH = 400

# Annotations hold any JSON, and say nothing of what is allowed.
_NOT_SCHEMAS = frozenset({"const", "enum", "default", "examples"})

# A regular expression's escapes, classes, counted repetitions, and all else by the character.
_PIECES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}|.", re.DOTALL)

# The byte-level copy of a grammar has no special tokens and counts bytes, so neither may decide.
_TOKEN_BOUND = re.compile(r"<\[|\b(?:max_tokens|temperature|stop|stop_capture)\s*=")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule that a whole text must match, checked to be one.

    Attributes:
        kind: What the user gave.
        source: The rule as llguidance reads it.
    """

    kind: Literal["JSON schema", "regex", "choices", "grammar"]
    source: str


def json_schema(schema: JsonSchema | str) -> Constraint:
    """Return the rule of a JSON schema.

    Args:
        schema: The schema, or its text.

    Raises:
        ConfigError: If it is no schema, too large or too deep, or asks for what is not supported.
    """
    if isinstance(schema, str):
        schema = _parsed(schema)
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    if not isinstance(schema, Mapping):
        raise ConfigError(f"The JSON schema is {schema!r:.60}, expected an object.")
    _check_depth(schema)
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The JSON schema is not JSON: {error}.") from error
    _check_size("The JSON schema", text)
    _check_schema(schema)
    from llguidance import LLMatcher

    try:
        source = LLMatcher.grammar_from_json_schema(
            text,
            overrides={
                "whitespace_flexible": False,
                "item_separator": ", ?",
                "key_separator": ": ?",
                "lenient": False,
                "coerce_one_of": False,
                # Not \\u: a key may be written but once, and so in one way only.
                "json_allowed_escapes": 'nrbtf\\\\"',
            },
        )
    except ValueError as error:
        raise ConfigError(f"The JSON schema is not one: {error}.") from error
    return _checked(Constraint("JSON schema", source), hint=_schema_hint(text))


def regex(pattern: str) -> Constraint:
    """Return the rule of a regular expression, which the whole text must match.

    Raises:
        ConfigError: If it is wrong or too long, or looks around or back.
    """
    if not isinstance(pattern, str) or not pattern:
        raise ConfigError(f"regex is {pattern!r}, expected a pattern.")
    if len(pattern) > _MAX_REGEX_CHARS:
        raise ConfigError(
            f"regex has {len(pattern):,} characters, expected at most {_MAX_REGEX_CHARS:,}."
        )
    _check_repetitions("regex", pattern)
    return _checked(_from_regex("regex", pattern))


def choices(texts: Sequence[str]) -> Constraint:
    """Return the rule that the text is one of ``texts``.

    Raises:
        ConfigError: If there are none, too many, or one is empty.
    """
    if isinstance(texts, str) or not texts:
        raise ConfigError(f"choices is {texts!r}, expected one text or more.")
    wrong = [text for text in texts if not isinstance(text, str) or not text]
    if wrong:
        raise ConfigError(f"One of choices is {wrong[0]!r}, expected a text.")
    if len(texts) > _MAX_CHOICES:
        raise ConfigError(f"There are {len(texts):,} choices, expected at most {_MAX_CHOICES:,}.")
    pattern = "|".join(map(_literal, dict.fromkeys(texts)))
    _check_size("The list of choices", pattern)
    return _checked(_from_regex("choices", pattern))


def lark(grammar: str) -> Constraint:
    """Return the rule of a grammar in Lark's syntax, which begins at ``start``.

    Raises:
        ConfigError: If it is wrong or too long, or speaks of tokens rather than text.
    """
    if not isinstance(grammar, str) or not grammar.strip():
        raise ConfigError(f"grammar is {grammar!r}, expected rules.")
    _check_size("The grammar", grammar)
    found = _TOKEN_BOUND.search(grammar)
    if found:
        raise ConfigError(
            f"The grammar holds {found[0]!r}, but it may only speak of text, not of tokens."
        )
    from llguidance import LLMatcher

    return _checked(Constraint("grammar", LLMatcher.grammar_from_lark(grammar)))


def limits() -> LLParserLimits:
    """Return what a rule may cost; at the defaults one could take 500 MB."""
    from llguidance import LLParserLimits

    return LLParserLimits(max_lexer_states=50_000, verbose_errors=False)


def _from_regex(kind: Literal["regex", "choices"], pattern: str) -> Constraint:
    from llguidance import LLMatcher

    return Constraint(kind, LLMatcher.grammar_from_regex(pattern))


def _literal(text: str) -> str:
    """Return a pattern for exactly ``text``."""
    return "".join(
        char if char.isalnum() or ord(char) > 0x7F else f"\\x{{{ord(char):X}}}" for char in text
    )


def _checked(constraint: Constraint, *, hint: str = "") -> Constraint:
    from llguidance import LLMatcher

    is_wrong, messages = LLMatcher.validate_grammar_with_warnings(
        constraint.source, limits=limits()
    )
    if is_wrong:
        raise ConfigError(
            f"The {constraint.kind} cannot be used: {_first_reason(messages[0])}.", hint=hint
        )
    return constraint


def _first_reason(message: str) -> str:
    """Return the sentence in a message of several lines that says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reasons = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
    reason = reasons[0] if reasons else re.sub(r"^(?:at )?\d+\(\d+\): ", "", lines[0])
    if len(reason) > 200:
        reason = f"{reason[:100]} ... {reason[-90:]}"
    return reason.rstrip(".")


def _parsed(text: str) -> JsonSchema:
    _check_size("The JSON schema", text)
    try:
        parsed: JsonSchema = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"The JSON schema is not JSON: {error.msg} in line {error.lineno}, "
            f"column {error.colno}."
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    return parsed


def _check_size(what: str, text: str) -> None:
    if len(text) > _MAX_CHARS:
        raise ConfigError(f"{what} has {len(text):,} characters, expected at most {_MAX_CHARS:,}.")


def _too_deep() -> ConfigError:
    return ConfigError(f"The JSON schema is nested more than {_MAX_DEPTH} levels deep.")


def _parts(node: object) -> Iterator[object]:
    if isinstance(node, Mapping):
        yield from node.values()
    elif isinstance(node, list | tuple):
        yield from node


def _depth(node: object) -> int:
    """Return how deep ``node`` is nested, level by level: recursion is what is to be avoided."""
    depth, level = 0, [node]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        parts = [part for parent in level for part in _parts(parent)]
        level = [part for part in parts if isinstance(part, Mapping | list | tuple)]
    return depth


def _walk(schema: object) -> Iterator[Mapping[str, object]]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield node
            waiting += [value for key, value in node.items() if key not in _NOT_SCHEMAS]
        else:
            waiting += _parts(node)


def _check_depth(schema: Mapping[str, object]) -> None:
    if _depth(schema) > _MAX_DEPTH:
        raise _too_deep()
    references = {node["$ref"] for node in _walk(schema) if isinstance(node.get("$ref"), str)}
    reach = sum(_depth(_target(schema, str(reference))) for reference in references)
    if reach > _MAX_REACH:
        raise ConfigError(
            f"The JSON schema's {len(references)} references lead {reach} levels deep together, "
            f"expected at most {_MAX_REACH}."
        )


def _target(schema: Mapping[str, object], reference: str) -> object:
    """Return the part of ``schema`` that a JSON pointer names; the schema itself for others."""
    node: object = schema
    for name in reference.partition("#/")[2].split("/"):
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and key in node:
            node = node[key]
    return node


def _check_repetitions(name: str, pattern: str) -> None:
    """Refuse a pattern that is small, but huge with its counted repetitions written out."""
    size = _written_out(pattern)
    if size > _MAX_WRITTEN_OUT:
        raise ConfigError(
            f"{name} {_shortened(pattern)!r} has {size:,} places with its repetitions written "
            f"out, expected at most {_MAX_WRITTEN_OUT:,}."
        )


def _written_out(pattern: str) -> int:
    """Return about how many characters a pattern has when ``x{3}`` is written ``xxx``."""
    sizes, last = [0], 0  # of each open group, and of the last thing in the innermost
    for piece in _PIECES.findall(pattern):
        if piece == "(":
            sizes.append(0)
        elif piece == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif piece[0] == "{" and len(piece) > 1:
            times = max(int(number) for number in re.findall(r"\d+", piece))
            sizes[-1] += last * max(0, times - 1)
        elif piece not in "*+?|":
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:40]}...{text[-15:]}"


def _check_schema(schema: Mapping[str, object]) -> None:
    """Refuse what is too large, and what cannot be promised."""
    for node in _walk(schema):
        pattern = node.get("pattern")
        if isinstance(pattern, str):
            _check_repetitions("pattern", pattern)
        # Keys that the schema does not name may repeat, so they cannot be counted.
        least, required = node.get("minProperties"), node.get("required")
        named = len(required) if isinstance(required, list) else 0
        if isinstance(least, int) and least > max(1, named):
            raise ConfigError(
                f"The JSON schema asks for minProperties {least}, which cannot be promised.",
                hint="Name the properties in 'required' instead.",
            )


def _schema_hint(text: str) -> str:
    return "Write anyOf in place of oneOf." if '"oneOf"' in text else ""
