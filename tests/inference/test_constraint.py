"""What can be promised is accepted, and all else is refused in one sentence before any model."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from autogpt.core.errors import ConfigError
from autogpt.inference import constraint
from autogpt.inference.constraint import Constraint


def nested(levels: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def chained(links: int) -> dict[str, object]:
    steps: dict[str, object] = {
        f"d{n}": {"type": "array", "minItems": 1, "items": {"$ref": f"#/$defs/d{n + 1}"}}
        for n in range(links)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**steps, f"d{links}": {"type": "null"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        '{"type": "string", "minLength": 2}',
        {"type": "object", "properties": {"名字": {"type": "string"}}, "required": ["名字"]},
        {"enum": ["a", 1, None, {"const": "minProperties"}]},
        {"type": "object", "properties": {"minProperties": {"type": "integer"}}},
        {"type": "object", "minProperties": 2, "required": ["a", "b"]},
        {"$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"},
        nested(60),
        chained(100),
    ],
)
def test_schemas(schema: dict[str, object] | bool | str) -> None:
    made = constraint.json_schema(schema)
    assert made.kind == "JSON schema"
    assert made == constraint.json_schema(schema)
    assert hash(made) == hash(constraint.json_schema(schema))


@pytest.mark.parametrize(
    ("make", "given", "words"),
    [
        (constraint.json_schema, '{"type": ', "is not JSON: Expecting value in line 1, column 10"),
        (constraint.json_schema, "[" * 100_000, "nested more than 64 levels deep"),
        (constraint.json_schema, "[1]", r"is \[1\], expected an object"),
        (constraint.json_schema, {"const": float("nan")}, "is not JSON"),
        (constraint.json_schema, {"const": {1, 2}}, "is not JSON"),
        (constraint.json_schema, False, "cannot be used"),
        (constraint.json_schema, {"type": "objekt"}, "cannot be used: Invalid type: objekt"),
        (constraint.json_schema, {"properties": [1]}, "properties must be an object"),
        (constraint.json_schema, {"$ref": "https://example.org/s"}, "not present in a registry"),
        (constraint.json_schema, {"$ref": "#/$defs/no"}, "'/\\$defs/no' does not exist"),
        (constraint.json_schema, {"type": "array", "uniqueItems": True}, "uniqueItems"),
        (constraint.json_schema, {"not": {"type": "string"}}, "Unimplemented keys"),
        (constraint.json_schema, {"type": "string", "format": "colour"}, "Unknown format: colour"),
        (constraint.json_schema, {"oneOf": [{}, {"minLength": 2}]}, "Write anyOf in place of"),
        (constraint.json_schema, {"type": "integer", "minimum": 5, "maximum": 3}, "Unsatisfiable"),
        (constraint.json_schema, {"minProperties": 2}, "minProperties 2, which cannot be promised"),
        (constraint.json_schema, nested(64), "nested more than 64 levels deep"),
        (constraint.json_schema, chained(5_000), "lead 10001 levels deep together"),
        (constraint.json_schema, {"description": "x" * 300_000}, "has 300,019 characters"),
        (constraint.json_schema, {"pattern": "((a{99}){99}){99}"}, "has 970,299 places"),
        (constraint.regex, "", "regex is ''"),
        (constraint.regex, "(a", "The regex cannot be used: unclosed group"),
        (constraint.regex, "(?=a)b", "look-around"),
        (constraint.regex, r"(a)\1", "backreferences are not supported"),
        (constraint.regex, "a" * 20_000, "has 20,000 characters, expected at most 16,384"),
        (constraint.regex, "(" * 5_000 + "a" + ")*" * 5_000, "The regex cannot be used"),
        (constraint.regex, "((a{1000}){1000}){1000}", "1,000,000,000 places with its repetitions"),
        (constraint.choices, [], r"choices is \[\]"),
        (constraint.choices, "yes", "choices is 'yes'"),
        (constraint.choices, ["yes", ""], "One of choices is ''"),
        (constraint.choices, ["a" * 10] * 10_001, "10,001 choices"),
        (constraint.choices, ["a" * 300_000], "300,000 characters"),
        (constraint.lark, " ", "expected rules"),
        (constraint.lark, 'begin: "a"', "no start rule"),
        (constraint.lark, 'start: "a', "The grammar cannot be used: lexer error"),
        (constraint.lark, 'start: "a" <[5]>', "holds '<\\[', but it may only speak of text"),
        (constraint.lark, "start[max_tokens=3]: /.*/", "holds 'max_tokens='"),
        (constraint.lark, "start: " + "(" * 20_000, "too deeply nested"),
    ],
)  # fmt: skip
def test_what_is_refused(make: Callable[..., Constraint], given: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        make(given)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("abc", 3),
        ("a{3}", 3),
        ("(ab){3}", 6),
        ("(?:x|yy){2,5}z", 21),
        ("a{2,}", 2),
        ("[{3}]{4}", 4),
        (r"\{3\}[]a\]]{3}", 6),
        ("學{20}", 20),
    ],
)
def test_repetitions_written_out(pattern: str, size: int) -> None:
    assert constraint._written_out(pattern) == size


def test_a_schema_may_not_change_how_it_is_read() -> None:
    own = {"type": "object", "x-guidance": {"lenient": True, "whitespace_flexible": True}}
    source = json.loads(constraint.json_schema(own).source)
    options = source["grammars"][0]["json_schema"]["x-guidance"]
    assert options["lenient"] is False
    assert options["whitespace_flexible"] is False
