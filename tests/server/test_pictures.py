"""Pictures in a conversation, through the official client."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import openai
import pytest
from PIL import Image

import autogpt
from autogpt.data.preprocessing import PictureConfig
from autogpt.models.multimodal_files import Recognition
from tests.media import make_multimodal
from tests.server.serving import Served, serving

LABELS = tuple("abcdefgh")  # each a token
SIZE = PictureConfig(height=8, width=8, channels=1, mean=(0.5,), std=(0.5,))


@pytest.fixture(scope="module")
def seer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = Recognition(task="recognize", labels=LABELS)
    return make_multimodal(tmp_path_factory.mktemp("seer"), SIZE, known)


@pytest.fixture(scope="module")
def describer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_multimodal(
        tmp_path_factory.mktemp("describer"), SIZE, Recognition(task="transcribe")
    )


@pytest.fixture(scope="module")
def server(
    model: Path, seer: Path, describer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("pictures") / "log"
    with serving(log, f"tiny={model}", f"seer={seer}", f"describer={describer}") as served:
        yield served


@pytest.fixture(scope="module")
def client(server: Served) -> openai.OpenAI:
    return server.client()


def picture(value: int, size: int = 12) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (size, size), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def turn(content: bytes | str, text: str = "What is this?") -> dict[str, object]:
    if isinstance(content, bytes):
        content = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    part = {"type": "image_url", "image_url": {"url": content}}
    return {"role": "user", "content": [{"type": "text", "text": text}, part]}


def test_a_label_is_the_answer(client: openai.OpenAI, seer: Path) -> None:
    model = autogpt.load(seer)
    for value in range(4):
        found = client.chat.completions.create(model="seer", messages=[turn(picture(value))])
        chances = model.predict(picture(value))
        assert found.choices[0].message.content == max(chances, key=chances.__getitem__)
        assert found.choices[0].finish_reason == "stop"
        assert found.usage is not None
        assert found.usage.prompt_tokens > 0
        assert found.usage.completion_tokens == 0  # a label is chosen, not written


def test_the_last_picture_of_a_conversation_is_answered(
    client: openai.OpenAI, describer: Path
) -> None:
    model = autogpt.load(describer)
    first, last = (model.transcribe(picture(value)).text for value in (0, 1))
    assert first != last
    talk = [turn(picture(0)), {"role": "assistant", "content": first}, turn(picture(1))]
    found = client.chat.completions.create(model="describer", messages=talk)
    assert found.choices[0].message.content == last


def test_what_a_picture_shows_is_written(client: openai.OpenAI, describer: Path) -> None:
    expected = autogpt.load(describer).transcribe(picture(3))
    found = client.chat.completions.create(model="describer", messages=[turn(picture(3))])
    assert found.choices[0].message.content == expected.text
    assert found.usage is not None
    assert found.usage.completion_tokens == expected.completion_tokens


def test_an_answer_streams(client: openai.OpenAI) -> None:
    asked = {"model": "seer", "messages": [turn(picture(1))]}
    whole = client.chat.completions.create(**asked)
    chunks = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    told = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.content or "" for choice in told)
    assert text == whole.choices[0].message.content
    assert told[-1].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


def test_a_photo_of_several_megabytes(client: openai.OpenAI) -> None:
    photo = picture(5, size=1800)
    assert len(photo) > 3 << 20
    found = client.chat.completions.create(model="seer", messages=[turn(photo)])
    assert found.choices[0].message.content in LABELS


def test_models_say_what_they_look_at(server: Served) -> None:
    listed = httpx2.get(f"{server.address}/v1/models").json()["data"]
    assert {one["id"]: (one["kind"], one.get("medium")) for one in listed} == {
        "tiny": ("writer", None),
        "seer": ("recognizer", "picture"),
        "describer": ("transcriber", "picture"),
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"messages": [turn("https://example.org/cat.png")]}, "addresses are not fetched"),
        ({"messages": [turn("file:///etc/passwd")]}, "addresses are not fetched"),
        ({"messages": [turn("/etc/passwd")]}, "addresses are not fetched"),
        ({"messages": [turn("data:image/png;base64,AAAA!")]}, "base64"),
        ({"messages": [turn(b"no picture at all")]}, "not a picture"),
        ({"messages": [{"role": "user", "content": "Hello"}]}, "must hold one"),
        ({"messages": [{**turn(picture(0)), "role": "system"}]}, "role user"),
        ({"n": 2}, "n is not for"),
        ({"stop": "x"}, "stop is not for"),
        ({"logprobs": True}, "logprobs is not for"),
        ({"response_format": {"type": "json_object"}}, "response_format is not for"),
        ({"model": "tiny"}, "does not see pictures"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: openai.OpenAI, asked: dict[str, object], said: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        client.chat.completions.create(
            **{"model": "seer", "messages": [turn(picture(0))], **asked}  # type: ignore[arg-type]
        )


def test_in_chinese(server: Served) -> None:
    asked = {"model": "tiny", "messages": [turn(picture(0))]}
    answer = httpx2.post(
        f"{server.address}/v1/chat/completions", json=asked, headers={"accept-language": "zh"}
    )
    assert answer.status_code == 400
    assert "图片" in answer.json()["error"]["message"]
