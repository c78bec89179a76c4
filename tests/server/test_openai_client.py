"""The official client against a real server: what it asks for and what it makes of the answers."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import openai
import pytest

import autogpt
from tests.server.serving import Served

HI = [{"role": "user", "content": "Shall I compare thee? 學而時習之"}]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "pattern": "^[a-z<]{1,8}$"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def client(server: Served) -> openai.OpenAI:
    return server.client()


def test_models(client: openai.OpenAI) -> None:
    models = client.models.list().data
    assert [model.id for model in models] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"


def test_an_answer_is_what_the_model_says_itself(client: openai.OpenAI, model: Path) -> None:
    found = client.chat.completions.create(
        model="tiny", messages=HI, max_completion_tokens=12, seed=3, temperature=0.7
    )
    gpt = autogpt.load(model, policy=None)
    messages = [autogpt.user(HI[0]["content"])]
    expected = gpt.generate(messages, max_tokens=12, seed=3, temperature=0.7)
    assert found.choices[0].message.content == expected.text
    assert found.choices[0].finish_reason == expected.finish_reason
    assert found.usage is not None
    assert found.usage.prompt_tokens == expected.usage.prompt_tokens
    assert found.usage.completion_tokens == expected.usage.completion_tokens
    assert found._request_id.startswith("req_")


def test_a_stream_is_the_answer_in_pieces(client: openai.OpenAI) -> None:
    settings = {"model": "tiny", "messages": HI, "max_tokens": 40, "seed": 1, "n": 2}
    whole = client.chat.completions.create(**settings)
    chunks = list(
        client.chat.completions.create(
            **settings, stream=True, stream_options={"include_usage": True}
        )
    )
    for choice in whole.choices:
        own = [one for chunk in chunks for one in chunk.choices if one.index == choice.index]
        assert own[0].delta.role == "assistant"
        assert "".join(one.delta.content or "" for one in own) == choice.message.content
        assert [one.finish_reason for one in own if one.finish_reason] == [choice.finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert whole.choices[0].message.content != whole.choices[1].message.content


def test_stop(client: openai.OpenAI) -> None:
    settings = {"model": "tiny", "messages": HI, "max_tokens": 40, "seed": 1}
    text = client.chat.completions.create(**settings).choices[0].message.content
    assert text
    stop = text[8:10]
    found = client.chat.completions.create(**settings, stop=stop).choices[0]
    assert found.message.content == text[: text.index(stop)]
    assert found.finish_reason == "stop"


def test_logprobs(client: openai.OpenAI) -> None:
    settings = {
        "model": "tiny",
        "messages": HI,
        "max_tokens": 10,
        "seed": 2,
        "logprobs": True,
        "top_logprobs": 3,
    }
    found = client.chat.completions.create(**settings).choices[0]
    assert found.logprobs is not None
    assert found.logprobs.content
    for entry in found.logprobs.content:
        assert entry.logprob <= 0
        assert len(entry.top_logprobs) == 3
        assert bytes(entry.bytes or ()).decode("utf-8", "replace") == entry.token
    streamed = [
        entry
        for chunk in client.chat.completions.create(**settings, stream=True)
        for choice in chunk.choices
        if choice.logprobs is not None
        for entry in choice.logprobs.content or ()
    ]
    assert streamed == found.logprobs.content


def test_logit_bias(client: openai.OpenAI, model: Path) -> None:
    token_id = autogpt.load(model, policy=None).tokenizer.encode("!")[0]
    found = client.chat.completions.create(
        model="tiny", messages=HI, max_tokens=5, logit_bias={str(token_id): 100}, temperature=0
    )
    assert found.choices[0].message.content == "!!!!!"


@pytest.mark.parametrize("temperature", [1e-300, 1e-45, 1e-9])
def test_a_tiny_temperature_is_greedy(client: openai.OpenAI, temperature: float) -> None:
    settings = {"model": "tiny", "messages": HI, "max_tokens": 6}
    greedy = client.chat.completions.create(**settings, temperature=0)
    found = client.chat.completions.create(**settings, temperature=temperature)
    assert found.choices[0].message.content == greedy.choices[0].message.content


@pytest.mark.parametrize("max_tokens", [24, 200])
def test_json_follows_its_schema(client: openai.OpenAI, max_tokens: int) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
    for seed in range(4):
        found = client.chat.completions.create(
            model="tiny", messages=HI, max_tokens=max_tokens, seed=seed, response_format=form
        )
        jsonschema.validate(json.loads(found.choices[0].message.content or ""), PERSON)


def test_any_json_object(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="tiny", messages=HI, max_tokens=30, seed=0, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(found.choices[0].message.content or ""), dict)


def test_a_tool_must_be_called(client: openai.OpenAI) -> None:
    choice = {"type": "function", "function": {"name": "weather"}}
    other = {"type": "function", "function": {"name": "other"}}
    for seed in range(3):
        found = client.chat.completions.create(
            model="tiny",
            messages=HI,
            max_tokens=80,
            seed=seed,
            tools=[other, WEATHER],
            tool_choice=choice,
        ).choices[0]
        assert found.finish_reason == "tool_calls"
        assert found.message.content is None
        (call,) = found.message.tool_calls or ()
        assert call.function.name == "weather"
        schema = WEATHER["function"]["parameters"]
        jsonschema.validate(json.loads(call.function.arguments), schema)


def test_stop_ends_what_is_said_beside_tools_but_no_call(client: openai.OpenAI) -> None:
    # As smolagents sends it: what the model says ends there, a call is whole.
    def ask(seed: int, stop: list[str] | None, **more: object) -> openai.types.chat.ChatCompletion:
        return client.chat.completions.create(  # type: ignore[call-overload, no-any-return]
            model="tiny", messages=HI, max_tokens=80, seed=seed, tools=[WEATHER], stop=stop, **more
        )

    found = ask(0, ['"', "e"], tool_choice="required").choices[0]
    assert found.finish_reason == "tool_calls"
    json.loads(found.message.tool_calls[0].function.arguments)
    stopped = 0
    for seed in range(6):
        said = ask(seed, None).choices[0].message.content or ""
        if "e" in said:
            cut = ask(seed, ["e"]).choices[0]
            assert cut.message.content == said[: said.index("e")]
            assert cut.finish_reason == "stop"
            stopped += 1
    assert stopped


def test_calls_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="tiny",
        messages=HI,
        max_tokens=80,
        seed=1,
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        stream=True,
    )
    deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert calls[0].id
    assert calls[0].function.name == "weather"
    assert all(call.id is None for call in calls[1:])
    arguments = json.loads("".join(call.function.arguments or "" for call in calls))
    jsonschema.validate(arguments, WEATHER["function"]["parameters"])
    assert not any(delta.content for delta in deltas)


def test_the_results_of_calls_are_read(client: openai.OpenAI) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"paris"}'},
    }
    messages = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "晴"},
    ]
    found = client.chat.completions.create(
        model="tiny", messages=messages, tools=[WEATHER], tool_choice="auto", max_tokens=8, seed=0
    ).choices[0]
    assert found.message.content or found.message.tool_calls or found.finish_reason == "stop"


def test_completions(client: openai.OpenAI, model: Path) -> None:
    gpt = autogpt.load(model, policy=None)
    found = client.completions.create(
        model="tiny", prompt=["Shall I", "學而"], n=2, max_tokens=9, seed=5, logprobs=2
    )
    rows = gpt.complete(["Shall I", "學而"], gpt.sampling(max_tokens=9, seed=5, n=2))
    assert [one.text for one in found.choices] == [one.text for row in rows for one in row]
    for choice in found.choices:
        assert choice.logprobs is not None
        assert len(choice.logprobs.tokens or ()) == len(choice.logprobs.text_offset or ())
    token_ids = gpt.tokenizer.encode("Shall I")
    same = client.completions.create(model="tiny", prompt=token_ids, max_tokens=9, seed=5)
    assert same.choices[0].text == rows[0][0].text


def test_completions_stream(client: openai.OpenAI) -> None:
    settings = {"model": "tiny", "prompt": "Thou", "max_tokens": 20, "seed": 4}
    whole = client.completions.create(**settings).choices[0]
    chunks = list(client.completions.create(**settings, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.text
    assert chunks[-1].choices[0].finish_reason == whole.finish_reason


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": 64}, "n"),
        ({"max_tokens": 1_000_000}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "god", "content": "hi"}]}, "messages.0.role"),
        ({"extra_body": {"frobnicate": 1}}, "frobnicate"),
        ({"stop": [""]}, None),
        ({"tool_choice": "required"}, None),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"stream_options": {"include_usage": True}}, None),
    ],
)
def test_what_is_wrong_is_said(
    client: openai.OpenAI, change: dict[str, object], param: str | None
) -> None:
    settings = {"model": "tiny", "messages": HI, "max_tokens": 4, **change}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**settings)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.body["message"]
    if param is not None:
        assert caught.value.param == param


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=HI)
    assert caught.value.code == "model_not_found"


def test_a_prompt_that_is_too_long(client: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(model="tiny", prompt="Shall " * 4000, stream=stream)
        assert caught.value.code == "context_length_exceeded"


def test_a_schema_that_cannot_be_used(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "frob"}}}
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="tiny", messages=HI, response_format=form)
