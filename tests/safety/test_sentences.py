from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autogpt.safety.sentences import last_end, pieces, sentences


def cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in sentences(text)]


def test_where_sentences_end() -> None:
    assert cut("Dr. A. Smith paid 3.50 euros. He left! “Why?” she asked.") == [
        "Dr. A. Smith paid 3.50 euros.", "He left!", "“Why?”", "she asked.",
    ]  # fmt: skip
    assert cut("他走了。真的吗？\n是的……好") == ["他走了。", "真的吗？", "是的……", "好"]
    assert cut("") == cut(" \n ") == []
    assert last_end("One. Two") == 4
    assert last_end("One") == 0


@given(st.text(alphabet="ab .。!\n中", max_size=300), st.integers(1, 40), st.booleans())
def test_parts_are_in_order_short_and_leave_out_only_blanks(
    text: str, chars: int, joined: bool
) -> None:
    parts = pieces(text, chars=chars, joined=joined)
    assert all(0 < end - begin <= chars for begin, end in parts)
    kept = "".join(text[begin:end] for begin, end in parts)
    assert "".join(kept.split()) == "".join(text.split())
