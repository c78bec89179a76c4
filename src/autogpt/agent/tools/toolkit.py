"""The toolkit itself as tools: plan, train, fine-tune, evaluate, classify, tag, make a specialist.

Translating, listening, seeing and serving are in ``tasks``.

Models and runs lie in the folder, under ``models/``; what trains says beforehand what it may take.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autogpt.agent.models import AgentModel, LocalModel
from autogpt.agent.tools.base import Cost, Tool, ToolError, as_tool, digest, tool
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tasks import model_reference, task_tools
from autogpt.core.errors import AutoGPTError
from autogpt.core.units import parse_duration

if TYPE_CHECKING:
    from autogpt.agent.specialist import Specialist

__all__ = ["kept_specialists", "specialist_tool", "toolkit_tools"]

Json = Any
_MOST_LISTED = 200
_AROUND_A_TEXT = 64  # tokens of the question in which a text stands; of it, one a character
_DISK = 1_500_000_000  # of a fine-tuned model with its checkpoints


def toolkit_tools(  # noqa: C901, PLR0915 - one tool after another
    folder: Folder, model: AgentModel
) -> list[Tool]:
    """Return the tools over a folder.

    Args:
        folder: Where data and models are.
        model: Labels without training, where it is a loaded model.
    """
    made: dict[str, Specialist] = {}

    def specialist(path: str) -> Specialist:
        from autogpt.agent.specialist import load_specialist

        if path not in made:
            made[path] = load_specialist(folder.place(path))
        return made[path]

    def probabilities(texts: list[str], labels: list[str], path: str) -> list[dict[str, float]]:
        if path:
            return specialist(path).predict(texts)
        return _zero_shot(model, texts, labels)

    @tool(effect="read")
    def plan_training(data: str, budget: str = "10m") -> dict[str, Any]:
        """Say what a training budget buys here: model, tokens, time, memory, expected loss.

        Args:
            data: A file of text.
            budget: As in 10m or 2h.
        """
        from autogpt.recipe import plan

        return dict(plan(str(folder.place(data)), budget=budget).to_dict())

    @tool(effect="idempotent", aims=("out",))
    def train_model(data: str, out: str, budget: str = "10m") -> dict[str, Any]:
        """Train a language model from nothing on text.

        Args:
            data: A file of text.
            out: The run's folder.
            budget: As in 10m or 2h.
        """
        from autogpt.core.progress import Progress
        from autogpt.recipe import train

        place = folder.place(out)
        resume = place.is_dir() and any(place.iterdir())
        found: dict[str, Any] = train(
            str(folder.place(data)),
            budget=budget,
            out=place,
            resume=resume,
            progress=Progress(quiet=True),
        ).to_dict()
        return {"model": out, "metrics": {"val_loss": found["val_loss"]}, **_brief(found)}

    @tool(effect="idempotent", aims=("out",))
    def finetune_model(
        base: str,
        data: str,
        task: Literal["text", "chat", "summarize", "translate", "classify", "tag"],
        out: str,
        budget: str = "10m",
    ) -> dict[str, Any]:
        """Teach a model a task from examples.

        Args:
            base: The model it begins with, or new.
            data: A file of examples.
            task: What is taught.
            out: The run's folder.
            budget: As in 10m or 2h.
        """
        from autogpt.core.progress import Progress
        from autogpt.recipe import finetune

        place = folder.place(out)
        resume = place.is_dir() and any(place.iterdir())
        found: dict[str, Any] = finetune(
            model_reference(folder, base),
            str(folder.place(data)),
            task=task,
            out=place,
            budget=budget,
            resume=resume,
            progress=Progress(quiet=True),
        ).to_dict()
        metrics = {"val_loss": found["val_loss"], **dict(found.get("metrics") or {})}
        return {"model": out, "metrics": metrics, **_brief(found)}

    @tool(effect="read")
    def evaluate_model(base: str, data: str) -> dict[str, Any]:
        """Measure a model on examples or text, beside its baselines.

        Args:
            base: The model.
            data: A file of examples or of text.
        """
        from autogpt.recipe.evaluating import evaluate

        found = evaluate(model_reference(folder, base), str(folder.place(data))).to_dict()
        return {"model": base, "metrics": found["metrics"], "baselines": found["baselines"]}

    @tool(effect="read")
    def classify_text(text: str, labels: list[str], model: str = "") -> dict[str, Any]:
        """Say which label a text has, with probabilities.

        Args:
            text: The text.
            labels: Two or more.
            model: A specialist's folder; empty: without training.
        """
        row = probabilities([text], labels, model)[0]
        best = max(row, key=lambda label: row[label])
        return {"label": best, "probabilities": {name: round(p, 4) for name, p in row.items()}}

    @tool(effect="read")
    def tag_text(text: str, model: str) -> list[dict[str, Any]]:
        """Find names and other entities in a text.

        Args:
            text: The text.
            model: A model that was trained to tag.
        """
        from autogpt.llm import load

        tagger = load(model_reference(folder, model))
        if not hasattr(tagger, "tag"):
            raise ToolError(f"{model!r} was not trained to tag.")
        return [entity.to_dict() for entity in tagger.tag(text)]

    @tool(effect="read")
    def summarize_file(
        path: str, length: Literal["short", "medium", "long"] = "medium"
    ) -> dict[str, Any]:
        """Make a text short by taking its most telling sentences, word for word.

        Args:
            path: The text.
            length: Of the summary.
        """
        from autogpt.tasks import find_task

        text = folder.text(path)
        run = find_task("summarize").run(None, [text], length=length, method="extractive")
        found = next(iter(run))
        evidence: Any = found["evidence"]
        sentences = [text[one["start"] : one["end"]] for one in evidence]
        return {"text": found["text"], "sentences": sentences}

    @tool(effect="read")
    def label_rows(path: str, column: str, labels: list[str], model: str = "") -> dict[str, Any]:
        """Sort the rows of a table into labels and count them.

        Args:
            path: The table.
            column: That holds the text.
            labels: Two or more.
            model: A specialist's folder; empty: without training.
        """
        found, _, rows = _label(
            folder, path, column, labels, lambda t: probabilities(t, labels, model)
        )
        return {**found, "labels": [row[-2:] for row in rows[:_MOST_LISTED]]}

    @tool(effect="idempotent", aims=("to",))
    def label_table(
        path: str, column: str, labels: list[str], to: str, model: str = ""
    ) -> dict[str, Any]:
        """Sort the rows of a table into labels and write it with columns label and probability.

        Args:
            path: The table.
            column: That holds the text.
            labels: Two or more.
            to: The file to write, .csv or .jsonl.
            model: A specialist's folder; empty: without training.
        """
        from autogpt.agent.plans.writing import rendered

        found, names, rows = _label(
            folder, path, column, labels, lambda t: probabilities(t, labels, model)
        )
        folder.write(to, rendered(to, "", names, rows).encode())
        return {**found, "path": to}

    @tool(effect="idempotent")
    def make_specialist(data: str, budget: str = "10m") -> dict[str, Any]:
        """Train a classifier on labeled examples, test it on held-out ones, keep it if it is good.

        Args:
            data: A table with a text and a label in each row.
            budget: As in 10m.
        """
        from autogpt.agent import specialist as making

        name = f"models/specialist-{Path(data).stem}-{digest(folder.sha256(data), budget)[:8]}"
        found = making.make_specialist(
            str(folder.place(data)),
            folder.root / name,
            budget_s=parse_duration(budget),
            model=_Labels(model) if isinstance(model, LocalModel) else None,
        )
        return {**found.to_dict(), "model": name}

    plain = (plan_training, evaluate_model, tag_text, summarize_file)
    labeling = (classify_text, label_rows, label_table)
    training = (train_model, finetune_model, make_specialist)
    found = [
        *(as_tool(one) for one in plain),
        *(replace(as_tool(one), cost=partial(_labeling_cost, folder)) for one in labeling),
        *task_tools(folder),
        *(replace(as_tool(one), cost=_training_cost) for one in training),
    ]
    return [replace(one, run=folder.named(one.run)) for one in found]


def specialist_tool(folder: Folder, path: str) -> Tool:
    """Return a specialist as a tool of its own.

    Args:
        folder: Where it is.
        path: Its folder, below that one.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    from autogpt.agent.specialist import load_specialist
    from autogpt.core.files import read_json

    place = folder.place(path)
    labels = read_json(place / "specialist.json")["labels"]
    kept: list[Specialist] = []

    def classify(text: str) -> dict[str, Any]:
        if not kept:
            kept.append(load_specialist(place))
        row = kept[0].predict([text])[0]
        best = max(row, key=lambda label: row[label])
        return {"label": best, "probability": round(row[best], 4)}

    name = path.rsplit("/", 1)[-1].removeprefix("specialist-").rsplit("-", 1)[0]
    shown = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
    return Tool(
        name="classify_" + re.sub(r"\W+", "_", name),
        description=f"Say which of {len(labels)} labels a text has: {shown}.",
        schema={
            "type": "object",
            "properties": {"text": {"type": "string", "description": "The text."}},
            "required": ["text"],
            "additionalProperties": False,
        },
        run=classify,
        effect="read",
        version=digest(folder.sha256(f"{path}/specialist.json")),
    )


def kept_specialists(folder: Folder) -> list[Tool]:
    """Return the specialists that earlier runs made and kept in a folder, as tools."""
    found = []
    for path in sorted((folder.root / "models").glob("specialist-*/README.md")):
        try:
            found.append(specialist_tool(folder, path.parent.relative_to(folder.root).as_posix()))
        except (AutoGPTError, KeyError):
            continue  # another program's, or a damaged one
    return found


class _Labels:
    """A loaded model as one that labels without training."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model

    def classify(self, texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, float]]:
        return self._model.classify(texts, labels)


def _training_cost(arguments: Mapping[str, Any]) -> Cost:
    """Return what training may take: its budget, on all cores, and half a minute to finish."""
    seconds = parse_duration(str(arguments.get("budget", "10m"))) + 30
    return Cost(wall_s=seconds, cpu_s=seconds * (os.cpu_count() or 1), disk_bytes=_DISK)


def _labeling_cost(folder: Folder, arguments: Mapping[str, Any]) -> Cost:
    """Return the most tokens that a model reads to label texts: each text with each label.

    A specialist reads none.
    """
    from autogpt.agent.plans.query import rows_of

    if arguments.get("model"):
        return Cost()
    texts = [str(arguments.get("text", ""))]
    if arguments.get("path"):
        try:
            _, rows = rows_of(folder, str(arguments["path"]))
        except (ToolError, ValueError):
            rows = []  # the call will say so itself
        texts = [str(row.get(str(arguments.get("column"))) or "") for row in rows]
    labels = "".join(str(one) for one in arguments.get("labels", ()))
    count = len(texts) * (_AROUND_A_TEXT + len(labels)) + sum(map(len, texts))
    return Cost(tokens=count)


def _zero_shot(model: AgentModel, texts: list[str], labels: list[str]) -> list[dict[str, float]]:
    if isinstance(model, LocalModel):
        return model.classify(texts, labels)
    from autogpt.agent.models import question

    found = []
    for text in texts:
        reply = model.choose(question(f"Text: {text}\n\nWhich label fits?"), labels)
        found.append(dict(zip(labels, reply.probabilities, strict=True)))
    return found


def _label(
    folder: Folder,
    path: str,
    column: str,
    labels: list[str],
    predict: Any,  # noqa: ANN401 - a function
) -> tuple[dict[str, Any], list[str], list[list[Json]]]:
    from autogpt.agent.plans.query import rows_of

    names, rows = rows_of(folder, path)
    if column not in names:
        raise ToolError(f"{path!r} has no column {column!r}.", hint=f"It has: {names}.")
    if not rows:
        raise ToolError(f"{path!r} has no rows.")
    found = predict([str(row.get(column) or "") for row in rows])
    best = [max(row, key=lambda label: row[label]) for row in found]
    strange = set(best) - set(labels)
    if strange:
        raise ToolError(f"The specialist knows the label {min(strange)!r}, which is not wanted.")
    sure = [row[label] for row, label in zip(found, best, strict=True)]
    table = [
        [*(row.get(name) for name in names), label, round(p, 4)]
        for row, label, p in zip(rows, best, sure, strict=True)
    ]
    counts = Counter(best)
    facts = {
        "rows": len(rows),
        "counts": {label: counts[label] for label in labels},
        "mean_probability": round(sum(sure) / len(sure), 4),
    }
    return facts, [*names, "label", "probability"], table


def _brief(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("steps", "wall_s") if name in found}
