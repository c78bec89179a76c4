"""Conversations as text and as token ids: the ChatML template, and any model's own.

The text agrees with ``apply_chat_template`` of ``transformers`` (2026); how a template is kept
from doing harm is in ``sandbox.py``, which tokens of a conversation are learned in ``lessons.py``.
What to say in a conversation is up to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autogpt.core.messages import Message, TemplateMessage
from autogpt.tokenizer.sandbox import render_template

__all__ = [
    "CHAT_TEMPLATE",
    "PAIR_TEMPLATE",
    "ChatTokenizer",
    "Disguise",
    "encode_chat",
    "render",
]

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""ChatML (OpenAI, 2023) as Qwen writes it, without a system message of its own."""

PAIR_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- message['content'] }}"
    "{{- '<|im_end|>' if message['role'] == 'assistant' else '<|im_start|>' }}"
    "{%- endfor %}"
)
"""A text, a token, and what is made of it: for models that are taught pairs from nothing.

ChatML takes eight tokens more, a third of a short sentence with its translation.
"""


class ChatTokenizer(Protocol):
    """What ``encode_chat`` needs of a tokenizer."""

    @property
    def special_ids(self) -> dict[str, int]:
        """Special tokens and their ids."""
        ...

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """Return the ids of text."""
        ...


def render(
    messages: Sequence[Message | TemplateMessage],
    *,
    template: str = CHAT_TEMPLATE,
    add_generation_prompt: bool = True,
    tokens: Mapping[str, str] | None = None,
) -> str:
    """Return a conversation as the text that a model was trained on.

    Args:
        messages: The turns, oldest first.
        template: A jinja chat template.
        add_generation_prompt: End with the beginning of the assistant's answer.
        tokens: What the template knows as ``bos_token`` and the like.

    Raises:
        CheckpointError: If the template is broken, or breaks the sandbox or its limits.
        UsageError: If the template refuses these messages.
    """
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in map(_turn, messages)]
    return render_template(
        template,
        {**(tokens or {}), "messages": turns, "add_generation_prompt": add_generation_prompt},
    )


def encode_chat(
    messages: Sequence[Message | TemplateMessage],
    tokenizer: ChatTokenizer,
    *,
    template: str = CHAT_TEMPLATE,
    add_generation_prompt: bool = True,
    tokens: Mapping[str, str] | None = None,
) -> list[int]:
    """Return a conversation as token ids, in which only the template places special tokens.

    ``<|im_end|>`` written in a message stays text, so that a message cannot end itself and speak
    for somebody else. Without such text the ids are those of the rendered conversation.

    Raises:
        CheckpointError, UsageError: As ``render``.
    """
    turns = [_turn(message) for message in messages]
    disguise = Disguise.of(turns, tokenizer.special_ids)
    text = render(
        disguise.put_on(turns),
        template=template,
        add_generation_prompt=add_generation_prompt,
        tokens=tokens,
    )
    ids: list[int] = []
    for piece in disguise.pieces(text):
        if piece in tokenizer.special_ids:
            ids.append(tokenizer.special_ids[piece])
        else:
            ids += tokenizer.encode(disguise.take_off(piece))
    return ids


@dataclass(frozen=True, slots=True)
class Disguise:
    """What keeps special tokens that messages spell from being taken for the template's own.

    Attributes:
        special: Finds special tokens, as a group.
        stand_in: What stands in the middle of a disguised one; no message contains it.
    """

    special: re.Pattern[str]
    stand_in: str

    @classmethod
    def of(cls, turns: Sequence[TemplateMessage], special: Iterable[str]) -> Disguise:
        """Return the disguise for these turns and these special tokens."""
        longest_first = sorted(filter(None, special), key=len, reverse=True)
        pattern = re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")
        return cls(pattern, _absent_from(turn["content"] for turn in turns))

    def put_on(self, turns: Sequence[TemplateMessage]) -> list[TemplateMessage]:
        """Return the turns with each special token in them broken in two."""
        return [
            {"role": turn["role"], "content": self.special.sub(self._broken, turn["content"])}
            for turn in turns
        ]

    def pieces(self, text: str) -> list[str]:
        """Return a rendered text as special tokens and what stands between them, in order."""
        return [piece for piece in self.special.split(text) if piece]

    def take_off(self, piece: str) -> str:
        """Return a piece as it was meant."""
        return piece.replace(self.stand_in, "")

    def _broken(self, found: re.Match[str]) -> str:
        return found[0][0] + self.stand_in + found[0][1:]


def _turn(message: Message | TemplateMessage) -> TemplateMessage:
    return message.to_dict() if isinstance(message, Message) else message


def _absent_from(texts: Iterable[str]) -> str:
    """Return a string of private-use characters that no text contains."""
    stand_in = "\uf8ff"
    joined = "\n".join(texts)
    while stand_in in joined:
        stand_in += "\uf8ff"
    return stand_in
