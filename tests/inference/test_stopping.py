"""Stop strings over any cuts, whole characters only, and every token's account with its text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.messages import TokenLogprob
from autogpt.inference.stopping import LoopDetector, StopMatcher, TextStream
from autogpt.tokenizer.bpe import Tokenizer

LETTERS = "ab之"


def until_stop(text: str, stops: list[str]) -> tuple[str, bool]:
    """Return what may be shown, found one character at a time."""
    for end in range(1, len(text) + 1):
        ended = [stop for stop in stops if text[:end].endswith(stop)]
        if ended:
            return text[: end - max(map(len, ended))], True
    return text, False


@given(
    pieces=st.lists(st.text(LETTERS, max_size=6), max_size=12),
    stops=st.lists(st.text(LETTERS, min_size=1, max_size=5), max_size=3),
)
def test_the_text_ends_before_the_first_stop_however_it_is_cut(
    pieces: list[str], stops: list[str]
) -> None:
    wanted, is_stopped = until_stop("".join(pieces), stops)
    matcher, shown, stopped = StopMatcher(stops), "", False
    for piece in pieces:
        text, stopped = matcher.push(piece)
        shown += text
        assert wanted.startswith(shown), "a part of a stop string leaked"
        if stopped:
            break
    assert stopped == is_stopped
    assert shown + ("" if stopped else matcher.flush()) == wanted


@given(
    text=st.text("<c>ab", max_size=12),
    called=st.booleans(),
    cuts=st.lists(st.integers(0, 15), max_size=5),
)
def test_a_text_that_begins_so_is_not_stopped(text: str, cuts: list[int], *, called: bool) -> None:
    text = ("<c>" if called else "") + text
    exempt = text.startswith("<c>")
    wanted, is_stopped = (text, False) if exempt else until_stop(text, ["a", "<b"])
    matcher, shown, stopped = StopMatcher(["a", "<b"], unless="<c>"), "", False
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for begin, end in pairwise(places):
        some, stopped = matcher.push(text[begin:end])
        shown += some
        if stopped:
            break
    assert stopped == is_stopped
    assert shown + ("" if stopped else matcher.flush()) == wanted


def test_only_what_could_become_a_stop_is_held_back() -> None:
    matcher = StopMatcher(["\n\nUser:"])
    assert matcher.push("yes\n") == ("yes", False)
    assert matcher.push("no") == ("\nno", False)
    assert matcher.push("\n\nUs") == ("", False)
    assert matcher.push("er: hello") == ("", True)


def spell(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return one token for each byte."""
    return [tokenizer.encode_bytes(bytes([byte]))[0] for byte in text.encode()]


def account(tokenizer: Tokenizer, token_id: int) -> TokenLogprob:
    return TokenLogprob(token="", token_bytes=tokenizer.token_bytes(token_id), logprob=0.0)


@pytest.mark.parametrize("text", ["day?", "學而時習之", "naïve 😀 day", "e\u0301"])
def test_a_character_split_over_tokens_waits(tokenizer: Tokenizer, text: str) -> None:
    stream = TextStream(tokenizer, [])
    pieces = [stream.push(token_id).text for token_id in spell(tokenizer, text)]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len([piece for piece in pieces if piece]) == len(text)


def test_half_a_character_at_the_end_is_dropped(tokenizer: Tokenizer) -> None:
    stream = TextStream(tokenizer, [])
    shown = [stream.push(token_id).text for token_id in spell(tokenizer, "day學")[:-1]]
    assert "".join(shown) + stream.close().text == "day"


def test_a_stop_string_in_the_middle_of_a_split_character(tokenizer: Tokenizer) -> None:
    stream = TextStream(tokenizer, ["而"])
    shown, stopped = "", False
    for token_id in spell(tokenizer, "學而時"):
        released = stream.push(token_id)
        shown, stopped = shown + released.text, released.stopped
        if stopped:
            break
    assert (shown, stopped) == ("學", True)


@pytest.mark.parametrize("stops", [[], ["say"], ["yz"], ["day?", "more"], ["h"]])
def test_tokens_come_with_their_text(tokenizer: Tokenizer, stops: list[str]) -> None:
    text = "Thou day? 之 xyz"
    stream = TextStream(tokenizer, stops)
    shown, tokens = "", b""
    for token_id in spell(tokenizer, text):
        released = stream.push(token_id, account(tokenizer, token_id))
        shown += released.text
        tokens += b"".join(entry.token_bytes for entry in released.logprobs)
        assert len(tokens) >= len(shown.encode())
        if released.stopped:
            break
    else:
        rest = stream.close()
        shown += rest.text
        tokens += b"".join(entry.token_bytes for entry in rest.logprobs)
    assert shown == until_stop(text, stops)[0]
    assert tokens == shown.encode()


def noticed(tokens: list[int], repeats: int) -> int | None:
    """Return after how many tokens a loop is noticed."""
    detector = LoopDetector(repeats)
    return next((n for n, token in enumerate(tokens, start=1) if detector.push(token)), None)


@pytest.mark.parametrize("period", [1, 2, 11, 40, 128])
@pytest.mark.parametrize("repeats", [2, 4])
def test_a_loop_is_noticed_when_its_last_repetition_is_whole(period: int, repeats: int) -> None:
    opening, phrase = list(range(1000, 1050)), list(range(period))
    seen = noticed(opening + phrase * 40, repeats)
    assert seen == 50 + max(period * repeats, 32)


@given(st.lists(st.integers(0, 2), max_size=150), st.integers(2, 4))
def test_only_loops_are_noticed(tokens: list[int], repeats: int) -> None:
    def loops(ids: list[int]) -> bool:
        return any(
            len(ids) >= (size := max(period * repeats, 32))
            and all(ids[-n] == ids[-n - period] for n in range(1, size - period + 1))
            for period in range(1, min(128, len(ids) - 1) + 1)
        )

    wanted = next((n for n in range(1, len(tokens) + 1) if loops(tokens[:n])), None)
    assert noticed(tokens, repeats) == wanted


def test_text_that_repeats_words_is_no_loop() -> None:
    line = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    poem = [token for number in range(100, 130) for token in [*line, number]]
    assert noticed(poem, 2) is None
