"""Reference pages of the site, made from the code when it is built (a hook of mkdocs).

``reference/commands.md`` holds every verb with its flags, ``reference/python.md`` the public names
with their signatures and docstrings. Nothing of it is kept in the repository, so it cannot be old.
"""

from __future__ import annotations

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


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the folder."""
    pages = {"reference/commands.md": commands(), "reference/python.md": python()}
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
