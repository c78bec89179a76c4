"""Completion as a shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.cli.commands import run

SCRIPTS = sysconfig.get_path("scripts")
BASH = shutil.which("bash")
VERBS = ("quickstart", "train", "generate", "doctor")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_shown(shell: str):
    result = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert result.returncode == 0, result.stderr
    assert "COMPLETE" in result.stdout


def test_verbs_and_flags_are_completed():
    verbs = run(_AUTOGPT_COMPLETE="complete_bash", COMP_WORDS="autogpt ", COMP_CWORD="1")
    assert verbs.returncode == 0, verbs.stderr
    assert all(verb in verbs.stdout.split() for verb in VERBS)
    flags = run(_AUTOGPT_COMPLETE="complete_bash", COMP_WORDS="autogpt train --re", COMP_CWORD="2")
    assert {"--resume", "--recipe"} <= set(flags.stdout.split())


@pytest.mark.skipif(not BASH, reason="bash is not installed")
def test_bash_completes_the_installed_command():
    words = (
        'PATH="$1:$PATH"; eval "$(autogpt --show-completion bash)"\n'
        'COMP_WORDS=(autogpt tr); COMP_CWORD=1; _autogpt_completion autogpt; echo "${COMPREPLY[@]}"'
    )
    done = shell("bash", "-c", words, "bash", SCRIPTS)
    assert set(done.stdout.split()) == {"train", "translate", "transcribe"}, done.stderr


@pytest.mark.skipif(not BASH, reason="bash is not installed")
def test_bash_is_recognized_and_its_completion_installed(tmp_path: Path):
    install = '"$1"/autogpt --install-completion; true'  # without true bash would step aside
    done = shell("bash", "-c", install, "bash", SCRIPTS, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "completion installed" in done.stdout
    script = tmp_path / ".bash_completions" / "autogpt.sh"
    assert str(script) in (tmp_path / ".bashrc").read_text(encoding="utf-8")
    assert "complete_bash" in script.read_text(encoding="utf-8")


def test_zsh_is_told_what_each_verb_does():
    asked = {"_AUTOGPT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "autogpt do"}
    done = shell(f"{SCRIPTS}/autogpt", **asked)
    assert done.returncode == 0, done.stderr
    assert '"doctor":"Say what this machine can do' in done.stdout


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_accepts_the_script():
    words = (
        'PATH="$1:$PATH"; autoload -Uz compinit; compinit -u -D\n'
        'eval "$(autogpt --show-completion zsh)"; echo "$_comps[autogpt]"'
    )
    done = shell("zsh", "-f", "-c", words, "zsh", SCRIPTS)
    assert done.stdout.strip() == "_autogpt_completion", done.stderr


def shell(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
