from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from autogpt.safety.facts import addresses, names, numbers
from autogpt.safety.grounding import check
from autogpt.safety.sentences import sentences

SOURCE = """\
The town council of Milford met on 12 March 2024 to discuss the old boiler. Mayor Ada Brown said
that repairs would cost 3,200 euros, while a new boiler costs 9,800 euros. About 450 households
depend on it. The council did not decide; it will meet again on 2 April 2024. Details are at
https://milford.example/boiler, or from heat@milford.example.
"""
SOURCE_ZH = (
    "二〇二四年3月12日，米尔福德镇议会讨论了旧锅炉的问题。镇长布朗说，维修需要3200元，而新锅炉要9800元。"
    "约有450户居民依赖它。议会没有作出决定，4月2日将再次开会。详情见 https://milford.example/boiler。"
)


def values(text: str) -> list[str]:
    return [fact.value for fact in numbers(text)]


def test_numbers_by_value() -> None:
    assert values("1,234.5 and 1234.5 cost 5 million, five million, 500万 or 五百万") == [
        "1234.5", "1234.5", "5000000", "5000000", "5000000", "5000000",
    ]  # fmt: skip
    assert values("二〇二四年三月，共三千二百人，十二个，twenty-one") == [
        "2024",
        "3",
        "3200",
        "12",
        "21",
    ]
    assert values("An MP3 at https://x.org/2024, someone wrote, often") == []
    assert values("3.2亿") == ["320000000"]


def test_names_and_addresses() -> None:
    assert [
        f.value for f in names("Yesterday the mayor, Ada Brown, left New York. She slept.")
    ] == [
        "ada brown",
        "new york",
    ]
    assert [f.value for f in names("他读了《论语》，用的是 iPhone。")] == ["iphone", "论语"]
    assert [f.value for f in addresses("见 https://a.org/b，或 x@y.org。")] == [
        "https://a.org/b",
        "x@y.org",
    ]


@pytest.mark.parametrize("source", [SOURCE, SOURCE_ZH], ids=["en", "zh"])
def test_its_own_sentences_are_supported(source: str) -> None:
    report = check(source, source)
    assert report.supported == 1.0
    for each in report.sentences:
        start, end = each.spans[0]
        assert source[start:end] == each.sentence


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (
            "Repairs would cost 9,800 euros, while a new boiler costs 3,200 euros.",
            {"9,800", "3,200"},
        ),
        ("Mayor Ada Brown said that repairs would cost 3,400 euros.", {"3,400"}),
        ("Mayor John Smith said that repairs would cost 3,200 euros.", {"John Smith"}),
        ("The council will meet again on 3 April 2024.", {"3"}),
        ("Details are at https://milford.example/water.", {"https://milford.example/water"}),
        ("镇长布朗说，维修需要9800元，而新锅炉要3200元。", {"9800", "3200"}),
        ("约有450户居民依赖它，4月3日将再次开会。", {"3"}),
    ],
)
def test_what_was_exchanged_or_invented_is_marked(text: str, missing: set[str]) -> None:
    (report,) = check(text, SOURCE if text.isascii() else SOURCE_ZH).sentences
    assert not report.supported
    found = {report.sentence[fact.start : fact.end] for fact in report.missing}
    assert missing <= {re.sub("^Mayor ", "", each) for each in found}


@pytest.mark.parametrize(
    "text",
    [
        "A new boiler costs 9,800 euros; repairs would cost 3,200 euros.",
        "The boiler of Milford serves about 450 households.",
        "The council of Milford will meet on 2 April 2024.",
        "布朗镇长说新锅炉要9800元。",
    ],
)
def test_what_is_said_in_other_words_is_supported(text: str) -> None:
    (report,) = check(text, SOURCE if text.isascii() else SOURCE_ZH).sentences
    assert report.supported, report


def test_what_is_not_there_at_all() -> None:
    report = check("Penguins live in the southern hemisphere and eat fish.", SOURCE)
    assert report.supported == 0
    (turned,) = check(
        "The council did decide; it will meet again on 2 April 2024.", SOURCE
    ).sentences
    assert not turned.supported
    assert check("", SOURCE).supported == 1.0
    assert check("Something.", "").supported == 0
    fields = check("Repairs would cost 5 euros.", SOURCE).to_dicts()
    assert set(fields[0]) == {"sentence", "start", "end", "supported", "missing"}
    assert fields[0]["missing"] == [{"kind": "number", "text": "5", "start": 19, "end": 20}]


def test_exchanged_numbers_are_found_and_own_sentences_let_through() -> None:
    """On the bundled texts; the figures of docs/safety.md are of more and other ones."""
    folder = Path(__file__).parents[2] / "src/autogpt/data/quickstart"
    prose = SOURCE + (folder.parents[3] / "docs/log.md").read_text(encoding="utf-8")[:30_000]
    chance = random.Random(0)
    parts = [prose[begin:end] for begin, end in sentences(prose) if end - begin < 400]
    known = [fact.value for fact in numbers(prose)]
    report = check("\n".join(parts), prose)
    assert report.supported > 0.97
    changed = []
    for part in parts:
        found = list(numbers(part))
        if found:
            fact = chance.choice(found)
            other = chance.choice([value for value in known if value != fact.value])
            changed.append(part[: fact.start] + other + part[fact.end :])
    caught = sum(
        not all(each.supported for each in check(part, prose).sentences) for part in changed[:80]
    )
    assert caught >= 0.9 * len(changed[:80])
