"""Every example runs as its first lines say, on a tiny model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.serving import make_model, serving

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
SERVED, TRAINED = "openai_client.py", "train.py"
MORE = {"inside.py": ["The capital of France is"], "evidence.py": [str(ROOT / "README.md")]}


def run(name: str, *arguments: str, folder: Path) -> str:
    """Run an example in ``folder``; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("examples") / "tiny")


@pytest.mark.parametrize("name", [n for n in EXAMPLES if n not in (SERVED, TRAINED)])
def test_an_example_runs(name: str, model: Path, tmp_path: Path) -> None:
    assert run(name, str(model), *MORE.get(name, []), folder=tmp_path).strip()


def test_the_example_of_training_runs(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text((ROOT / "README.md").read_text(encoding="utf-8") * 8)
    assert "Plan for" in run(TRAINED, "text.txt", "20Ktokens", folder=tmp_path)


def test_the_example_of_a_client_runs(model: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", f"tiny={model}") as served:
        run(SERVED, f"http://127.0.0.1:{served.port}/v1", folder=tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    code = text.split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
