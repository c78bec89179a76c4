"""The command line that a request asks for.

No path, address or flag of its own gets from a request into a command: a name that begins with a
dash is refused, settings that are paths are not among those that may be set. Not here: what a
request may say (``studio.requests``), running commands (``studio.runner``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autogpt.core.budget import parse_budget
from autogpt.core.catalog import is_short_name
from autogpt.core.errors import UsageError
from autogpt.core.hub import HubReference
from autogpt.server.openai import Wire
from autogpt.studio.jobs import Kind
from autogpt.studio.models import model_reference
from autogpt.studio.requests import (
    AgentRequest,
    EvaluateRequest,
    ExportRequest,
    FinetuneRequest,
    InspectRequest,
    PlanRequest,
    PullRequest,
    TaskBatchRequest,
    TrainRequest,
)
from autogpt.studio.uploads import Uploads
from autogpt.studio.workspace import Workspace

__all__ = ["EXPORTED", "PAGE", "Work", "flags", "work"]

PAGE = "page.html"
"""What a look inside writes, in the folder of its job."""

EXPORTED = "exported"
"""The folder that an export writes, in that of its job."""

_SETTING = re.compile(
    r"(seed|(read|clean|tokenizer|model|training|kernels|finetune|lora|examples)\.[a-z0-9_]+)"
    r"=[^\n]{1,200}"
)
_PATHS = ("training.schedule", "finetune.base")


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a request comes to.

    Attributes:
        kind: Of job.
        title: What people call it.
        command: Arguments of ``autogpt``.
        run: The folder it will write.
    """

    kind: Kind
    title: str
    command: tuple[str, ...]
    run: Path | None = None


def work(request: Wire, workspace: Workspace, served: Mapping[str, str]) -> Work:
    """Return the command line of a request.

    Args:
        request: Checked.
        workspace: Where uploads and runs are.
        served: The MODEL of each model that is loaded, by its name.

    Raises:
        UsageError: If it names something that is not there, or may not be named.
        DataError: If an upload is not whole.
    """
    match request:
        case PlanRequest():
            return _plan(request, workspace)
        case TrainRequest():
            return _train(request, workspace)
        case FinetuneRequest():
            return _finetune(request, workspace, served)
        case EvaluateRequest():
            return _evaluate(request, workspace, served)
        case TaskBatchRequest():
            return _task(request, workspace, served)
        case InspectRequest():
            return _inspect(request, workspace, served)
        case AgentRequest():
            return _agent(request, workspace, served)
        case PullRequest():
            return _pull(request)
        case ExportRequest():
            return _export(request, workspace, served)
    raise UsageError(f"{type(request).__name__} is no work.")


def _plan(request: PlanRequest, workspace: Workspace) -> Work:
    data = _paths(request.data, workspace)
    budgets = ",".join(str(parse_budget(budget)) for budget in request.budgets)
    return Work(
        kind="plan",
        title=Path(data[0]).name,
        command=(
            "plan", *data, "--budget", budgets, *_settings(request.settings), "--json", "--quiet"
        ),
    )  # fmt: skip


def _train(request: TrainRequest, workspace: Workspace) -> Work:
    parse_budget(request.budget.removeprefix("+"))
    out = workspace.new_run(request.name)
    start: tuple[str, ...] = ()
    if request.base is not None:
        start = ("--from", model_reference(request.base, workspace))
    elif not request.data:
        raise UsageError("There is nothing to train on.", hint="Drop a file of text.")
    return Work(
        kind="train",
        title=request.name,
        command=(
            *("train", *_paths(request.data, workspace), *start),
            *("--out", str(out), "--budget", request.budget),
            *_settings(request.settings),
            "--json",
        ),
        run=out,
    )


def _finetune(request: FinetuneRequest, workspace: Workspace, served: Mapping[str, str]) -> Work:
    parse_budget(request.budget)
    out = workspace.new_run(request.name)
    model = request.model
    if model != "new":
        model = model_reference(model, workspace, served)
    command = [
        *("finetune", model, *_paths(request.data, workspace)),
        *("--task", request.task, "--method", request.method),
        *("--out", str(out), "--budget", request.budget),
    ]
    if request.validation is not None:
        command += ["--validation", *_paths([request.validation], workspace)]
    for name in ("text_field", "label_field", "source_field", "target_field"):
        value = getattr(request, name)
        if value is not None:
            command += [f"--{name.replace('_', '-')}", value]
    command += [*_settings(request.settings), "--json"]
    return Work(kind="finetune", title=request.name, command=tuple(command), run=out)


def _evaluate(request: EvaluateRequest, workspace: Workspace, served: Mapping[str, str]) -> Work:
    data = _paths(request.data, workspace)
    model = model_reference(request.model, workspace, served)
    task = ("--task", request.task) if request.task else ()
    return Work(
        kind="evaluate",
        title=f"{request.model.rpartition(':')[2]}: {Path(data[0]).name}",
        command=("evaluate", model, *data, *task, "--out", "evaluation", "--json"),
    )


def _task(request: TaskBatchRequest, workspace: Workspace, served: Mapping[str, str]) -> Work:
    path = _paths([request.data], workspace)[0]
    command = [request.task, "--input", path]
    if request.model is not None:
        command += ["--model", model_reference(request.model, workspace, served)]
    if request.text_field is not None:
        command += ["--text-field", request.text_field]
    command += flags(request.parameters)
    return Work(
        kind="task", title=f"{request.task}: {Path(path).name}", command=(*command, "--json")
    )


def _inspect(request: InspectRequest, workspace: Workspace, served: Mapping[str, str]) -> Work:
    model = model_reference(request.model, workspace, served)
    options = ("--chat",) if request.chat else ()
    # The text comes last, behind the mark that ends the flags: it may begin with a dash.
    return Work(
        kind="inspect",
        title=request.text[:60],
        command=(
            *("inspect", *options, "--lang", request.language, "--out", PAGE, "--json"),
            *("--", model, _not_standard_input(request.text)),
        ),
    )


def _agent(request: AgentRequest, workspace: Workspace, served: Mapping[str, str]) -> Work:
    model = model_reference(request.model, workspace, served)
    files = [f"--file={path}" for path in _paths(request.data, workspace)]
    goal = request.goal.lstrip("- ") or "?"  # not a flag
    return Work(
        kind="agent", title=request.goal[:80], command=("agent", goal, "--model", model, *files)
    )


def _not_standard_input(text: str) -> str:
    """Return a text that is not taken for the mark of standard input."""
    return f"{text} " if text == "-" else text


def _export(request: ExportRequest, workspace: Workspace, served: Mapping[str, str]) -> Work:
    model = model_reference(request.model, workspace, served)
    stored = () if request.dtype is None else ("--dtype", request.dtype)
    return Work(
        kind="export",
        title=f"{request.model.rpartition(':')[2]}: {request.to}",
        command=("export", model, "--to", request.to, "--out", EXPORTED, *stored, "--json"),
    )


def _pull(request: PullRequest) -> Work:
    name = request.name if is_short_name(request.name) else str(HubReference.parse(request.name))
    accepted = [part for name_ in request.accept_license for part in ("--accept-license", name_)]
    return Work(kind="pull", title=name, command=("models", "pull", name, *accepted, "--json"))


def flags(parameters: Mapping[str, Any]) -> list[str]:
    """Return a task's parameters as flags of its verb.

    Raises:
        UsageError: If a name or a value cannot be one.
    """
    found: list[str] = []
    for name, value in parameters.items():
        flag = f"--{name.replace('_', '-')}"
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or name in (
            "model",
            "input",
            "out",
            "json",
        ):
            raise UsageError(f"{name!r} is not a parameter.")
        if value is None or value is False or value == "":
            continue
        if value is True:
            found.append(flag)
        elif isinstance(value, int | float | str):
            found.append(f"{flag}={value}")
        elif isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
            if any("," in one for one in value):
                raise UsageError(f"A comma cannot be in {name}.", hint="Leave it out.")
            found.append(f"{flag}={','.join(value)}")
        else:
            raise UsageError(f"{name} cannot be given to many inputs at once.")
    return found


def _paths(ids: Sequence[str], workspace: Workspace) -> list[str]:
    uploads = Uploads(workspace)
    return [str(uploads.whole(upload_id).path) for upload_id in ids]


def _settings(settings: Sequence[str]) -> list[str]:
    for setting in settings:
        if not _SETTING.fullmatch(setting) or setting.split("=")[0] in _PATHS:
            raise UsageError(
                f"{setting[:80]!r} is not a setting that can be given here.",
                hint="Write it like training.clip=0.5.",
            )
    return [part for setting in settings for part in ("--set", setting)]
