"""What requests come to as command lines, and what they may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autogpt.core.errors import AutoGPTError, DataError, UsageError
from autogpt.studio.commands import flags, work
from autogpt.studio.models import adapter_folder, model_reference
from autogpt.studio.requests import (
    EvaluateRequest,
    ExportRequest,
    FinetuneRequest,
    PlanRequest,
    PullRequest,
    TaskBatchRequest,
    TrainRequest,
)
from autogpt.studio.uploads import Uploads
from autogpt.studio.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def upload(workspace: Workspace, name: str = "reviews.csv") -> str:
    uploads = Uploads(workspace)
    made = uploads.begin(name, 4)
    uploads.receive(made.id, 0, b"a,b\n")
    return made.id


def test_each_request_is_a_command_line(workspace: Workspace):
    data = upload(workspace)
    path = str(Uploads(workspace).get(data).path)
    made = work(PlanRequest(data=[data], budgets=["60s", "10m"]), workspace, {})
    assert made.command == ("plan", path, "--budget", "60s,600s", "--json", "--quiet")

    asked = TrainRequest(name="论语", data=[data], budget="2m", settings=["training.clip=0.5"])
    made = work(asked, workspace, {})
    out = str(workspace.root / "论语")
    assert made.command == (
        "train", path, "--out", out, "--budget", "2m", "--set", "training.clip=0.5", "--json",
    )  # fmt: skip
    (workspace.root / "论语").mkdir()
    assert work(asked, workspace, {}).run == workspace.root / "论语-2"

    made = work(
        FinetuneRequest(
            name="m", model="run:论语", data=[data], task="classify", budget="5m", label_field="b"
        ),
        workspace, {},
    )  # fmt: skip
    assert made.command[:3] == ("finetune", out, path)
    assert made.command[11:13] == ("--label-field", "b")

    made = work(EvaluateRequest(model="served:x", data=[data]), workspace, {"x": "hf:a/b"})
    assert made.command == ("evaluate", "hf:a/b", path, "--out", "evaluation", "--json")

    made = work(
        TaskBatchRequest(
            task="classify", data=data, parameters={"labels": ["好", "坏"], "top_k": 1}
        ),
        workspace, {},
    )  # fmt: skip
    assert made.command == ("classify", "--input", path, "--labels=好,坏", "--top-k=1", "--json")
    assert work(PullRequest(name="hf:a/b"), workspace, {}).command == (
        "models", "pull", "hf:a/b", "--json",
    )  # fmt: skip
    asked = ExportRequest(model="run:论语", to="gguf", dtype="q8_0")
    assert work(asked, workspace, {}).command == (
        "export", out, "--to", "gguf", "--out", "exported", "--dtype", "q8_0", "--json",
    )  # fmt: skip


def test_an_adapter_is_a_run_that_has_one(workspace: Workspace):
    (workspace.root / "plain").mkdir()
    (workspace.root / "polite" / "adapter").mkdir(parents=True)
    assert adapter_folder("run:polite", workspace) == str(workspace.root / "polite" / "adapter")
    for name in ("run:plain", "run:none", "run:../polite", "/etc"):
        with pytest.raises(UsageError):
            adapter_folder(name, workspace)


@pytest.mark.parametrize(
    "body",
    [
        {"settings": ["training.schedule=/etc/passwd"]},
        {"settings": ["--out=/tmp/x"]},
        {"settings": ["origin.run=/tmp"]},
        {"settings": ["training.clip"]},
        {"budget": "--help"},
        {"data": []},
        {"base": "/etc"},
        {"base": "run:../x"},
    ],
)
def test_what_may_not_be_said(workspace: Workspace, body: dict[str, Any]):
    good: dict[str, Any] = {"name": "m", "data": [upload(workspace)], "budget": "1m"}
    with pytest.raises((AutoGPTError, ValidationError)):
        work(TrainRequest(**{**good, **body}), workspace, {})


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "run:..", "served:none", "-x", "a/b", ""])
def test_models_are_named_and_not_paths(workspace: Workspace, name: str):
    with pytest.raises(UsageError):
        model_reference(name, workspace, {})


@given(st.text(max_size=30))
def test_no_name_of_a_model_becomes_a_flag_or_a_path(name: str):
    try:
        found = model_reference(name, Workspace(Path("/nowhere")), {})
    except AutoGPTError:
        return
    assert not found.startswith(("-", "/", "."))


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12) | st.integers() | st.booleans()))
def test_parameters_are_flags_or_refused(parameters: dict[str, Any]):
    try:
        found = flags(parameters)
    except UsageError:
        return
    assert all(flag.startswith("--") for flag in found)
    assert not any(flag.split("=")[0] in ("--model", "--input", "--out") for flag in found)


def test_an_upload_comes_in_order_and_is_used_when_it_is_whole(workspace: Workspace):
    uploads = Uploads(workspace)
    made = uploads.begin("../../a b.txt", 10)
    assert made.path.parent.parent == workspace.uploads
    assert made.name == "a b.txt"
    uploads.receive(made.id, 0, b"12345")
    uploads.receive(made.id, 0, b"12345")  # sent twice
    with pytest.raises(UsageError, match="does not go on"):
        uploads.receive(made.id, 7, b"89")
    with pytest.raises(UsageError, match="does not go on"):
        uploads.receive(made.id, 5, b"678901")
    with pytest.raises(DataError, match="only 5 B of 10 B"):
        uploads.whole(made.id)
    uploads.receive(made.id, 5, b"67890")
    assert uploads.whole(made.id).path.read_bytes() == b"1234567890"
    uploads.remove(made.id)
    assert uploads.all() == []
    for name, size in (("", 1), ("a", 0), ("..", 5)):
        with pytest.raises(UsageError):
            uploads.begin(name, size)
