"""Messages and completions as the command line shows them."""

from __future__ import annotations

import json

from autogpt.core.messages import Chunk, Completion, Timing, TokenLogprob, Usage, assistant, user


def test_completion_fields_are_those_of_the_command_line() -> None:
    completion = Completion(
        text="hi",
        finish_reason="stop",
        usage=Usage(prompt_tokens=3, completion_tokens=2),
        timing=Timing(load_s=0.12345, first_token_s=0.5, tokens_per_s=10.123),
    )
    assert json.loads(json.dumps(completion.to_dict())) == {
        "text": "hi",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        "timing": {"load_s": 0.1235, "first_token_s": 0.5, "tokens_per_s": 10.12},
    }


def test_logprobs_keep_text_and_bytes() -> None:
    other = TokenLogprob(token="\ufffd", token_bytes=b"\xe4", logprob=-2.0)
    entry = TokenLogprob(token="a", token_bytes=b"a", logprob=-1.0, top=(other,))
    assert entry.to_dict() == {
        "token": "a",
        "bytes": [97],
        "logprob": -1.0,
        "top_logprobs": [{"token": "\ufffd", "bytes": [228], "logprob": -2.0}],
    }


def test_a_chunk_shows_only_what_is_known() -> None:
    assert Chunk(text="x").to_dict() == {"text": "x", "index": 0}
    assert Chunk(text="", index=1, finish_reason="length").to_dict() == {
        "text": "",
        "index": 1,
        "finish_reason": "length",
    }


def test_messages_as_templates_read_them() -> None:
    assert [message.to_dict() for message in (user("a"), assistant("b"))] == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]
