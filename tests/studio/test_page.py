"""The files of the page: whole, as npm published them, and kept to themselves."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from autogpt.studio.page import Tickets, _read, content_security_policy

STATIC = Path("src/autogpt/studio/static")
VENDOR = STATIC / "vendor"


def test_libraries_are_those_of_the_manifest():
    listed = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))["files"]
    there = {path.name for path in VENDOR.iterdir() if path.is_file()} - {"manifest.json"}
    assert set(listed) == there
    for name, facts in listed.items():
        content = (VENDOR / name).read_bytes()
        assert len(content) == facts["bytes"], name
        assert hashlib.sha256(content).hexdigest() == facts["sha256"], name
        assert (VENDOR / facts["license_file"]).read_text(encoding="utf-8").strip()
        assert re.fullmatch(r"\d+\.\d+\.\d+", facts["version"])
        assert facts["license"]


def test_the_page_names_no_other_host():
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".css", ".html") and VENDOR not in path.parents:
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"(src|href|url|import|fetch)\W{1,4}(https?:)?//\w", text), path
            assert "innerHTML" not in text, path
            assert "eval(" not in text, path


def test_the_policy_lets_only_our_own_scripts_in():
    policy = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in content_security_policy()
    assert re.fullmatch(r"'self' 'sha256-[\w+/=]{44}'", policy["script-src"])
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2  # the import map, and what begins
    assert not re.search(r"\son\w+=", page)
    assert "style=" not in page


def test_no_path_leads_out_of_the_page():
    assert _read("/js/app.js") is not None
    for path in (
        "/../api.py",
        "/js/../../api.py",
        "/",
        "",
        "/js",
        "/.hidden",
        "/js//%2e%2e/x",
        "/\x00",
    ):
        assert _read(path) is None


def test_every_module_that_is_imported_is_there():
    for path in (STATIC / "js").rglob("*.js"):
        for name in re.findall(r"from \"(\.[^\"]+)\"", path.read_text(encoding="utf-8")):
            assert (path.parent / name).resolve().is_file(), f"{path}: {name}"


def test_a_ticket_is_good_for_a_while_and_for_one_file(tmp_path: Path):
    tickets = Tickets()
    name = tickets.give(tmp_path)
    ticket = tickets.take(name)
    assert ticket is not None
    assert ticket.path == tmp_path
    assert "script-src" not in ticket.policy
    assert "allow-same-origin" not in ticket.policy
    assert tickets.take(name[:-1]) is None
    assert tickets.take("") is None
