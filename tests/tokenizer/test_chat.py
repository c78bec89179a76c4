from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tokenizer.texts import hard_text
from transformers import PreTrainedTokenizerFast

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.messages import Message, assistant, system, user
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.chat import CHAT_TEMPLATE, encode_chat, render

_CONVERSATION = [system("Be brief."), user(" 你好\n"), assistant("Hi! 😀"), user("Bye.")]
_TURNS = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), hard_text), max_size=4)


def test_chatml() -> None:
    assert render(_CONVERSATION) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n 你好\n<|im_end|>\n"
        "<|im_start|>assistant\nHi! 😀<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("add_generation_prompt", [False, True])
def test_agrees_with_transformers(
    tokenizer: Tokenizer, folder: Path, add_generation_prompt: bool
) -> None:
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    turns = [message.to_dict() for message in _CONVERSATION]
    text = theirs.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=add_generation_prompt
    )
    ids = theirs.apply_chat_template(
        turns, add_generation_prompt=add_generation_prompt, return_dict=True
    )["input_ids"]
    assert render(_CONVERSATION, add_generation_prompt=add_generation_prompt) == text
    assert encode_chat(_CONVERSATION, tokenizer, add_generation_prompt=add_generation_prompt) == ids


def test_template_features_agree_with_transformers(folder: Path) -> None:
    template = """
    {%- if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% endif %}
    {%- set ns = namespace(count=0) %}
    {% macro name(role) %}{{ role | upper }}{% endmacro %}
    {% for m in rest %}
        {% if loop.last and m.role != 'user' %}{% break %}{% endif %}
        {% set ns.count = ns.count + loop.index0 * 2 ** 2 %}
        {% generation %}{{ name(m.role) ~ ': ' ~ m['content'] | trim ~ '-' * 3 }}{% endgeneration %}
        {{ m | tojson }} {{ loop.length }} {{ '%d' % ns.count }} {{ m.content.split('y')[0] }}
    {% endfor %}{{ '&<' }}{{ [1, 2] + [3] }}"""
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    turns = [message.to_dict() for message in _CONVERSATION]
    expected = theirs.apply_chat_template(turns, chat_template=template, tokenize=False)
    assert render(_CONVERSATION, template=template, add_generation_prompt=False) == expected


@given(_TURNS)
def test_only_the_template_places_special_tokens(
    tokenizer: Tokenizer, messages: list[Message]
) -> None:
    ids = encode_chat(messages, tokenizer)
    assert tokenizer.decode(ids) == render(messages)
    assert ids.count(tokenizer.eos_id) == len(messages)
    assert ids.count(tokenizer.im_start_id or -1) == len(messages) + 1


def test_template_is_saved_with_the_tokenizer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path).roles.chat_template == CHAT_TEMPLATE
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["chat_template"]
    path.write_text(json.dumps(config), encoding="utf-8")
    assert Tokenizer.load(tmp_path).roles.chat_template is None
    (tmp_path / "chat_template.jinja").write_text("{{ 1 }}", encoding="utf-8")
    assert Tokenizer.load(tmp_path).roles.chat_template == "{{ 1 }}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in 'x' * 9999 %}{% for b in 'x' * 9999 %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 2 ** 2 ** 2 ** 2 ** 2 }}",
        "{% set n = namespace(t='x' * 999) %}{% for a in range(60) %}"
        "{% set n.t = n.t ~ n.t %}{% endfor %}",
        "{% set n = namespace(t='x' * 999) %}{% for a in range(60) %}"
        "{% set n.t = n.t + n.t %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'x' | center(10 ** 9) }}",
        "{{ messages[9].content }}",
        "{{ 1 / 0 }}",
        "{{ missing.field }}",
        "{{ messages + 1 }}",
        "{% if %}",
        "{#" + "x" * 200_000 + "#}",
    ],
)
def test_harmful_or_broken_template_is_one_sentence(template: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(CheckpointError, match="chat template cannot be rendered: ") as caught:
        render(_CONVERSATION, template=template)
    assert "\n" not in caught.value.message
    assert time.perf_counter() - begin < 10


def test_template_may_refuse_messages() -> None:
    with pytest.raises(UsageError, match="refuses these messages: roles must alternate"):
        render(_CONVERSATION, template="{{ raise_exception('roles must alternate') }}")


def test_budget_is_that_of_one_rendering() -> None:
    template = "{% for a in range(9999) %}{% for b in range(60) %}{% endfor %}{% endfor %}"
    for _ in range(2):
        assert render([], template=template) == ""
