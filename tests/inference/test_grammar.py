"""Every text that a guide leads is valid, whatever the model wants and however few its tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError
from autogpt.inference import constraint
from autogpt.inference.constraint import Constraint
from autogpt.inference.grammar import Grammar, GrammarCompiler
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import RowSampler, choose
from autogpt.tokenizer.bpe import Tokenizer

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 10},
        "tags": {"type": "array", "items": {"enum": ["a", "bb", "中文"]}},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
ADDRESS = {
    "type": "object",
    "properties": {
        "名字": {"type": "string", "minLength": 3, "maxLength": 5},
        "地址": {
            "type": "object",
            "properties": {
                "城市": {"enum": ["北京", "上海"]},
                "邮编": {"type": "string", "pattern": "^[0-9]{6}$"},
            },
            "required": ["城市", "邮编"],
            "additionalProperties": False,
        },
    },
    "required": ["名字", "地址"],
}
LIST = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "v": {"type": "number"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["v", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
SCHEMAS: list[dict[str, object]] = [
    PERSON,
    ADDRESS,
    LIST,
    {},
    {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "minItems": 1}},
    {"type": "integer", "minimum": -5, "maximum": 1234},
    {"const": {"a": [1, None, 'é\n"x']}},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    # Optional parts that take more tokens than there may be: to open one is to be lost.
    {
        "type": "object",
        "properties": {"big": {"type": "string", "minLength": 60}, "s": {"type": "null"}},
        "additionalProperties": False,
    },
    {"anyOf": [{"type": "null"}, {"type": "array", "minItems": 40, "items": {"const": 7}}]},
    {
        "type": "object",
        "patternProperties": {"^x_": {"maxLength": 4}},
        "additionalProperties": False,
    },
    {"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "string"}], "minItems": 2},
    {"type": ["string", "null"], "maxLength": 3},
]
PATTERNS = [
    "[0-9]{3}-[0-9]{4}",
    "(ab)*c",
    r"[a-z]+@[a-z]+\.com",
    ".*z",
    "(a|b)*a(a|b){12}",
    "[一-龥]{2,4}",
    "(foo|bar(baz){2,})?!",
]
CHOICES = ["yes", "yes, and\nmore", "不是", 'a "b"\\', "\x01", "/.*/"]


@pytest.fixture(scope="module")
def ends(tokenizer: Tokenizer) -> frozenset[int]:
    return frozenset([tokenizer.eos_id, tokenizer.pad_id])


@pytest.fixture(scope="module")
def compiler(tokenizer: Tokenizer, ends: frozenset[int]) -> GrammarCompiler:
    return GrammarCompiler(tokenizer, ends, tokenizer.vocab_size)


Write = Callable[..., bytes]


@pytest.fixture(scope="module")
def write(tokenizer: Tokenizer, ends: frozenset[int]) -> Write:
    """Return what a model of random opinions writes under a grammar."""

    def write(grammar: Grammar, max_tokens: int, seed: int, **switches: object) -> bytes:
        params = SamplingParams(
            max_tokens=max_tokens,
            seed=seed,
            constraint=grammar,
            **switches,  # type: ignore[arg-type] - any switch
        )
        sampler = RowSampler(params, tokenizer.vocab_size, [1], 0)
        generator = torch.Generator().manual_seed(seed)
        # After each token a model has fixed opinions, so that greedy texts go in circles.
        opinions = 3 * torch.randn(tokenizer.vocab_size, tokenizer.vocab_size, generator=generator)
        ids: list[int] = []
        last = 0
        while len(ids) < max_tokens:
            last = choose(opinions[last : last + 1], [sampler])[0].token_id
            sampler.push(last)
            if last in ends:
                break
            ids.append(last)
        return tokenizer.decode_bytes(ids)

    return write


def check(kind: str, rule: object, text: str) -> None:
    if kind == "schema":
        assert isinstance(rule, dict)
        jsonschema.Draft202012Validator(rule).validate(json.loads(text))
    elif kind == "regex":
        assert re.fullmatch(str(rule), text), text
    else:
        assert text in CHOICES


RULES: list[tuple[str, object, Constraint]] = [
    *(("schema", schema, constraint.json_schema(schema)) for schema in SCHEMAS),
    *(("regex", pattern, constraint.regex(pattern)) for pattern in PATTERNS),
    ("choices", CHOICES, constraint.choices(CHOICES)),
]


@settings(max_examples=500, deadline=None, database=None)
@given(
    rule=st.sampled_from(RULES),
    spare=st.sampled_from([0, 0, 1, 2, 3, 5, 8, 20, 60]),
    seed=st.integers(0, 10_000),
    temperature=st.sampled_from([0.0, 0.7, 1.0, 5.0]),
    top_k=st.sampled_from([None, 1, 4]),
    frequency_penalty=st.sampled_from([0.0, 2.0]),
    stop_loops=st.sampled_from([None, 2]),
)
def test_a_text_is_valid_however_few_tokens_it_has(
    compiler: GrammarCompiler,
    write: Write,
    rule: tuple[str, object, Constraint],
    spare: int,
    seed: int,
    **switches: object,
) -> None:
    kind, source, made = rule
    grammar = compiler.compile(made)
    text = write(grammar, len(grammar.shortest) + spare, seed, **switches)
    check(kind, source, text.decode("utf-8"))


def random_schema(draw: st.DrawFn, levels: int) -> dict[str, object]:
    leaves: list[dict[str, object]] = [
        {"type": "null"},
        {"type": "boolean"},
        {"type": "integer"},
        {"type": "number", "minimum": -3, "exclusiveMaximum": 40},
        {"type": "string", "minLength": draw(st.integers(0, 12))},
        {"enum": draw(st.lists(st.text("ab中文\"\n", max_size=5), min_size=1, max_size=3))},
    ]  # fmt: skip
    kind = draw(st.sampled_from(["leaf", "leaf", "array", "object", "any"])) if levels else "leaf"
    if kind == "leaf":
        return draw(st.sampled_from(leaves))
    if kind == "array":
        least = draw(st.integers(0, 3))
        return {"type": "array", "items": random_schema(draw, levels - 1), "minItems": least}
    if kind == "any":
        return {"anyOf": [random_schema(draw, levels - 1) for _ in range(2)]}
    texts = st.text('xy鍵 "', max_size=4)
    names = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    required = draw(st.lists(st.sampled_from(names), unique=True))
    return {
        "type": "object",
        "properties": {name: random_schema(draw, levels - 1) for name in names},
        "required": required,
        "additionalProperties": draw(st.booleans()),
    }


@settings(max_examples=150, deadline=None, database=None)
@given(data=st.data(), spare=st.sampled_from([0, 1, 2, 4, 8, 16, 40]), seed=st.integers(0, 10_000))
def test_schemas_of_all_shapes(
    compiler: GrammarCompiler, write: Write, data: st.DataObject, spare: int, seed: int
) -> None:
    schema = data.draw(st.composite(random_schema)(3))
    grammar = compiler.compile(constraint.json_schema(schema))
    text = write(grammar, len(grammar.shortest) + spare, seed, temperature=1.0)
    check("schema", schema, text.decode("utf-8"))


@pytest.mark.parametrize(
    ("made", "shortest"),
    [
        (constraint.json_schema(PERSON), '{"name":"","age":10}'),
        (constraint.json_schema(LIST), '{"v":0,"next":null}'),
        (constraint.json_schema({}), "0"),
        (constraint.json_schema({"type": "string", "minLength": 2}), '"aa"'),
        (constraint.regex(".*z"), "z"),
        (constraint.regex("(ab)*c"), "c"),
        (constraint.regex("x(a{10}|b{3})"), "xbbb"),
        (constraint.choices(["maybe", "是"]), "是"),
        (constraint.lark('start: "(" start? ")" | "xy" NUMBER\nNUMBER: /[0-9]+/'), "()"),
    ],
)
def test_the_shortest_text(
    compiler: GrammarCompiler, tokenizer: Tokenizer, made: Constraint, shortest: str
) -> None:
    grammar = compiler.compile(made)
    assert tokenizer.decode(grammar.shortest) == shortest
    with pytest.raises(ConfigError, match=r"max_tokens is .* takes .* tokens") as caught:
        SamplingParams(max_tokens=1, constraint=compiler.compile(constraint.json_schema(ADDRESS)))
    assert "the JSON schema" in caught.value.message


def test_a_nested_grammar_closes_its_brackets(compiler: GrammarCompiler, write: Write) -> None:
    grammar = compiler.compile(constraint.lark('start: "(" start ")" | "x"'))
    depths = set()
    for seed in range(20):
        text = write(grammar, 25, seed, temperature=1.0).decode()
        depth = text.index("x")
        assert text == "(" * depth + "x" + ")" * depth
        depths.add(depth)
    assert max(depths) >= 3


def test_tokens_that_stand_for_no_text_are_never_allowed(
    compiler: GrammarCompiler, tokenizer: Tokenizer, ends: frozenset[int]
) -> None:
    guide = compiler.compile(constraint.regex("(?s:.)*")).begin(50)
    special = tokenizer.silent_ids
    allowed = set(np.flatnonzero(guide.allowed()).tolist())
    assert allowed & special == ends
    assert len(allowed) > 200


def test_what_does_not_fit_is_not_taken(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    guide = compiler.compile(constraint.json_schema({"type": "string"})).begin(3)
    quote, letter = tokenizer.encode('"')[0], tokenizer.encode("S")[0]
    assert not guide.fits(letter)
    with pytest.raises(ValueError, match="does not fit"):
        guide.push(letter)
    guide.push(quote)
    twin = guide.fork()
    twin.push(letter)
    assert not twin.fits(letter)  # one token is left, for the quote
    assert guide.fits(letter)
    twin.push(twin.forced)
    assert twin.forced in (tokenizer.eos_id, tokenizer.pad_id)
    assert not guide.fits(tokenizer.eos_id)


def test_loops_are_closed(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    grammar = compiler.compile(constraint.json_schema({"type": "object"}))
    params = SamplingParams(max_tokens=500, temperature=0.0, constraint=grammar, stop_loops=3)
    sampler = RowSampler(params, tokenizer.vocab_size, [], 0)
    logits = torch.zeros(1, tokenizer.vocab_size)
    logits[0, tokenizer.encode("a")] = 9.0
    ids: list[int] = []
    while not ids or ids[-1] not in (tokenizer.eos_id, tokenizer.pad_id):
        ids.append(choose(logits, [sampler])[0].token_id)
        sampler.push(ids[-1])
    assert 32 < len(ids) < 60
    assert not sampler.looping
    assert isinstance(json.loads(tokenizer.decode(ids[:-1])), dict)


def test_a_grammar_that_becomes_too_complex_is_left_in_order(
    tokenizer: Tokenizer, ends: frozenset[int], write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """With this pattern every place has states of its own, more than there may be."""
    compiler = GrammarCompiler(tokenizer, ends, tokenizer.vocab_size)
    made = constraint.regex("(a|b)*a(a|b){300}c")
    grammar = compiler.compile(made)
    seed = 0
    while not grammar.is_spent:
        text = write(grammar, 600, seed, temperature=1.0).decode()
        assert re.fullmatch("(a|b)*a(a|b){300}c", text)
        seed += 1
    assert "too complex" in caplog.text
    assert re.fullmatch("(a|b)*a(a|b){300}c", write(grammar, 600, 0).decode())
    assert compiler.compile(made) is not grammar


def test_grammars_are_kept_while_they_are_used(tokenizer: Tokenizer, ends: frozenset[int]) -> None:
    compiler = GrammarCompiler(tokenizer, ends, tokenizer.vocab_size)
    first = compiler.compile(constraint.choices(["first"]))
    for number in range(63):
        compiler.compile(constraint.choices([str(number)]))
    assert compiler.compile(constraint.choices(["first"])) is first
    for number in range(64):
        compiler.compile(constraint.choices([str(number)]))
    assert compiler.compile(constraint.choices(["first"])) is not first


def test_what_no_text_matches(compiler: GrammarCompiler) -> None:
    endless = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}
    for made in (constraint.json_schema(endless), constraint.regex(r"[^\s\S]")):
        with pytest.raises(ConfigError, match=r"No text that matches the .* was found"):
            compiler.compile(made)


def test_some_token_must_end_a_text(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="needs a token that ends it"):
        GrammarCompiler(tokenizer, frozenset(), tokenizer.vocab_size).compile(
            constraint.choices(["a"])
        )
