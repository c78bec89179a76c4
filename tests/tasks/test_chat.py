"""Conversations: whole turns are forgotten, transcripts are what finetune reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import DataError, UsageError
from autogpt.core.examples import Conversation
from autogpt.core.messages import Chunk, Message, assistant, system, user
from autogpt.data.examples import ExamplesConfig, read_examples
from autogpt.tasks.chat import TASK, Chat, load_transcript, messages_of, save_transcript, trimmed
from tests.tasks.writers import StandIn

_ROLES = st.sampled_from(["user", "assistant"])


@given(st.booleans(), st.lists(_ROLES, max_size=12), st.integers(0, 14))
def test_whole_turns_are_forgotten_the_oldest_first(
    speaks: bool, roles: list[str], most: int
) -> None:
    talk = [Message(role, str(n)) for n, role in enumerate(roles)]  # type: ignore[arg-type]
    whole = [system("be kind")] * speaks + talk
    kept = trimmed(whole, lambda turns: len(turns) <= most)
    assert [turn for turn in kept if turn.role == "system"] == [system("be kind")] * speaks
    rest = [turn for turn in kept if turn.role != "system"]
    assert rest == talk[len(talk) - len(rest) :]
    if len(kept) < len(whole):
        assert rest[0].role == "user"
    users = sum(turn.role == "user" for turn in rest)
    assert len(kept) <= most or users <= 1
    assert len(whole) > most or kept == whole


class Talker:
    """Says what it heard last, piece by piece."""

    def __init__(self) -> None:
        self.heard: list[Sequence[Message]] = []
        self.settings: dict[str, object] = {}

    def stream(self, prompt: Sequence[Message], **settings: object) -> Iterator[Chunk]:
        self.heard.append(prompt)
        self.settings = settings
        for word in f" I heard: {prompt[-1].content}".split(" "):
            yield Chunk(text=f"{word} ")


def test_a_conversation_is_held() -> None:
    talker = Talker()
    chat = Chat(talker, system="Be kind.", settings={"temperature": 0.0})
    assert chat.say("你好") == "I heard: 你好"
    assert chat.say("Again?") == "I heard: Again?"
    assert [turn.role for turn in talker.heard[-1]] == ["system", "user", "assistant", "user"]
    assert talker.settings == {"max_tokens": 512, "temperature": 0.0}
    assert chat.undo() == "Again?"
    assert [turn.content for turn in chat.messages] == ["Be kind.", "你好", "I heard: 你好"]
    chat.system = "Be short."
    assert chat.messages[0] == system("Be short.")
    chat.system = None
    assert chat.messages[0] == user("你好")
    chat.clear()
    assert chat.messages == []
    assert chat.undo() is None
    with pytest.raises(UsageError, match="no message"):
        chat.say("  ")


def test_an_answer_that_is_cut_short_is_kept() -> None:
    chat = Chat(Talker())
    pieces = chat.stream("one two three")
    next(pieces)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    assert [turn.content for turn in chat.messages] == ["one two three", "I"]


def test_transcripts_are_what_finetune_reads(tmp_path: Path) -> None:
    path = tmp_path / "talks" / "transcript.jsonl"
    first = [user("Hi"), assistant("Hello")]
    second = [system("Be kind."), user("你好\n世界"), assistant("你好！")]
    save_transcript(path, first)
    save_transcript(path, second)
    assert load_transcript(path) == second
    examples = read_examples([str(path)], ExamplesConfig(task="chat"))
    assert [list(e.messages) for e in examples if isinstance(e, Conversation)] == [first, second]
    for content, message in (
        ("", "empty"),
        ("{", "no JSON"),
        ('{"messages": []}', "no list"),
        ('{"messages": [{"role": "user"}]}', "Message 1"),
        ('{"messages": [{"role": "bot", "content": "x"}]}', "Message 1"),
    ):
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            load_transcript(path)
    with pytest.raises(DataError, match="no file"):
        load_transcript(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no list"):
        messages_of("Hi")


def test_the_task_answers_many() -> None:
    model = StandIn(lambda question: f" {question}! ")
    talk = [{"role": "user", "content": "你好"}]
    rows = list(TASK.run(model, ["Hi", talk], system="Be kind.", max_tokens=9, seed=1))
    assert [row["text"] for row in rows] == ["Hi!", "你好!"]
    assert model.batches == [2]
    assert model.settings[0] == {"max_tokens": 9, "seed": 1}
    for row in rows:
        jsonschema.validate(row, TASK.result)
    with pytest.raises(DataError, match="Conversation 2 does not end"):
        TASK.run(model, ["Hi", [*talk, {"role": "assistant", "content": "Hm"}]])
    with pytest.raises(UsageError, match="'tool'"):
        TASK.run(model, [[{"role": "tool", "content": "x"}]])
    with pytest.raises(UsageError, match="no chat template"):
        TASK.run(StandIn(str, answers_messages=False), ["Hi"])
