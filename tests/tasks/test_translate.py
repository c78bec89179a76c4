"""Translations: what must not change does not, files come back in their format."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import jsonschema
import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import DataError, UsageError
from autogpt.core.examples import Pair
from autogpt.tasks.asking import Form
from autogpt.tasks.language import language_of
from autogpt.tasks.masks import mask, missing, protected
from autogpt.tasks.numerals import numbers_of
from autogpt.tasks.translate import TASK, Translate, _teach
from autogpt.tasks.translating import Unit, laid_out
from tests.tasks.writers import StandIn

_WORD = re.compile(r"[A-Za-z]+")


def asked_text(question: str) -> str:
    return question.rsplit("\n\n", 1)[-1]


def to_chinese(question: str) -> str:
    """A stand-in's Chinese: every word becomes 词, all else stays."""
    return _WORD.sub("词", asked_text(question)).replace(".", "。").replace(" ", "")


def careless(question: str) -> str:
    """Loses marks and numbers."""
    return re.sub(r"\[\d+\]|\d+", "", to_chinese(question)) or "词"


KEPT = [
    "Read [the manual](https://example.com/a_(b)?q=1 \"M\") for **bold** words.",
    "Hello {name}, you have %d new of %(total)s messages in ${HOME}.",
    "Run `make test` in /etc/fstab with --flag=1 and mail a.b@c.org.",
    "<b>Bold</b> &amp; 25 boilers for 1,200 euros, see https://example.com.",
    "It says [1] and [2] of 3.5 percent.",
]  # fmt: skip


@pytest.mark.parametrize("writes", [to_chinese, careless])
def test_what_must_not_change_does_not(writes: object) -> None:
    text = "\n".join(f"- {line}" for line in KEPT)
    model = StandIn(writes)  # type: ignore[arg-type]
    row = next(TASK.run(model, [text], to="zh"))
    jsonschema.validate(row, TASK.result)
    translated = str(row["text"])
    assert row["lost"] == []
    assert translated.count("\n- ") == len(KEPT) - 1
    for line, source in zip(translated.splitlines(), KEPT, strict=True):
        assert not missing(source, line), (source, line)
        assert "词" in line
    for kept in ('](https://example.com/a_(b)?q=1 "M")', "{name}", "%(total)s", "`make test`"):
        assert kept in translated


MARKDOWN = """---
title: Boiler
---
# The boiler

It works. It is
new, and warm.

* first point
* second **point**

| Part | Price |
|------|------:|
| Valve | 12 |

```sh
make test  # do not touch
```
今天天气很好。
"""


def test_the_layout_stays() -> None:
    model = StandIn(to_chinese)
    found = str(next(TASK.run(model, [MARKDOWN], to="zh"))["text"])
    assert found == (
        "---\ntitle: Boiler\n---\n# 词词\n\n词词。词词词,词词。\n\n* 词词\n* 词**词**\n\n"
        "| 词 | 词 |\n|------|------:|\n| 词 | 12 |\n\n```sh\nmake test  # do not touch\n```\n"
        "今天天气很好。\n"
    )
    assert not any("今天" in question for question in model.asked)  # it is Chinese already


@given(st.text(max_size=200))
def test_whatever_the_text_what_is_laid_out_is_all_of_it(text: str) -> None:
    rows = laid_out(text, "en")
    squeezed = "".join(row.text if isinstance(row, Unit) else row for row in rows)
    assert "".join(squeezed.split()) == "".join(text.split())
    masked = mask(protected(text))
    assert masked.restore(masked.text) == text


def test_sentences_before_are_shown() -> None:
    model = StandIn(to_chinese)
    text = "The boiler broke. It was old. It is new. It works."
    list(TASK.run(model, [text, "One. Two."], to="zh", context=2))
    assert model.batches[:2] == [2, 2]  # the next sentence of each text, together
    assert all(size == 1 for size in model.batches[2:])
    with_context = Translate(to="zh", context=0)
    model = StandIn(to_chinese)
    list(with_context.run(model, [text, "One. Two."]))
    assert model.batches == [6]


def test_a_sentence_is_asked_once() -> None:
    model = StandIn(to_chinese)
    row = next(
        TASK.run(model, ["Hello there.\n\nHello there.\n\nHello there."], to="zh", context=0)
    )
    assert len(model.asked) == 1
    assert str(row["text"]).count("词词。") == 3


def test_terms_become_what_the_glossary_says() -> None:
    for writes in (to_chinese, careless):
        model = StandIn(writes)
        row = next(
            TASK.run(
                model,
                ["The Boiler of the API works."],
                to="zh",
                glossary={"boiler": "锅炉", "API": "接口"},
            )
        )
        assert "锅炉" in str(row["text"])
        assert "接口" in str(row["text"])
        assert row["lost"] == []


def test_a_model_that_does_not_translate_is_told() -> None:
    row = next(TASK.run(StandIn(asked_text), ["The boiler is broken again."], to="zh"))
    assert row["doubtful"] == ["The boiler is broken again."]
    assert (row["from"], row["to"]) == ("en", "zh")


def test_a_taught_model_is_asked_as_it_was_taught() -> None:
    pairs = [
        Pair(source="Good morning, Tom.", target="早上好，汤姆。"),
        Pair(source="我很好。", target="I am fine."),
    ]
    form = _teach(pairs, new=True)
    assert form.prompts == {"": "{text}"}
    assert set(form.languages) == {("en", "zh"), ("zh", "en")}
    model = StandIn(to_chinese, answers_messages=False, form=form, parameters=1)
    list(TASK.run(model, [pairs[0].source], to="zh"))
    assert model.asked == [f"{form.lesson(pairs[0])[0].content}\n\n"]
    assert model.settings[0]["beams"] == 4
    with pytest.raises(UsageError, match="taught English to Chinese"):
        TASK.run(model, ["x"], to="de")
    words = _teach(pairs, new=False)
    assert words.lesson(pairs[1])[0].content == "Translate to English:\n\n我很好。"
    several = [*pairs, Pair(source="Good night.", target="Gute Nacht und auf Wiedersehen.")]
    tagged = _teach(several, new=True)
    assert tagged.lesson(several[2])[0].content == "de: Good night."


def test_a_model_without_a_template_goes_on_after_examples() -> None:
    model = StandIn(lambda _: "词。", answers_messages=False, form=Form(task="chat", prompts={}))
    next(TASK.run(model, ["The boiler works."], to="zh"))
    assert model.asked[0].endswith("English: The boiler works.\nChinese:")
    assert model.settings[0]["stop"] == ("\n",)


def test_what_is_too_long_is_cut() -> None:
    model = StandIn(to_chinese, context_length=200)
    text = "word " * 300 + "end, and so on; " * 20
    row = next(TASK.run(model, [text], to="zh", context=0))
    assert str(row["text"]).count("词") == 300 + 80


# -- files -----------------------------------------------------------------------------------------

SRT = """1
00:00:01,000 --> 00:00:02,500
Where is the boiler?

2
00:00:03,000 --> 00:00:05,000
<i>In the cellar,</i>
I think.
"""


def test_subtitles() -> None:
    row = next(TASK.run(StandIn(to_chinese), [SRT.replace("\n", "\r\n")], to="zh", format="srt"))
    assert str(row["text"]).split("\r\n") == [
        *("1", "00:00:01,000 --> 00:00:02,500", "词词词词?", ""),
        *("2", "00:00:03,000 --> 00:00:05,000", "<i>词词词,</i>词词。", ""),
    ]
    with pytest.raises(DataError, match="no subtitles"):
        next(TASK.run(StandIn(to_chinese), ["Just text."], to="zh", format="srt"))


PO = r"""# A comment
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"

#: main.c:12
#, c-format
msgid "Cannot open %s.\n"
msgstr ""

msgid "Done"
msgstr "完成"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""
"""


def test_catalogs() -> None:
    row = next(TASK.run(StandIn(careless), [PO], to="zh", format="po"))
    catalog = polib.pofile(str(row["text"]))
    first, done, plural = list(catalog)
    assert "%s" in first.msgstr
    assert first.msgstr.endswith("\n")
    assert first.occurrences == [("main.c", "12")]
    assert first.fuzzy
    assert (done.msgstr, done.fuzzy) == ("完成", False)
    assert set(plural.msgstr_plural) == {0}
    assert "%d" in plural.msgstr_plural[0]
    assert catalog.metadata["Plural-Forms"] == "nplurals=1; plural=0;"
    assert catalog.header == "A comment" or "A comment" in str(row["text"])
    with pytest.raises(DataError, match="no catalog"):
        next(TASK.run(StandIn(careless), ["Just text, and no catalog."], to="zh", format="po"))


def test_rows() -> None:
    lines = [json.dumps({"id": n, "text": f"Item {n} is good.", "note": "stays"}) for n in range(3)]
    row = next(TASK.run(StandIn(to_chinese), ["\n".join(lines) + "\n"], to="zh", format="jsonl"))
    found = [json.loads(line) for line in str(row["text"]).splitlines()]
    assert [one["id"] for one in found] == [0, 1, 2]
    assert found[2] == {"id": 2, "text": "词2词词。", "note": "stays"}
    for wrong, message in (("{", "no JSON"), ("3", "neither"), ('{"a":"x","b":"y"}', "several")):
        with pytest.raises(DataError, match=message):
            next(TASK.run(StandIn(to_chinese), [wrong], to="zh", format="jsonl"))


# -- parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("twenty-one", {20, 1, 21}),
        ("三百二十", {320}),
        ("二〇二六年", {2026}),
        ("1,200 and 3.5万", {1200, 35_000}),
        ("两千零五", {2005}),
        ("一亿三千万", {130_000_000}),
        ("1.2.3", {1, 2, 3}),
        ("10:30", {10, 30}),
    ],
)
def test_numbers_have_values(text: str, values: Sequence[float]) -> None:
    assert set(values) <= numbers_of(text)


def test_numbers_are_compared_by_value() -> None:
    assert missing("I paid 1,200 for 3 cats.", "我花了一千二百买了三只猫。") == []
    assert missing("3 cats", "4只猫") == ["3", "4"]
    assert missing("In May 2026", "2026年5月") == []
    assert missing("The train leaves at 2:30.", "火车2点30分开。") == []
    assert missing("The train leaves at 2:30.", "火车2:37开。") == ["2:30", "2:37"]
    assert missing("See section 5.1.1.", "见5.8.1节。") == ["5.8.1"]
    assert missing("It is on ext4.", "它在ext3上。") == ["ext4", "ext3"]
    assert missing("Write to us.", "请看 https://a.org/x 。") == ["https://a.org/x"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hello", "en"), ("今天天气很好", "zh"), ("これは本です", "ja"), ("안녕하세요", "ko"),
        ("Das ist nicht gut.", "de"), ("Ce n'est pas pour les enfants", "fr"), ("123 ...", ""),
        ("Привет", "ru"), ("使用Python编程", "zh"), ("Київ і Львів", "uk"),
    ],
)  # fmt: skip
def test_languages_are_told(text: str, code: str) -> None:
    assert language_of(text) == code


def test_what_is_wrong_is_told() -> None:
    model = StandIn(to_chinese)
    for wrong in (
        {},
        {"to": "xx"},
        {"to": "zh", "source": "klingon"},
        {"to": "zh", "beams": 0},
        {"to": "zh", "format": "pdf"},
        {"to": "zh", "glossary": {" ": "x"}},
        {"to": "zh", "beams": 4, "seed": 1},
    ):
        with pytest.raises(UsageError):
            TASK.run(model, ["x"], **wrong)
    with pytest.raises(UsageError, match="cannot translate"):
        TASK.run(object(), ["x"], to="zh")
