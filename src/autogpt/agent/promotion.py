"""Whether a model that was taught to call becomes the one that the agent thinks with.

::

    autogpt agent lessons > calls.jsonl
    autogpt finetune smollm2-135m-instruct calls.jsonl --task chat --method lora --out runs/caller
    autogpt agent promote runs/caller

It is compared with the one in use, on the questions of the probe and on calls of verified runs that
are never lessons: those of a quarter of the goals. It is kept if it has no fewer right of either.
What is in use is one file beside the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autogpt.agent.calls import call_schema, read_call
from autogpt.agent.lessons import Exam
from autogpt.agent.models import AgentModel
from autogpt.agent.probing import probe, same_value
from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.files import read_json, write_json

__all__ = ["DEFAULT", "Promotion", "Score", "model_in_use", "promote", "shown", "use"]

DEFAULT = "smollm2-135m-instruct"
"""Who thinks where none was promoted."""
_FILE = "thinks-with.json"
_MOST_TOKENS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How many a model had right.

    Attributes:
        model: Whose name.
        probe: Of the probe's questions.
        probe_asked: How many there are.
        runs: Of calls in verified runs.
        runs_asked: How many there are.
    """

    model: str
    probe: int
    probe_asked: int
    runs: int
    runs_asked: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """What came of a comparison.

    Attributes:
        candidate: The one that wants to be used.
        current: The one in use before.
        promoted: Whether the candidate is in use now.
    """

    candidate: Score
    current: Score
    promoted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def promote(candidate: AgentModel, current: AgentModel, exams: Sequence[Exam]) -> Promotion:
    """Compare two models; the candidate wins if it has no fewer right of either kind.

    Args:
        candidate: Was taught.
        current: Is in use.
        exams: Calls of verified runs that were not learned from (``lessons.exams``).

    Raises:
        UsageError: If there are no exams: the probe alone says too little.
    """
    if not exams:
        raise UsageError(
            "There is no verified run that a model could be compared on.",
            hint="A quarter of the goals are kept for that; use the agent some more.",
        )
    new, old = (_score(model, exams) for model in (candidate, current))
    better = new.probe >= old.probe and new.runs >= old.runs
    return Promotion(candidate=new, current=old, promoted=better)


def model_in_use(folder: Path) -> str:
    """Return the MODEL reference of the one that was promoted; without one the default.

    Args:
        folder: Of the journal.
    """
    try:
        kept = read_json(folder / _FILE).get("model")
    except (OSError, CheckpointError):
        return DEFAULT
    # One that was deleted since is none: the default knows less, but it answers.
    return kept if isinstance(kept, str) and (kept == DEFAULT or Path(kept).exists()) else DEFAULT


def use(folder: Path, model: str) -> None:
    """Let the agent think with a model from now on.

    Args:
        folder: Of the journal.
        model: MODEL reference; a folder by its full path, as the agent is used in many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / _FILE, {"model": model})


def _score(model: AgentModel, exams: Sequence[Exam]) -> Score:
    probed = probe(model)
    return Score(
        model=model.name,
        probe=probed.right,
        probe_asked=probed.asked,
        runs=sum(_is_right(model, exam) for exam in exams),
        runs_asked=len(exams),
    )


def _is_right(model: AgentModel, exam: Exam) -> bool:
    reply = model.fill(exam.messages, call_schema([exam.tool]), max_tokens=_MOST_TOKENS)
    try:
        call = read_call(reply.text, [exam.tool])
    except ValueError:
        return False
    return call is not None and _alike(call.arguments, exam.call.arguments)


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return same_value(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def shown(found: Promotion) -> Iterable[str]:
    """Yield lines for people."""
    for one in (found.current, found.candidate):
        yield (
            f"{one.model}: {one.probe} of {one.probe_asked} questions, "
            f"{one.runs} of {one.runs_asked} calls of verified runs"
        )
