"""What is passed over fast is exactly what the patterns alone would not find."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.safety import active, injection, normalize, personal, secrets, self_harm, views
from autogpt.safety.moderation import score_moderation
from autogpt.safety.prefilter import Prefiltered, holds_any
from autogpt.safety.sentences import sentences
from tests.safety.matching import some_match

RULES = {
    f"{name} {place}": rule
    for name, rules in (
        ("injection", injection.RULES),
        ("self-harm", [pattern for _, pattern in self_harm.PATTERNS]),
    )
    for place, rule in enumerate(rules)
}
_WORDS = (
    "ignore forget skip don't never not previous your system rules prompt reveal hidden message "
    "the you are now without limits developer mode enable i want to die kill myself my life "
    "yourself 忽略 以上 所有 指令 输出 系统提示 没有 规则 AI 我 想 死 自杀 前の 指示 無視 이전 "
    "지시 무시 ignora instrucciones reglas < system > [INST] . ! ? , \n"
)
WORDS = _WORDS.split(" ")
MANY = 300


def folded(text: str) -> str:
    return normalize.normalize(text).text


def spans(matches: Iterator[re.Match[str]]) -> list[tuple[int, int]]:
    return [match.span() for match in matches]


def assert_same(rule: Prefiltered, text: str) -> None:
    found = spans(rule.finditer(text, text.lower()))
    assert found == spans(rule.pattern.finditer(text))
    assert rule.is_in(text, text.lower()) == bool(found)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_finds_what_its_pattern_does(rule: Prefiltered) -> None:
    chance = random.Random(0)
    found = 0
    for _ in range(MANY):
        some = [*chance.choices(WORDS, k=chance.choice((0, 3))), some_match(rule.pattern, chance)]
        chance.shuffle(some)
        text = folded(chance.choice((" ", " ", "")).join(some))
        assert_same(rule, text)
        assert_same(rule, text.upper())
        found += rule.is_in(text, text.lower())
    assert found > MANY // 20


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_rules_find_what_their_patterns_do_in_words(text: str) -> None:
    for rule in RULES.values():
        assert_same(rule, text)


def test_places_that_do_not_agree_are_not_relied_on() -> None:
    rule = Prefiltered(re.compile("(?i)key"), prefixes=("key",))
    text = "İ" * 3 + " KEY"  # lower case is longer
    assert spans(rule.finditer(text, text.lower())) == [(4, 7)]
    assert spans(Prefiltered(re.compile("aa"), prefixes=("aa",)).finditer("aaaaa", "aaaaa")) == [
        (0, 2),
        (2, 4),
    ]


@pytest.mark.parametrize("form", secrets.FORMATS, ids=lambda form: form.name)
def test_a_key_holds_a_needle_of_its_format(form: secrets._Format) -> None:
    chance = random.Random(0)
    for _ in range(MANY // 3):
        text = folded(some_match(form.pattern, chance))
        where = text.lower() if form.ignores_case else text
        assert holds_any(where, form.needles) or not form.pattern.search(text)


ADDRESS = st.text("ab1.-+_@@ é\n", max_size=40) | st.from_regex(personal._EMAIL)


@given(st.lists(ADDRESS, max_size=4).map("".join))
def test_addresses_are_what_the_pattern_finds(text: str) -> None:
    plain = []
    match = personal._EMAIL.search(text)
    while match is not None:
        good = ".." not in match[0]
        plain += [match.span()] if good else []
        match = personal._EMAIL.search(text, match.end() if good else match.start() + 1)
    assert [(begin, end) for _, begin, end in personal._emails(text)] == plain


FILTERS = {
    views._MORSE_RUN: views._may_be_morse,
    views._BASE64: lambda text: views._may_be_base64(text.encode("ascii", "replace")),
    views._HEX: lambda text: views._may_be_hex(text.encode("ascii", "replace")),
    views._SPACED: lambda text: views._may_be_spaced(text.encode("ascii", "replace")),
}


@pytest.mark.parametrize("pattern", FILTERS, ids=["morse", "base64", "hex", "spaced"])
def test_an_encoding_is_not_passed_over(pattern: re.Pattern[str]) -> None:
    chance = random.Random(0)
    found = 0
    for _ in range(MANY):
        text = some_match(pattern, chance)
        found += bool(pattern.search(text))
        assert FILTERS[pattern](text) or not pattern.search(text)
    assert found > MANY // 20


PAIRED = {
    views._LEET_WORD: views._may_be_leet,
    views._BACKWARDS: lambda text: views._has_two(text, views._BACKWARDS_LITERALS),
    views._ROT13: lambda text: views._has_two(text, views._ROT13_LITERALS),
}


@pytest.mark.parametrize("pattern", PAIRED, ids=["leet", "backwards", "rot13"])
def test_two_words_in_disguise_are_not_passed_over(pattern: re.Pattern[str]) -> None:
    chance = random.Random(0)
    found = 0
    for _ in range(MANY):
        text = f"{some_match(pattern, chance)} {some_match(pattern, chance)}".lower()
        is_disguised = len(pattern.findall(text)) >= 2
        found += is_disguised
        assert PAIRED[pattern](text) or not is_disguised
    assert found > MANY // 20


@given(st.text() | st.text("a ,，。！Áéﬁ①\u200b中", max_size=60))
def test_folding_at_once_is_folding_each(text: str) -> None:
    read = normalize.normalize(text)
    each = [folded(character) for character in text]
    assert read.text == "".join(each)
    assert read.lower == read.text.lower()
    places = [place for place, part in enumerate(each) for _ in part]
    assert [read.start(place) for place in range(len(read.text))] == places


SENTENCE_END = re.compile(r"[。！？；…]+[”’」』）】\"')\]]*|[.!?]+[\"'”’)\]]*(?=\s)|\n+")


@given(st.text("aB。！？…”’」）\"').!?\n ", max_size=40))
def test_sentences_end_where_the_plain_pattern_says(text: str) -> None:
    ends = {end for _, end in sentences(text)} | {len(text.rstrip())}
    for match in SENTENCE_END.finditer(text):
        if match[0] != ".":  # an initial's is asked about
            assert len(text[: match.end()].rstrip()) in ends or not text[: match.end()].strip()


def test_controls_begin_with_a_control() -> None:
    for code in [*range(0x2100), *range(0xE0000, 0xE0100)]:
        text = chr(code) * 8
        assert bool(active._CONTROLS.search(text)) == bool(active._CONTROL.search(text)), hex(code)


@given(st.text("ab中文1 .", max_size=12))
def test_a_part_is_judged_in_the_script_of_its_letters(text: str) -> None:
    read = normalize.normalize(text)
    judged = list(score_moderation(read))
    whole = text.strip()
    han = sum("\u4e00" <= each <= "\u9fff" for each in whole)
    latin = sum(each in "ab" for each in whole)
    if "." not in text:
        assert bool(judged) == ((han >= 3 and 3 * han >= len(whole.replace(" ", ""))) or latin >= 3)
