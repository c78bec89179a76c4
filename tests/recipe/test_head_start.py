"""How heads begin, which blocks learn, and what is dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from autogpt.core.errors import ConfigError
from autogpt.data.text_batches import TextBatches, TextRow
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.heads import HeadConfig, HeadedGPT, put_head
from autogpt.recipe.head_start import best_depth, fit_head, go_through, logistic_regression
from autogpt.recipe.settings import FinetuneConfig

CONFIG = GPTConfig(
    vocab_size=40,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=64,
    initializer_range=0.2,
    pad_token_id=0,
)
HEAD = HeadConfig(kind="sequence", labels=("差", "good", "fine"))


def model(head: HeadConfig = HEAD, layers: int | None = None) -> HeadedGPT:
    torch.manual_seed(0)
    return put_head(GPT(CONFIG), head, layers=layers)


def rows(several: bool = False) -> TextBatches:
    chance = np.random.default_rng(0)
    made = []
    for _ in range(300):
        label = int(chance.integers(3))
        ids = np.append(chance.integers(10, 40, size=int(chance.integers(2, 9))), 1 + label)
        target = np.eye(3, dtype=np.int64)[label] if several else np.array(label)
        made.append(TextRow(ids.astype(np.int64), target))
    return TextBatches.of(made, seed=0, pad_id=0, several=several)


@pytest.mark.parametrize("several", [False, True])
def test_a_head_begins_with_what_the_model_tells_apart(several: bool) -> None:
    head = HeadConfig(kind="sequence", labels=HEAD.labels, multi_label=several)
    own, texts = model(head), rows(several)
    before = {name: weight.clone() for name, weight in own.state_dict().items()}
    fit_head(own, texts, seed=0)
    batch = texts.gather(range(300))
    with torch.no_grad():
        found = own.read_rows(batch.inputs, batch.lengths).argmax(-1)
    wanted = batch.targets.argmax(-1) if several else batch.targets
    assert (found == wanted).float().mean() > 0.85
    changed = {name for name, w in own.state_dict().items() if not torch.equal(w, before[name])}
    assert changed == {"score.weight"}


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_what_does_not_learn_is_gone_through_once(kind: Literal["sequence", "token"]) -> None:
    own = model(HeadConfig(kind=kind, labels=("O", "B-A", "I-A"))).eval()
    texts = rows()
    known = go_through(own, texts, blocks=2)
    for places in ([0, 3, 7], [250]):
        plain, batch = texts.gather(places), known.gather(places)
        assert batch.hidden is not None
        with torch.no_grad():
            found = own.read_rows(
                batch.inputs, batch.lengths, hidden=batch.hidden, blocks=slice(batch.blocks, None)
            )
            wanted = own.read_rows(plain.inputs, plain.lengths)
        for row, length in enumerate(plain.lengths.tolist()):
            part = slice(length) if kind == "token" else slice(None)
            torch.testing.assert_close(found[row][part], wanted[row][part])


def test_blocks_that_help_no_label_are_not_kept() -> None:
    torch.manual_seed(0)
    gpt = GPT(replace(CONFIG, num_hidden_layers=10))
    with torch.no_grad():  # the last four say nothing but noise that drowns what was known
        for block in list(gpt.layers)[6:]:
            for weight in block.network.parameters():
                weight.normal_(0.0, 3.0)
    assert best_depth(gpt, rows(), labels=3, seed=0) <= 6


def test_blocks_that_help_no_tag_are_not_kept() -> None:
    torch.manual_seed(0)
    gpt = GPT(replace(CONFIG, num_hidden_layers=10))
    with torch.no_grad():
        for block in list(gpt.layers)[6:]:
            for weight in block.network.parameters():
                weight.normal_(0.0, 3.0)
    tagged = [TextRow(row.token_ids, (row.token_ids < 4) * row.token_ids) for row in rows().rows]
    texts = TextBatches.of(tagged, seed=0, pad_id=0)
    assert best_depth(gpt, texts, labels=4, seed=0) <= 6


def test_all_blocks_are_kept_where_too_few_tags_tell_nothing() -> None:
    torch.manual_seed(0)
    gpt = GPT(replace(CONFIG, num_hidden_layers=10))
    outside = [TextRow(row.token_ids, row.token_ids * 0) for row in rows().rows[:20]]
    assert best_depth(gpt, TextBatches.of(outside, seed=0, pad_id=0), labels=3, seed=0) == 10


def test_scales_of_the_numbers_do_not_matter_for_the_first_head() -> None:
    torch.manual_seed(0)
    targets = torch.arange(200) % 2
    hidden = torch.randn(200, 4)
    hidden[:, 2] += targets * 4.0 - 2.0  # there is no bias
    wide = hidden * torch.tensor([1.0, 1000.0, 0.001, 1.0])
    for values in (hidden, wide):
        weight = logistic_regression(values, targets, labels=2)
        assert ((values @ weight.T).argmax(1) == targets).float().mean() > 0.9


def test_a_model_keeps_its_first_blocks() -> None:
    whole, cut = model(), model(layers=2)
    assert len(cut.layers) == cut.config.num_hidden_layers == 2
    states = whole.state_dict()
    assert all(torch.equal(w, states[name]) for name, w in cut.state_dict().items() if "." in name)
    with pytest.raises(ConfigError, match="layers = 4"):
        model(layers=4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": 0, "task": "tag"},
        {"layers": 2, "task": "chat"},
        {"frozen_layers": -1, "base": "x"},
        {"frozen_layers": 1},
        {"frozen_layers": 1, "base": "x", "method": "lora"},
        {"dropout": 1.0},
        {"pooling": "mean", "task": "tag"},
    ],
)
def test_what_makes_no_sense_is_told(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        FinetuneConfig(**wrong)  # type: ignore[arg-type]


def test_something_is_dropped_in_training_only() -> None:
    own = model()
    ids = torch.arange(12).view(1, 12) + 5
    plain = own.eval()(ids)
    own.dropout = 0.5
    assert torch.equal(own(ids), plain)
    assert not torch.allclose(own.train()(ids), plain)
