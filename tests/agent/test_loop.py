"""The loop: goals to checked answers, resumed after any crash, inside budgets, as allowed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autogpt
from autogpt.agent.agent import Agent
from autogpt.agent.checks import FileParses
from autogpt.agent.errors import AmbiguousError
from autogpt.agent.journal import Journal
from autogpt.agent.lessons import lessons
from autogpt.agent.plans.base import Answer, Goal, Plan, Use
from autogpt.agent.policy import Limits
from autogpt.agent.stand_ins import RandomModel, Recorder, ScriptedModel
from autogpt.agent.tools.base import Call, tool
from autogpt.agent.trace import Event
from autogpt.core.errors import UsageError
from tests.agent.worlds import make_world


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return make_world(tmp_path / "world")


def make_agent(world: Path, model: object = None, **settings: Any) -> Agent:  # noqa: ANN401
    return Agent(
        ScriptedModel() if model is None else model,
        root=world,
        journal=world.parent / "journal.sqlite",
        **settings,
    )


@pytest.mark.parametrize(
    ("goal", "answer"),
    [
        ("Which note mentions the boiler?", "notes/a.txt"),
        ("What is the total amount in sales.csv?", "60"),
        ("What is the average price in the North region in sales.csv?", "51.25"),
        ("Which product has the highest price?", "Boiler"),
        ("What is the lowest price in sales.csv?", "2.5"),
        ("How many orders in sales.csv have an amount over 15?", "2"),
        ("What is 12*(3+4)?", "84"),
        ("How many lines does contract.md have?", "6"),
        ("How often does the word boiler occur in notes/a.txt?", "1"),
        ("哪个文件提到了锅炉？", "notes/b.txt"),
        ("员工.csv中技术部的平均工资是多少？", "11000"),
        ("员工.csv里谁的工资最高？", "李四"),
        ("2480的15%是多少？", "372"),
    ],
)
def test_goals_that_code_can_verify(world: Path, goal: str, answer: str) -> None:
    outcome = make_agent(world).run(goal)
    assert (outcome.state, outcome.answer) == ("verified", answer)
    assert outcome.checks
    assert outcome.steps


def test_a_quote_is_of_the_line_that_says_it(world: Path) -> None:
    outcome = make_agent(world).run("What does contract.md say about the notice to terminate?")
    assert outcome.state == "verified"
    assert "30 days notice" in outcome.answer


def test_a_summary_is_of_the_texts_own_sentences(world: Path) -> None:
    story = "The boiler broke on Sunday. Nobody was hurt by it. The plumber came on Monday. "
    (world / "story.txt").write_text(story * 2 + "锅炉修好了。")
    outcome = make_agent(world).run("Summarize story.txt in one sentence.")
    assert outcome.state == "verified"
    assert outcome.answer.split(".")[0] in story


def test_rows_into_a_file_need_a_yes(world: Path) -> None:
    goal = "Write the total amount by region in sales.csv to out/totals.csv"
    refused = make_agent(world).run(goal)
    assert refused.state == "failed"
    assert "--yes write_file" in refused.answer
    assert not (world / "out").exists()
    done = make_agent(world, yes=["write_file"]).run(goal)
    assert done.state == "verified"
    assert (world / "out/totals.csv").read_text() == "region,sum_amount\nNorth,40\nSouth,20\n"


def test_the_user_is_asked_about_the_exact_call(world: Path) -> None:
    asked: list[Call] = []

    def approve(call: Call, _reason: str) -> bool:
        asked.append(call)
        return True

    outcome = make_agent(world, approve=approve).run("把员工.csv转换成员工.jsonl。")
    assert outcome.state == "verified"
    assert [call.tool for call in asked] == ["write_file"]
    assert asked[0].arguments["path"] == "员工.jsonl"


@pytest.mark.parametrize(
    "goal",
    [
        "What is the total amount for March in sales.csv?",
        "What is the total amount of cancelled orders in sales.csv?",
        "员工.csv中离职员工的平均工资是多少？",
        "What is 12*(3+4) and why?",
        "Which product has the highest price, and who sold it?",
    ],
)
def test_words_that_nothing_explains_keep_an_answer_from_being_verified(
    world: Path, goal: str
) -> None:
    outcome = make_agent(world).run(goal)
    assert outcome.state == "unverified"
    assert any("Not checked" in one.detail for one in outcome.checks if not one.passed)


def test_what_is_looked_for_is_not_the_rest_of_the_goal(world: Path) -> None:
    outcome = make_agent(world).run("How many lines in contract.md contain notice, and tell me why")
    assert outcome.state == "unverified"


def test_what_the_model_chooses_is_not_verified(world: Path) -> None:
    (world / "more.csv").write_text("region,amount,weight\nNorth,1,2\n")
    model = ScriptedModel(["weight"])
    outcome = make_agent(world, model).run("What is the total in more.csv?")
    assert outcome.answer == "2"
    assert outcome.state == "unverified"


def test_checks_of_the_user_count(world: Path) -> None:
    model = ScriptedModel([{"name": "calculate", "arguments": {"expression": "1+1"}}], plans=False)
    outcome = make_agent(world, model).run(
        "Calculate an arithmetic expression.", checks=["file:contract.md"]
    )
    assert outcome.state == "verified"
    model = ScriptedModel([{"name": "calculate", "arguments": {"expression": "1+1"}}], plans=False)
    outcome = make_agent(world, model).run(
        "Calculate an arithmetic expression.", checks=["file:none.md"]
    )
    assert outcome.state == "unverified"


def test_an_own_function_is_a_tool(tmp_path: Path) -> None:
    def search(query: str) -> list[str]:
        """Find notes that mention something.

        Args:
            query: What to look for.
        """
        return [f"notes/2.txt: the {query} was repaired"]

    model = ScriptedModel([{"name": "search", "arguments": {"query": "boiler"}}], plans=False)
    agent = autogpt.Agent(model, tools=[search], journal=tmp_path / "j.sqlite")
    outcome = agent.run("Which note mentions the boiler?")
    assert "notes/2.txt" in outcome.answer
    assert outcome.state == "unverified"  # nothing was said of how to check it


def test_a_model_that_can_plans_freely(world: Path) -> None:
    model = ScriptedModel(
        [
            {"name": "calculate", "arguments": {"expression": "10+20"}},
            "no call at all",
            {"name": "calculate", "arguments": {"expression": "10+20+30"}},
            {"name": "finish", "arguments": {"answer": "It is 60."}},
        ]
    )
    outcome = make_agent(world, model).run("Calculate an arithmetic expression exactly.")
    assert outcome.answer == "It is 60."
    assert outcome.state == "unverified"
    assert outcome.usage.steps == 3  # two calls, and the failed parse


def test_a_lie_is_not_verified(world: Path) -> None:
    model = ScriptedModel([{"name": "finish", "arguments": {"answer": "I wrote it to out.csv."}}])
    outcome = make_agent(world, model).run("Think about life and write it to out.csv")
    assert outcome.state == "unverified"
    failed = [one.name for one in outcome.checks if not one.passed]
    assert "out.csv exists and parses" in failed


def test_what_was_verified_is_remembered(world: Path) -> None:
    agent = make_agent(world)
    run = agent.run("What is the total amount in sales.csv?").run
    agent.run("What is the total amount for March in sales.csv?")
    found = agent.tools["recall"].call({"query": "total amount"}).value
    fact = "What is the total amount in sales.csv? -> 60"
    assert found == [{"fact": fact, "source": "sales.csv", "run": run}]


def test_verified_runs_are_lessons(world: Path) -> None:
    agent = make_agent(world)
    agent.run("What is the total amount in sales.csv?")
    agent.run("What is the total amount for March in sales.csv?")
    journal = Journal(world.parent / "journal.sqlite")
    found = list(lessons(journal, agent.tools))
    journal.close()
    assert len(found) == 3  # of the verified run alone
    first = found[0]["messages"]
    assert first[-2]["content"].endswith("Question: What is the total amount in sales.csv?")
    assert json.loads(first[-1]["content"]) == {
        "name": "describe_table",
        "arguments": {"path": "sales.csv"},
    }


def test_an_own_plan(world: Path) -> None:
    def plan(goal: Goal) -> Plan:
        found = yield Use("count_text", {"path": goal.files[0]})
        return Answer(text=str(found.value["lines"]), checks=[FileParses(path=goal.files[0])])

    outcome = make_agent(world).run("Count.", plan=plan)
    assert (outcome.state, outcome.answer) == ("verified", "6")


def test_circles_end(world: Path) -> None:
    call = {"name": "calculate", "arguments": {"expression": "1"}}
    outcome = make_agent(world, ScriptedModel([call] * 9)).run(
        "Calculate an arithmetic expression again and again."
    )
    assert outcome.state == "failed"
    assert "circle" in outcome.answer


@pytest.mark.parametrize("limits", [Limits(steps=2), Limits(tokens=35), Limits(wall_s=0)])
def test_no_call_is_begun_past_a_limit(world: Path, limits: Limits) -> None:
    calls = [{"name": "calculate", "arguments": {"expression": str(number)}} for number in range(9)]
    outcome = make_agent(world, ScriptedModel(calls), limits=limits).run(
        "Calculate arithmetic expressions for ever."
    )
    assert outcome.state == "out_of_budget"
    assert limits.steps is None or outcome.usage.steps <= limits.steps
    assert limits.tokens is None or outcome.usage.tokens <= limits.tokens


@pytest.mark.parametrize("seed", range(30))
def test_any_model_at_all_does_no_harm(world: Path, seed: int) -> None:
    before = {path: path.read_bytes() for path in world.rglob("*") if path.is_file()}
    model = RandomModel(seed)
    model.plans = bool(seed % 2)
    outcome = make_agent(world, model, limits=Limits(steps=12), yes=["write_file"]).run(
        "Do something useful."
    )
    assert outcome.state in ("unverified", "failed", "out_of_budget")
    assert {path: path.read_bytes() for path in world.rglob("*") if path.is_file()} == before
    assert "canary" not in json.dumps(outcome.to_dict())


def test_a_larger_model_is_asked_where_this_one_is_unsure(world: Path) -> None:
    (world / "more.csv").write_text("region,amount,weight\nNorth,1,2\n")
    small, large = ScriptedModel(["amount"], confidence=0.2), ScriptedModel(["weight"])
    outcome = make_agent(world, small, escalate=large).run("What is the total in more.csv?")
    assert outcome.answer == "2"
    assert len(small.asked) == len(large.asked) == 1


def test_the_user_is_asked_where_the_model_is_unsure(world: Path) -> None:
    (world / "more.csv").write_text("region,amount,weight\nNorth,1,2\n")
    ask: Callable[..., str] = lambda _question, options: options[1]  # noqa: E731
    model = ScriptedModel(["amount"], confidence=0.2)
    outcome = make_agent(world, model, ask=ask).run("What is the total in more.csv?")
    assert (outcome.answer, outcome.state) == ("2", "verified")


def test_answers_can_be_recorded_and_given_again(world: Path) -> None:
    (world / "more.csv").write_text("region,amount,weight\nNorth,1,2\n")
    path, goal = world.parent / "answers.jsonl", "What is the total in more.csv?"
    first = make_agent(world, Recorder(path, ScriptedModel(["weight"]))).run(goal)
    again = make_agent(world, Recorder(path)).run(goal)
    assert first.answer == again.answer == "2"


def test_events_and_spans(world: Path) -> None:
    events: list[Event] = []
    trace = world.parent / "trace.jsonl"
    agent = make_agent(world, show=events.append, trace=trace)
    agent.run("What is the total amount in sales.csv?")
    agent.tracer.close()
    kinds = [event.kind for event in events]
    assert kinds[:3] == ["goal", "plan", "call"]
    assert kinds[-1] == "end"
    spans = [json.loads(line) for line in trace.read_text().splitlines()]
    assert spans[-1]["attributes"]["gen_ai.operation.name"] == "invoke_agent"
    assert {span["attributes"].get("gen_ai.tool.name") for span in spans[:-1]} == {
        "describe_table",
        "find_values",
        "query_table",
    }
    assert all(span["parent_span_id"] == spans[-1]["span_id"] for span in spans[:-1])


WORKER = """
import os, signal, sys
from pathlib import Path
from autogpt.agent import agent as agents, journal
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.base import tool

world, run, kill_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
points = 0

def at_point(name):
    global points
    points += 1
    if points == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

class Killing(journal.Journal):
    def __init__(self, path):
        super().__init__(path, at_point=at_point)

agents.Journal = Killing
model = ScriptedModel(["weight"] if os.environ["PART"] == "choose" else [])
agent = agents.Agent(model, root=world, yes=["write_file"], journal=world.parent / "j.sqlite")
goal = os.environ["GOAL"]
outcome = agent.run(goal) if run == "new" else agent.resume(run)
print(points, outcome.state, outcome.answer.splitlines()[0])
"""


def test_kill_9_at_every_point_of_a_run(tmp_path: Path) -> None:
    goal = "Write the total amount by region in sales.csv to totals.csv"

    def work(world: Path, run: str, kill_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WORKER, str(world), run, str(kill_at)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "GOAL": goal, "PART": "write"},
        )

    whole = work(make_world(tmp_path / "0/world"), "new", 0)
    points = int(whole.stdout.split()[0])
    assert points > 15
    for kill_at in range(1, points + 1, 3):  # every third; the journal's own test does each
        world = make_world(tmp_path / f"{kill_at}/world")
        assert work(world, "new", kill_at).returncode == -signal.SIGKILL
        journal = Journal(world.parent / "j.sqlite")
        run = journal.runs()[0].id
        journal.close()
        ended = work(world, run, 0)
        assert ended.stdout.split()[1] == "verified", (kill_at, ended.stderr)
        assert (world / "totals.csv").read_text() == "region,sum_amount\nNorth,40\nSouth,20\n"


def test_an_effect_of_unknown_outcome_is_asked_about(tmp_path: Path) -> None:
    sent: list[str] = []

    @tool(effect="effect")
    def send(text: str) -> str:
        """Send a message.

        Args:
            text: The message.
        """
        sent.append(text)
        raise KeyboardInterrupt

    call = {"name": "send", "arguments": {"text": "hello"}}
    path = tmp_path / "j.sqlite"
    with pytest.raises(KeyboardInterrupt):
        Agent(ScriptedModel([call], plans=False), tools=[send], journal=path).run("Send hello.")
    journal = Journal(path)
    run = journal.runs()[0].id
    journal.close()
    again = Agent(ScriptedModel([], plans=False), tools=[send], journal=path)
    with pytest.raises(AmbiguousError):
        again.resume(run)
    outcome = again.resume(run, happened=True)
    assert outcome.state == "unverified"
    assert sent == ["hello"]


def test_what_is_wrong_is_said(world: Path) -> None:
    with pytest.raises(UsageError, match="goal is empty"):
        make_agent(world).run("  ")
    with pytest.raises(UsageError, match="no tool"):
        make_agent(world, yes=["fly"])
