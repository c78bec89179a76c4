from __future__ import annotations

import pytest
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from autogpt.evaluation.metrics.texts import (
    Characters,
    found_in_source,
    is_chinese,
    summary_metrics,
)


@pytest.mark.parametrize(
    "text", ["The quick brown fox, jumps over 2 lazy-dogs.", "ROUGE-1.5.5 it's", "", "...", "a_b"]
)
def test_english_is_cut_as_rouge_score_does(text: str):
    assert Characters().tokenize(text) == DefaultTokenizer(use_stemmer=False).tokenize(text)


def test_other_scripts_are_not_dropped():
    cut = Characters().tokenize
    assert cut("北京大学GPT-4很好。") == ["北", "京", "大", "学", "gpt", "4", "很", "好"]
    assert cut("Café où") == ["café", "où"]
    assert cut("Привет, мир") == ["привет", "мир"]


def test_the_example_of_rouge_score():
    target, written = (
        "The quick brown fox jumps over the lazy dog",
        "The quick brown dog jumps on the log.",
    )
    theirs = RougeScorer(["rouge1", "rougeL"]).score(target, written)
    ours = {m.name: m.value for m in summary_metrics([written], [target], [target])}
    assert ours["rouge_1"] == pytest.approx(100 * theirs["rouge1"].fmeasure)
    assert ours["rouge_l"] == pytest.approx(100 * theirs["rougeL"].fmeasure)


def test_chinese_rouge_by_hand():
    # Common: 今 天 好 of 4 and 5; the longest common subsequence is all three.
    ours = {m.name: m.value for m in summary_metrics(["今天很好"], ["今天非常好"], ["今天非常好"])}
    assert ours["rouge_1"] == pytest.approx(100 * 2 * 3 / (4 + 5))
    assert ours["rouge_l"] == pytest.approx(100 * 2 * 3 / (4 + 5))
    assert ours["rouge_2"] == pytest.approx(100 * 2 * 1 / (3 + 4))


@pytest.mark.parametrize(
    ("written", "source", "expected"),
    [
        ("The library reads PNG and JPEG.", "reads png, jpeg files", (2, 2)),
        ("The library reads TIFF.", "reads png, jpeg files", (0, 1)),
        ("Version 3.5 costs 1,000 at 10:30", "version 3.5 for 1,000", (2, 3)),
        ("Paris is big. London is bigger.", "London", (0, 0)),  # a capital there says nothing
        ("We met Ada-Lovelace in Paris.", "Ada Lovelace lived in London", (1, 2)),
        ("共有3000人参加GPT大会", "GPT 大会有 3000 人", (2, 2)),
        ("共有3000人参加", "共有300人参加", (0, 1)),
        ("", "anything", (0, 0)),
    ],
)
def test_facts(written: str, source: str, expected: tuple[int, int]):
    assert found_in_source(written, source) == expected


def test_language():
    assert is_chinese(["今天天气很好 (OK)"])
    assert not is_chinese(["The word 天 means day"])
    assert not is_chinese([])
    assert not is_chinese(["これはペンです"])
