"""Calls under a schema, routing, confidence, probing; an endpoint over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from autogpt.agent.agent import Agent
from autogpt.agent.calls import (
    call_messages,
    call_schema,
    decide,
    read_call,
    spans,
    tightened,
)
from autogpt.agent.endpoint import EndpointModel
from autogpt.agent.models import LocalModel, open_model
from autogpt.agent.probing import probe, remembered
from autogpt.agent.stand_ins import RandomModel, ScriptedModel
from autogpt.agent.tools.base import Tool, misfit
from autogpt.core.errors import ResourceError, UsageError
from autogpt.core.messages import user
from autogpt.inference.constraint import json_schema
from autogpt.llm import load
from tests.agent.worlds import make_world
from tests.llm.test_model import make_run


def make_tool(name: str, about: str, **properties: Any) -> Tool:  # noqa: ANN401
    schema = {"type": "dict", "properties": properties, "required": list(properties)[:1]}
    return Tool(name=name, description=about, schema=schema, run=lambda **given: given)


WEATHER = make_tool(
    "get_weather",
    "Get the current weather of a city.",
    city={"type": "String", "description": "The city's name"},
    days={"type": "Long", "default": 1},
    where={"type": "HashMap", "properties": {"lat": {"type": "float"}}, "required": ["lat"]},
    tags={"type": "ArrayList", "items": {"type": "string"}},
    unit={"type": "string", "enum": ["c", "f"]},
    extra={"type": "any"},
)
TAXI = make_tool("book_taxi", "Book a taxi ride.", to={"type": "string", "description": "Where to"})
NOTES = make_tool("search_notes", "Search notes for words.", query={"type": "string"})


def test_types_of_other_languages_become_json() -> None:
    schema = tightened(WEATHER.schema)
    own = schema["properties"]
    assert schema["type"] == "object"
    assert own["city"] == {"type": "string"}
    assert own["days"] == {"type": "integer"}
    assert own["where"]["properties"]["lat"] == {"type": "number"}
    assert own["tags"] == {"type": "array", "items": {"type": "string"}}
    assert own["unit"] == {"enum": ["c", "f"]}
    assert own["extra"] == {}
    json_schema(call_schema([WEATHER, TAXI], may_decline=True))


def test_patterns_are_decoded_under_where_that_is_possible() -> None:
    def of(pattern: str) -> object:
        tool = make_tool("pay", "Pay.", to={"type": "string", "pattern": pattern})
        json_schema(call_schema([tool], words_of="Pay Ada"))
        return tightened(tool.schema)["properties"]["to"].get("pattern")

    assert of("^[A-Z]{3}$") == "^[A-Z]{3}$"
    assert of("(?=x)y") is None  # looks ahead
    assert of("[") is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fits_the_schema_is_a_call(seed: int) -> None:
    tools = [WEATHER, TAXI]
    text = RandomModel(seed).fill([user("x")], call_schema(tools), max_tokens=9).text
    call = read_call(text, tools)
    assert call is not None
    tool = next(one for one in tools if one.name == call.tool)
    assert misfit(dict(call.arguments), tightened(tool.schema)) == ""


def test_free_text_can_be_held_to_the_words_of_the_request() -> None:
    schema = call_schema([WEATHER], words_of="Weather in Oslo, Norway?")
    own = schema["properties"]["arguments"]["properties"]
    assert {"Oslo", "Oslo, Norway", "Weather in Oslo, Norway?"} <= set(own["city"]["enum"])
    assert own["unit"] == {"enum": ["c", "f"]}
    assert own["days"] == {"type": "integer"}
    assert "上海" in spans("上海天气怎么样？")
    json_schema(schema)


def test_what_is_no_call() -> None:
    assert read_call('{"name": "none"}', [TAXI]) is None
    fenced = 'Sure: ```json\n{"name": "book_taxi", "arguments": {"to": "机场"}}\n```'
    call = read_call(fenced, [TAXI])
    assert call is not None
    assert call.arguments == {"to": "机场"}
    for text in ("", "hello", "[]", '{"name": "fly"}', '{"name": "book_taxi", "arguments": 3}'):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
            read_call(text, [TAXI])


def test_a_model_that_was_taught_needs_no_examples() -> None:
    shown, bare = call_messages("Oslo?", [TAXI]), call_messages("Oslo?", [TAXI], examples=False)
    assert [one.role for one in bare] == ["system", "user"]
    assert bare == [shown[0], shown[-1]]


def test_a_prompt_is_short() -> None:
    text = "".join(one.content for one in call_messages("Where to?", [WEATHER, TAXI, NOTES]))
    assert "get_weather" in text
    assert len(text) < 1600  # 400 tokens


def test_confidence_decides() -> None:
    assert [decide(one) for one in (0.95, 0.6, 0.1, None)] == ["act", "ask", "escalate", "ask"]


def test_probing_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path))
    assert remembered("scripted") is None
    found = probe(ScriptedModel([{"name": "calculate", "arguments": {"expression": "1"}}] * 12))
    assert (found.right, found.plans) == (0, False)
    assert remembered("scripted") is False


def test_a_real_model_writes_calls_that_fit(tmp_path: Path) -> None:
    model = LocalModel(lambda: load(make_run(tmp_path)), name="tiny")
    tools = [TAXI, NOTES]
    reply = model.fill([user("Taxi?")], call_schema(tools), max_tokens=120)
    call = read_call(reply.text, tools)
    assert call is not None
    assert reply.confidence is not None
    assert 0 < reply.confidence < 1
    assert reply.cost.tokens > 5
    chosen = model.choose([user("Taxi?")], ["yes", "no", "好"])
    assert chosen.text in ("yes", "no", "好")
    assert sum(chosen.probabilities) == pytest.approx(1)
    world = make_world(tmp_path / "world")
    agent = Agent(model, root=world, journal=tmp_path / "j.sqlite")
    assert agent.run("How many rows are in sales.csv?").answer == "3"


class Handler(BaseHTTPRequestHandler):
    """An endpoint that answers what it is told to."""

    answers: ClassVar[list[tuple[int, Any]]] = []
    seen: ClassVar[list[Any]] = []

    def do_GET(self) -> None:
        self._send(200, {"data": [{"id": "big"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, dict(self.headers), body))
        self._send(*self.answers.pop(0))

    def _send(self, status: int, value: Any) -> None:  # noqa: ANN401
        content = json.dumps(value).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("location", "http://127.0.0.1:1/")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def says(text: str, logprob: float = -0.1) -> tuple[int, Any]:
    choice = {
        "message": {"content": text},
        "logprobs": {"content": [{"token": "x", "logprob": logprob}]},
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return 200, {"choices": [choice], "usage": usage}


@pytest.fixture
def endpoint() -> Iterator[str]:
    Handler.answers, Handler.seen = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_endpoint(endpoint: str) -> None:
    Handler.answers = [says('{"name": "book_taxi", "arguments": {"to": "Oslo"}}')]
    model = EndpointModel(endpoint, price_in=1.0, price_out=2.0)
    assert model.name == "big"
    reply = model.fill([user("To Oslo")], call_schema([TAXI]), max_tokens=20)
    call = read_call(reply.text, [TAXI])
    assert call is not None
    assert call.arguments == {"to": "Oslo"}
    assert reply.confidence == pytest.approx(0.9048, abs=1e-3)
    assert (reply.cost.tokens, reply.cost.money) == (110, pytest.approx(120e-6))
    path, _, body = Handler.seen[0]
    assert path == "/v1/chat/completions"
    assert body["response_format"]["json_schema"]["schema"]["properties"]["name"] == {
        "const": "book_taxi"
    }


def test_an_endpoint_that_knows_no_schema_is_told_in_words(endpoint: str) -> None:
    Handler.answers = [(400, {}), says("yes"), says("no")]
    model = EndpointModel(f"{endpoint}#small")
    assert model.choose([user("Late?")], ["yes", "no"]).text == "yes"
    assert "JSON of this schema" in Handler.seen[1][2]["messages"][-1]["content"]
    assert model.say([user("Late?")], max_tokens=5).text == "no"


@pytest.mark.parametrize("answer", [(500, {}), (200, {"choices": []}), (302, {}), (401, {})])
def test_an_endpoint_that_fails_says_so(endpoint: str, answer: tuple[int, Any]) -> None:
    Handler.answers = [answer, answer]
    with pytest.raises(ResourceError, match="endpoint"):
        EndpointModel(f"{endpoint}#x").say([user("hello")], max_tokens=5)


def test_keys_stay_where_they_belong(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    Handler.answers = [says("x")]
    EndpointModel(f"{endpoint}#x").say([user("hello")], max_tokens=5)
    assert "canary" not in json.dumps(Handler.seen)
    with pytest.raises(UsageError, match="unencrypted"):
        EndpointModel("http://example.org/v1#x")
    with pytest.raises(UsageError, match="not an address"):
        EndpointModel("http://")
    with pytest.raises(UsageError, match="does not write"):
        open_model(3)


def test_money_is_reserved(endpoint: str, tmp_path: Path) -> None:
    from autogpt.agent.policy import Limits

    model = EndpointModel(f"{endpoint}#x", price_in=10.0, price_out=10.0)
    agent = Agent(
        model, root=make_world(tmp_path / "w"), journal=tmp_path / "j", limits=Limits(money=0.001)
    )
    outcome = agent.run("Calculate an arithmetic expression exactly.")
    assert outcome.state == "out_of_budget"
    assert Handler.seen == []
