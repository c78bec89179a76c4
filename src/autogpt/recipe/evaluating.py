"""From a model and examples, a text or a suite to an evaluation: read, ask, judge, keep.

How a model is asked what a task asks of it is in ``recipe.exams``; what the figures are and how
they are judged is in ``evaluation``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from autogpt.core.errors import DataError, UsageError
from autogpt.core.progress import Progress
from autogpt.data.examples import ExamplesConfig, ExamplesReport, read_examples
from autogpt.data.media import medium_of
from autogpt.data.readers import read as read_documents
from autogpt.evaluation import results
from autogpt.evaluation.compressors import compressed_bits_per_byte
from autogpt.evaluation.media_page import EXAMPLES, Shown, write_media_page
from autogpt.evaluation.perplexity import WINDOW, judge_language, stretches_of
from autogpt.evaluation.results import Evaluation, conclude
from autogpt.evaluation.suites import find_suite, read_items
from autogpt.llm import LLM, load
from autogpt.recipe.exams import EXAMS, Exam, answers_to, cannot
from autogpt.tasks.asking import Taught
from autogpt.tasks.base import Likelihood, Scorer

__all__ = ["TASKS", "Settings", "evaluate", "evaluate_model"]

TASKS = ("text", "classify", "tag", "summarize", "translate", "recognize", "transcribe")
_MEDIA = ("recognize", "transcribe")
_OF_KIND = {"passage": "text", "labeled": "classify", "tagged": "tag"}

Dtype = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What is measured, and how.

    Attributes:
        task: One of ``TASKS``; None to see from the model and the data.
        suite: The name or the file of a public suite, in place of data.
        suite_data: The folder of the suite's file.
        train: Sources of examples for the baselines to learn from.
        examples: How examples are read; its task is set here.
        labels: For a model without a head: the labels to choose among; default those in the data.
        to: For translate: the language to translate to; default that of the examples.
        limit: Evaluate the first so many examples only.
        window: For text: tokens that the model sees at once, within its context; default 1,024.
        seed: Of intervals, folds and solvers.
    """

    task: str | None = None
    suite: str | None = None
    suite_data: Path | None = None
    train: Sequence[str] | None = None
    examples: ExamplesConfig | None = None
    labels: Sequence[str] | None = None
    to: str | None = None
    limit: int | None = None
    window: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in TASKS:
            raise UsageError(
                f"{self.task!r} cannot be evaluated.", hint=f"Tasks: {', '.join(TASKS)}."
            )
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"The limit is {self.limit}; 1 or more was expected.")
        if self.window is not None and self.window < 2:
            raise UsageError(f"The window is {self.window} tokens; 2 or more was expected.")
        if self.suite is not None and (self.task or self.train):
            raise UsageError(
                "A suite brings its own task and baselines.", hint="Leave out --task and --train."
            )


def evaluate(
    model: str | Path,
    data: str | Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
    out: str | Path | None = None,
    dtype: Dtype = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on examples, on a text, or on public suites.

    Args:
        model: A MODEL reference.
        data: Sources of examples or text; None with a suite.
        settings: What is measured, and how.
        out: A folder for ``evaluation.html``, ``evaluation.json`` and the predictions.
        dtype: To compute in, see ``llm.load``.
        progress: Shows how far it is.

    Raises:
        UsageError: If the model cannot do the task, there are no data, or a setting is wrong.
        DataError: If the data cannot be read as examples of the task.
        MissingExtraError: If the metrics of the task need a package that is not installed.
        CheckpointError: If the model is damaged.
        ResourceError: If ``out`` cannot be written.
    """
    settings = settings or Settings()
    _check(data, settings)
    begin = time.perf_counter()
    loaded = load(
        model, dtype=dtype, policy=None
    )  # what the model writes is measured, not the rails
    if progress is not None:
        progress.say(f"loaded {model} in {time.perf_counter() - begin:.1f}s")
    found = evaluate_model(loaded, data, settings=settings, name=str(model), progress=progress)
    if out is not None:
        results.write(Path(out), found)
        _write_examples(Path(out), found)
    return found


def _write_examples(out: Path, found: Evaluation) -> None:
    """Write, of pictures and sounds, the page to look at and to listen to."""
    if found.task not in _MEDIA:
        return
    medium = medium_of(found.judged.rows[0].text)
    shown = [
        Shown(
            source=row.text,
            medium=medium or "picture",  # a row of an array
            expected=row.expected,
            predicted=row.predicted,
            confidence=math.nan if row.confidence is None else row.confidence,
            place=row.place,
        )
        for row in found.judged.rows
    ]
    write_media_page(out / EXAMPLES, shown, title=found.task)


def evaluate_model(
    model: object,
    data: str | Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
    name: str = "model",
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a loaded model; the arguments and errors are those of :func:`evaluate`."""
    settings = settings or Settings()
    _check(data, settings)
    progress = progress or Progress(quiet=True)
    if settings.suite is not None:
        return _suite(model, settings, name, progress)
    sources = [data] if isinstance(data, str) else list(data or ())
    task = settings.task or _task_of(model)
    if task == "text":
        return _text(model, sources, settings, name, progress)
    report = ExamplesReport()
    examples = read_examples(sources, _reading(settings, task), report=report)[: settings.limit]
    for reason in report.reading.skipped if task in _MEDIA else ():
        progress.say(f"skipped: {reason}")
    task = task or _OF_KIND.get(report.kind or "", "") or _taught(model) or ""
    if task == "text":
        return _text(model, sources, settings, name, progress)
    if task not in EXAMS:
        raise UsageError(
            f"The examples are of the kind {report.kind!r}, which several tasks have.",
            hint=f"Say which with --task: {', '.join(TASKS)}.",
        )
    train = None
    if settings.train is not None:
        train = read_examples(settings.train, _reading(settings, task))
    exam = Exam(
        examples=examples, train=train, labels=settings.labels, to=settings.to, seed=settings.seed
    )
    judged, wall_s = EXAMS[task](model, exam, progress)
    return conclude(
        judged,
        model=name,
        data=", ".join(sources),
        task=task,
        wall_s=wall_s,
        seed=settings.seed,
        settings={"baselines learned from": ", ".join(settings.train)} if settings.train else {},
    )


def _check(data: str | Sequence[str] | None, settings: Settings) -> None:
    if (data is None) == (settings.suite is None):
        raise UsageError(
            "There is nothing to evaluate on." if data is None else "DATA and a suite were given.",
            hint="Give DATA (a file of labeled examples or of text), or --suite NAME.",
        )
    if settings.suite is not None:
        find_suite(settings.suite, settings.suite_data)


def _reading(settings: Settings, task: str | None) -> ExamplesConfig:
    config = replace(settings.examples or ExamplesConfig(), task=task or None)
    # Of many files some are broken; they are listed.
    return replace(config, on_error="skip") if task in _MEDIA else config


def _task_of(model: object) -> str | None:
    """Return the only task of a model with a head."""
    if isinstance(model, LLM):
        return None
    if hasattr(model, "medium"):
        return "transcribe" if hasattr(model, "transcribe") else "recognize"
    if hasattr(model, "tag"):
        return "tag"
    return "classify" if hasattr(model, "predict") else None


def _taught(model: object) -> str | None:
    """Return the task that a model which writes was taught."""
    return model.form.task if isinstance(model, Taught) and model.form is not None else None


def _text(
    model: object, sources: Sequence[str], settings: Settings, name: str, progress: Progress
) -> Evaluation:
    """Measure how well a text is predicted."""
    if not isinstance(model, LLM):
        raise cannot(model, "text")
    texts = list(_whole_texts(sources))[: settings.limit]
    if not texts:
        raise DataError(f"There is no text in {' '.join(sources)}.")
    context = model.model.config.max_position_embeddings
    window = min(settings.window or WINDOW, context)
    begin = time.perf_counter()
    total, done, stretches = sum(len(t.encode("utf-8", "replace")) for _, t in texts), 0, []
    for stretch in stretches_of(texts, model.tokenizer, model.score, window=window):
        stretches.append(stretch)
        done += stretch.size_bytes
        passed, share = time.perf_counter() - begin, min(1.0, done / total)
        progress.update(share, f"{len(stretches)} stretches", left_s=passed / share - passed)
    return conclude(
        judge_language(stretches, compressed_bits_per_byte(text for _, text in texts)),
        model=name,
        data=", ".join(sources),
        task="text",
        wall_s=time.perf_counter() - begin,
        seed=settings.seed,
        settings={"window": f"{window} tokens, of which a later stretch scores half"},
    )


def _whole_texts(sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the documents of sources whole, though readers cut long ones."""
    place, held = "", ""
    for document in read_documents(sources):
        if document.part == 0 and held:
            yield place, held
            held = ""
        place, held = document.source, held + document.text
    if held.strip():
        yield place, held


def _suite(model: object, settings: Settings, name: str, progress: Progress) -> Evaluation:
    if not isinstance(model, LLM) and not hasattr(model, "likelihoods"):
        raise cannot(model, "suites")
    scorer = cast("Scorer", model)
    suite, path = find_suite(settings.suite or "", settings.suite_data)
    items = read_items(suite, path, limit=settings.limit)

    def run(places: Sequence[int]) -> list[list[Likelihood]]:
        some = [items[place] for place in places]
        return scorer.likelihoods(
            [item.prompt for item in some], [item.continuations for item in some]
        )

    # Of like length together, so that little is computed for padding.
    order = sorted(range(len(items)), key=lambda place: -len(items[place].prompt))
    found, wall_s = answers_to(order, run, progress)
    by_place = dict(zip(order, found, strict=True))
    return conclude(
        suite.judge(items, [by_place[place] for place in range(len(items))]),
        model=name,
        data=path.name,
        task=suite.name,
        wall_s=wall_s,
        seed=settings.seed,
    )
