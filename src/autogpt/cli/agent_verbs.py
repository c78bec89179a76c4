"""What ``autogpt agent`` does with words that are no goal: runs, memory, promote, sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from autogpt.cli.offer import require
from autogpt.core.errors import UsageError

if TYPE_CHECKING:
    from autogpt.agent.memory import Memory
    from autogpt.agent.tools.base import Tool

__all__ = ["look", "measure", "model_in_use", "promote_model", "try_sandboxes"]


def look(verb: str, rest: Sequence[str], journal: Path | None, *, as_json: bool) -> None:
    """Show what the journal holds: runs, one run, lessons, or memory, which can be edited."""
    from autogpt.agent.agent import journal_path
    from autogpt.agent.journal import Journal
    from autogpt.agent.memory import Memory

    book = Journal(journal or journal_path())
    try:
        if verb == "memory":
            _memory(Memory(book), rest, as_json=as_json)
        elif verb == "lessons":
            from autogpt.agent.lessons import lessons

            for lesson in lessons(book, _tools()):
                print(json.dumps(lesson, ensure_ascii=False))
        elif verb == "show":
            for entry in book.entries(book.row(rest[0]).id):
                fields = {"place": entry.place, "kind": entry.kind, "what": entry.what}
                print(json.dumps({**fields, "payload": entry.payload}, ensure_ascii=False))
        else:
            for row in book.runs():
                line = {"run": row.id, "state": row.state or "unfinished", "goal": row.goal}
                plain = f"{row.id}  {line['state']:13} {row.goal:.100}"
                print(json.dumps(line, ensure_ascii=False) if as_json else plain)
    finally:
        book.close()


def _memory(memory: Memory, rest: Sequence[str], *, as_json: bool) -> None:
    action, *values = rest or ["list"]
    if action == "add" and values:
        memory.add(" ".join(values), source="user")
    elif action == "edit" and len(values) > 1:
        memory.edit(int(values[0]), " ".join(values[1:]))
    elif action == "forget" and values:
        memory.forget(int(values[0]))
    elif action not in ("list", "find"):
        raise UsageError(
            f"memory {action!r} is not known.",
            hint="memory list, find WORDS, add FACT, edit NUMBER FACT, forget NUMBER.",
        )
    facts = memory.find(" ".join(values)) if action == "find" else memory.all()
    for fact in facts:
        line = f"{fact.id:4}  {fact.text}  ({fact.source}{', ' + fact.run if fact.run else ''})"
        print(json.dumps(fact.to_dict(), ensure_ascii=False) if as_json else line)


def promote_model(rest: Sequence[str], journal: Path | None, *, as_json: bool) -> None:
    """Compare a model with the one in use, and use it if it has no fewer right."""
    from autogpt.agent.agent import journal_path
    from autogpt.agent.journal import Journal
    from autogpt.agent.lessons import exams
    from autogpt.agent.models import open_model
    from autogpt.agent.promotion import DEFAULT, promote, shown, use

    if len(rest) != 1:
        raise UsageError(
            "promote takes one model.", hint="Write it like: autogpt agent promote runs/caller"
        )
    path = journal or journal_path()
    model = str(Path(rest[0]).resolve()) if Path(rest[0]).exists() else rest[0]
    require(model)
    if model == DEFAULT:  # the way back needs no exam
        use(path.parent, model)
        print(json.dumps({"promoted": True, "model": model}) if as_json else f"{model} thinks now.")
        return
    current = model_in_use(journal)
    require(current)
    book = Journal(path)
    try:
        questions = exams(book, _tools())
    finally:
        book.close()
    found = promote(open_model(model), open_model(current), questions)
    if found.promoted:
        use(path.parent, model)
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        print("\n".join(shown(found)))
        print(f"{(found.candidate if found.promoted else found.current).model} thinks from now on.")
    if not found.promoted:
        raise typer.Exit(1)


def model_in_use(journal: Path | None) -> str:
    """Return the MODEL that the agent thinks with where none is named."""
    from autogpt.agent import promotion
    from autogpt.agent.agent import journal_path

    return promotion.model_in_use((journal or journal_path()).parent)


def _tools() -> dict[str, Tool]:
    """Return the tools that come with the agent, to describe them."""
    from autogpt.agent.models import LocalModel
    from autogpt.agent.tools.box import toolbox
    from autogpt.agent.tools.folder import Folder

    return {tool.name: tool for tool in toolbox(Folder(Path()), LocalModel(_no_model))}


def _no_model() -> NoReturn:
    raise UsageError("No model is asked here.")


def measure(model: str, *, as_json: bool) -> None:
    """Measure whether a model can plan freely, and keep it."""
    from autogpt.agent.models import open_model
    from autogpt.agent.probing import probe

    if not model.startswith(("http://", "https://")):
        require(model)
    found = probe(open_model(model))
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    way = "plans freely" if found.plans else "fills the slots of plans"
    print(f"{found.right} of {found.asked} right ({found.share:.0%}): {found.model} {way}.")


def try_sandboxes(*, as_json: bool) -> None:
    """Try every escape in every sandbox that is here, and say what held."""
    from autogpt.agent.escapes import probe
    from autogpt.agent.sandbox import candidates

    boxes = candidates()
    for box in boxes:
        for finding in probe(box):
            line = {"sandbox": box.name, "tried": finding.name, "held": finding.held}
            mark = "held" if finding.held else "GOT THROUGH"
            plain = f"{box.name:11} {finding.name:22} {mark:12} {finding.detail}"
            print(json.dumps(line) if as_json else plain, flush=True)
    if not boxes:
        raise UsageError(
            "There is no sandbox here, so Python code is refused.",
            hint="Install one: pip install 'autogpt-transformer[agent]', or bubblewrap.",
        )
