"""Nothing gets out of a sandbox, as root and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autogpt.agent import escapes, sandbox
from autogpt.agent.escapes import ESCAPES, find_sandbox, probe
from autogpt.agent.glue import run_glue
from autogpt.agent.sandbox import Bubblewrap, Sandbox, candidates
from autogpt.agent.tools.base import ToolError
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.python import python_tools


@pytest.mark.parametrize("box", candidates(), ids=lambda box: box.name)
def test_every_escape_comes_to_nothing(box: Sandbox) -> None:
    findings = probe(box)
    assert len(findings) == len(ESCAPES) + 1
    assert [one for one in findings if not one.held] == []


SCRIPT = """
import json
from autogpt.agent.escapes import probe
from autogpt.agent.sandbox import candidates
print(json.dumps([[box.name, one.name, one.detail]
    for box in candidates() for one in probe(box) if not one.held]), len(candidates()))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_every_escape_comes_to_nothing_for_an_ordinary_user() -> None:
    python = shutil.which("python3.11", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("no Python of this version that an ordinary user may run")
    paths = [str(Path("src").resolve()), *(path for path in sys.path if "site-packages" in path)]
    ran = subprocess.run(
        [python, "-c", SCRIPT],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/tmp",
        env={"PYTHONPATH": ":".join(paths), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "Permission" in ran.stderr or "ModuleNotFound" in ran.stderr:
        pytest.skip(f"an ordinary user cannot read the packages: {ran.stderr[-200:]}")
    assert ran.stdout.startswith("[] "), ran.stdout + ran.stderr


def test_limits_hold(tmp_path: Path) -> None:
    for box in candidates():
        ran = box.run(
            [sandbox.interpreter(), "-c", "print('x' * 100_000)"],
            scratch=tmp_path,
            limits=sandbox.SandboxLimits(output_chars=100),
        )
        assert len(ran.stdout) == 100


def test_python_runs_on_copies(tmp_path: Path) -> None:
    if not candidates():
        pytest.skip("no sandbox here")
    (tmp_path / "data.txt").write_text("1\n2\n")
    run = python_tools(Folder(tmp_path))[0]
    assert run.effect == "read"
    code = (
        "import pathlib\np = pathlib.Path('data.txt')\nprint(sum(map(int, p.read_text().split())))"
    )
    found = run.call({"code": f"{code}\np.write_text('gone')", "files": ["data.txt"]})
    assert found.value["output"].strip() == "3"
    assert (tmp_path / "data.txt").read_text() == "1\n2\n"
    failed = run.call({"code": "import pathlib\nraise ValueError('no')", "files": ["data.txt"]})
    assert not failed.ok
    assert "ValueError: no" in failed.value
    assert not run.call({"code": "1", "files": ["../x"]}).ok


def test_glue_code_needs_no_process() -> None:
    pytest.importorskip("pydantic_monty")
    assert run_glue("sum(xs)", inputs={"xs": [1, 2]}) == "3"
    with pytest.raises(ToolError, match="ZeroDivision"):
        run_glue("1 / 0")
    with pytest.raises(LookupError):
        run_glue("import socket")


def test_without_a_sandbox_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Open:
        """Runs anything."""

        name = "open"

        def run(self, command: list[str], *, scratch: Path, **_: object) -> sandbox.Ran:
            ran = subprocess.run(command, cwd=scratch, capture_output=True, timeout=20, check=False)
            return sandbox.Ran(code=ran.returncode, stdout=ran.stdout.decode(), stderr="")

    findings = probe(Open(), names=("read outside", "write outside", "environment"))
    assert [one.held for one in findings[:3]] == [False, False, False]
    monkeypatch.setattr(escapes, "candidates", list)
    find_sandbox.cache_clear()
    with pytest.raises(ToolError, match="No sandbox holds"):
        find_sandbox()
    find_sandbox.cache_clear()
    assert Bubblewrap.name == "bubblewrap"
