"""Suites: read, asked and scored as the harness does, against plain passes of a tiny model."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from autogpt.core.errors import DataError, UsageError
from autogpt.evaluation.perplexity import judge_language, stretches_of
from autogpt.evaluation.suites import SUITES, find_suite, read_items
from autogpt.llm import LLM
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tasks.base import Likelihood
from autogpt.tokenizer.bpe import TokenizerConfig, train

ARC = [
    {"query": "Question: What is wet?", "choices": ["water", "a stone", "sand"], "gold": 0},
    {"query": "Question: 什么是湿的？", "choices": ["石头", "水"], "gold": 1},
]
LAMBADA = [
    {"context": "Anna saw Tom and smiled at", "continuation": "Tom"},
    {"context": "He said “go” and left the", "continuation": "“house"},
]
TEXT = "".join(f"{r['query']} {r['choices']} " for r in ARC) + str(LAMBADA) * 3


@pytest.fixture(scope="module")
def gpt() -> LLM:
    tokenizer = train([TEXT], TokenizerConfig(kind="bpe", vocab_size=300), corpus_bytes=900)
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        max_position_embeddings=96, initializer_range=0.3, eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )  # fmt: skip
    return LLM(GPT(config).eval(), tokenizer)


def write(path: Path, rows: Sequence[object]) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@torch.inference_mode()
def plain(gpt: LLM, prompt: str, continuation: str) -> tuple[float, bool]:
    """Return the log probability as anyone would compute it: one pass over the whole text."""
    ids = gpt.tokenizer.encode(prompt + continuation)
    first = len(gpt.tokenizer.encode(prompt))
    logits = gpt.model.logits(gpt.model(torch.tensor([ids])))[0]
    logprobs = logits.log_softmax(-1)[first - 1 : -1]
    wanted = torch.tensor(ids[first:])
    total = float(logprobs.gather(1, wanted[:, None]).sum())
    return total, bool((logprobs.argmax(-1) == wanted).all())


def test_arc_is_scored_as_by_plain_passes(gpt: LLM, tmp_path: Path):
    suite, path = find_suite("arc_easy", write(tmp_path / "arc_easy.jsonl", ARC).parent)
    items = read_items(suite, path)
    assert items[0].prompt == "Question: What is wet?\nAnswer:"
    assert items[0].continuations == (" water", " a stone", " sand")
    found = gpt.likelihoods([i.prompt for i in items], [i.continuations for i in items])
    right, by_length = 0, 0
    for item, row in zip(items, found, strict=True):
        sums = [plain(gpt, item.prompt, text)[0] for text in item.continuations]
        assert [one.logprob for one in row] == pytest.approx(sums, abs=1e-4)
        right += int(np.argmax(sums)) == item.gold
        lengths = [len(text.strip()) for text in item.continuations]
        by_length += int(np.argmax(np.array(sums) / lengths)) == item.gold
    judged = suite.judge(items, found)
    assert [m.name for m in judged.metrics] == ["acc", "acc_norm"]
    assert judged.metrics[0].value == right / 2
    assert judged.metrics[1].value == by_length / 2
    assert judged.baselines["chance"][0].value == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_lambada_is_scored_as_by_plain_passes(gpt: LLM, tmp_path: Path):
    path = write(tmp_path / "lambada_openai.jsonl", LAMBADA)
    suite, found_path = find_suite(str(path), None)
    assert found_path == path
    items = read_items(suite, path)
    found = gpt.likelihoods([i.prompt for i in items], [i.continuations for i in items])
    sums, greedy = zip(*(plain(gpt, i.prompt, i.continuations[0]) for i in items), strict=True)
    judged = suite.judge(items, found)
    assert judged.metrics[0].value == sum(greedy) / 2
    assert judged.metrics[1].value == pytest.approx(math.exp(-sum(sums) / 2), rel=1e-4)
    # Of "Anna", "Tom" the second is right; of "He" none.
    assert judged.baselines["capitalized"][0].value == pytest.approx((1 / 2 + 0) / 2)


def test_length_decides_acc_norm_by_hand():
    item = SUITES["arc_easy"].item({"query": "Q", "choices": ["ab", "abcdefgh"], "gold": 1})
    found = [[Likelihood(logprob=p, tokens=1, greedy=False) for p in (-4.0, -8.0)]]
    judged = SUITES["arc_easy"].judge([item], found)
    assert [m.value for m in judged.metrics] == [0.0, 1.0]  # -2 a character against -1
    assert judged.rows[0].predicted == "ab"
    assert judged.rows[0].confidence == pytest.approx(1 / (1 + math.exp(-4)))


def test_rows_of_the_hub():
    arc = SUITES["arc_easy"].item({
        "question": "What?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"
    })  # fmt: skip
    assert (arc.prompt, arc.gold) == ("Question: What?\nAnswer:", 1)
    word = SUITES["lambada_openai"].item({"text": "I do not care about signs"})
    assert (word.prompt, word.continuations) == ("I do not care about", (" signs",))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"query": "Q", "choices": ["a"]}', "no field 'gold'"),
        ('{"query": "Q", "choices": ["a"], "gold": 1}', "number 1 of 1"),
        ('{"query": "Q", "choices": "a", "gold": 0}', "expected a list"),
        ("not json", "arc_easy.jsonl:1 is not a question"),
        ("[1]", "arc_easy.jsonl:1 is not a question"),
        ("", "holds no question"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, row: str, says: str):
    (tmp_path / "arc_easy.jsonl").write_text(row + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=says):
        read_items(*find_suite("arc_easy", tmp_path))


def test_what_is_not_there(tmp_path: Path):
    with pytest.raises(UsageError, match="no suite"):
        find_suite("mmlu", tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        find_suite("arc_easy", tmp_path)
    with pytest.raises(UsageError, match="not known where"):
        find_suite("arc_easy", None)


def test_perplexity_is_that_of_one_pass_where_the_text_fits(gpt: LLM):
    text = "Anna saw Tom. 什么是湿的？"
    ids = gpt.tokenizer.encode(text)
    assert len(ids) < 90
    stretches = list(stretches_of([("f", text)], gpt.tokenizer, gpt.score, window=96))
    judged = judge_language(stretches, {"gzip": 5.0})
    with torch.inference_mode():
        logits = gpt.model.logits(gpt.model(torch.tensor([[gpt.tokenizer.pad_id, *ids]])))[0]
    logprobs = logits.log_softmax(-1)[:-1].gather(1, torch.tensor(ids)[:, None])
    nats = -float(logprobs.sum())
    found = {m.name: m.value for m in judged.metrics}
    assert found["loss"] == pytest.approx(nats / len(ids), rel=1e-4)
    assert found["bits_per_byte"] == pytest.approx(
        nats / math.log(2) / len(text.encode()), rel=1e-4
    )
    assert judged.baselines["gzip"][0].value == pytest.approx(5.0)


def test_each_token_of_a_long_text_is_scored_once(gpt: LLM):
    text = TEXT * 2
    stretches = list(stretches_of([("f", text)], gpt.tokenizer, gpt.score, window=32))
    assert sum(s.tokens for s in stretches) == len(gpt.tokenizer.encode(text))
    assert sum(s.size_bytes for s in stretches) == len(text.encode())
    assert stretches[0].tokens == 31
    assert stretches[1].tokens == 15
    assert stretches[1].place == "f, token 31"
