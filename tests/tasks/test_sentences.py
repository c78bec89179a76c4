"""Where sentences end, in English and Chinese; whatever the text, spans are spans of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.tasks.sentences import blocks_of, sections_of, sentences_of


def split(text: str) -> list[str]:
    return [text[one.start : one.end] for one in sentences_of(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "Dr. J. Smith paid $3.14 at example.com (e.g. for tea).",
            '"Is it late?" he asked.',
            "No.",
        ],
        [
            "It was 5 p.m.",
            "The U.S. Army came.",
            "See Fig. 3 and No. 5.",
            "I said no.",
            "Paris is.",
        ],
        ["We met on Jan. 5 in St. Louis!", "Yes... no?", "Wait...", "Then nothing."],
        ["He lives in the U.S.", "He is 5.", "I am.", "So what?", "It ended etc.", "They left."],
        ["Mr. Lee of Acme Inc. Boston came in.", "Rain, wind etc. Storms follow."][:1],
        ["He said: “Stop.”", "Then he left.", "(It was late.)", "Why?!", "Nobody knows."],
    ],
)
def test_english_sentences(sentences: list[str]) -> None:
    assert split(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["今天天气很好。", "“你好！”他说。", "他说：“好。”", "然后走了……", "真的吗？", "是3.5元。"],
        [
            "Python 3.11发布了。",
            "版本是2.0。",
            "第三段，有ABC。",
            "English sentence.",
            "下雨了！？",
        ],
        ["他问：“去哪儿？”", "没有人回答！", "（完）"],
    ],
)
def test_chinese_sentences(sentences: list[str]) -> None:
    assert split("".join(sentences)) == sentences


MARKDOWN = """# Heating

The boiler
works. It is new.
- warm water. Hot, too
- a long item that
  goes on here
> quoted

    autogpt train --out a.b

```python
x = 1. Y = 2.
```
Second
======
| a | b |
|---|---|
***
第三章 天气
下雨了。
第二行没有句号
"""


def test_blocks_are_what_a_reader_sees() -> None:
    found = [(one.kind, MARKDOWN[one.start : one.end]) for one in blocks_of(MARKDOWN)]
    assert found == [
        ("heading", "Heating"),
        ("text", "The boiler\nworks. It is new."),
        ("item", "warm water. Hot, too"),
        ("item", "a long item that\n  goes on here"),
        ("item", "quoted"),
        ("code", "    autogpt train --out a.b"),
        ("code", "```python\nx = 1. Y = 2.\n```"),
        ("heading", "Second"),
        ("table", "| a | b |"),
        ("table", "|---|---|"),
        ("rule", "***"),
        ("heading", "第三章 天气"),
        ("text", "下雨了。"),
        ("text", "第二行没有句号"),
    ]
    assert [one.title for one in sections_of(MARKDOWN)] == ["Heating", "Second", "第三章 天气"]
    assert "x = 1" not in " ".join(split(MARKDOWN))


def test_lines_count_where_they_are_not_wrapped() -> None:
    wrapped = "This line is wrapped at a width\nthat editors like. Second\nsentence."
    assert len(split(wrapped)) == 2
    assert len(split("A title\n\nA text that follows")) == 2
    long = "word " * 40
    assert len(split(f"{long}\n{long}")) == 2
    assert len(split(f"# Title\n\n{long}\n{long}")) == 2  # the heading, and one in Markdown


_WORDS = (
    "\n\n",
    "# ",
    "- ",
    "```\n",
    "    ",
    "1. ",
    "e.g.",
    "No. 5",
    "第三章",
    "---\n",
    "\r\n",
    "3.1",
)
_PIECES = st.sampled_from([*'.!。？…"”“\n|>A=b说 \u2028', *_WORDS])


@given(st.one_of(st.text(), st.lists(_PIECES).map("".join)))
def test_spans_are_in_order_and_of_the_text(text: str) -> None:
    behind = 0
    for one in sentences_of(text):
        assert behind <= one.start < one.end <= len(text)
        assert text[one.start : one.end] == text[one.start : one.end].strip()
        behind = one.end
    behind = 0
    for block in blocks_of(text):
        assert behind <= block.start <= block.end <= len(text)
        behind = block.end
    behind = 0
    for section in sections_of(text):
        assert behind <= section.start <= section.end
        behind = section.end
    plain = text if not blocks_of(text) else ""
    assert not plain.strip()
