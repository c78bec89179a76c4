"""From a request in OpenAI's words to what is written, in the engine's (``generation.Ask``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from autogpt.core.messages import Message, Role
from autogpt.inference import constraint
from autogpt.server import tools as calls
from autogpt.server.api_errors import ApiError
from autogpt.server.config import LimitsConfig
from autogpt.server.generation import Ask, Prompt
from autogpt.server.openai import (
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedTool,
    Sampling,
)
from autogpt.server.openai_responses import (
    ResponseCall,
    ResponseCallOutput,
    ResponseMessage,
    ResponseNamedTool,
    ResponseRequest,
    ResponseSchema,
)
from autogpt.server.tools import Tool

__all__ = ["chat_ask", "completion_ask", "response_ask"]

_LEAST_TOP_P = 1e-6  # OpenAI's 0: only the likeliest token

Settings = dict[str, object]


def chat_ask(request: ChatRequest, limits: LimitsConfig) -> tuple[Ask, bool]:
    """Return what a chat request asks, and whether the answer may be calls.

    Raises:
        ApiError: If it asks for too much.
    """
    settings = _sampling(request)
    settings |= {"n": request.n, "stop": request.stop or None}
    settings["max_tokens"] = request.max_completion_tokens or request.max_tokens
    if request.logprobs:
        settings["logprobs"] = request.top_logprobs or 0
    messages = _roles(_told(message) for message in request.messages)
    tools = [
        Tool(
            name=tool.function.name,
            description=tool.function.description or "",
            parameters=tool.function.parameters,
        )
        for tool in request.tools or ()
    ]
    schema = _schema(request.response_format)
    choice = request.tool_choice
    named = choice.function.name if isinstance(choice, NamedTool) else None
    messages, may_call = _with_tools(
        settings, messages, tools, schema, _choice(choice, named), named,
        parallel=request.parallel_tool_calls is not False,
    )  # fmt: skip
    key = request.prompt_cache_key or ""
    return _checked(request.model, [messages], settings, limits, key), may_call


def completion_ask(request: CompletionRequest, limits: LimitsConfig) -> Ask:
    """Return what a completion request asks.

    Raises:
        ApiError: If it asks for too much.
    """
    settings = _sampling(request)
    settings |= {"n": request.n, "stop": request.stop or None, "max_tokens": request.max_tokens}
    settings["logprobs"] = request.logprobs
    given = request.prompt
    prompts: Sequence[Prompt] = (
        [given] if isinstance(given, str) or isinstance(given[0], int) else given
    )
    return _checked(request.model, prompts, settings, limits, "")


def response_ask(request: ResponseRequest, limits: LimitsConfig) -> tuple[Ask, bool]:
    """Return what a request for a response asks, and whether the answer may be calls.

    Raises:
        ApiError: If it asks for too much.
    """
    settings: Settings = {"temperature": request.temperature, "top_p": _top_p(request.top_p)}
    settings["max_tokens"] = request.max_output_tokens
    told = [] if request.instructions is None else [("system", request.instructions)]
    if isinstance(request.input, str):
        told.append(("user", request.input))
    else:
        told += [_item(item) for item in request.input]
    tools = [
        Tool(name=tool.name, description=tool.description or "", parameters=tool.parameters)
        for tool in request.tools or ()
    ]
    schema = _schema(request.text.format if request.text else None)
    choice = request.tool_choice
    named = choice.name if isinstance(choice, ResponseNamedTool) else None
    messages, may_call = _with_tools(
        settings, _roles(told), tools, schema, _choice(choice, named), named,
        parallel=request.parallel_tool_calls is not False,
    )  # fmt: skip
    key = request.prompt_cache_key or ""
    return _checked(request.model, [messages], settings, limits, key), may_call


def _sampling(request: Sampling) -> Settings:
    seed = request.seed
    return {
        "temperature": request.temperature,
        "top_p": _top_p(request.top_p),
        "top_k": request.top_k,
        "min_p": request.min_p,
        # The engine's seeds begin at 0, OpenAI's are any 64 bits.
        "seed": None if seed is None else seed % (1 << 63),
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "repetition_penalty": request.repetition_penalty,
        "logit_bias": request.logit_bias or None,
    }


def _top_p(value: float | None) -> float | None:
    return None if value is None else max(value, _LEAST_TOP_P)


def _told(message: ChatMessage) -> tuple[str, str]:
    """Return the role and the text of a turn, as a model is told it."""
    if message.role == "tool":
        return "user", f"<tool_response>\n{message.text}\n</tool_response>"
    text = message.text or message.refusal or ""
    if message.tool_calls:
        made = [(call.function.name, call.function.arguments) for call in message.tool_calls]
        text = "\n".join(filter(None, [text, calls.calls_as_text(made)]))
    return message.role, text


def _item(item: ResponseMessage | ResponseCall | ResponseCallOutput) -> tuple[str, str]:
    if isinstance(item, ResponseCall):
        return "assistant", calls.calls_as_text([(item.name, item.arguments)])
    if isinstance(item, ResponseCallOutput):
        return "user", f"<tool_response>\n{item.output}\n</tool_response>"
    if isinstance(item.content, str):
        return item.role, item.content
    return item.role, "".join(part.text for part in item.content)


def _roles(told: object) -> list[Message]:
    """Return turns; those that follow each other in one role, as results of calls do, are one."""
    messages: list[Message] = []
    for role, text in told:  # type: ignore[attr-defined]
        known: Role = "system" if role == "developer" else role
        if messages and messages[-1].role == known:
            messages[-1] = Message(known, f"{messages[-1].content}\n{text}")
        else:
            messages.append(Message(known, text))
    return messages


def _schema(form: object) -> dict[str, object] | None:
    """Return the schema of the answer; None for plain text."""
    if isinstance(form, JsonSchemaFormat):
        return form.json_schema.schema_ if form.json_schema.schema_ is not None else {}
    if isinstance(form, ResponseSchema):
        return form.schema_
    return {"type": "object"} if isinstance(form, JsonObjectFormat) else None


def _choice(choice: object, named: str | None) -> Literal["none", "auto", "required"]:
    if named is not None or choice == "required":
        return "required"
    return "none" if choice == "none" else "auto"


def _with_tools(
    settings: Settings,
    messages: list[Message],
    tools: Sequence[Tool],
    schema: dict[str, object] | None,
    choice: Literal["none", "auto", "required"],
    named: str | None,
    *,
    parallel: bool,
) -> tuple[list[Message], bool]:
    """Add to the settings what the answer must match, and to the messages what they must say."""
    if settings.get("stop") and schema is not None:
        raise ApiError(
            400, "stop cannot be combined with response_format: it would cut JSON.", param="stop"
        )
    if not tools or choice == "none":
        if schema is not None:
            settings["json_schema"] = schema
        return messages, False
    for tool in tools:
        constraint.json_schema(tool.schema)
    if settings.get("stop"):  # it ends what is said, but no call
        settings |= {"stop": None} if choice == "required" else {"stop_unless": calls.OPEN}
    offered = [tool for tool in tools if named is None or tool.name == named]
    settings["grammar"] = calls.grammar(
        offered, choice=choice, parallel=parallel and named is None, otherwise=schema
    )
    return calls.explain(tools, messages), True


def _checked(
    model: str,
    prompts: Sequence[Prompt],
    settings: Settings,
    limits: LimitsConfig,
    key: str,
) -> Ask:
    given = {name: value for name, value in settings.items() if value is not None}
    ask = Ask(model=model, prompts=prompts, settings=given, cache_key=key)
    most = given.get("max_tokens")
    if isinstance(most, int) and most > limits.most_tokens:
        raise ApiError(
            400,
            f"max_tokens is {most:,}, expected at most {limits.most_tokens:,}.",
            param="max_tokens",
        )
    if ask.rows > limits.texts:
        raise ApiError(
            400, f"The request asks for {ask.rows} texts, expected at most {limits.texts}.",
            param="n",
        )  # fmt: skip
    return ask
