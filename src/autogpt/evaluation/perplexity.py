"""How likely a model finds a text: long texts in stretches that each see what came before.

Of a long text each token is scored once. The first stretch fills the window; each later one is half
a window that sees the half before it, so that no token but the first ones lacks context. With
shorter contexts, as where windows do not overlap, the same model looks worse.
Source: Baevski and Auli 2019, "Adaptive Input Representations", section 4.3 (context).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from autogpt.evaluation.judging import Judged, Row
from autogpt.evaluation.metrics.language import Stretch, language_metrics
from autogpt.evaluation.metrics.metric import Metric
from autogpt.inference.likelihood import Question
from autogpt.tasks.base import Likelihood
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["WINDOW", "judge_language", "stretches_of"]

WINDOW = 1024  # tokens; more context changes the figure of small models little, and costs more
_BATCH = 64  # stretches scored together
_SHOWN = 400  # characters of a stretch

Score = Callable[[Sequence[Question]], list[list[Likelihood]]]


def stretches_of(
    texts: Iterable[tuple[str, str]], tokenizer: Tokenizer, score: Score, *, window: int
) -> Iterator[Stretch]:
    """Yield the stretches of texts with what the model makes of them.

    Args:
        texts: Where each is from, and the text.
        tokenizer: The model's.
        score: Says how likely continuations are.
        window: Tokens that the model sees at once, 2 or more, within its context.
    """
    held: list[tuple[str, Sequence[int], Question, float]] = []
    for place, text in texts:
        held += _questions(place, text, tokenizer, window)
        while len(held) >= _BATCH:
            yield from _scored(held[:_BATCH], tokenizer, score)
            held = held[_BATCH:]
    yield from _scored(held, tokenizer, score)


def _questions(
    place: str, text: str, tokenizer: Tokenizer, window: int
) -> Iterator[tuple[str, Sequence[int], Question, float]]:
    before = list(tokenizer.bos_ids) or [tokenizer.pad_id]
    ids = tokenizer.encode(text)
    counts = tokenizer.token_byte_counts
    # A tokenizer that adds or joins spaces has other bytes than the text; the text's count.
    scale = len(text.encode("utf-8", "replace")) / max(1, int(counts[ids].sum()) if ids else 1)
    room = max(1, window - len(before))
    start = 0
    while start < len(ids):
        end = min(len(ids), start + (room if start == 0 else max(1, room // 2)))
        context = before + ids[max(0, end - room) : start]
        here = place if start == 0 else f"{place}, token {start}"
        yield here, ids[start:end], Question(context, [ids[start:end]]), scale
        start = end


def _scored(
    held: Sequence[tuple[str, Sequence[int], Question, float]], tokenizer: Tokenizer, score: Score
) -> Iterator[Stretch]:
    found = score([question for _, _, question, _ in held]) if held else []
    counts = tokenizer.token_byte_counts
    for (place, ids, _, scale), [likelihood] in zip(held, found, strict=True):
        yield Stretch(
            place=place,
            text=tokenizer.decode(ids)[:_SHOWN],
            nats=-likelihood.logprob,
            tokens=likelihood.tokens,
            size_bytes=max(1, round(int(counts[list(ids)].sum()) * scale)),
        )


def judge_language(stretches: Sequence[Stretch], compressors: dict[str, float]) -> Judged:
    """Judge a text; the baselines are the bits per byte of general compressors.

    Args:
        stretches: Of the text, one or more.
        compressors: Their bits per byte of the same text, by name.
    """
    metrics = language_metrics(stretches)
    return Judged(
        metrics=tuple(metrics),
        baselines={name: (_constant(metrics[0], bits),) for name, bits in compressors.items()},
        rows=tuple(
            Row(
                place=stretch.place,
                text=stretch.text,
                expected="",
                predicted=f"{bits / max(1.0, count):.3f} bits per byte",
                score=1 / (1 + bits / max(1.0, count)),
            )
            for stretch, (bits, count) in zip(stretches, metrics[0].parts.tolist(), strict=True)
        ),
        notes=("The compressors see the text once, as a whole, so their figures have no interval.",)
        if compressors
        else (),
    )


def _constant(metric: Metric, bits: float) -> Metric:
    parts = metric.parts.copy()
    parts[:, 0] = bits * parts[:, 1]
    return Metric(name=metric.name, formula=metric.formula, parts=parts, better="lower")
