"""Escape sequences are found as they are and spelled out; what only looks like them is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autogpt.safety.active import find_active, last_part
from autogpt.safety.policy import load_policy
from autogpt.safety.rails import Rails


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\x1b[31mred", "active.control \x1b[31m"),
        (r"\033[31mred", r"active.escape \033[31m"),
        (r"PS1='\[\e[32m\]'", r"active.escape \e[32m"),
        (r"\x1b]0;title", r"active.escape \x1b]"),
        (r"write \x9b", r"active.escape \x9b"),
        (r"write \u009d", r"active.escape \u009d"),
    ],
)
def test_escape_sequences_are_found(text: str, found: str) -> None:
    span = next(find_active(text))
    assert f"{span.category} {text[span.start : span.end]}" == found


@pytest.mark.parametrize("text", [r"\x9c", r"C:\e\033", r"a list\e of", "x9b", r"\u0099"])
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert list(find_active(text)) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"Write \033[31m for red.", "Write [ESCAPE] for red."),
        (
            "Like this:\n```sh\necho '\\033[31mred'\n```\nor \\033[32m.",
            "Like this:\n```sh\necho '\\033[31mred'\n```\nor [ESCAPE].",
        ),
        (
            "1. In a list:\n\n     ~~~\n     \\e[0m\n     ```\n     \\e[1m\n     ~~~\n\\e[2m.",
            "1. In a list:\n\n     ~~~\n     \\e[0m\n     ```\n     \\e[1m\n     ~~~\n[ESCAPE].",
        ),
        ("~~~~\n~~~\n\\x1b[0m\n~~~~\n", None),  # three marks do not end four
        ("```\nnever closed. \\x1b[0m", None),
        ("``` no `fence`. \\x1b[0m", "``` no `fence`. [ESCAPE]"),
        ("a ``` in a line.\n\\x1b[0m", "a ``` in a line.\n[ESCAPE]"),
    ],
)
def test_in_blocks_of_code_escapes_may_be_spelled_out_however_the_text_is_cut(
    text: str, shown: str | None
) -> None:
    shown = shown or text
    rails = Rails(replace(load_policy("default"), lookbehind_chars=5, hold_tokens=1))
    for size in range(1, len(text) + 1):
        rail = rails.output()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(rail.push(piece).text for piece in pieces) + rail.close().text == shown, size


def test_what_was_shown_is_read_on_in_its_block_of_code() -> None:
    text = "See:\n```python\nprint(1)\n```\nThen ``` and\n  ~~~\nmore"
    for length in range(len(text) + 1):
        for more, category in (
            ("\n\\e[0m", "active.code_escape"),
            ("\n~~~\n\\e[0m", "active.escape"),
        ):
            assert [span.category for span in find_active(last_part(text, length) + more)] == [
                category
            ]
    assert last_part("0123456789" * 30, 200) == "0123456789" * 20


def test_json_may_hold_code_but_no_control_of_a_terminal() -> None:
    rails = Rails("default")
    for text, blocked in ((r'{"code": "\\033[31m"}', False), (r'{"code": "\u001b[31m"}', True)):
        rail = rails.output(form="json")
        assert (rail.push(text).blocked or rail.close().blocked) is blocked
    rail = Rails("strict").output(form="json")
    assert rail.push(r'{"code": "\\033[31m"}').blocked or rail.close().blocked


def test_programs_may_print_colors_unless_the_policy_is_strict() -> None:
    text = "```sh\necho -e '\\033[31mred'\n```"
    assert Rails("default").check(text, direction="output").action == "allow"
    assert Rails("strict").check(text, direction="output").action == "mask"
