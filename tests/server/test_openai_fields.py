"""Every field of OpenAI's requests is accepted, or listed in docs/serving.md."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from openai.types import completion_create_params, embedding_create_params, moderation_create_params
from openai.types.audio import transcription_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from pydantic import BaseModel

from autogpt.server.openai import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ModerationRequest,
)
from autogpt.server.openai_responses import ResponseRequest

DOCS = Path("docs/serving.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (chat_create_params.CompletionCreateParamsBase, ChatRequest),
        (completion_create_params.CompletionCreateParamsBase, CompletionRequest),
        (response_create_params.ResponseCreateParamsBase, ResponseRequest),
        (embedding_create_params.EmbeddingCreateParams, EmbeddingRequest),
        (moderation_create_params.ModerationCreateParams, ModerationRequest),
        (transcription_create_params.TranscriptionCreateParamsBase, None),
    ],
)
def test_each_field_is_accepted_or_listed(theirs: type, ours: type[BaseModel] | None) -> None:
    fields = set(typing.get_type_hints(theirs)) - set(ours.model_fields if ours else ())
    assert {name for name in fields if f"`{name}`" not in DOCS} == set()
