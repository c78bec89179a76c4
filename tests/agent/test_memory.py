"""Facts are kept, found by words in both languages, edited and forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.agent.journal import Journal
from autogpt.agent.memory import Memory
from autogpt.core.errors import UsageError


def test_memory(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    memory = Memory(journal)
    first = memory.add("The boiler was repaired on Monday.", source="notes/a.txt", run="r1")
    second = memory.add("锅炉的保修期是两年。", source="合同.txt", run="r2")
    assert memory.add("The boiler was  repaired on Monday.", source="x") == first
    assert [fact.id for fact in memory.find("boiler")] == [first]
    assert [fact.id for fact in memory.find("保修")] == [second]
    assert memory.find('"quoted" OR (') == []
    assert memory.find("") == []
    memory.edit(first, "The boiler was replaced.")
    assert [(fact.text, fact.source) for fact in memory.find("boiler")] == [
        ("The boiler was replaced.", "user")
    ]
    memory.forget(second)
    assert len(memory.all()) == 1
    for wrong in (lambda: memory.forget(99), lambda: memory.add(" ", source="user")):
        with pytest.raises(UsageError):
            wrong()
    journal.close()
    again = Journal(tmp_path / "j.sqlite")
    assert Memory(again).all()[0].text == "The boiler was replaced."
    again.close()


def test_memory_by_meaning(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    memory = Memory(
        journal, embed=lambda texts: [[1.0 * ("heat" in t or "boiler" in t), 0.0] for t in texts]
    )
    memory.add("The boiler is new.", source="a")
    memory.add("The cat is old.", source="a")
    assert [fact.text for fact in memory.find("heating")] == ["The boiler is new."]
    journal.close()
