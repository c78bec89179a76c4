from __future__ import annotations

import re

import pytest

from autogpt.core.examples import Pair
from autogpt.tasks.markings import with_marks, word_pairs

NAMES = {"Tom": "汤姆", "Mary": "玛丽", "Boston": "波士顿", "coffee": "咖啡"}
FRAMES = (
    ("I saw {} yesterday.", "我昨天看见了{}。"),
    ("Is that {}?", "那是{}吗？"),
    ("We talked about {} for hours.", "我们聊了好几个小时{}。"),
    ("Nobody likes {} here.", "这里没人喜欢{}。"),
    ("Tell me about {}!", "跟我说说{}！"),
    ("{} is better than nothing.", "{}总比没有好。"),
)
PAIRS = [
    Pair(source=english.format(name), target=chinese.format(other))
    for english, chinese in FRAMES
    for name, other in NAMES.items()
]
TURNED = [Pair(source=pair.target, target=pair.source) for pair in PAIRS]
GERMAN = [
    Pair(source=f"The {one} is {size}.", target=f"Das {other} ist {german}.")
    for one, other in (("house", "Haus"), ("car", "Auto"), ("book", "Buch"))
    for size, german in (("big", "groß"), ("old", "alt"), ("new", "neu"), ("red", "rot"),
                         ("good", "gut"), ("cheap", "billig"))
]  # fmt: skip


@pytest.mark.parametrize("pairs", [PAIRS, TURNED, PAIRS + TURNED])
def test_names_are_found_with_what_they_are_called_in_the_other_language(pairs: list[Pair]):
    many = pairs * 3  # six sentences a name are 25% of all: more than words that say something
    others = [Pair(source=f"Word {n}.", target=f"词{n}。") for n in range(6 * len(many))]
    found = word_pairs(many + others)
    assert {name: found.get(name) for name in NAMES} == NAMES


def test_words_of_two_languages_with_spaces_are_found_too():
    others = [Pair(source=f"Word{n}x.", target=f"Wort{n}y.") for n in range(300)]
    found = word_pairs(GERMAN + others)
    assert found["house"] == "Haus"
    assert found["car"] == "Auto"


def test_copies_have_the_same_marks_on_both_sides_and_no_word_of_them():
    others = [Pair(source=f"Word {n}.", target=f"词{n}。") for n in range(600)]
    copies = with_marks(PAIRS + TURNED + others, seed=0)
    assert copies
    for copy in copies:
        marks = sorted(re.findall(r"\[\d\]", copy.source))
        assert marks
        assert marks == sorted(re.findall(r"\[\d\]", copy.target))
        assert len(set(marks)) == len(marks)
    sources = {copy.source for copy in copies}
    assert sources & {english.format("[1]") for english, _ in FRAMES}
    assert sources & {chinese.format("[1]") for _, chinese in FRAMES}
    assert len(copies) <= 0.05 * (2 * len(PAIRS) + 600) + 1
    assert copies == with_marks(PAIRS + TURNED + others, seed=0)
    assert copies != with_marks(PAIRS + TURNED + others, seed=1)


def test_too_few_pairs_give_no_copies():
    assert with_marks([], seed=0) == []
    assert with_marks(PAIRS[:3], seed=0) == []


def test_a_text_that_has_marks_already_is_not_marked_again():
    marked = [Pair(source=f"{pair.source} [1]", target=f"{pair.target} [1]") for pair in PAIRS]
    others = [Pair(source=f"Word {n}.", target=f"词{n}。") for n in range(600)]
    assert with_marks(marked + others, seed=0) == []
