"""Calls that are made up to learn from: they fit their functions, and are not of BFCL."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

import pytest
from llguidance import LLMatcher

from autogpt.agent.calls import call_schema, tightened
from autogpt.agent.tools.base import misfit
from autogpt.inference.closing import accepts, byte_tokenizer
from autogpt.inference.constraint import json_schema

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    from agent_languages import source_schema
    from agent_synthetic import MAKERS, calls, main
finally:
    sys.path.pop(0)

BFCL = ROOT.parent / "shared" / "data" / "agent"


def fits(schema: dict[str, object], text: str) -> bool:
    matcher = LLMatcher(byte_tokenizer(), json_schema(schema).source)
    return accepts(matcher, text.encode())


def test_every_call_could_have_been_written_under_its_schema() -> None:
    for made in calls(200, seed=3):
        assert misfit(made.arguments, tightened(made.tool.schema)) == ""
        answer = made.chat(bare=True)["messages"][-1]["content"]
        assert json.loads(answer) == {"name": made.tool.name, "arguments": made.arguments}
        assert fits(call_schema([made.tool]), answer), answer


def test_values_are_said_and_what_is_not_said_is_left_out() -> None:
    copied = 0
    for made in calls(300, seed=4):
        assert set(made.tool.schema["required"]) <= set(made.arguments)
        for value in made.arguments.values():
            copied += isinstance(value, str) and value.lower() in made.question.lower()
    assert copied > 200


@pytest.mark.parametrize(
    ("language", "kind", "value", "good"),
    [
        ("java", "long", "12L", True),
        ("java", "long", "12", False),
        ("java", "ArrayList", 'new ArrayList<>(Arrays.asList("a", 2))', True),
        ("java", "Array", "new int[]{1, 2}", True),
        ("java", "Array", "rows", True),
        ("java", "HashMap", 'new HashMap<String, Object>() {{ put("a", 1); }}', True),
        ("java", "boolean", "yes", False),
        ("java", "String", "whatever it is", True),
        ("javascript", "array", "['a', 2]", True),
        ("javascript", "dict", "{'a': 1, 'b': ['c']}", True),
        ("javascript", "dict", "{'a': 1", False),
        ("javascript", "Bigint", "12n", True),
    ],
)
def test_values_of_other_languages_are_source(
    language: str, kind: str, value: str, *, good: bool
) -> None:
    schema = source_schema({"type": "object", "properties": {"it": {"type": kind}}}, language)
    assert fits(tightened(schema)["properties"]["it"], json.dumps(value)) is good


def test_the_same_seed_makes_the_same_chats(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        monkeypatch.setattr("sys.argv", ["agent_synthetic.py", "--calls", "40", "--seed", seed])
        main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    chats = [json.loads(line)["messages"] for line in printed[0].splitlines()]
    assert {len(chat) for chat in chats} == {3, 7}  # without examples, and with two


def test_each_kind_of_argument_says_what_it_is() -> None:
    for name, maker in MAKERS.items():
        for seed in range(50):
            one = maker(random.Random(seed))
            assert one.said, name
            assert one.schema["description"], name


@pytest.mark.skipif(not BFCL.exists(), reason="the files of BFCL are not here")
def test_no_function_of_bfcl_is_learned() -> None:
    known = set()
    for path in BFCL.glob("BFCL_v4_*.json"):
        for line in path.read_text(encoding="utf-8").splitlines():
            known |= {function["name"].lower() for function in json.loads(line)["function"]}
    assert known
    made = calls(3000, seed=0)
    assert not {one.tool.name.lower() for one in made} & known
    spoken = {re.sub(r"\W", "", one.question.lower()) for one in made}
    for path in BFCL.glob("BFCL_v4_*.json"):
        for line in path.read_text(encoding="utf-8").splitlines():
            asked = json.loads(line)["question"][0][-1]["content"]
            assert re.sub(r"\W", "", asked.lower()) not in spoken
