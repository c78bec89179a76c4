"""OpenAI's client for Node against a real server; ``make test-browser`` installs and runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.serving import Served

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("node_client.mjs")


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
@pytest.mark.skipif(
    not (ROOT / "node_modules" / "openai").is_dir(), reason="the client is not here: npm ci"
)
def test_the_client_for_node(server: Served) -> None:
    found = subprocess.run(
        ["node", str(SCRIPT), server.address, "tiny"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["passed"] is True
