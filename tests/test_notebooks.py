"""Every notebook runs from top to bottom, with budgets of a few steps and a tiny model."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

import nbclient
import nbformat

from tests.server.serving import make_model

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STEPS = 'settings={"training": {"max_steps": 3}}'
HAN = re.compile(r"[\u4e00-\u9fff]")

pytestmark = pytest.mark.filterwarnings("default")  # those of jupyter's packages


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            short = re.sub(r'BUDGET = "\w+"', 'BUDGET = "20Ktokens"', cell.source)
            if "finetune(" in short:  # its budget is a time, which on a busy machine is no step
                short = short.replace("budget=BUDGET", STEPS)
            if "smollm2-135m-instruct" in short:
                model = make_model(tmp_path / "tiny")
                short = short.replace("smollm2-135m-instruct", str(model))
            cell.source = short
    room = tmp_path / "notebooks"
    room.mkdir()
    shutil.copytree(ROOT / "docs/data", tmp_path / "docs/data")
    resources = {"metadata": {"path": str(room)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_told_in_both_languages_and_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert HAN.search(cell.source)
            assert re.search(r"[A-Za-z]{3}", cell.source)
        else:
            assert cell.outputs == []
            assert cell.execution_count is None
