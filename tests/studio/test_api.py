"""The studio through real HTTP: who may ask, data, jobs that outlive the server, runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio.serving import TINY, Server

CLASSIC = Path("src/autogpt/data/quickstart/lunyu.txt")
SETTINGS = [
    *TINY, "model.preset=tiny", "model.context_length=32", "training.batch_size=8",
    "kernels.attention=explicit", "training.checkpoint_every=20",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    yield server
    server.stop()


def test_the_page_is_there_with_its_policy(server: Server):
    status, headers, body = server.ask("GET", "/")
    assert status == 200
    assert b"importmap" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    status, headers, _ = server.ask("GET", "/static/js/app.js")
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert headers["x-content-type-options"] == "nosniff"
    words = json.loads(server.ask("GET", "/words.json")[2])
    assert words["chat.send"] == {"en": "Send", "zh": "发送"}
    for path in ("/static/../api.py", "/static/%2e%2e/api.py", "/api.py", "/reports/x", "/none"):
        assert server.ask("GET", path)[0] == 404


def test_other_pages_and_names_are_kept_out(server: Server):
    body = {"name": "a.txt", "size_bytes": 1}
    path = "/v1/studio/uploads"
    assert server.ask("POST", path, body, Origin="http://evil.example")[0] == 403
    assert server.ask("POST", path, body, Origin="null")[0] == 403
    assert server.ask("GET", "/v1/studio/jobs", Host="evil.example")[0] == 403
    assert server.ask("GET", "/v1/studio/jobs", Sec_Fetch_Site="cross-site")[0] == 403
    assert server.ask("POST", path, body, Content_Type="text/plain")[0] == 415
    assert server.ask("POST", path, body, Origin=server.address)[0] == 200


def test_data_is_taken_looked_into_and_removed(server: Server):
    data = server.upload("论语.txt", CLASSIC.read_bytes())
    listed = server.get("/uploads")["uploads"]
    assert listed[0]["name"] == "论语.txt"
    assert listed[0]["whole"]
    look = server.get(f"/uploads/{data}/look")
    assert look["kind"] == "passage"
    assert look["first"][0]["parts"][0]["tokens"]
    assert server.ask("DELETE", f"/v1/studio/uploads/{data}")[0] == 200
    assert server.ask("GET", f"/v1/studio/uploads/{data}/look")[0] == 400
    large = {"offset": 0, "base64": "A" * (3 << 20)}
    assert server.ask("POST", f"/v1/studio/uploads/{data}/pieces", large)[0] == 413


def test_errors_are_told_in_the_readers_language(server: Server):
    path = "/v1/studio/jobs/000000000000"
    for language, words in (("zh-CN,zh;q=0.9", "没有任务"), ("en", "There is no job")):
        status, _, body = server.ask("GET", path, Accept_Language=language)
        assert status == 400
        error = json.loads(body)["error"]
        assert error["message"].startswith(words)
        assert error["code"] == "usage"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("train", {"name": "x", "data": [], "budget": "1m"}),
        ("train", {"name": "x", "data": ["000000000000"], "budget": "1m"}),
        ("train", {"name": "x", "data": ["../../../etc"], "budget": "1m"}),
        ("train", {"name": "x", "budget": "never", "base": "run:none"}),
        ("train", {"name": 1}),
        (
            "finetune",
            {"name": "x", "model": "/etc", "data": ["0" * 12], "task": "chat", "budget": "1m"},
        ),
        ("pull", {"name": "../../x"}),
        ("none", {}),
        ("task", {"task": "--help", "data": "000000000000"}),
        ("plan", {"data": ["000000000000"], "budgets": ["1m"], "unknown": 1}),
    ],
)  # fmt: skip
def test_wrong_requests_are_told_and_no_job_is_made(server: Server, kind: str, body: object):
    before = len(server.get("/jobs")["jobs"])
    status, _, answer = server.ask("POST", f"/v1/studio/jobs/{kind}", body)
    assert status in (400, 422), answer
    assert json.loads(answer)["error"]["message"]
    assert len(server.get("/jobs")["jobs"]) == before


def test_a_run_outlives_the_server_and_is_tried(tmp_path: Path):  # noqa: PLR0915 - one story
    server = Server(tmp_path)
    data = server.upload("论语.txt", CLASSIC.read_bytes())
    asked = {
        "name": "论语", "data": [data], "budget": "10m",
        "settings": [*SETTINGS, "training.max_steps=600"],
    }  # fmt: skip
    job = server.post("/jobs/train", asked)
    assert job["run"] == "论语"
    server.wait_for(job["id"], "running")
    server.stop(signal.SIGKILL)

    server = Server(tmp_path)
    done = server.wait_for(job["id"], "done", "running")
    done = server.wait_for(job["id"], "done")
    assert done["attempt"] == 1
    assert done["result"]["steps"] == 600
    (run,) = server.get("/runs")["runs"]
    assert run["state"] == "finished"
    assert run["steps"] == 600
    first = server.get("/runs/%E8%AE%BA%E8%AF%AD/metrics")
    assert first["entries"][-1]["kind"] == "validation"
    again = server.get(f"/runs/%E8%AE%BA%E8%AF%AD/metrics?after={first['offset']}")
    assert again["entries"] == []
    settings = server.get("/runs/%E8%AE%BA%E8%AF%AD")["settings"]
    assert settings["training.max_steps"] == 600
    log = server.get(f"/jobs/{job['id']}/log")
    assert log["command"].startswith("autogpt train")
    link = server.post("/runs/%E8%AE%BA%E8%AF%AD/report")["path"]
    status, headers, report = server.ask("GET", link)
    assert status == 200
    assert "论语" in report.decode()
    assert "sandbox" in headers["content-security-policy"]

    loaded = server.post("/models/load", {"model": "run:论语", "name": "lunyu"})["loaded"]
    assert loaded[0]["reference"] == "run:论语"
    assert loaded[0]["answers_messages"] is False  # it has learned to go on with text
    body = {"model": "lunyu", "prompt": "子曰", "max_tokens": 4}
    status, _, answer = server.ask("POST", "/v1/completions", body)
    assert status == 200, answer
    models = server.get("/models")
    assert [one["ref"] for one in models["runs"]] == ["run:论语"]
    card = server.get("/models/card?ref=run:%E8%AE%BA%E8%AF%AD")
    assert card["config"]["model_type"] == "qwen3"
    assert "论语" in card["card"]
    assert str(tmp_path) not in json.dumps(card["facts"])
    server.post("/models/unload", {"model": "lunyu"})
    assert server.ask("DELETE", "/v1/studio/runs/%E8%AE%BA%E8%AF%AD")[0] == 200
    assert server.get("/runs")["runs"] == []
    server.stop()


def test_what_budgets_buy_is_told_side_by_side(server: Server):
    data = server.upload("论语.txt", CLASSIC.read_bytes())
    asked = {"data": [data], "budgets": ["1s", "2m", "10m"], "settings": ["kernels.compile=off"]}
    job = server.post("/jobs/plan", asked)
    server.wait_for(job["id"], "done")
    rows = server.get(f"/jobs/{job['id']}/objects")["objects"]
    assert [row["budget"] for row in rows] == ["1s", "120s", "600s"]
    assert "error" in rows[0]
    assert [row["budget_s"] for row in rows[1:]] == [120, 600]
    assert 0 < rows[2]["predicted"]["wall_s"] <= 600  # less: the text is short


def test_with_keys_only_an_admin_comes_in(tmp_path: Path):
    keys = tmp_path / "keys"
    keys.write_text(f"user {'u' * 32}\nops {'o' * 32} admin\n", encoding="utf-8")
    keys.chmod(0o600)
    server = Server(tmp_path, "--api-key-file", str(keys))
    try:
        assert server.ask("GET", "/")[0] == 200
        assert server.ask("GET", "/v1/studio/state")[0] == 401
        assert server.ask("GET", "/v1/studio/state", Authorization=f"Bearer {'u' * 32}")[0] == 403
        assert server.ask("GET", "/v1/studio/state", Authorization=f"Bearer {'o' * 32}")[0] == 200
        body = {"name": "a.txt", "size_bytes": 1}
        assert server.ask("POST", "/v1/studio/uploads", body)[0] == 401
    finally:
        server.stop()
