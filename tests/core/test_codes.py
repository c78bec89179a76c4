"""Codes of errors: every sentence has one, and keeps it."""

from __future__ import annotations

import json

import pytest

from autogpt.core.codes import Registered, find_code, registry
from autogpt.core.errors import DataError, MissingExtraError, UsageError
from tests.cli.commands import run
from tests.core.registering import assigned, made


def test_every_error_of_the_source_has_its_code():
    """Where this fails: ``make codes`` gives new errors their codes."""
    assert assigned(registry(), made()) == dict(registry())


def test_a_code_stays_when_the_words_change_and_is_never_given_twice():
    kept = {
        "AG-DATA-001": Registered(message="There is no text in {0}."),
        "AG-DATA-002": Registered(message="Line {0} is not JSON."),
    }
    found = {
        ("AG-DATA", "There is no text at all in {0}."): {"Name another file."},
        ("AG-DATA", "The table {0} has no rows."): set(),
        ("AG-RUN", "The run {0} is in use."): set(),
    }
    codes = assigned(kept, found)
    assert codes["AG-DATA-001"].message == "There is no text at all in {0}."
    assert codes["AG-DATA-001"].hints == ("Name another file.",)
    assert codes["AG-DATA-002"].retired
    assert codes["AG-DATA-003"].message == "The table {0} has no rows."
    assert codes["AG-RUN-001"].message == "The run {0} is in use."
    assert assigned(codes, found) == codes
    back = {**found, ("AG-DATA", "Line {0} is not JSON."): set()}
    assert not assigned(codes, back)["AG-DATA-002"].retired


def test_an_error_finds_its_code_by_its_words():
    missing = MissingExtraError("onnx", extra="onnx", purpose="Writing ONNX")
    assert registry()[missing.id].message.endswith("which is not installed.")
    assert missing.id.startswith("AG-EXTRA-")
    assert DataError("Nobody ever wrote this.").id == "AG-DATA-000"
    assert UsageError("There is no model 'x\ny'.").to_dict()["id"] != "AG-USAGE-000"


def test_most_sentences_are_told_apart():
    """Some say little more than their values, as ``{0} {1}.``; few may be taken for another."""
    wrong = []
    for code, entry in registry().items():
        if entry.retired:
            continue
        said = entry.message
        for number in range(12):
            said = said.replace(f"{{{number}}}", f"'value {number}'")
        kind = code.rpartition("-")[0].removeprefix("AG-").lower()
        kind = {"extra": "missing_extra", "lost": "peer_lost"}.get(kind, kind)
        if find_code(kind, said) != code:
            wrong.append(code)
    assert len(wrong) <= 0.02 * len(registry()), wrong


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_command_line_shows_it(flags: list[str]):
    result = run("plan", "no-such-file.txt", "--budget", "10m", *flags)
    code = find_code("usage", "")
    assert code == "AG-USAGE-000"
    shown = json.loads(result.stdout)["error"]["id"] if flags else result.stderr
    assert "AG-" in shown
    assert "-000" not in shown
