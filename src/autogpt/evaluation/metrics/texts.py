"""How near written texts are to references: BLEU, chrF, ROUGE, and whether facts were invented.

sacrebleu (Post 2018) and rouge-score count; both belong to the extra ``evaluate``. Chinese is cut
into characters: by sacrebleu's "zh" for BLEU, by :class:`Characters` for ROUGE, whose own tokenizer
drops all that is not ASCII. No word segmenter is needed, and figures do not depend on one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from autogpt.core.errors import MissingExtraError
from autogpt.evaluation.metrics.metric import Metric, mean

__all__ = [
    "Characters",
    "found_in_source",
    "is_chinese",
    "summary_metrics",
    "translation_metrics",
]

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_KANA_HANGUL_THAI = r"\u3040-\u30ff\uac00-\ud7a3\u0e00-\u0e7f"
_UNSPACED = _HAN + _KANA_HANGUL_THAI
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+(?:[-'.+][^\W_{_UNSPACED}]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?。！？:：\n]\s*)[\"'“‘(\[-]*\s*$")


class Characters:
    """Cuts text for ROUGE: words as they are spaced, lowered; scripts without spaces by character.

    Of English text it gives what rouge-score's own tokenizer gives without stemming.
    """

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens."""
        return _TOKEN.findall(text.lower())


def is_chinese(texts: Iterable[str]) -> bool:
    """Whether most letters are Chinese characters."""
    han = letters = 0
    for text in texts:
        han += len(re.findall(rf"[{_HAN}]", text))
        letters += len(re.findall(r"[^\W\d_]", text))
    return han * 2 > letters


def translation_metrics(written: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Return BLEU and chrF with sacrebleu's signatures; the tokenizer follows the references.

    Raises:
        MissingExtraError: If sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtraError("sacrebleu", extra="evaluate", purpose="BLEU") from error
    # force: what ends in " ." is not asked about; data are scored as they are.
    scorers = {"bleu": BLEU(tokenize=_bleu_tokenizer(references), force=True), "chrf": CHRF()}
    metrics = []
    for name, scorer in scorers.items():
        # The counts of each sentence, which sacrebleu's own bootstrap uses too (2.0 to 2.6).
        counts = scorer._extract_corpus_statistics(list(written), [list(references)])
        signature = str(scorer.get_signature())
        metrics.append(
            Metric(name=name, formula=name, parts=np.array(counts, float), signature=signature)
        )
    return metrics


def _bleu_tokenizer(references: Sequence[str]) -> str:
    if is_chinese(references):
        return "zh"
    unspaced = sum(len(re.findall(rf"[{_KANA_HANGUL_THAI}]", text)) for text in references)
    letters = sum(len(re.findall(r"[^\W\d_]", text)) for text in references)
    return "char" if unspaced * 2 > letters else "13a"


def summary_metrics(
    written: Sequence[str], references: Sequence[str], sources: Sequence[str]
) -> list[Metric]:
    """Return ROUGE-L, -1 and -2 (F-measure, 0 to 100), and the share of facts that have a source.

    Raises:
        MissingExtraError: If rouge-score is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError("rouge-score", extra="evaluate", purpose="ROUGE") from error
    kinds = {"rougeL": "rouge_l", "rouge1": "rouge_1", "rouge2": "rouge_2"}
    scorer = RougeScorer(list(kinds), tokenizer=Characters())
    scores = [scorer.score(r, w) for w, r in zip(written, references, strict=True)]
    signature = "rouge-score, words lowered, no stemming, Chinese by character"
    metrics = [
        mean(name, [s[kind].fmeasure for s in scores], formula="percent", signature=signature)
        for kind, name in kinds.items()
    ]
    facts = [found_in_source(w, s) for w, s in zip(written, sources, strict=True)]
    return [*metrics, Metric(name="facts_in_source", formula="ratio", parts=np.array(facts, float))]


def found_in_source(written: str, source: str) -> tuple[int, int]:
    """Return how many numbers and names of a text its source has too, and how many there are.

    A name is a word with a capital letter or a digit; at the beginning of a sentence, where every
    word has one, only if it has another. Case does not count in the source.
    """
    known = set(_TOKEN.findall(source.lower()))
    numbers = set(_NUMBER.findall(source))
    found = total = 0
    for match in _WORD.finditer(written):
        word = match[0]
        if _NUMBER.fullmatch(word):
            continue
        inner = word if _SENTENCE_START.search(written[: match.start()]) is None else word[1:]
        if any(c.isupper() or c.isdigit() for c in inner):
            total += 1
            found += all(piece in known for piece in _TOKEN.findall(word.lower()))
    for number in _NUMBER.findall(_WORD.sub(_keep_numbers, written)):
        total += 1
        found += number in numbers
    return found, total


def _keep_numbers(match: re.Match[str]) -> str:
    return match[0] if _NUMBER.fullmatch(match[0]) else " "
