from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tokenizer.texts import hard_text
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from autogpt.core.errors import UsageError
from autogpt.core.messages import Message, assistant, system, user
from autogpt.tokenizer.bpe import Tokenizer, TokenizerRoles
from autogpt.tokenizer.chat import CHAT_TEMPLATE, encode_chat
from autogpt.tokenizer.lessons import (
    Lesson,
    encode_completion,
    encode_lesson,
    encode_passage,
)

TALK = [
    system("Be brief."),
    user("天气怎么样？"),
    assistant("晴天。 😀"),
    user("And tomorrow?"),
    assistant("Rain, I am afraid."),
]
BEGIN, END, TEXT_END = "<|im_start|>", "<|im_end|>", "<|endoftext|>"

# As people write them, with the special tokens of our vocabulary.
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{{ '\\n' }}{% else %}{{ m['content'] + '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}{{ '[' + m['role'] + ']\\n\\n' + m['content'] | trim + "
    "'<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]\\n\\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}"
    "{{ ' ' + m['content'] + eos_token }}{% else %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% endif %}{% endfor %}"
)
PHI_3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + "
    "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% else %}{{ '<|endoftext|>' }}{% endif %}"
)
THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
)
PLAIN = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
CHANGING = (
    "{% for m in messages %}{{ m['role'] + ': ' }}{% if m['role'] == 'assistant' and not loop.last "
    "%}{{ 'short' }}{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>' }}{% endfor %}"
)
SYSTEM_LAST = (
    "{% for m in messages if m['role'] != 'system' %}{% if loop.last %}{{ messages[0]['content'] }}"
    "{% endif %}{{ m['content'] + '<|im_end|>' }}{% endfor %}"
)
TOKENS = {"bos_token": TEXT_END, "eos_token": END}


def runs(lesson: Lesson, tokenizer: Tokenizer) -> list[str]:
    """Return the stretches that are learned, as text."""
    found: list[list[int]] = []
    before = False
    for token_id, on in zip(lesson.token_ids.tolist(), lesson.learned.tolist(), strict=True):
        if on:
            found += [] if before else [[]]
            found[-1].append(token_id)
        before = on
    return [tokenizer.decode(ids) for ids in found]


ANSWERS = ["晴天。 😀", "Rain, I am afraid."]


@pytest.mark.parametrize(
    ("template", "learned"),
    [
        (CHAT_TEMPLATE, [answer + END for answer in ANSWERS]),
        (MARKED, [answer + END for answer in ANSWERS]),
        (LLAMA_3, [answer + END for answer in ANSWERS]),
        (MISTRAL, [f" {answer}{END}" for answer in ANSWERS]),
        (PHI_3, [answer + END for answer in ANSWERS]),
        (THINKING, [f"{answer}{END}" for answer in ANSWERS]),
        (PLAIN, [f"{answer}\n" for answer in ANSWERS]),
    ],
)
def test_templates(tokenizer: Tokenizer, folder: Path, template: str, learned: list[str]) -> None:
    lesson = encode_lesson(TALK, tokenizer, template=template, tokens=TOKENS, place="x:1")
    found = [text.removeprefix("assistant\n") for text in runs(lesson, tokenizer)]
    # A token that begins with the space or line end before an answer belongs to it.
    assert [text.strip() for text in found] == [text.strip() for text in learned]
    assert lesson.place == "x:1"
    theirs = PreTrainedTokenizerFast.from_pretrained(folder, bos_token=TEXT_END, eos_token=END)
    turns = [message.to_dict() for message in TALK]
    ids = theirs.apply_chat_template(turns, chat_template=template, return_dict=True)["input_ids"]
    assert lesson.token_ids.tolist() == ids


@pytest.mark.parametrize(
    "talk",
    [
        TALK,
        [user("你好"), assistant("\n\nHello"), user(""), assistant(" Hi ")],
        [assistant("I begin."), user("Oh."), assistant("是。"), system("!"), assistant("??\n\n")],
    ],
)
def test_the_mask_is_that_of_transformers(
    tokenizer: Tokenizer, folder: Path, talk: Sequence[Message]
) -> None:
    theirs = PreTrainedTokenizerFast.from_pretrained(folder).apply_chat_template(
        [message.to_dict() for message in talk],
        chat_template=MARKED,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    ours = encode_lesson(talk, tokenizer)
    assert ours.token_ids.tolist() == theirs["input_ids"]
    assert ours.learned.astype(int).tolist() == theirs["assistant_masks"]


@given(
    st.lists(st.builds(Message, st.sampled_from(["user", "system"]), hard_text), max_size=3),
    hard_text,
)
def test_any_answer_is_learned_whole_and_alone(
    tokenizer: Tokenizer, before: list[Message], answer: str
) -> None:
    talk = [*before, assistant(answer)]
    lesson = encode_lesson(talk, tokenizer)
    assert lesson.token_ids.tolist() == encode_chat(talk, tokenizer, add_generation_prompt=False)
    (learned,) = runs(lesson, tokenizer)
    assert learned.removeprefix("\n") in (answer + END, (answer + END).removeprefix("\n"))


def test_only_the_last_answer(tokenizer: Tokenizer) -> None:
    for template in (CHAT_TEMPLATE, CHANGING):
        lesson = encode_lesson(TALK, tokenizer, template=template, learn="last")
        (learned,) = runs(lesson, tokenizer)
        assert learned.endswith(ANSWERS[1] + END)
        assert ANSWERS[0] not in learned


@pytest.mark.parametrize("template", [CHANGING, SYSTEM_LAST])
def test_a_template_that_rewrites_the_beginning_is_refused(
    tokenizer: Tokenizer, template: str
) -> None:
    with pytest.raises(UsageError, match=r"in another way once it goes on \(turn 3 of 5\)"):
        encode_lesson(TALK, tokenizer, template=template)


def test_conversations_without_anything_to_learn_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="no turn of the assistant"):
        encode_lesson([user("Hello?")], tokenizer)
    first = "{{ messages[0]['role'] }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(UsageError, match="cannot begin with the assistant"):
        encode_lesson([assistant("Hi")], tokenizer, template=first)


def test_special_tokens_in_messages_stay_text(tokenizer: Tokenizer) -> None:
    lesson = encode_lesson([user(f"a{END}"), assistant(f"b{END}{BEGIN}c")], tokenizer)
    assert runs(lesson, tokenizer) == [f"b{END}{BEGIN}c{END}"]
    assert lesson.token_ids.tolist().count(tokenizer.eos_id) == 2


def test_other_tokenizers() -> None:
    """A normalizer changes lengths; offsets may leave out spaces; a template may use neither."""
    vocab = {character: number for number, character in enumerate(byte_letters())}
    other = HFTokenizer(models.BPE(vocab=vocab, merges=[]))
    other.normalizer = normalizers.NFC()
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    other.post_processor = processors.ByteLevel(trim_offsets=True)
    other.decoder = decoders.ByteLevel()
    other.add_special_tokens([END, TEXT_END])
    small = Tokenizer(other, roles=TokenizerRoles())
    talk = [user("e\u0301te\u0301"), assistant("cafe\u0301 好 \n")]
    for template, answer in ((CHAT_TEMPLATE, "café 好 \n" + END), (PLAIN, "café 好 \n\n")):
        assert runs(encode_lesson(talk, small, template=template), small) == [answer]


def byte_letters() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def test_texts_and_completions(tokenizer: Tokenizer) -> None:
    passage = encode_passage("学而时习之", tokenizer, place="lunyu.txt")
    assert passage.learned.all()
    assert tokenizer.decode(passage.token_ids.tolist()) == "学而时习之<|endoftext|>"
    lesson = encode_completion("Q: 1+1?\nA:", " 2", tokenizer)
    assert runs(lesson, tokenizer) == [" 2<|im_end|>"]
    assert lesson.token_ids.tolist() == [
        *tokenizer.encode("Q: 1+1?\nA:"), *tokenizer.encode(" 2"), tokenizer.eos_id,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="ids"):
        Lesson(np.zeros(2, dtype=np.int32), np.zeros(3, dtype=np.bool_))
