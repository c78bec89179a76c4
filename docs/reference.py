"""Reference pages of the site, made from the code when it is built (a hook of mkdocs).

``reference/commands.md`` holds every verb with its flags, ``reference/python.md`` the public names
with their signatures and docstrings, ``error-codes.md`` of each language every error with its cure.
Nothing of it is kept in the repository, so it cannot be old.
"""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Iterator

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import autogpt
from autogpt.cli.app import app
from autogpt.core.codes import registry
from autogpt.core.i18n import LANGUAGES, Language, sentences


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the folder."""
    pages = {"reference/commands.md": commands(), "reference/python.md": python()}
    pages |= {f"{language}/error-codes.md": error_codes(language) for language in LANGUAGES}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Leave out links to files of the repository, which are not part of the site."""
    depth = page.file.src_uri.count("/")
    outside = rf"\[([^\]]+)\]\((?:\.\./){{{depth + 1},}}[^)]*\)"
    return re.sub(outside, r"\1", markdown)


def commands() -> str:
    """Return every verb: what it does, its arguments and flags."""
    group = typer.main.get_command(app)
    lines = ["# Commands", ""]
    for names, command in _leaves(group, ()):
        lines += [f"## autogpt {' '.join(names)}", "", _prose(command.help), ""]
        rows = [_row(parameter) for parameter in command.params if not _hidden(parameter)]
        if rows:
            lines += ["| argument or flag | meaning |", "| --- | --- |", *rows, ""]
    return "\n".join(lines)


def python() -> str:
    """Return the public names of ``autogpt`` with their docstrings."""
    lines = ["# Python", ""]
    for name in sorted(autogpt.__all__):
        thing = getattr(autogpt, name)
        if not callable(thing):
            continue
        lines += [f"## autogpt.{name}", "", *_described(name, thing)]
        if inspect.isclass(thing):
            for method, function in inspect.getmembers(thing, callable):
                if not method.startswith("_") and inspect.getdoc(function):
                    lines += [f"### {name}.{method}", "", *_described(method, function)]
    return "\n".join(lines)


def error_codes(language: Language) -> str:
    """Return every error, by its code, with what to do."""
    title, lead, columns = _ERROR_CODES[language]
    lines = [f"# {title}", "", lead]
    kind = ""
    for code, entry in sorted(registry().items()):
        if entry.retired:
            continue
        if code.rpartition("-")[0] != kind:
            kind = code.rpartition("-")[0]
            lines += ["", f"## {kind}", "", f"| {columns} |", "| --- | --- | --- |"]
        hints = "<br>".join(_sentence(hint, language) for hint in entry.hints)
        lines.append(f"| `{code}` | {_sentence(entry.message, language)} | {hints} |")
    return "\n".join(lines) + "\n"


_ERROR_CODES = {
    "en": (
        "Error codes",
        "A code stays the same when the words change. `…` stands for a value: a name, a number, a "
        "path. What each kind means and how to get on: [errors and what to do](errors.md). A code "
        "that ends in `000` is of an error that is not listed here.",
        "code | what it says | what to do",
    ),
    "zh": (
        "错误代码",
        "措辞改了，代码不变。`…` 代表一个值：名称、数字或路径。"
        "每一类是什么意思、怎样继续，见[错误与处理](errors.md)。"
        "以 `000` 结尾的代码表示这里没有列出的错误。还没有译成中文的句子保留英文。",
        "代码 | 它说什么 | 怎么办",
    ),
}


def _sentence(sentence: str, language: Language) -> str:
    """Return a sentence of an error as a cell of a table."""
    known = sentences().get(sentence, sentence) if language == "zh" else sentence
    shown = re.sub(r"\{\d+\}", "…", known)
    return html.escape(" ".join(shown.split()), quote=False).replace("|", "\\|").replace("*", "\\*")


def _leaves(
    command: TyperGroup | TyperCommand, names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _leaves(below, (*names, name))
    if not hasattr(command, "commands"):
        yield names, command


def _prose(text: str | None) -> str:
    """Return help text as Markdown: lines with examples become code."""
    lines = [line.replace("\b", "").rstrip() for line in inspect.cleandoc(text or "").splitlines()]
    return "\n".join(
        f"    {line.strip()}" if line.strip().startswith("autogpt ") else line for line in lines
    )


def _hidden(parameter: TyperArgument | TyperOption) -> bool:
    return bool(getattr(parameter, "hidden", False))


def _row(parameter: TyperArgument | TyperOption) -> str:
    names = ", ".join(f"`{flag}`" for flag in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name}`"
    meaning = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    return f"| {names} | {meaning} |"


def _described(name: str, thing: Callable[..., object]) -> list[str]:
    try:
        signature = str(inspect.signature(thing))
    except (TypeError, ValueError):
        signature = "(...)"
    code = [f"    {line}" for line in f"{name}{signature}".splitlines()]
    return [*code, "", "```text", inspect.getdoc(thing) or "", "```", ""]
