"""The tutorials in both languages: same pages, same headings, and what they tell to run, runs.

A block after ``<!-- run -->`` is carried out, one after ``<!-- file NAME -->`` is written there
first; budgets are cut to a few steps. What needs a pulled model is only parsed, in test_docs.py.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autogpt.core import errors

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ROOT / "docs/en", ROOT / "docs/zh"
NAMES = sorted(path.name for path in ENGLISH.glob("*.md"))
SHORT = "--budget 20Ktokens"


def headings(page: Path) -> list[int]:
    """Return the level of each heading."""
    return [len(mark) for mark in re.findall(r"(?m)^(#+) ", page.read_text(encoding="utf-8"))]


def marked(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (what to do, with which file, the block) of each mark."""
    for found in re.finditer(r"<!-- (run|file)(?: ([\w.]+))? -->\n\n((?:    .*\n|\n)+)", text):
        block = "\n".join(line[4:] for line in found[3].rstrip().splitlines())
        yield found[1], found[2] or "", block


def carry_out(block: str, folder: Path) -> str:
    """Run a block of Python or of commands in ``folder``; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100"}
    if block.startswith(("import ", "from ")):
        commands = [[sys.executable, "-c", block]]
    else:
        lines = re.sub(r"--budget \w+", SHORT, block).splitlines()
        commands = [_words(line, folder) for line in lines]
    printed = ""
    for command in commands:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[-2000:]}"
        printed += done.stdout
    return printed


def _words(line: str, folder: Path) -> list[str]:
    first, *rest = shlex.split(line)
    paths = [sorted(str(p) for p in folder.glob(word)) if "*" in word else [word] for word in rest]
    words = [word for found in paths for word in found]
    return [sys.executable, "-m", "autogpt", *words] if first == "autogpt" else [first, *words]


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """Return a folder as a reader has it: the pages and the README of the repository."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("images"))
    for name in ("README.md", "README.zh-CN.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_both_languages_have_the_same_pages() -> None:
    assert sorted(path.name for path in CHINESE.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_headings(name: str) -> None:
    assert headings(ENGLISH / name) == headings(CHINESE / name)


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/??/*.md")), ids=str)
def test_what_a_page_tells_to_run_runs(page: Path, reader: Path) -> None:
    steps = list(marked(page.read_text(encoding="utf-8")))
    if not steps:
        pytest.skip("nothing on this page is carried out")
    for what, name, block in steps:
        if what == "file":
            (reader / name).write_text(block + "\n", encoding="utf-8")
        else:
            carry_out(block, reader)


def test_a_command_that_fails_is_found(reader: Path) -> None:
    with pytest.raises(AssertionError, match="nothing-here"):
        carry_out("autogpt train nothing-here --budget 2m --out runs/x", reader)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_error_code_has_its_cure(language: str) -> None:
    page = (ROOT / "docs" / language / "errors.md").read_text(encoding="utf-8")
    classes = [getattr(errors, name) for name in errors.__all__]
    rows = set(re.findall(r"(?m)^\| `(\w+)` \| (\d+) \|", page))
    assert rows == {(error.code, str(error.exit_code)) for error in classes}
