"""What is asked of a model, task by task, so that its answers to examples can be judged.

What a task needs of a model is a method of the loaded object: whatever has it can be examined, be
it a trained head, a language model, or a stand-in in a test. Not here: reading examples and keeping
what is found (``recipe.evaluating``), the figures (``evaluation.judging``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from autogpt.core.errors import DataError, UsageError
from autogpt.core.examples import Entity, Labeled, Observed, Pair, Tagged
from autogpt.core.progress import Progress
from autogpt.evaluation.judging import (
    Judged,
    judge_entities,
    judge_labels,
    judge_recognition,
    judge_summaries,
    judge_transcripts,
    judge_translations,
)
from autogpt.evaluation.metrics.texts import is_chinese
from autogpt.tasks import find_task
from autogpt.tasks.base import Writer

__all__ = ["EXAMS", "Exam", "answers_to", "cannot"]

_BATCH = 256  # examples between two looks at the clock

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exam(Generic[Item]):
    """What a model is examined on.

    Attributes:
        examples: With what is expected.
        train: What the baselines learn from.
        labels: For a model without a head: the labels to choose among; default those in the data.
        to: The language to translate to; default that of the examples.
        seed: Of folds and solvers.
    """

    examples: Sequence[Item]
    train: Sequence[Item] | None = None
    labels: Sequence[str] | None = None
    to: str | None = None
    seed: int = 0


def answers_to(
    items: Sequence[Item],
    run: Callable[[Sequence[Item]], Sequence[Result]],
    progress: Progress,
    *,
    batch: int = _BATCH,
) -> tuple[list[Result], float]:
    """Return the results of all items, batch by batch, and the seconds it took."""
    begin = time.perf_counter()
    found: list[Result] = []
    for start in range(0, len(items), batch):
        found += run(items[start : start + batch])
        passed, share = time.perf_counter() - begin, len(found) / len(items)
        progress.update(
            share, f"{len(found)} of {len(items)} examples", left_s=passed / share - passed
        )
    return found, time.perf_counter() - begin


def cannot(model: object, task: str) -> UsageError:
    """Return what is said of a model that cannot do a task."""
    return UsageError(
        f"{model!r} cannot be evaluated on the task {task!r}.",
        hint="Name another model, or another task with --task.",
    )


# Of models ``Any``: whatever has the method.


def _classify(model: Any, exam: Exam[Labeled], progress: Progress) -> tuple[Judged, float]:  # noqa: ANN401
    """Ask a trained head; of a language model, the likelihood of each label."""
    texts = [example.text for example in exam.examples]
    seen = {label for example in exam.examples for label in example.labels}
    if hasattr(model, "predict"):
        known = getattr(model, "labels", None)
        if known:
            _check_known(seen, known)
        answers, wall_s = answers_to(texts, model.predict, progress)
    elif hasattr(model, "classify"):
        labels = list(exam.labels or sorted(seen))

        def zero_shot(some: Sequence[str]) -> list[dict[str, float]]:
            found: list[dict[str, float]] = model.classify(some, labels=labels)
            return found

        answers, wall_s = answers_to(texts, zero_shot, progress)
    else:
        raise cannot(model, "classify")
    return judge_labels(exam.examples, answers, train=exam.train, seed=exam.seed), wall_s


def _check_known(seen: set[str], known: Sequence[str]) -> None:
    strange = seen - set(known)
    if strange:
        raise DataError(
            f"The data have the label {min(strange)!r}, which the model does not know.",
            hint=f"It knows: {', '.join(list(known)[:10])}.",
        )


def _tag(model: Any, exam: Exam[Tagged], progress: Progress) -> tuple[Judged, float]:  # noqa: ANN401
    if not hasattr(model, "tag"):
        raise cannot(model, "tag")

    def run(some: Sequence[Tagged]) -> list[tuple[Entity, ...]]:
        return [tuple(answer.entities) for answer in model.tag([one.text for one in some])]

    answers, wall_s = answers_to(exam.examples, run, progress)
    return judge_entities(exam.examples, answers, train=exam.train, seed=exam.seed), wall_s


def _summarize(model: object, exam: Exam[Pair], progress: Progress) -> tuple[Judged, float]:
    return _write(model, "summarize", exam, judge_summaries, progress)


def _translate(model: object, exam: Exam[Pair], progress: Progress) -> tuple[Judged, float]:
    to = exam.to or ("zh" if is_chinese(one.target for one in exam.examples) else "en")
    return _write(model, "translate", exam, judge_translations, progress, options={"to": to})


def _write(
    model: object,
    task: str,
    exam: Exam[Pair],
    judge: Callable[..., Judged],
    progress: Progress,
    *,
    options: Mapping[str, Any] | None = None,
) -> tuple[Judged, float]:
    """Let a model write a text for each example as the task does, and judge the texts."""
    asked = options or {}
    ask = getattr(model, task, None)
    if ask is None:
        raise cannot(model, task)
    first = exam.examples[:1]
    judge(first, [first[0].target])  # so that a missing package is told before the work

    def run(some: Sequence[Pair]) -> list[str]:
        if isinstance(model, Writer):  # in batches
            rows = find_task(task).run(model, [one.source for one in some], **asked)
            return [str(row["text"]) for row in rows]
        return [cast("str", ask(one.source, **asked).text) for one in some]

    written, wall_s = answers_to(exam.examples, run, progress, batch=32)
    return judge(exam.examples, written, train=exam.train), wall_s


def _recognize(model: Any, exam: Exam[Observed], progress: Progress) -> tuple[Judged, float]:  # noqa: ANN401
    if not hasattr(model, "medium") or not hasattr(model, "run"):
        raise cannot(model, "recognize")
    seen = {one.text for one in exam.examples}
    if hasattr(model, "with_labels") and not model.labels:
        model = model.with_labels(exam.labels or sorted(seen))
    _check_known(seen, model.labels)

    def run(some: Sequence[Observed]) -> list[dict[str, float]]:
        return [answer.probabilities for answer in model.run([one.source for one in some])]

    answers, wall_s = answers_to(exam.examples, run, progress)
    return judge_recognition(exam.examples, answers, train=exam.train), wall_s


def _transcribe(model: Any, exam: Exam[Observed], progress: Progress) -> tuple[Judged, float]:  # noqa: ANN401
    if not hasattr(model, "transcribe"):
        raise cannot(model, "transcribe")
    judge_transcripts(exam.examples[:1], [""])  # so that a missing package is told before the work

    def run(some: Sequence[Observed]) -> list[str]:
        return [model.transcribe(one.source).text for one in some]

    written, wall_s = answers_to(exam.examples, run, progress, batch=4)
    return judge_transcripts(exam.examples, written), wall_s


EXAMS: dict[str, Callable[[object, Exam[Any], Progress], tuple[Judged, float]]] = {
    "classify": _classify, "tag": _tag, "summarize": _summarize, "translate": _translate,
    "recognize": _recognize, "transcribe": _transcribe,
}  # fmt: skip
"""Of each task, what asks a model, and returns what was judged and the seconds it took."""
