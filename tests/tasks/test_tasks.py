"""What everyone who offers tasks relies on: schemas that are schemas, and errors in words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence

import jsonschema
import pytest

from autogpt.core.errors import UsageError
from autogpt.core.examples import Entity
from autogpt.tasks import TASKS, find_task
from autogpt.tasks.tag import Tagging


@pytest.mark.parametrize("name", TASKS)
def test_a_task_describes_itself(name: str) -> None:
    task = find_task(name)
    assert task.name == name
    assert task.about.isascii()
    assert not task.about_zh.isascii()
    for schema in (task.input, task.parameters, task.result):
        jsonschema.Draft202012Validator.check_schema(schema)
    known = inspect.signature(task.prepare).parameters
    assert set(known) == set(task.parameters["properties"])
    for own, schema in task.parameters["properties"].items():
        assert schema["description"].isascii()
        assert not schema["description_zh"].isascii()
        default = known[own].default
        if own in task.parameters["required"]:
            assert default is inspect.Parameter.empty
        elif default is not None and default != ():
            assert schema["default"] == default
    json.dumps(task.to_dict())


class Finder:
    def tag(self, texts: str | Sequence[str]) -> object:
        raise NotImplementedError

    def run(self, texts: Sequence[str], *, threshold: float | None = None) -> Iterator[Tagging]:
        for text in texts:
            entity = Entity(type="PER", start=0, end=2, text=text[:2], score=threshold or 1.0)
            yield Tagging(text=text, entities=(entity,))


def test_results_are_plain_and_in_order() -> None:
    task = find_task("tag")
    heard: list[float] = []
    found = list(
        task.run(
            Finder(),
            ["李明来了", "Ada"],
            progress=lambda share, _: heard.append(share),
            threshold=0.5,
        )
    )
    assert [row["entities"] for row in found] == [
        [{"type": "PER", "start": 0, "end": 2, "text": text, "score": 0.5}]
        for text in ("李明", "Ad")
    ]
    for row in found:
        jsonschema.validate(row, task.result)
    assert heard == [0.5, 1.0]


@pytest.mark.parametrize(
    ("name", "inputs", "parameters", "message"),
    [
        ("tga", ["x"], {}, "Did you mean 'tag'"),
        ("tag", "x", {}, "list of inputs"),
        ("tag", ["x", 1], {}, "input 2 of the task 'tag' is 1, expected a string"),
        ("tag", ["x"], {"treshold": 1}, "Did you mean 'threshold'"),
        ("tag", ["x"], {"threshold": 2}, "from 0 to 1"),
        ("tag", ["x"], {"threshold": "high"}, "expected a number"),
        ("classify", ["x"], {"labels": ["a"]}, "2 or more"),
        ("classify", ["x"], {"labels": "a,b"}, "expected an array"),
        ("classify", ["x"], {"labels": ["a", 1]}, "item 2 in labels"),
        ("classify", ["x"], {"labels": ["a", "b"], "top_k": 0}, "1 or more"),
        ("classify", ["x"], {"labels": ["a", "b"], "descriptions": {"a": 1}}, "'a' in"),
        ("classify", ["x"], {"labels": ["a", "b"], "examples": [{"text": ""}]}, "no 'label'"),
        ("classify", ["x"], {"subject": "Topic"}, "go with labels"),
        ("classify", ["x"], {"labels": ["a", "b"]}, "cannot say how likely"),
        ("classify", ["x"], {}, "no trained classification head"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_work_begins(
    name: str, inputs: Sequence[object], parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_task(name).run(Finder(), inputs, **parameters)
    assert message.lower() in str(caught.value).lower()


def test_a_task_without_its_model_says_so() -> None:
    with pytest.raises(UsageError, match="needs a model"):
        find_task("tag").run(None, ["x"])
