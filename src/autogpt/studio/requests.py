"""What requests to the studio may say, checked.

A request names uploads, runs and models by name. Not here: the command line that each asks for
(``studio.commands``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from autogpt.server.openai import Wire

__all__ = [
    "AgentRequest",
    "AnswerRequest",
    "EvaluateRequest",
    "ExportRequest",
    "FinetuneRequest",
    "InspectRequest",
    "LoadRequest",
    "PieceRequest",
    "PlanRequest",
    "PullRequest",
    "TaskBatchRequest",
    "TrainRequest",
    "UploadRequest",
]

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Model = Annotated[str, Field(min_length=1, max_length=200)]
Budget = Annotated[str, Field(pattern=r"^[\w.$€£¥ +]{1,32}$")]
Field_ = Annotated[str, Field(pattern=r"^[^-\x00-\x1f][^\x00-\x1f]{0,99}$")]
Data = Annotated[list[Id], Field(min_length=1, max_length=64)]
Settings = Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=64)]


class UploadRequest(Wire):
    """A file that will come."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    size_bytes: Annotated[int, Field(ge=1)]


class PieceRequest(Wire):
    """A piece of it, in base64."""

    offset: Annotated[int, Field(ge=0)]
    base64: str


class PlanRequest(Wire):
    """What several budgets buy."""

    model_config = ConfigDict(strict=True, extra="forbid")
    data: Data
    budgets: Annotated[list[Budget], Field(min_length=1, max_length=24)]
    settings: Settings = Field(default_factory=list)


class TrainRequest(Wire):
    """Train a model from nothing, or go on with one (``base``)."""

    name: Name
    data: Annotated[list[Id], Field(max_length=64)] = Field(default_factory=list)
    budget: Budget
    base: Model | None = None
    settings: Settings = Field(default_factory=list)


class FinetuneRequest(Wire):
    """Teach a model a task."""

    name: Name
    model: Model
    data: Data
    validation: Id | None = None
    task: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    method: Literal["full", "lora"] = "full"
    budget: Budget
    text_field: Field_ | None = None
    label_field: Field_ | None = None
    source_field: Field_ | None = None
    target_field: Field_ | None = None
    settings: Settings = Field(default_factory=list)


class EvaluateRequest(Wire):
    """Measure a model on data."""

    model: Model
    data: Data
    task: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")] | None = None


class TaskBatchRequest(Wire):
    """Do a task for every row of a file."""

    task: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    model: Model | None = None
    data: Id
    text_field: Field_ | None = None
    parameters: Annotated[dict[str, Any], Field(max_length=64)] = Field(default_factory=dict)


class InspectRequest(Wire):
    """Look inside a model while it reads a text."""

    model: Model
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    chat: bool = False
    language: Literal["en", "zh"] = "en"


class AgentRequest(Wire):
    """Reach a goal, with copies of uploads."""

    goal: Annotated[str, Field(min_length=1, max_length=4000)]
    model: Model
    data: Annotated[list[Id], Field(max_length=64)] = Field(default_factory=list)


class AnswerRequest(Wire):
    """What somebody says to a question of the agent."""

    number: Annotated[int, Field(ge=1)]
    allow: bool | None = None
    option: Annotated[int, Field(ge=0)] | None = None


class ExportRequest(Wire):
    """Write a model for other engines."""

    model: Model
    to: Literal["hf", "gguf", "onnx", "tensorflow"]
    dtype: Literal["f32", "f16", "bf16", "q8_0", "q4_0", "float32", "bfloat16"] | None = None


class PullRequest(Wire):
    """Fetch a model by name."""

    name: Model
    accept_license: Annotated[list[Name], Field(max_length=4)] = Field(default_factory=list)


class LoadRequest(Wire):
    """Let the server answer with a model."""

    model: Model
    name: Annotated[str, Field(pattern=r"^[\w.\-]{1,80}$")] | None = None
    quantize: Literal["int8", "int4"] | None = None
    adapter: Model | None = None
