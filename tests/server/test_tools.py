"""Calls while they are written: however the text is cut, the same comes out."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.messages import user
from autogpt.inference.constraint import lark
from autogpt.server.tools import Call, CallReader, Tool, calls_as_text, explain, grammar

CALLS = [("weather", '{"city":"\u5317\u4eac}</tool_call>"}'), ("f", "{}"), ("g", '{"a":[1,"}"]}')]


def read(text: str, cuts: list[int]) -> tuple[str, list[tuple[str, str]]]:
    """Return the text and the calls of an answer that comes in pieces."""
    reader, said, calls = CallReader(), "", []
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[begin:end] for begin, end in itertools.pairwise(places)] or [""]
    for number, piece in enumerate(pieces, 1):
        for news in reader.push(piece, is_last=number == len(pieces)):
            if isinstance(news, str):
                said += news
            elif isinstance(news, Call) and news.name is not None:
                calls.append([news.name, ""])
            else:
                calls[news.index][1] += news.arguments
    return said, [(name, arguments) for name, arguments in calls]


@given(st.lists(st.integers(1, 200)), st.integers(1, 3))
def test_calls_in_pieces(cuts: list[int], count: int) -> None:
    assert read(calls_as_text(CALLS[:count]), cuts) == ("", CALLS[:count])


@given(st.text(st.sampled_from("<tool_call>\n x"), max_size=40), st.lists(st.integers(1, 40)))
def test_text_in_pieces(text: str, cuts: list[int]) -> None:
    if not text.startswith("<tool_call>\n"):
        assert read(text, cuts) == (text, [])


def test_a_call_that_is_cut_short_is_told_as_far_as_it_came() -> None:
    whole = calls_as_text(CALLS[:1])
    said, calls = read(whole[:50], [])
    assert said == ""
    assert calls[0][0] == "weather"


def test_the_grammar_is_one() -> None:
    schema = {
        "type": "object",
        "title": "T",
        "properties": {
            "description": {"type": "string", "description": "max_tokens=5 <[1]>"},
            "kind": {"enum": ["<[a]", "b=c"]},
        },
        "required": ["kind"],
    }
    tools = [Tool(name="a-b_1", parameters=schema), Tool(name="c")]
    for choice, parallel, otherwise in itertools.product(
        ("auto", "required"), (True, False), (None, {"type": "object"})
    ):
        assert lark(grammar(tools, choice=choice, parallel=parallel, otherwise=otherwise))


def test_tools_are_told() -> None:
    told = explain([Tool(name="f", description="\u5929\u6c23")], [user("hi")])
    assert told[0].role == "system"
    assert "\u5929\u6c23" in told[0].content
    assert told[1] == user("hi")
    line = told[0].content.split("<tools>\n")[1].split("\n</tools>")[0]
    assert json.loads(line)["function"]["name"] == "f"
