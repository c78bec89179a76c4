"""Text that is hard on tokenizers, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

_PIECES = [
    "the", "The", "'s", "'LL", "'ſ", "don't", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r",
    "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\u200b", "\ufeff", ".", "...", "!?", "--",
    "1", "42", "１", "٣", "½", "é", "e\u0301", "ß", "İ", "你", "好", "學而時習之", "，", "。", "「",
    "한국", "ไทย", "नमस्ते", "ع", "😀", "👩‍👩‍👧", "\U0010ffff", "\x00", "<|im_end|>", "<|endoftext|>",
    "<|im_", "\ud7ff", "\ue000",
]  # fmt: skip

any_text = st.text(st.characters(exclude_categories=["Cs"]))
pieced_text = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)
hard_text = any_text | pieced_text | st.lists(pieced_text | any_text, max_size=4).map("".join)
