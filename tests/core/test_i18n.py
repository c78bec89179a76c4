"""The catalogue of words: whole, used, and the same values in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autogpt.core import i18n
from autogpt.core.errors import RunError
from autogpt.core.i18n import LANGUAGES, accepted, interface, parse_language, sentences, text
from tests.cli.commands import run
from tests.core.sentences import raised

SOURCE = Path("src/autogpt")
STATIC = SOURCE / "studio" / "static" / "js"
_VALUE = re.compile(r"\{(\w+)\}")


def forms(entry: object) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry.values())  # type: ignore[attr-defined]


def test_each_text_is_there_in_both_languages_with_the_same_values():
    for key, entry in interface().items():
        assert set(entry) == set(LANGUAGES), key
        texts = {language: forms(entry[language]) for language in LANGUAGES}
        assert all(form.strip() for one in texts.values() for form in one), key
        values = {  # the form for one may leave the number out
            frozenset(_VALUE.findall(form)) - {"count"} for one in texts.values() for form in one
        }
        assert len(values) == 1, key
        counted = [any("{count}" in form for form in one) for one in texts.values()]
        assert len(set(counted)) == 1, key


def keys_in_the_page() -> tuple[set[str], set[str]]:
    """Return the keys that the page names, and the beginnings of those that it makes."""
    keys: set[str] = set()
    begun: set[str] = set()
    for path in STATIC.rglob("*.js"):
        source = path.read_text(encoding="utf-8")
        for key in re.findall(r"\bt\(\s*[\"'`]([\w.${}\[\]]+)[\"'`]", source):
            head, made, _ = key.partition("$")
            (begun if made else keys).add(head)
        for literal in re.findall(r"[\"']([a-z_]+\.[\w.]+)[\"']", source):  # as in a ? b : c
            if literal in interface():
                keys.add(literal)
        begun.update(re.findall(r"`([a-z_]+\.[\w.]*)\$\{", source))
    return keys, begun


def test_every_key_of_the_page_is_there_and_every_text_is_used():
    keys, begun = keys_in_the_page()
    assert len(keys) > 100
    assert keys - set(interface()) == set()
    for head in begun:
        assert any(key.startswith(head) for key in interface()), head
    elsewhere = "".join(
        path.read_text(encoding="utf-8")
        for path in SOURCE.rglob("*.py")
        if "static" not in str(path)
    )
    unused = {
        key
        for key in interface()
        if key not in keys
        and not any(head and key.startswith(head) for head in begun)
        and f'"{key}"' not in elsewhere
    }
    assert unused == set()


def test_a_text_takes_values_and_a_form():
    assert text("look.token_count", "en", count=1) == "1 token"
    assert text("look.token_count", "en", count=3) == "3 tokens"
    assert text("look.token_count", "zh", count=1) == "1 个词元"
    with pytest.raises(KeyError):
        text("look.token_count", "en")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("zh-Hans-CN", "zh"), ("zh_CN.UTF-8", "zh"), ("en", "en"), ("de_DE", None), ("", None),
        (None, None), ("C.UTF-8", None),
    ],
)  # fmt: skip
def test_languages_have_many_names(name: str | None, language: str | None):
    assert parse_language(name) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("de, zh;q=0.3, en;q=0.1", "zh"), ("", "en"), (None, "en"), ("fr", "en"),
        ("zh;q=nonsense", "zh"), ("x" * 10_000, "en"),
    ],
)  # fmt: skip
def test_a_browser_says_what_it_likes(header: str | None, language: str):
    assert accepted(header) == language


def test_a_terminal_says_its_language():
    assert i18n.language_of_terminal({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert i18n.language_of_terminal({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}) == "en"
    assert i18n.language_of_terminal({}) == "en"


def test_a_sentence_is_turned_with_its_values():
    error = RunError("'runs/a b' already holds a run.", hint="Stop it first.")
    told = i18n.localized(error, "zh")
    assert told["code"] == "run"
    assert told["message"] == "'runs/a b' 里已有一次运行。"
    assert told["hint"] == "请先停止它。"
    assert i18n.localized(error, "en")["message"] == error.message
    assert i18n.translated("Nobody has said this.", "zh") == "Nobody has said this."


def test_sentences_are_those_of_the_source_and_have_the_same_values():
    there = raised(SOURCE)
    stale = set(sentences()) - set(there)
    assert stale == set(), "these are raised nowhere any more"
    for english, chinese in sentences().items():
        assert set(_VALUE.findall(english)) == set(_VALUE.findall(chinese)), english
        assert re.search("[\u4e00-\u9fff]", chinese), english


COMPLETE = ("studio", "server", "cli", "core", "data", "llm", "training")
"""Packages whose every sentence has a translation."""


@pytest.mark.parametrize("package", COMPLETE)
def test_a_package_says_everything_in_chinese_too(package: str):
    missing = [
        sentence
        for sentence, packages in raised(SOURCE).items()
        if package in packages and sentence not in sentences()
    ]
    assert missing == []


def test_the_command_line_speaks_the_language_of_the_terminal(tmp_path: Path):
    told = run("generate", "no-such-model", "x", cwd=tmp_path, LC_ALL="zh_CN.UTF-8")
    assert told.returncode == 2
    assert "没有模型 'no-such-model'" in told.stderr
    plain = run("generate", "no-such-model", "x", "--json", cwd=tmp_path, LC_ALL="C.UTF-8")
    assert "There is no model 'no-such-model'" in plain.stderr
