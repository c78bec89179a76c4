"""A classifier on a sentence encoder, as one types it: taught, asked, measured, verified."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from autogpt.cli.app import main
from autogpt.server.served_model import load_served
from autogpt.server.task_calls import run_task
from autogpt.tasks import find_task
from tests.interop.tiny_encoder import make_encoder

KINDS = {"animal": ["cat", "dog", "fox", "狗"], "plant": ["oak", "fern", "rose", "草"]}


def said(*arguments: str) -> tuple[int, str, str]:
    before, sys.argv = sys.argv, ["autogpt", *arguments]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main()
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def write(path: Path, count: int) -> Path:
    rows = []
    for number in range(count):
        kind = sorted(KINDS)[number % 2]
        word = KINDS[kind][number // 2 % 4]
        rows.append({"text": f"here is the {word} of {number}", "label": kind})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("room")
    make_encoder(room / "encoder", KINDS)
    write(room / "data.jsonl", 160)
    return room


@pytest.fixture(scope="module")
def taught(room: Path) -> dict[str, object]:
    code, out, err = said(
        *("finetune", str(room / "encoder"), str(room / "data.jsonl"), "--task", "classify"),
        *("--out", str(room / "run"), "--budget", "60s", "--json"),
    )
    assert code == 0, err
    assert "[[plant]]" in err
    assert "forecast:" in err
    found: dict[str, object] = json.loads(out)
    return found


def test_ngrams_say_what_the_encoder_does_not_know(room: Path) -> None:
    rows = [
        {"text": f"here is {'zrk' if number % 2 else 'vlp'} {number}", "label": "ab"[number % 2]}
        for number in range(400)
    ]
    data = room / "unknown.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = str(room / "words")
    base = str(room / "encoder")
    asked = ("finetune", base, str(data), "--task", "classify", "--budget", "10m", "--json")
    code, found, err = said(*asked, "--out", out)
    assert code == 0, err
    metrics = json.loads(found)["metrics"]
    assert metrics["accuracy_of_ngrams"] == metrics["accuracy"] == 1
    assert metrics["accuracy_of_model"] < 0.8
    code, found, _ = said("classify", "--model", out, "so zrk it is", "--json")
    assert (code, json.loads(found)["label"]) == (0, "b")
    assert (Path(out) / "model/ngrams.safetensors").is_file()
    code, found, _ = said(*asked, "--out", f"{out}-off", "--set", "finetune.ngrams=false")
    assert code == 0
    assert json.loads(found)["metrics"]["accuracy"] < 0.8


def test_it_is_taught_asked_and_measured(room: Path, taught: dict[str, object]) -> None:
    assert taught["metrics"]["accuracy"] == 1  # type: ignore[index]
    assert {"run", "model", "parameters", "steps", "tokens", "wall_s", "val_loss"} <= {*taught}
    run = str(room / "run")
    code, out, _ = said("classify", "--model", run, "the 狗 here", "--json")
    answer = json.loads(out)
    assert (code, answer["label"]) == (0, "animal")
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 0}
    jsonschema.validate(answer, find_task("classify").result)
    test = str(write(room / "test.jsonl", 40))
    code, out, err = said("evaluate", run, test, "--train", str(room / "data.jsonl"), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["metrics"]["accuracy"] == 1
    assert "linear_accuracy" in found["baselines"]
    assert found["metrics"]["expected_calibration_error"] < 0.5


def test_it_is_served_as_a_classifier(room: Path, taught: dict[str, object]) -> None:
    del taught
    served = load_served("kinds", str(room / "run"), {})
    assert served.facts() == {"name": "kinds", "kind": "classifier", "labels": ["animal", "plant"]}
    served.probe()
    answers = run_task("classify", served.model, ["an oak", "a fox"], {}, call=None)
    assert [one["label"] for one in answers] == ["plant", "animal"]  # type: ignore[index]


def test_what_it_cannot_do_is_told(room: Path, taught: dict[str, object]) -> None:
    del taught
    run, encoder, data = (str(room / name) for name in ("run", "encoder", "data.jsonl"))
    for arguments, message in (
        (("export", run, "--to", "gguf", "--out", f"{run}.gguf"), "no other engine reads"),
        (("finetune", run, data, "--task", "classify", "--out", f"{run}2"), "Name the encoder"),
        (("finetune", encoder, data, "--task", "chat", "--out", f"{run}2"), "'chat' cannot be"),
        (("classify", "--model", run, "--labels", "a,b", "x"), "labels of its own"),
        (("generate", run, "x"), ""),
    ):
        code, _, err = said(*arguments)
        assert code == 2, (arguments, err)
        assert message in err
        assert "Traceback" not in err


def test_verify_knows_its_encoder(room: Path, taught: dict[str, object]) -> None:
    del taught
    code, out, _ = said("verify", str(room / "run"), "--json")
    checks = {check["name"]: check["status"] for check in json.loads(out)["checks"]}
    assert code == 0
    assert checks == {"manifest": "ok", "weights": "ok", "encoder": "ok"}
    make_encoder(room / "encoder", {"animal": ["cat"], "plant": ["oak"]})
    code, out, _ = said("verify", str(room / "run"), "--json")
    details = {check["name"]: check["detail"] for check in json.loads(out)["checks"]}
    assert code == 1
    assert "its weights differ" in details["encoder"]
