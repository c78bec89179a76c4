"""Escape sequences are found as they are and spelled out; what only looks like them is not."""

from __future__ import annotations

import pytest

from autogpt.safety.active import find_active
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


def test_programs_may_print_colors_unless_the_policy_is_strict() -> None:
    text = r"echo -e '\033[31mred'"
    assert Rails("default").check(text, direction="output").action == "allow"
    assert Rails("strict").check(text, direction="output").action == "mask"
