"""Which tools fit a request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autogpt.agent.glossary import in_english
from autogpt.agent.router import Router, embedded, forms_of
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.base import Tool
from autogpt.agent.tools.box import toolbox
from autogpt.agent.tools.folder import Folder


def make_tool(name: str, about: str, **properties: Any) -> Tool:  # noqa: ANN401
    schema = {"type": "object", "properties": properties}
    return Tool(name=name, description=about, schema=schema, run=lambda **given: given)


WEATHER = make_tool(
    "get_weather",
    "Get the current weather of a city.",
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
TAXI = make_tool("rides.bookTaxi", "Get a car.", to={"type": "string", "description": "Where to"})
NOTES = make_tool(
    "search_notes",
    "Search notes for words.",
    topics={"type": "array", "items": {"enum": ["boiler", "garden"]}},
)
TOOLS = [WEATHER, TAXI, NOTES]


@pytest.mark.parametrize(
    ("request_", "tool"),
    [
        ("What's the weather in Oslo?", WEATHER),
        ("Make that fahrenheit", WEATHER),  # a value that an argument may have
        ("What became of the boiler?", NOTES),  # likewise, of a list
        ("A taxi to the station", TAXI),  # in a name
        ("上海现在天气怎么样？", WEATHER),
        ("在笔记里搜索一下", NOTES),
    ],
)
def test_words_decide(request_: str, tool: Tool) -> None:
    best = Router(TOOLS).rank(request_)[0]
    assert best.tool is tool
    assert best.fits


@pytest.mark.parametrize("request_", ["Compose a sonnet on love", "写一首情诗", "", "ฝนตกไหม"])
def test_what_no_tool_is_about_is_declined(request_: str) -> None:
    assert not any(one.fits for one in Router(TOOLS).rank(request_))
    assert Router([]).rank(request_) == []


def test_most_are_returned_in_order() -> None:
    ranked = Router(TOOLS).rank("Search the weather", 2)
    assert len(ranked) == 2
    assert ranked[0].score >= ranked[1].score


def test_meaning_decides_where_no_word_does() -> None:
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        asked.extend(texts)
        weather = ("weather", "rain")
        return [
            [1.0, 0.0] if any(word in text.lower() for word in weather) else [0.0, 1.0]
            for text in texts
        ]

    router = Router(TOOLS, embed=embed)
    ranked = router.rank("Will it rain?")
    assert ranked[0].tool is WEATHER
    assert ranked[0].meaning == pytest.approx(1)
    assert ranked[0].fits
    assert not ranked[1].fits
    assert asked == [*(text for tool in TOOLS for text in embedded(tool)), "Will it rain?"]
    asked.clear()
    assert router.rank("会下雨吗？")[0].tool is WEATHER
    assert asked == ["会下雨吗？", "rain"]  # tools are embedded once


def test_chinese_in_english() -> None:
    assert in_english("帮我用 Whisper 转写 call-2.wav") == "Whisper transcribe call-2.wav"
    assert in_english("查询订单") == "look up order"  # and not "look up book"
    assert in_english("床前明月光") == ""
    assert in_english("What does 天气 mean?") == ""
    assert forms_of("What does 天气 mean?") == ["What does 天气 mean?"]


def test_a_tool_described_in_chinese_is_found_by_its_own_words() -> None:
    own = make_tool("tianqi", "查询某个城市的天气。")
    assert Router([TAXI, own, NOTES]).rank("上海现在天气怎么样？")[0].tool is own


CHINESE = [
    ("把这段话翻译成英文。", "translate_text"),
    ("听一下这段录音，转写成文字。", "transcribe_file"),
    ("识别这张图片里是什么。", "recognize_file"),
    ("概括一下这个文件。", "summarize_file"),
    ("计算 17 乘以 23。", "calculate"),
    ("在这些文件里搜索“锅炉”。", "search_files"),
    ("把模型部署成服务。", "serve_model"),
]


@pytest.mark.parametrize(("request_", "name"), CHINESE)
def test_our_own_tools_are_found_in_chinese(tmp_path: Path, request_: str, name: str) -> None:
    router = Router(toolbox(Folder(tmp_path), ScriptedModel()))
    assert name in [one.tool.name for one in router.rank(request_) if one.fits]
