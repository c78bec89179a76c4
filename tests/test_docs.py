"""The documentation tells the truth: its commands parse, its links lead somewhere, its code runs.

Each check is a function of text that returns what is wrong, so that the tests can also show it a
lie. Nothing of what the pages tell the reader to do is carried out here.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import pytest
import typer

import autogpt
from autogpt.cli.app import app
from autogpt.core.config import from_mapping, parse_settings
from autogpt.core.errors import ConfigError
from autogpt.recipe import Recipe
from autogpt.recipe.settings import FinetuneRecipe

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
GUIDES = [ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")]
HISTORY = [ROOT / "CHANGELOG.md", ROOT / "docs/log.md"]  # these may name settings that have gone
COMMANDS = typer.main.get_command(app)
ENGLISH, CHINESE, _ = (path.read_text(encoding="utf-8") for path in GUIDES)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: fenced, or indented by four spaces after a blank line."""

    language: str
    code: str

    @property
    def is_python(self) -> bool:
        return self.language in ("python", "py") or self.code.startswith(("import ", "from "))


def blocks(text: str) -> Iterator[Block]:
    fence, language, lines, before = "", "", list[str](), ""
    for line in [*text.splitlines(), ""]:
        mark = line.strip()[:3]
        if fence:
            if mark == fence:
                yield Block(language, "\n".join(lines))
                fence, lines = "", []
            else:
                lines.append(line)
        elif mark in ("```", "~~~"):
            fence, language = mark, line.strip()[3:].strip()
        elif line.startswith("    ") and (lines or not before.strip()):
            lines.append(line[4:])
        elif lines and line.strip():
            yield Block("", "\n".join(lines).rstrip())
            lines = []
        elif lines:
            lines.append("")
        before = line
    if lines and not fence:
        yield Block("", "\n".join(lines).rstrip())


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each ``autogpt`` and ``make`` command, in blocks and in code spans."""
    written = [block.code.replace("\\\n", " ").splitlines() for block in blocks(text)]
    shown = [line.strip().removeprefix("$ ") for lines in written for line in lines]
    prose = re.findall(r"(?m)(?<!`)`((?:autogpt|make) [^`\n]+)`(?!`)", text)
    for line in [*shown, *prose]:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        if line.startswith(("autogpt ", "make ")):
            for word in lexer:
                if set(word) <= set("();<>|&"):
                    break
                words.append(word)
            yield words


def wrong_commands(text: str, makefile: str = MAKEFILE) -> list[str]:
    targets = set(re.findall(r"(?m)^([\w-]+):(?!=)", makefile))
    problems = []
    for program, *words in commands(text):
        if program == "make":
            problems += [
                f"make {word}" for word in words if "=" not in word and word not in targets
            ]
        elif problem := _parse_problem(words):
            problems.append(f"{shlex.join(words)}: {problem}")
    return problems


def _parse_problem(words: list[str]) -> str:
    """Return what the command line says of these words; nothing is run."""
    command = COMMANDS
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        return "" if words and set(words) <= known else f"there is no verb {words[:1]}"
    try:
        context = command.make_context(command.name, list(words))
        settings = context.params.get("settings") or []
        recipe = FinetuneRecipe if command.name == "finetune" else Recipe
        from_mapping(recipe, parse_settings(settings))
    except typer.Exit:  # --help
        return ""
    except (typer.TyperException, ConfigError) as error:
        return str(error) or error.format_message()
    return ""


def wrong_settings(text: str) -> list[str]:
    """Return the settings that are named as ``--set a.b=`` but do not exist."""
    return [key for key in re.findall(r"--set[ =]([\w.]+)=", text) if not _is_setting(key)]


def _is_setting(key: str) -> bool:
    return any(_is_setting_of(recipe, key) for recipe in (Recipe, FinetuneRecipe))


def _is_setting_of(recipe: type, key: str) -> bool:
    room: typing.Any = recipe
    for part in key.split("."):
        hints = typing.get_type_hints(room) if is_dataclass(room) else {}
        if part not in hints:
            return False
        room = hints[part]
    return not is_dataclass(room)


def broken_links(text: str, folder: Path) -> list[str]:
    """Return relative links that lead to nothing; web addresses are not tried."""
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text)
    local = [target for pair in targets for target in pair if target]
    local = [target for target in local if not re.match(r"[a-z]+:|#", target)]
    return [target for target in local if not (folder / target.split("#")[0]).exists()]


def missing_files(text: str) -> list[str]:
    """Return the files and folders of this repository that are named but are not there."""
    named = re.findall(r"(?<![\w/.-])((?:benchmarks|docs|tests|src)/[\w./-]*\w/?)", text)
    return [name for name in named if "<" not in name and not (ROOT / name).exists()]


def machine_paths(text: str) -> list[str]:
    return re.findall(r"(?<![\w.])/(?:work|home|root|tmp|Users)/\S*", text)


def wrong_python(text: str) -> list[str]:
    """Return what a block of Python asks of ``autogpt`` that is not there."""
    return [problem for block in blocks(text) if block.is_python for problem in _wrong(block.code)]


def _wrong(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        yield f"{error.msg}: {error.text}"
        return
    known: dict[str, object] = {"autogpt": autogpt}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            made = _returned(statement.value, known)
            if made is not None:
                known[statement.targets[0].id] = made
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = known.get(node.value.id)
            if owner is not None and not hasattr(owner, node.attr) and not _is_field(owner, node):
                yield f"{node.value.id}.{node.attr} does not exist"
        if isinstance(node, ast.Call):
            yield from _wrong_call(node, known)


def _is_field(owner: object, node: ast.Attribute) -> bool:
    return isinstance(owner, type) and node.attr in typing.get_type_hints(owner)


def _resolve(node: ast.expr, known: dict[str, object]) -> object:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return getattr(known.get(node.value.id), node.attr, None)
    return None


def _returned(node: ast.expr, known: dict[str, object]) -> object:
    """Return the class of what a call of ours gives, where its annotation says so."""
    function = _resolve(node.func, known) if isinstance(node, ast.Call) else None
    if inspect.isclass(function):
        return function
    made = typing.get_type_hints(function).get("return") if callable(function) else None
    usual = next(iter(typing.get_args(made)), made)  # of a union, the first
    return usual if inspect.isclass(usual) else None


def _wrong_call(node: ast.Call, known: dict[str, object]) -> Iterator[str]:
    function = _resolve(node.func, known)
    if not callable(function) or any(keyword.arg is None for keyword in node.keywords):
        return
    values: list[object] = [None] * len(node.args)
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        values = [None] * inspect.isclass(known[node.func.value.id]) + values  # self
    try:
        inspect.signature(function).bind(*values, **{word.arg: None for word in node.keywords})  # type: ignore[misc] # a name each
    except TypeError as error:
        yield f"{ast.unparse(node.func)}: {error}"
    else:
        known_names = {*inspect.signature(function).parameters, *_unpacked(function)}
        for word in node.keywords if _unpacked(function) else ():
            if word.arg not in known_names:
                yield f"{ast.unparse(node.func)}: there is no setting {word.arg!r}"


def _unpacked(function: Callable[..., object]) -> set[str]:
    """Return the names of ``**settings: Unpack[Settings]``, which no signature lists."""
    hints = typing.get_type_hints(function).values()
    unpacked = [
        typing.get_args(hint)[0] for hint in hints if typing.get_origin(hint) is typing.Unpack
    ]
    return {name for kind in unpacked for name in typing.get_type_hints(kind)}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_commands_parse(page: Path):
    assert wrong_commands(page.read_text(encoding="utf-8")) == []


def test_both_readmes_show_the_same_commands_and_code():
    assert list(commands(ENGLISH)) == list(commands(CHINESE))
    assert len(list(commands(ENGLISH))) >= 4
    both = [[b.code for b in blocks(text) if b.is_python] for text in (ENGLISH, CHINESE)]
    english, chinese = ([ast.dump(ast.parse(code)) for code in codes] for codes in both)
    assert english == chinese
    assert english, "no block begins with import; prose must part it from a block of commands"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page: Path):
    text = page.read_text(encoding="utf-8")
    assert broken_links(text, page.parent) == []
    assert missing_files(text) == []
    assert machine_paths(text) == []
    if page not in HISTORY:
        assert wrong_settings(text) == []


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_python_blocks_use_what_exists(text: str):
    assert wrong_python(text) == []


@pytest.mark.parametrize(
    ("check", "truth", "lie"),
    [
        (wrong_commands, "    make test  # all", "    make tset"),
        (wrong_commands, "```\nautogpt train x --out r | cat\n```", "```\nautogpt trian x\n```"),
        (wrong_commands, "    autogpt train x --out r", "    autogpt train x --uot r"),
        (wrong_commands, "    autogpt train x --out r", "    autogpt train x"),
        (wrong_commands, "    autogpt generate r hi --n 2", "    autogpt generate r hi --n two"),
        (wrong_commands, "Say `autogpt --version`.", "Say `autogpt --vresion`."),
        (wrong_commands, "    $ autogpt generate --help", "    $ autogpt generate --hlep"),
        (
            wrong_commands,
            "    autogpt train x \\\n      --out r --set training.clip=1",
            "    autogpt train x \\\n      --out r --set training.clpi=1",
        ),
        (wrong_settings, "`--set training.lr=X`", "`--set training.rl=X`"),
        (wrong_settings, "`--set model.hidden_size=N`", "`--set hidden_size=N`"),
        (missing_files, "`benchmarks/data.py`", "`benchmarks/writing.py`"),
        (missing_files, "see docs/log.md.", "see docs/lgo.md."),
        (machine_paths, "runs/mine and s/m/h/home", "kept in /home/me/runs"),
        (
            wrong_python,
            "    import autogpt\n    autogpt.load('r')",
            "    import autogpt\n    autogpt.laod()",
        ),
        (wrong_python, "```python\nx = 1\n```", "```python\nx = = 1\n```"),
        (
            wrong_python,
            "    import autogpt\n    g = autogpt.load('r')\n    g.generate('x', seed=0).text",
            "    import autogpt\n    g = autogpt.load('r')\n    g.generate('x', sede=0).text",
        ),
        (
            wrong_python,
            "    import autogpt\n    g = autogpt.load('r')\n    g.stream('x')",
            "    import autogpt\n    g = autogpt.load('r')\n    g.wrote('x')",
        ),
    ],
)  # fmt: skip
def test_the_checks_notice_a_lie(check: Callable[[str], list[str]], truth: str, lie: str):
    assert check(truth) == []
    assert check(lie) != []


def test_links_to_nothing_are_noticed():
    assert broken_links("[a](README.md#start) [b](https://x.org/y)", ROOT) == []
    assert broken_links("[a](docs/no.md)", ROOT) == ["docs/no.md"]


def test_blocks_of_both_kinds_are_found():
    text = "A\n\n    one\n\n    two\n\nB\n```python\nthree\n```\n- item\n  text\n\n    four"
    assert [block.code for block in blocks(text)] == ["one\n\ntwo", "three", "four"]
