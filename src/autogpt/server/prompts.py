"""A prompt of a message to the engine process, made ready: its tokens, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from autogpt.core.errors import ConfigError
from autogpt.core.messages import Message, Prompt
from autogpt.inference.params import SamplingParams
from autogpt.llm import LLM

__all__ = ["prepare", "prompt_of"]


def prompt_of(value: Any) -> Prompt | list[int]:  # noqa: ANN401 - from JSON
    """Return a prompt: text, messages, or token ids."""
    if isinstance(value, str):
        return value
    if value and isinstance(value[0], int):
        return [int(token_id) for token_id in value]
    return [Message(one["role"], one["content"]) for one in value]


def prepare(
    llm: LLM, prompt: Prompt | list[int], settings: Mapping[str, Any], most_tokens: int
) -> tuple[list[int], SamplingParams]:
    """Return a prompt's tokens and how it is answered.

    Args:
        llm: The model.
        prompt: Text, messages or token ids.
        settings: As in ``inference.settings``; without ``max_tokens``, as many as the context
            has room for.
        most_tokens: But no more than this.
    """
    given = dict(settings)
    is_read = isinstance(prompt, list) and isinstance(prompt[0], int)
    token_ids = cast("list[int]", prompt) if is_read else llm.encode(cast("Prompt", prompt))
    llm.engine.fit(token_ids, max_tokens=1, overflow="refuse")
    if given.get("max_tokens") is None:
        room = llm.engine.context_length - len(token_ids)
        given["max_tokens"] = max(1, min(most_tokens, room))
    if given.get("logit_bias"):
        given["logit_bias"] = {int(key): value for key, value in given["logit_bias"].items()}
        wrong = [key for key in given["logit_bias"] if key >= llm.engine.vocab_size]
        if wrong:
            raise ConfigError(f"logit_bias has the token id {wrong[0]}, which is not a token.")
    return token_ids, llm.sampling(**given)
