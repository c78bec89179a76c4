"""A model that was taught to call is used if it is not worse than the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from autogpt.agent.agent import Agent
from autogpt.agent.journal import Journal
from autogpt.agent.lessons import Exam, exams, lessons
from autogpt.agent.probing import QUESTIONS
from autogpt.agent.promotion import DEFAULT, model_in_use, promote, use
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.core.errors import UsageError
from autogpt.core.messages import Message
from tests.agent.worlds import make_journal, make_world


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, Agent]]:
    world = make_world(tmp_path_factory.mktemp("world"))
    path = world.parent / "known.sqlite"
    agent = make_journal(world, path)
    journal = Journal(path)
    yield journal, agent
    journal.close()


def knower(questions: Sequence[Exam], wrong: int = 0, *, probe: int = 99) -> ScriptedModel:
    """Return a model that knows all answers but the first few; of the probe only so many."""

    def probed(number: int) -> Callable[[Sequence[Message]], object]:
        _, name, arguments = QUESTIONS[number]
        return lambda _: {"name": name if number < probe else "none", "arguments": arguments}

    def answered(number: int) -> Callable[[Sequence[Message]], object]:
        call = questions[number].call.to_dict()
        return lambda _: call if number >= wrong else {"name": call["name"], "arguments": {}}

    return ScriptedModel(
        [*map(probed, range(len(QUESTIONS))), *map(answered, range(len(questions)))]
    )


def test_what_is_asked_in_exams_is_never_a_lesson(known: tuple[Journal, Agent]) -> None:
    journal, agent = known
    asked = {exam.messages[-1].content for exam in exams(journal, agent.tools)}
    learned = {chat["messages"][-2]["content"] for chat in lessons(journal, agent.tools)}
    assert asked
    assert learned
    assert not asked & learned


@pytest.mark.parametrize(
    ("wrong", "probe", "promoted"), [(0, 12, True), (1, 12, False), (0, 5, False)]
)
def test_a_model_that_knows_less_is_not_promoted(
    known: tuple[Journal, Agent], wrong: int, probe: int, *, promoted: bool
) -> None:
    journal, agent = known
    questions = exams(journal, agent.tools)
    found = promote(knower(questions, wrong, probe=probe), knower(questions, probe=6), questions)
    assert found.promoted is promoted
    assert found.current.probe == 6
    assert found.current.runs == found.current.runs_asked == len(questions)
    assert found.candidate.runs == len(questions) - wrong
    json.dumps(found.to_dict())


def test_without_runs_nothing_is_compared() -> None:
    with pytest.raises(UsageError, match="no verified run"):
        promote(ScriptedModel(), ScriptedModel(), [])


def test_the_one_in_use_is_kept_beside_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert model_in_use(folder) == DEFAULT
    (tmp_path / "caller").mkdir()
    use(folder, str(tmp_path / "caller"))
    assert model_in_use(folder) == str(tmp_path / "caller")
    (tmp_path / "caller").rmdir()
    assert model_in_use(folder) == DEFAULT
    (folder / "thinks-with.json").write_text("{")
    assert model_in_use(folder) == DEFAULT
