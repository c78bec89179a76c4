"""From examples and what a model said of them to figures, baselines, and the worst answers.

One function a kind of task. They know the kinds of examples and no model: predictions come in as
plain values, in the order of the examples. A baseline that cannot be had (a package is missing,
the examples are too few) is left out and said so in the notes, since it must not cost the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autogpt.core.errors import DataError, MissingExtraError
from autogpt.core.examples import Entity, Labeled, Observed, Pair, Tagged
from autogpt.evaluation.baselines.entities import FieldTagger
from autogpt.evaluation.baselines.folds import FOLDS, held_out
from autogpt.evaluation.baselines.labels import LinearClassifier, Majority, chosen_labels
from autogpt.evaluation.baselines.texts import Neighbor, first_sentence
from autogpt.evaluation.metrics.entities import entity_confusions, entity_metrics, type_scores
from autogpt.evaluation.metrics.labels import (
    Bin,
    ClassScore,
    calibration,
    calibration_by_chance,
    class_scores,
    confusions,
    label_metrics,
)
from autogpt.evaluation.metrics.metric import Metric
from autogpt.evaluation.metrics.texts import summary_metrics, translation_metrics
from autogpt.evaluation.metrics.transcripts import transcript_metrics

__all__ = [
    "Judged",
    "Row",
    "judge_entities",
    "judge_labels",
    "judge_recognition",
    "judge_summaries",
    "judge_transcripts",
    "judge_translations",
]

Probabilities = Mapping[str, float]
Metrics = Sequence[Metric]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An example and what was said of it.

    Attributes:
        place: Where the example stands in its source.
        text: What the model was given.
        expected: The right answer, for people.
        predicted: The model's answer, for people.
        score: From 0, wrong, to 1, right; rows are ordered by it and then by ``confidence``.
        confidence: How sure the model was, 0 to 1; None where it did not say.
    """

    place: str
    text: str
    expected: str
    predicted: str
    score: float
    confidence: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Return a line of ``predictions.jsonl``."""
        fields = {
            "place": self.place,
            "text": self.text,
            "expected": self.expected,
            "predicted": self.predicted,
            "score": round(self.score, 6),
        }
        if self.confidence is not None:
            fields["confidence"] = round(self.confidence, 6)
        return fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What came out for one model on one set of examples.

    Attributes:
        metrics: The model's, the most telling one first.
        baselines: The same metrics of each baseline, by its name, as in "linear".
        rows: One for each example, in order.
        classes: Each label or type by itself.
        confusion: How often what was expected was taken for what; "" is nothing.
        bins: Of confidence, from unsure to sure.
        notes: What the reader has to know, in whole sentences.
    """

    metrics: tuple[Metric, ...]
    baselines: Mapping[str, tuple[Metric, ...]]
    rows: tuple[Row, ...]
    classes: tuple[ClassScore, ...] = ()
    confusion: Mapping[tuple[str, str], int] = field(default_factory=dict)
    bins: tuple[Bin, ...] = ()
    notes: tuple[str, ...] = ()


def judge_labels(
    examples: Sequence[Labeled],
    probabilities: Sequence[Probabilities],
    *,
    predicted: Sequence[tuple[str, ...]] | None = None,
    train: Sequence[Labeled] | None = None,
    seed: int = 0,
) -> Judged:
    """Judge a classification.

    Args:
        examples: With one label each, or with any number.
        probabilities: What the model gives each label.
        predicted: The labels that the model chose, () where it abstained; default the likeliest,
            or with several labels all from one half on.
        train: What the baselines learn from; None: the other folds of ``examples``.
        seed: Of folds and solvers.
    """
    several = any(len(example.labels) != 1 for example in (*examples, *(train or ())))
    expected = [example.labels for example in examples]
    if predicted is None:
        predicted = [chosen_labels(chances, several=several) for chances in probabilities]

    def measured(rows: Sequence[Probabilities]) -> Metrics:
        chosen = [chosen_labels(chances, several=several) for chances in rows]
        return label_metrics(expected, chosen, rows)

    def linear() -> Metrics:
        def learn(known: Sequence[Labeled], asked: Sequence[Labeled]) -> list[dict[str, float]]:
            texts = [example.text for example in asked]
            return LinearClassifier(known, seed=seed).predict(texts)

        if train is not None:
            return measured(learn(train, examples))
        return measured(held_out(examples, learn, stratum=lambda e: e.labels, seed=seed))

    texts = [example.text for example in examples]
    notes = [_chance_note(expected, probabilities)]
    if train is None:
        notes.append(_folds_note("majority and linear baselines"))
    baselines = _computed(
        {
            "linear": linear,
            "majority": lambda: measured(Majority(train or examples).predict(texts)),
        },
        notes,
    )
    return Judged(
        metrics=tuple(label_metrics(expected, predicted, probabilities)),
        baselines=baselines,
        rows=tuple(map(_label_row, examples, probabilities, predicted)),
        classes=tuple(class_scores(expected, predicted)),
        confusion=confusions(expected, predicted),
        bins=tuple(calibration(expected, probabilities)),
        notes=tuple(notes),
    )


def judge_recognition(
    examples: Sequence[Observed],
    probabilities: Sequence[Probabilities],
    *,
    train: Sequence[Observed] | None = None,
) -> Judged:
    """Judge the labels of pictures or sounds; the baseline is the commonest label."""
    named = [_as_labeled(example) for example in examples]
    learned = [_as_labeled(example) for example in train or examples]
    expected = [example.labels for example in named]

    def measured(rows: Sequence[Probabilities]) -> Metrics:
        chosen = [chosen_labels(chances, several=False) for chances in rows]
        return label_metrics(expected, chosen, rows)

    predicted = [chosen_labels(chances, several=False) for chances in probabilities]
    notes = [_chance_note(expected, probabilities)]
    texts = [example.text for example in named]
    return Judged(
        metrics=tuple(label_metrics(expected, predicted, probabilities)),
        baselines=_computed(
            {"majority": lambda: measured(Majority(learned).predict(texts))}, notes
        ),
        rows=tuple(map(_label_row, named, probabilities, predicted)),
        classes=tuple(class_scores(expected, predicted)),
        confusion=confusions(expected, predicted),
        bins=tuple(calibration(expected, probabilities)),
        notes=tuple(notes),
    )


def _as_labeled(example: Observed) -> Labeled:
    return Labeled(text=example.source, labels=(example.text,), place=example.place)


def judge_transcripts(examples: Sequence[Observed], written: Sequence[str]) -> Judged:
    """Judge transcripts by word and character error rate; the baseline says nothing at all."""
    references = [example.text for example in examples]
    metrics = transcript_metrics(written, references)
    errors, words = metrics[0].parts.T
    scores = 1.0 - (errors / words.clip(min=1)).clip(0, 1)
    return Judged(
        metrics=tuple(metrics),
        baselines={"silence": tuple(transcript_metrics([""] * len(written), references))},
        rows=tuple(
            Row(
                place=example.place,
                text=example.source,
                expected=example.text,
                predicted=text,
                score=score,
            )
            for example, text, score in zip(examples, written, scores.tolist(), strict=True)
        ),
    )


def _label_row(example: Labeled, chances: Probabilities, chosen: tuple[str, ...]) -> Row:
    wanted, given = set(example.labels), set(chosen)
    common = 2 * len(wanted & given) / (len(wanted) + len(given)) if wanted or given else 1.0
    return Row(
        place=example.place,
        text=example.text,
        expected=", ".join(example.labels),
        predicted=", ".join(chosen),
        score=common,
        confidence=max((chances.get(label, 0.0) for label in chosen), default=None),
    )


def judge_entities(
    examples: Sequence[Tagged],
    predicted: Sequence[Sequence[Entity]],
    *,
    train: Sequence[Tagged] | None = None,
    seed: int = 0,
) -> Judged:
    """Judge a tagging; the arguments are as for :func:`judge_labels`."""
    expected = [example.entities for example in examples]

    def field() -> Metrics:
        def learn(known: Sequence[Tagged], asked: Sequence[Tagged]) -> list[tuple[Entity, ...]]:
            return FieldTagger(known).predict(asked)

        if train is not None:
            return entity_metrics(expected, learn(train, examples))
        return entity_metrics(expected, held_out(examples, learn, seed=seed))

    notes = [] if train is not None else [_folds_note("CRF baseline")]
    return Judged(
        metrics=tuple(entity_metrics(expected, predicted)),
        baselines=_computed({"crf": field}, notes),
        rows=tuple(map(_entity_row, examples, predicted)),
        classes=tuple(type_scores(expected, predicted)),
        confusion=entity_confusions(expected, predicted),
        notes=tuple(notes),
    )


def _entity_row(example: Tagged, predicted: Sequence[Entity]) -> Row:
    f1 = entity_metrics([example.entities], [predicted])[0].value
    return Row(
        place=example.place,
        text=example.text,
        expected=_listed(example.entities),
        predicted=_listed(predicted),
        score=f1 if example.entities or predicted else 1.0,
    )


def _listed(entities: Sequence[Entity]) -> str:
    return "; ".join(f"{entity.type}: {entity.text}" for entity in entities)


def judge_summaries(
    examples: Sequence[Pair], written: Sequence[str], *, train: Sequence[Pair] | None = None
) -> Judged:
    """Judge summaries by ROUGE; the baselines are the first sentence and the nearest example."""
    references = [example.target for example in examples]
    sources = [example.source for example in examples]
    return _judge_texts(
        examples,
        written,
        lambda texts: summary_metrics(texts, references, sources),
        train=train,
        simple={"lead": first_sentence},
    )


def judge_translations(
    examples: Sequence[Pair], written: Sequence[str], *, train: Sequence[Pair] | None = None
) -> Judged:
    """Judge translations by BLEU and chrF; the baselines are a copy and the nearest example."""
    references = [example.target for example in examples]
    return _judge_texts(
        examples,
        written,
        lambda texts: translation_metrics(texts, references),
        train=train,
        simple={"copy": lambda source: source},
        ranked_by="chrf",
    )


def _judge_texts(
    examples: Sequence[Pair],
    written: Sequence[str],
    measured: Callable[[Sequence[str]], Metrics],
    *,
    train: Sequence[Pair] | None,
    simple: Mapping[str, Callable[[str], str]],
    ranked_by: str = "",
) -> Judged:
    """Judge texts; rows are ranked by the named metric of each, or by the first one."""
    metrics = list(measured(written))
    sources = [example.source for example in examples]
    candidates: dict[str, Callable[[], Metrics]] = {
        name: lambda make=make: measured([make(source) for source in sources])  # type: ignore[misc]
        for name, make in simple.items()
    }
    notes: list[str] = []
    if train:
        candidates["neighbor"] = lambda: measured(Neighbor(train).answer(sources))
    else:
        notes.append("No training examples are known, so there is no baseline of similar ones.")
    ranking = next((m for m in metrics if m.name == ranked_by), metrics[0])
    scores = ranking.of(ranking.parts) / 100.0
    return Judged(
        metrics=tuple(metrics),
        baselines=_computed(candidates, notes),
        rows=tuple(
            Row(
                place=example.place,
                text=example.source,
                expected=example.target,
                predicted=text,
                score=score,
            )
            for example, text, score in zip(examples, written, scores.tolist(), strict=True)
        ),
        notes=tuple(notes),
    )


def _computed(
    candidates: Mapping[str, Callable[[], Metrics]], notes: list[str]
) -> dict[str, tuple[Metric, ...]]:
    """Compute the baselines; what stands in the way of one is noted."""
    found = {}
    for name, compute in candidates.items():
        try:
            found[name] = tuple(compute())
        except (DataError, MissingExtraError) as error:
            notes.append(f"There is no baseline {name!r}. {error}")
    return found


def _chance_note(
    expected: Sequence[tuple[str, ...]], probabilities: Sequence[Probabilities]
) -> str:
    mean, high = calibration_by_chance(expected, probabilities)
    return (
        f"On {len(expected)} examples perfectly honest confidences would show an expected "
        f"calibration error of {mean:.3f} by chance alone, and above {high:.3f} one time in twenty."
    )


def _folds_note(which: str) -> str:
    return (
        f"No training examples are known, so the {which} learned from the evaluated data "
        f"themselves, of which {FOLDS - 1} fifths at a time: --train names others."
    )
