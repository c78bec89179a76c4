"""Responses, embeddings, tasks, moderations, models; the official client where it has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import jsonschema
import openai
import pytest

import autogpt
from autogpt.models import adapter_files
from autogpt.models.checkpoint import load_model
from autogpt.nn.adapters import LoRAConfig, attach
from autogpt.tasks import find_task
from tests.server.serving import Served, make_model, serving

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("more")
    other = make_model(folder / "other", seed=1)
    with serving(folder / "log", f"tiny={model}", "--available", f"later={other}") as served:
        yield served


@pytest.fixture(scope="module")
def client(server: Served) -> openai.OpenAI:
    return server.client()


def test_a_response(client: openai.OpenAI, model: Path) -> None:
    found = client.responses.create(
        model="tiny", instructions="學", input="Shall I", max_output_tokens=12, temperature=0
    )
    messages = [autogpt.system("學"), autogpt.user("Shall I")]
    expected = autogpt.load(model, policy=None).generate(messages, max_tokens=12, temperature=0)
    assert found.output_text == expected.text
    assert found.status == ("completed" if expected.finish_reason == "stop" else "incomplete")
    assert found.usage is not None
    assert found.usage.output_tokens == expected.usage.completion_tokens


def test_a_response_streams(client: openai.OpenAI) -> None:
    settings = {"model": "tiny", "input": "Thou", "max_output_tokens": 16, "temperature": 0}
    whole = client.responses.create(**settings)
    events = list(client.responses.create(**settings, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    text = "".join(one.delta for one in events if one.type == "response.output_text.delta")
    assert text == whole.output_text
    assert kinds[-1] == f"response.{whole.status}"
    assert events[-1].response.output_text == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_response_calls(client: openai.OpenAI) -> None:
    settings = {
        "model": "tiny",
        "input": [{"role": "user", "content": "Thou"}],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "name": "weather"},
        "max_output_tokens": 80,
    }
    call = client.responses.create(**settings).output[0]
    assert call.type == "function_call"
    jsonschema.validate(json.loads(call.arguments), SCHEMA)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "晴"}
    followed = client.responses.create(
        model="tiny", input=[*settings["input"], call.model_dump(), result], max_output_tokens=4
    )
    assert followed.status in ("completed", "incomplete")
    events = list(client.responses.create(**settings, stream=True))
    done = [one for one in events if one.type == "response.function_call_arguments.done"]
    jsonschema.validate(json.loads(done[0].arguments), SCHEMA)


def test_a_response_of_a_schema(client: openai.OpenAI) -> None:
    form = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}
    found = client.responses.create(model="tiny", input="Thou", text=form, max_output_tokens=60)
    jsonschema.validate(json.loads(found.output_text), SCHEMA)


def test_nothing_is_kept(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="tiny", input="Thou", previous_response_id="resp_1")


def test_embeddings(client: openai.OpenAI) -> None:
    texts = ["Shall I compare thee", "Shall I compare thee", "學而時習之"]
    found = client.embeddings.create(model="tiny", input=texts)
    first, same, other = (one.embedding for one in found.data)
    assert first == same != other
    assert sum(value * value for value in first) == pytest.approx(1, abs=1e-5)
    plain = client.embeddings.create(model="tiny", input=texts[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(first, abs=1e-6)
    short = client.embeddings.create(model="tiny", input=texts[0], dimensions=4)
    assert len(short.data[0].embedding) == 4
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="tiny", input="Shall " * 4000)


def test_tasks(server: Served) -> None:
    listed = httpx2.get(f"{server.address}/v1/tasks").json()["data"]
    assert {"classify", "summarize", "tag"} <= {task["name"] for task in listed}
    ask = {"model": "tiny", "input": ["Good!", "壞！"], "parameters": {"labels": ["good", "bad"]}}
    found = httpx2.post(f"{server.address}/v1/tasks/classify", json=ask, timeout=60).json()
    assert len(found["data"]) == 2
    for one in found["data"]:
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=0.01)
        jsonschema.validate(one, find_task("classify").result)
        assert one["usage"]["prompt_tokens"] > len("good") + len("bad")
        assert one["timing"]["wall_s"] > 0
    wrong = {**ask, "parameters": {"lables": ["good", "bad"]}}
    answer = httpx2.post(f"{server.address}/v1/tasks/classify", json=wrong, timeout=60)
    assert answer.status_code == 400
    assert "labels" in answer.json()["error"]["message"]
    assert httpx2.post(f"{server.address}/v1/tasks/frob", json=ask).status_code == 404


def test_moderations(client: openai.OpenAI) -> None:
    found = client.moderations.create(input=["My card: 4111 1111 1111 1111", "晴天"])
    assert [one.flagged for one in found.results] == [True, False]


def test_models_come_and_go(server: Served, client: openai.OpenAI) -> None:
    def post(path: str) -> httpx2.Response:
        headers = {"content-type": "application/json"}
        return httpx2.post(f"{server.address}/v1/models/{path}", headers=headers, timeout=60)

    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="later", prompt="Thou")
    assert post("later/load").status_code == 200
    assert {one.id for one in client.models.list().data} == {"tiny", "later"}
    both = [
        client.completions.create(model=name, prompt="Thou", max_tokens=8, temperature=0)
        for name in ("tiny", "later")
    ]
    assert both[0].choices[0].text != both[1].choices[0].text
    assert post("later/unload").status_code == 200
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="later", prompt="Thou")
    assert post("%2Fetc%2Fpasswd/load").status_code == 404


def test_docs(server: Served) -> None:
    schema = httpx2.get(f"{server.address}/openapi.json").json()
    assert "/v1/chat/completions" in schema["paths"]
    page = httpx2.get(f"{server.address}/docs")
    assert "/v1/responses" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_an_adapter_has_a_name(model: Path, tmp_path: Path) -> None:
    import torch

    network = load_model(model)
    made = LoRAConfig(rank=2)
    attach(network, made)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "lora" in name:
                weight.normal_(std=0.5)
    adapter = adapter_files.gather(network, {})
    adapter_files.save(tmp_path / "adapter", adapter, network.config, made, base="tiny")
    folder = f"polite={tmp_path / 'adapter'}"
    with serving(tmp_path / "log", f"tiny={model}", "--adapter", folder) as served:
        client = served.client()
        texts = [
            client.completions.create(model=name, prompt="Thou", max_tokens=12, temperature=0)
            for name in ("tiny", "polite")
        ]
        assert texts[0].choices[0].text != texts[1].choices[0].text
        assert client.models.retrieve("polite").root == "tiny"


def test_a_sound_for_a_model_that_hears_nothing(server: Served) -> None:
    url = f"{server.address}/v1/audio/transcriptions"
    sound = {"file": ("a.wav", b"RIFF", "audio/wav")}
    answer = httpx2.post(url, data={"model": "tiny"}, files=sound, timeout=60)
    assert answer.status_code == 400
    assert "transcribe" in answer.json()["error"]["message"]
    assert httpx2.post(url, data={"model": "tiny"}, timeout=60).status_code in (400, 415)
    assert httpx2.post(url, data={"model": "none"}, files=sound, timeout=60).status_code == 404
    odd = {"model": "tiny", "prompt": "x"}
    assert httpx2.post(url, data=odd, files=sound, timeout=60).status_code == 400
