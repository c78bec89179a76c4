"""JSON that is read, and JSON that is not."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.server.api_errors import ApiError
from autogpt.server.bodies import parse, read_json
from autogpt.server.openai import ChatRequest, CompletionRequest

texts = st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts.filter(lambda text: text.isprintable()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc\u5b57"), inner),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_json_is_read(value: object) -> None:
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_anything_else_is_an_error_of_the_client(data: bytes) -> None:
    with contextlib.suppress(ApiError):
        value = read_json(data)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        "NaN", "-Infinity", "1e999", "[1e400]", '"\\ud800"', '{"\\udc00": 1}', "[" * 65 + "]" * 65,
        '{"a": 1, "a": 2}', "9" * 500, '"\\ud83d\\ud83d\\ude00"',
    ],
)  # fmt: skip
def test_what_others_let_pass(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_json(text.encode())
    assert caught.value.code == "invalid_json"


def test_what_looks_bad_and_is_not() -> None:
    assert read_json(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert read_json(b'"' + b"[" * 500 + b'"') == "[" * 500
    assert read_json(b'"\\"' + b"[{" * 500 + b'"') == '"' + "[{" * 500
    deep = b"[" * 64 + b"]" * 64
    assert read_json(deep)


def test_the_wrong_field_is_named() -> None:
    with pytest.raises(ApiError) as caught:
        parse(b'{"model": "m", "messages": [{"role": "user", "content": 5}]}', ChatRequest)
    assert caught.value.param is not None
    assert caught.value.param.startswith("messages.0.content")
    with pytest.raises(ApiError) as caught:
        parse(b'{"model": "m", "promt": "x"}', CompletionRequest)
    assert caught.value.param == "promt"


def test_what_others_send_is_understood() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "\u5b78"}]},
            {"role": "user", "content": "hi", "name": "ada"},
        ],
        "stream": False,
        "temperature": 1,
        "user": "x",
        "metadata": {"a": "b"},
        "store": False,
        "tools": None,
        "stop": None,
    }
    found = parse(json.dumps(body).encode(), ChatRequest)
    assert found.messages[0].text == "\u5b78"
