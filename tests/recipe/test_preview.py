from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import autogpt.data
from autogpt.core.examples import Entity, Example, Labeled, Pair, Tagged
from autogpt.core.messages import assistant, user
from autogpt.recipe.preview import preview
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train
from autogpt.tokenizer.lessons import Lesson, encode_lesson


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    text = Path(autogpt.data.__file__).parent.joinpath("quickstart/lunyu.txt").read_text()[:20_000]
    config = TokenizerConfig(kind="bpe", vocab_size=512)
    return train([text], config, corpus_bytes=len(text.encode()))


def printed(tokenizer: Tokenizer, *items: Lesson | Example, color: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=color, color_system="standard" if color else None)
    console.print(preview(items, tokenizer, console=console, total=9))
    return out.getvalue()


def test_what_is_learned_stands_in_brackets_without_color(tokenizer: Tokenizer) -> None:
    lesson = encode_lesson([user("你好"), assistant("Hello [x]")], tokenizer, place="a.jsonl:3")
    assert printed(tokenizer, lesson, color=False) == (
        f"Example 1 of 9 (a.jsonl:3, {len(lesson)} tokens, {int(lesson.learned.sum())} learned)\n"
        "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n[[Hello [x]<|im_end|>]]\n\n\n"
    )


def test_what_is_learned_is_green_where_there_is_color(tokenizer: Tokenizer) -> None:
    lesson = encode_lesson([user("你好"), assistant("Hello")], tokenizer)
    shown = printed(tokenizer, lesson, color=True)
    assert "\x1b[1;32mHello<|im_end|>\x1b[0m" in shown
    assert "[[" not in shown


def test_labels_entities_and_pairs(tokenizer: Tokenizer) -> None:
    ada = Entity(type="PER", start=0, end=3, text="Ada")
    shown = printed(
        tokenizer,
        Labeled(text="很好", labels=("pos", "book")),
        Tagged(text="Ada met us.", entities=(ada,)),
        Pair(source="狗", target="dog"),
        color=False,
    )
    for text in ("很好 -> [[pos, book]]", "[[Ada: PER]] met us.", "狗\n[[dog]]"):
        assert text in shown


def test_long_texts_are_shortened_and_nothing_moves_the_cursor(tokenizer: Tokenizer) -> None:
    talk = [user("a" * 5000), assistant("\x1b[2J好\u202e\r")]
    shown = printed(tokenizer, encode_lesson(talk, tokenizer), color=False)
    assert " characters " in shown.replace("\n", " ")
    assert len(shown) < 1000
    assert r"[[\x1b[2J好\x202e\x0d<|im_end|>]]" in shown
