from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import run


def test_it_says_what_the_machine_can_do():
    result = run("doctor")
    assert result.returncode == 0, result.stderr
    for words in ("torch 2", "Processor", "cores", "Memory", "Disk", "GPUs", "GFLOP/s in fp32"):
        assert words in result.stdout
    assert "times as fast" in result.stdout


def test_json_has_the_measurements():
    result = run("doctor", "--json")
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    facts = json.loads(result.stdout)
    assert facts["matmul_gflops"]["float32"] > 1
    assert facts["matmul_gflops"]["bfloat16"] > 0
    assert facts["memory_gb_per_s"] > 0.1
    assert facts["cores"] >= 1
    assert facts["memory_bytes"] > facts["free_memory_bytes"] > 0
    assert set(facts["missing"]) == {name for name, there in facts["optional"].items() if not there}
    assert facts["optional"]["pytest"]


def test_without_a_compiler_it_says_how_to_get_one():
    result = run("doctor", PATH="/nowhere")
    assert "none found" in result.stdout
    assert "g++" in result.stdout


def test_a_torch_that_is_broken_is_a_sentence(tmp_path: Path):
    (tmp_path / "torch.py").write_text("raise ImportError('broken on purpose')", encoding="utf-8")
    result = run("doctor", "--json", PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["cores"] >= 1
    assert "matmul_gflops" not in facts
    assert "torch could not be examined: broken on purpose." in facts["advice"]
    text = run("doctor", PYTHONPATH=str(tmp_path))
    assert text.returncode == 0
    assert "broken on purpose" in text.stdout


def test_each_missing_part_has_its_command():
    from autogpt.cli.doctor import _commands

    commands = _commands()
    assert commands["datasets"] == 'pip install "autogpt-transformer[hf]"'
    assert commands["transformers"] == 'pip install "autogpt-transformer[transformers]"'
    assert commands["pytest"] == 'pip install "autogpt-transformer[test]"'
    assert commands["tensorboard"] == "pip install tensorboard"
