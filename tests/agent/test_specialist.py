"""A specialist is kept if it beats its baselines, and refused with the reason if not."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from autogpt.agent import specialist
from autogpt.agent.agent import Agent
from autogpt.agent.models import Reply
from autogpt.agent.policy import Limits
from autogpt.agent.specialist import load_specialist, make_specialist
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.base import ToolError
from autogpt.core.messages import Message
from tests.interop.tiny_encoder import make_encoder

pytest.importorskip("sklearn")

ANIMALS = (
    "cat", "dog", "horse", "cow", "sheep", "goat", "pig", "hen",
    "duck", "goose", "mouse", "rat", "fox", "wolf", "bear",
)  # fmt: skip
PLANTS = (
    "oak", "elm", "ash", "fir", "pine", "rose", "lily", "tulip",
    "daisy", "fern", "moss", "wheat", "rye", "oats", "barley",
)  # fmt: skip


class ZeroShot(ScriptedModel):
    """Takes the first label of all texts, and says how sure it is."""

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Reply:  # noqa: ARG002
        return self._reply(options[0], [0.9, 0.1])


def write_table(path: Path, *, shuffled: bool = False, rows: int = 300) -> str:
    draw = random.Random(0)
    # Each noun is made unlike the others, so that words alone say little of unseen ones.
    found = []
    for number in range(rows):
        kind = draw.choice(["animal", "plant"])
        noun = draw.choice(ANIMALS if kind == "animal" else PLANTS)
        noise = " ".join(draw.choices([f"w{n}" for n in range(400)], k=12))
        found.append({"text": f"{noise} {noun} {number}", "label": kind})
    if shuffled:
        labels = [row["label"] for row in found]
        draw.shuffle(labels)
        found = [{**row, "label": one} for row, one in zip(found, labels, strict=True)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(found)
    return str(path)


def reads_with(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let specialists know this encoder, and no other model."""
    monkeypatch.setattr(specialist, "EMBEDDER", str(encoder))
    monkeypatch.setattr(specialist, "is_missing", lambda name: name != str(encoder))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder that knows animals from plants, whatever the words around."""
    folder = tmp_path_factory.mktemp("encoder")
    return make_encoder(folder, {"animal": ANIMALS, "plant": PLANTS})


@pytest.fixture
def meaning(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads_with(encoder, monkeypatch)


@pytest.mark.usefixtures("meaning")
def test_what_beats_its_baselines_is_kept(tmp_path: Path) -> None:
    said: list[str] = []
    data = write_table(tmp_path / "data.csv")
    made = make_specialist(data, tmp_path / "model", budget_s=20, say=said.append)
    assert made.accuracy > 0.95
    assert made.accuracy > made.baselines["linear"] > made.baselines["majority"]
    assert made.over_baselines > 0
    assert made.accuracy_low <= made.accuracy <= made.accuracy_high
    assert "held-out" in (tmp_path / "model/README.md").read_text()
    again = load_specialist(tmp_path / "model")
    assert again.labels == ("animal", "plant")
    row = again.predict(["w1 w2 wolf"])[0]
    assert row["animal"] > 0.8
    assert sum(row.values()) == pytest.approx(1)
    assert len(said) >= 3


@pytest.mark.usefixtures("meaning")
def test_a_goal_trains_it_and_it_becomes_a_tool(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    write_table(world / "data.csv")
    facts = {"root": world, "journal": tmp_path / "j.sqlite", "yes": ["make_specialist"]}
    agent = Agent(ScriptedModel(), **facts)  # type: ignore[arg-type]
    goal = "Train a classifier on data.csv with at least 90% accuracy in 20 seconds"
    outcome = agent.run(goal)
    assert outcome.state == "verified", outcome
    assert [one.name for one in outcome.checks][:2] == ["over_baselines >= 0", "accuracy >= 0.9"]
    assert agent.tools["classify_data"].call({"text": "w1 wolf"}).value["label"] == "animal"
    later = Agent(ScriptedModel(), **facts)  # type: ignore[arg-type]
    assert later.tools["classify_data"].call({"text": "w1 oak"}).value["label"] == "plant"
    short = Agent(ScriptedModel(), limits=Limits(cpu_s=1), **facts)  # type: ignore[arg-type]
    assert short.run(goal.replace("20", "21")).state == "out_of_budget"


@pytest.mark.usefixtures("meaning")
def test_rows_are_sorted_with_a_specialist(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    write_table(world / "labeled.csv")
    rows = [f"{number},w7 {word}" for number, word in enumerate(["cat", "oak", "rye", "fox"])]
    (world / "new.csv").write_text("id,text\n" + "\n".join(rows) + "\n")
    (world / "kinds.md").write_text("# Kinds\n\n- animal\n- plant\n")
    facts = {"root": world, "journal": tmp_path / "j.sqlite"}
    yes = ["make_specialist", "label_table"]
    goal = "Sort new.csv into the two classes in kinds.md and write it to sorted.csv, in 20 seconds"
    outcome = Agent(ScriptedModel(), yes=yes, **facts).run(goal)  # type: ignore[arg-type]
    assert outcome.state == "verified", outcome
    with (world / "sorted.csv").open() as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert labels == ["animal", "plant", "plant", "animal"]
    plain = Agent(ZeroShot(), **facts)  # type: ignore[arg-type]
    told = plain.run("Sort new.csv into the two classes in kinds.md and tell me how sure you are")
    assert told.state == "unverified"  # nothing says that these labels are right
    assert told.answer.count("animal (90%)") == 4
    assert "On average 90% sure" in told.answer
    assert "make_specialist" in told.answer  # what would have helped was not allowed


@pytest.mark.usefixtures("meaning")
def test_shuffled_labels_are_refused_with_the_reason(tmp_path: Path) -> None:
    data = write_table(tmp_path / "data.csv", shuffled=True)
    with pytest.raises(ToolError, match=r"cannot be told from the texts.*shuffled"):
        make_specialist(data, tmp_path / "model", budget_s=20)
    assert not (tmp_path / "model").exists()


def test_what_does_not_beat_its_baselines_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows_nothing = make_encoder(tmp_path / "encoder", {"noise": ["w1", "w2"]})
    reads_with(knows_nothing, monkeypatch)
    data = write_table(tmp_path / "data.csv")
    with pytest.raises(ToolError, match="not surely more than its baselines"):
        make_specialist(data, tmp_path / "model", budget_s=1)
    assert not (tmp_path / "model").exists()


def test_too_few_examples(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="has 20 examples"):
        make_specialist(write_table(tmp_path / "d.csv", rows=20), tmp_path / "m", budget_s=9)
