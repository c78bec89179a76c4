"""What requests may say: OpenAI's fields, checked; anything else is refused by name.

Types are strict ("1" is no number, true is none either), numbers finite, texts encodable, lists and
nesting bounded. A field that OpenAI has and this server cannot honor is refused where it asks for
something, and accepted where it asks for nothing (``store: false``). Reading JSON itself is in
``bodies``; what the fields mean for the engine in ``asks``; ``POST /v1/responses`` in
``openai_responses``.

Source: OpenAI's API reference (2026-10), "Chat", "Completions", "Embeddings", "Moderations".
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "ChatMessage",
    "ChatRequest",
    "CompletionRequest",
    "EmbeddingRequest",
    "FunctionTool",
    "ModerationRequest",
    "NamedTool",
    "Sampling",
    "TaskRequest",
]

MOST_ITEMS = 1024  # of messages and of inputs
MOST_TOOLS = 64
MOST_ROWS = 64  # texts of one request: n times prompts

_PICTURE = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/]", re.ASCII)

Name = Annotated[str, Field(min_length=1, max_length=256)]
FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Metadata = Annotated[dict[str, str], Field(max_length=16)]
Probability = Annotated[float, Field(ge=0, le=1)]
TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]


class Wire(BaseModel):
    """Strict, and closed to unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Sampling(Wire):
    """How to choose tokens; the last three are this server's own."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: (
        Annotated[
            dict[
                Annotated[str, Field(pattern=r"^\d{1,9}$")],
                Annotated[float, Field(ge=-100, le=100)],
            ],
            Field(max_length=1024),
        ]
        | None
    ) = None
    top_k: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    min_p: Probability | None = None
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] | None = None


class Common(Sampling):
    """Fields that chat and plain completions share."""

    model: Name
    n: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

    @model_validator(mode="after")
    def _options_need_a_stream(self) -> Common:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true")
        return self


class StreamOptions(Wire):
    """What a stream tells beside text; obfuscation is accepted and not done."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class TextPart(Wire):
    """A part of a message that is read."""

    type: Literal["text"]
    text: str


class ImageUrl(Wire):
    """A picture, in the address itself: nothing is fetched and no file opened."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None

    @field_validator("url")
    @classmethod
    def _is_here(cls, url: str) -> str:
        if not _PICTURE.match(url):
            raise ValueError(
                "a picture is sent as data:image/png;base64,...; addresses are not fetched"
            )
        return url


class ImagePart(Wire):
    """A part of a message that is looked at."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class FunctionCall(Wire):
    """A call that the model made in an earlier turn."""

    name: FunctionName
    arguments: str


class ToolCall(Wire):
    """The same with its id."""

    id: Name
    type: Literal["function"]
    function: FunctionCall


class ChatMessage(Wire):
    """One turn."""

    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(max_length=MOST_ITEMS)] | None = None
    name: Annotated[str, Field(max_length=64)] | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=MOST_TOOLS)] | None = None
    tool_call_id: Name | None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> ChatMessage:
        if self.role != "assistant" and (self.tool_calls or self.refusal):
            raise ValueError(f"a message of role {self.role} has no tool_calls or refusal")
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is missing")
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise ValueError("tool_call_id belongs to messages of role tool, and to all of them")
        if self.role != "user" and self.pictures:
            raise ValueError("pictures belong to messages of role user")
        return self

    @property
    def text(self) -> str:
        """The content as one text."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def pictures(self) -> list[str]:
        """The pictures in the content, as data URLs."""
        if self.content is None or isinstance(self.content, str):
            return []
        return [part.image_url.url for part in self.content if isinstance(part, ImagePart)]


class Function(Wire):
    """A function that the model may call; ``parameters`` is a JSON schema, always enforced."""

    name: FunctionName
    description: Annotated[str, Field(max_length=8192)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Wire):
    """A tool; only functions are known."""

    type: Literal["function"]
    function: Function


class NamedFunction(Wire):
    """The name of a function."""

    name: FunctionName


class NamedTool(Wire):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Wire):
    """A JSON schema that the answer follows, whatever ``strict`` says."""

    name: FunctionName
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextFormat(Wire):
    """Plain text."""

    type: Literal["text"]


class JsonObjectFormat(Wire):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Wire):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


class ChatRequest(Common):
    """``POST /v1/chat/completions``."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_ITEMS)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text"]] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    metadata: Metadata | None = None
    prompt_cache_key: Annotated[str, Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs is only allowed when logprobs is true")
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("max_tokens and max_completion_tokens are the same: give one")
        choice = self.tool_choice
        name = choice.function.name if isinstance(choice, NamedTool) else None
        check_choice(choice, name, [tool.function.name for tool in self.tools or ()])
        return self


class CompletionRequest(Common):
    """``POST /v1/completions``."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MOST_ROWS)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[
            list[Annotated[list[TokenId], Field(min_length=1)]],
            Field(min_length=1, max_length=MOST_ROWS),
        ]
    ) = ""
    max_tokens: Annotated[int, Field(ge=1)] | None = 16
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: Literal[False] | None = None
    suffix: None = None
    best_of: Literal[1] | None = None


class EmbeddingRequest(Wire):
    """``POST /v1/embeddings``."""

    model: Name
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[
            list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=MOST_ITEMS)
        ]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None


class ModerationRequest(Wire):
    """``POST /v1/moderations``."""

    model: Name | None = None
    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_ITEMS)]


class TaskRequest(Wire):
    """``POST /v1/tasks/{name}``: the task's own parameters are checked by the task."""

    model: Name
    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_ITEMS)]
    parameters: Annotated[dict[str, Any], Field(max_length=64)] = Field(default_factory=dict)


def check_choice(choice: object, name: str | None, names: list[str]) -> None:
    """Raise what is wrong with the tools and the choice among them.

    Args:
        choice: None, "none", "auto", "required", or a tool.
        name: Of that tool.
        names: Of the tools there are.

    Raises:
        ValueError: If a name is there twice, or is chosen and not there.
    """
    if len(set(names)) < len(names):
        raise ValueError("two tools have the same name")
    if choice in (None, "none", "auto"):
        return
    if not names:
        raise ValueError("tool_choice is only allowed when tools are given")
    if name is not None and name not in names:
        raise ValueError(f"tool_choice names {name!r}, which is not among the tools")


for _model in (Common, ChatRequest, CompletionRequest):
    _model.model_rebuild()
