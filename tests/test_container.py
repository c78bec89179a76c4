"""Dockerfile and compose file: what they copy is there, and nothing is open that need not be."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "RUN", "USER", "WORKDIR",
}  # fmt: skip


def steps() -> list[tuple[str, str]]:
    """Return (instruction, arguments) of each step, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line.strip() and line[0] != "#"]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        name, _, rest = line.partition(" ")
        assert name in INSTRUCTIONS, line
        found.append((name, rest))
    return found


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for name, rest in steps():
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert not any(fnmatch.fnmatch(source, pattern) for pattern in ignored)


def test_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [
        extra for extras in re.findall(r"\.\[([\w,]+)\]", DOCKERFILE) for extra in extras.split(",")
    ]
    assert named
    assert set(named) <= set(project["optional-dependencies"])


def test_it_runs_as_a_user_without_rights() -> None:
    names = [name for name, _ in steps()]
    last_stage = len(names) - names[::-1].index("FROM")
    assert ("USER", "autogpt") in steps()[last_stage:]
    assert "RUN" not in names[names.index("USER") :]


def test_only_this_machine_reaches_the_server() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "--api-key-file" in service["command"]
    assert service["cap_drop"] == ["ALL"]
    volumes = {volume.partition(":")[0] for volume in service["volumes"]}
    assert volumes == set(compose["volumes"])
