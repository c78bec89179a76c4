"""A LoRA adapter in the studio: made by ``autogpt finetune``, loaded and asked through HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autogpt
from tests.server.serving import make_model
from tests.studio.serving import Server, sets
from tests.studio.serving import autogpt as run

TEACHING = (
    "training.max_steps=30", "training.batch_size=4", "training.lr=0.05", "lora.rank=4",
    "finetune.context_length=128", "finetune.patience=0", "kernels.compile=off",
)  # fmt: skip
PROMPT = "Shall I compare thee? 學而時習之"
ASK = {"prompt": PROMPT, "max_tokens": 12, "temperature": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of random weights, and a run with an adapter of it."""
    folder = tmp_path_factory.mktemp("adapters")
    runs = folder / "runs"
    runs.mkdir()
    make_model(runs / "base")
    data = folder / "pairs.jsonl"
    rows = [{"text": f"{PROMPT} {n}", "summary": "不亦說乎？ lovely"} for n in range(24)]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    run(
        *("finetune", str(runs / "base"), str(data), "--task", "summarize", "--method", "lora"),
        *("--out", str(runs / "polite"), *sets(*TEACHING), "--json"),
        cwd=folder,
    )
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder, "--policy", "off")
    yield server
    server.stop()


def text(server: Server, model: str) -> str:
    status, _, body = server.ask("POST", "/v1/completions", {"model": model, **ASK})
    assert status == 200, body
    return str(json.loads(body)["choices"][0]["text"])


def listed(server: Server) -> dict[str, dict[str, Any]]:
    found = json.loads(server.ask("GET", "/v1/models")[2])
    return {one["id"]: one for one in found["data"]}


def test_an_adapter_is_offered_loaded_asked_and_unloaded(server: Server, folder: Path):
    runs = {one["name"]: one for one in server.get("/runs")["runs"]}
    assert runs["polite"]["adapter"] is True

    server.post("/models/load", {"model": "run:base"})
    wanted = {"model": "run:base", "name": "polite", "adapter": "run:polite"}
    loaded = {one["name"]: one for one in server.post("/models/load", wanted)["loaded"]}
    assert loaded["polite"]["adapter"] == "polite"
    assert loaded["base"]["adapter"] is None
    assert loaded["polite"]["reference"] == loaded["base"]["reference"] == "run:base"
    assert str(folder) not in json.dumps(loaded)
    assert listed(server)["polite"]["root"] == "base"

    base, polite = folder / "runs" / "base", folder / "runs" / "polite"
    adapted = autogpt.load(base, adapters=[polite], policy=None)
    expected = adapted.generate(PROMPT, max_tokens=12, temperature=0).text
    plain = autogpt.load(base, policy=None).generate(PROMPT, max_tokens=12, temperature=0).text
    assert expected != plain
    assert text(server, "polite") == expected
    assert text(server, "base") == plain

    server.post("/models/unload", {"model": "polite"})
    assert set(listed(server)) == {"base"}
    assert text(server, "base") == plain
    server.post("/models/unload", {"model": "base"})


def test_an_adapter_on_rounded_weights(server: Server):
    wanted = {"model": "run:base", "name": "small", "adapter": "run:polite", "quantize": "int8"}
    loaded = server.post("/models/load", wanted)["loaded"]
    assert (loaded[0]["quantize"], loaded[0]["adapter"]) == ("int8", "polite")
    assert text(server, "small")
    server.post("/models/unload", {"model": "small"})


def test_an_adapter_that_does_not_fit_is_a_sentence(server: Server, folder: Path):
    shutil.copytree(folder / "runs" / "polite", folder / "runs" / "torn")
    weights = folder / "runs" / "torn" / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    for adapter, said in (("run:base", "adapter"), ("run:none", "run"), ("run:torn", "adapter")):
        wanted = {"model": "run:base", "name": "x", "adapter": adapter}
        status, _, body = server.ask("POST", "/v1/studio/models/load", wanted)
        error = json.loads(body)["error"]
        assert status in (400, 500), body
        assert said in error["message"]
        assert str(folder) not in error["message"]
        assert "x" not in listed(server)
