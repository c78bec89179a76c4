"""What ``POST /v1/responses`` may say; checked as the rest is in ``openai``.

Source: OpenAI's API reference (2026-10), "Responses".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from autogpt.server.openai import (
    MOST_ITEMS,
    MOST_TOOLS,
    FunctionName,
    JsonObjectFormat,
    Metadata,
    Name,
    Probability,
    TextFormat,
    Wire,
    check_choice,
)

__all__ = [
    "ResponseCall",
    "ResponseCallOutput",
    "ResponseFunction",
    "ResponseMessage",
    "ResponseNamedTool",
    "ResponseRequest",
    "ResponseSchema",
]


class Item(Wire):
    """What the server may have said itself: fields of it that are not known are passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class ResponseText(Item):
    """A part of a turn."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class ResponseMessage(Item):
    """A turn."""

    type: Literal["message"] = "message"
    role: Literal["developer", "system", "user", "assistant"]
    content: str | Annotated[list[ResponseText], Field(max_length=MOST_ITEMS)]
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class ResponseCall(Item):
    """A call that the model made in an earlier turn."""

    type: Literal["function_call"]
    call_id: Name
    name: FunctionName
    arguments: str
    id: str | None = None
    status: str | None = None


class ResponseCallOutput(Item):
    """What a call gave."""

    type: Literal["function_call_output"]
    call_id: Name
    output: str
    id: str | None = None
    status: str | None = None


class ResponseFunction(Wire):
    """A function that the model may call."""

    type: Literal["function"]
    name: FunctionName
    description: Annotated[str, Field(max_length=8192)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseNamedTool(Wire):
    """The one tool that must be called."""

    type: Literal["function"]
    name: FunctionName


class ResponseSchema(Wire):
    """JSON of a schema."""

    type: Literal["json_schema"]
    name: FunctionName
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseTextOptions(Wire):
    """The form of the answer."""

    format: (
        Annotated[TextFormat | JsonObjectFormat | ResponseSchema, Field(discriminator="type")]
        | None
    ) = None
    verbosity: Literal["medium"] | None = None


class ResponseRequest(Wire):
    """``POST /v1/responses``; nothing is kept, so there is no previous response."""

    model: Name
    input: (
        str
        | Annotated[
            list[ResponseMessage | ResponseCall | ResponseCallOutput],
            Field(min_length=1, max_length=MOST_ITEMS),
        ]
    )
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    text: ResponseTextOptions | None = None
    tools: Annotated[list[ResponseFunction], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ResponseNamedTool | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    background: Literal[False] | None = None
    include: Annotated[list[str], Field(max_length=0)] | None = None
    previous_response_id: None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    metadata: Metadata | None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ResponseRequest:
        choice = self.tool_choice
        name = choice.name if isinstance(choice, ResponseNamedTool) else None
        check_choice(choice, name, [tool.name for tool in self.tools or ()])
        return self
