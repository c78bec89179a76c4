"""Loaded heads: probabilities and entities, ours and those of transformers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
import transformers

import autogpt
from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.data.text_batches import TextBatches, TextRow, texts_in_order
from autogpt.llm.classifier import Classifier, by_length
from autogpt.llm.tagger import Tagger
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.head_files import HeadSettings, save_headed
from autogpt.models.heads import HeadConfig, HeadKind, put_head
from autogpt.tasks.spans import units_of
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train
from autogpt.tokenizer.units import encode_units, unit_windows

TEXT = "Shall I compare thee to a summer's day? 今天天气很好，我们去公园散步。\n" * 8
TEXTS = ["Shall I compare", "今天天气", "", "a", "summer's day " * 20, "今天 day 好" * 30]
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    return train([TEXT], settings, corpus_bytes=len(TEXT.encode()))


def headed(
    folder: Path, tokenizer: Tokenizer, kind: HeadKind, labels: tuple[str, ...], **facts: bool
) -> Path:
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=48,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )
    model = put_head(GPT(config), HeadConfig(kind=kind, labels=labels, **facts))
    settings = HeadSettings(temperature=2.0)
    save_headed(model, folder, tokenizer=tokenizer, settings=settings, pad_token_id=0)
    return folder


def test_probabilities_are_the_same_alone_and_together(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = autogpt.load(headed(tmp_path, tokenizer, "sequence", ("bad", "好", "so")))
    assert isinstance(model, Classifier)
    together = model.predict(TEXTS)
    assert "only their beginnings count" in caplog.text
    for text, row in zip(TEXTS, together, strict=True):
        assert sum(row.values()) == pytest.approx(1)
        assert model.predict(text) == pytest.approx(row, abs=1e-6)
    answer = model.classify(TEXTS[0], top_k=2)
    assert list(answer.probabilities) == sorted(together[0], key=lambda n: -together[0][n])[:2]
    assert model.classify(TEXTS[0], threshold=0.999).label is None
    assert model.predict([]) == []
    begin = time.perf_counter()
    answers = list(model.run(TEXTS))
    passed = time.perf_counter() - begin
    read = [answer.prompt_tokens for answer in answers]
    assert read == [min(48, len(tokenizer.encode(text)) or 1) for text in TEXTS]
    assert 0 < sum(answer.wall_s for answer in answers) < passed
    assert answers[4].wall_s == pytest.approx(answers[3].wall_s * read[4] / read[3])
    with pytest.raises(UsageError, match="list of texts"):
        model.predict([1])  # type: ignore[list-item]
    for wrong in ({"quantize": "int8"}, {"draft": "lookup"}):
        with pytest.raises(UsageError, match="has a head"):
            autogpt.load(tmp_path, **wrong)


def test_rows_go_together_with_their_like() -> None:
    lengths = [7, 60, 9, 0, 58, 8, 2000, 61, *[10] * 400]
    groups = list(by_length(lengths, 2048))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    assert groups[0] == [6]
    for group in groups:
        padded = len(group) * max(lengths[place] for place in group)
        assert padded <= 2048
        assert padded <= 256 or padded <= 1.3 * sum(lengths[place] for place in group)
    assert list(by_length([], 2048)) == []


def test_our_probabilities_are_those_of_the_pipeline(tokenizer: Tokenizer, tmp_path: Path) -> None:
    ours = autogpt.load(headed(tmp_path, tokenizer, "sequence", ("bad", "好", "so")))
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    words = transformers.AutoTokenizer.from_pretrained(tmp_path)
    inputs = words(TEXTS[:2], return_tensors="pt", padding=True)
    with torch.inference_mode():
        wanted = (theirs(**inputs).logits / 2.0).softmax(-1)  # the temperature is ours alone
    found = torch.tensor([[ours.predict(text)[n] for n in ours.labels] for text in TEXTS[:2]])
    assert float((wanted - found).abs().max()) < 1e-5


def test_several_labels_are_judged_each(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = autogpt.load(headed(tmp_path, tokenizer, "sequence", ("a", "b", "c"), multi_label=True))
    answer = model.classify(TEXTS[0])
    assert set(answer.labels) == {name for name, p in answer.probabilities.items() if p >= 0.5}


def test_entities_have_places_and_scores(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tagger = autogpt.load(headed(tmp_path, tokenizer, "token", LABELS))
    assert isinstance(tagger, Tagger)
    together = tagger.tag(TEXTS)
    assert sum(len(answer.entities) for answer in together) > 5
    for text, answer in zip(TEXTS, together, strict=True):
        alone = tagger.tag(text)
        fields = alone.to_dict(), answer.to_dict()
        assert fields[0]["entities"] == fields[1]["entities"]
        assert fields[0]["usage"] == fields[1]["usage"]
        behind = 0
        for entity in answer.entities:
            assert entity.start >= behind
            assert entity.text == text[entity.start : entity.end]
            assert entity.text == entity.text.strip()
            assert 0 < entity.score <= 1
            behind = entity.end
    # Windows of 48 tokens overlap, so that some tokens of a long text are read twice.
    encoded = encode_units(tokenizer, TEXTS, [units_of(text) for text in TEXTS])
    counts = [len(tokens.token_ids) for tokens in encoded]
    for count, answer in zip(counts, together, strict=True):
        assert answer.prompt_tokens == count if count <= 48 else answer.prompt_tokens > count
        assert answer.wall_s > 0
    sure = tagger.tag(TEXTS[4], threshold=0.5).entities
    assert sure == tuple(e for e in together[4].entities if e.score >= 0.5)


def test_long_texts_are_read_in_parts_that_overlap(tokenizer: Tokenizer) -> None:
    text = "Shall I compare thee? " * 9 + "今天天气很好" * 9
    units = units_of(text)
    tokens = encode_units(tokenizer, [text], [units])[0]
    assert tokenizer.decode(tokens.token_ids.tolist()) == text
    assert tokens.unit_of_token[-1] == len(units) - 1
    for most, overlap in ((40, 10), (7, 2), (3, 0), (1, 0)):
        windows = unit_windows(tokens, most=most, overlap=overlap)
        covered = {place for window in windows for place in range(window.start, window.stop)}
        assert covered == set(range(len(tokens.token_ids)))
        assert all(0 < window.stop - window.start <= most for window in windows)


BERT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
}


def bert(folder: Path, kind: str, labels: tuple[str, ...], *, trained: bool) -> Path:
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "ada",
        "lives",
        "in",
        "paris",
        "今",
        "天",
        ".",
    ]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        **BERT, id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)}
    )
    model = getattr(transformers, f"BertFor{kind}Classification")(config)
    if trained:
        with torch.no_grad():
            model.classifier.weight.normal_()
            model.classifier.bias.normal_()
    model.save_pretrained(folder)
    return folder


def test_an_encoder_with_a_head_is_loaded_too(tmp_path: Path) -> None:
    model = autogpt.load(bert(tmp_path, "Sequence", ("neg", "pos"), trained=True))
    assert isinstance(model, Classifier)
    pipe = transformers.pipeline("text-classification", str(tmp_path), top_k=None)
    for text in ("ada lives in paris.", "今天"):
        wanted = {row["label"]: row["score"] for row in pipe([text])[0]}
        assert model.predict([text, "."])[0] == pytest.approx(wanted, abs=1e-5)
    assert [answer.prompt_tokens for answer in model.run(["ada lives in paris.", "今天"])] == [7, 4]


def test_an_encoder_tags(tmp_path: Path) -> None:
    tagger = autogpt.load(bert(tmp_path, "Token", LABELS, trained=True))
    text = "ada lives in paris. " * 12 + "今天"
    answer = tagger.tag(text)
    assert answer.entities
    for entity in answer.entities:
        assert entity.text == text[entity.start : entity.end]
        assert entity.text == entity.text.strip()
    assert answer.prompt_tokens == 12 * 5 + 2 + 4 * 2  # four windows, each with its two ends
    assert tagger.tag("").entities == ()


def test_a_head_that_is_not_trained_is_refused(tmp_path: Path) -> None:
    for kind in ("Sequence", "Token"):
        folder = tmp_path / kind
        folder.mkdir()
        with pytest.raises(CheckpointError, match="not trained"):
            autogpt.load(bert(folder, kind, LABELS, trained=False))
    # The well-known mistake: a head on weights that have none.
    folder = tmp_path / "none"
    folder.mkdir()
    bert(folder, "Sequence", LABELS, trained=True)
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(**BERT)).save_pretrained(folder)
    settings = json.loads((tmp_path / "Token" / "config.json").read_text())
    settings["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"lack.*not trained"):
        autogpt.load(folder)


def test_batches_are_a_function_of_their_number() -> None:
    import numpy as np

    chance = np.random.default_rng(0)
    rows = [
        TextRow(np.arange(1, 1 + chance.integers(1, 40)), np.array(number % 3))
        for number in range(150)
    ]
    source = TextBatches.of(rows, seed=1, pad_id=0)
    import dataclasses

    eight = dataclasses.replace(source, batch_size=8)
    four = dataclasses.replace(source, batch_size=4)
    whole, half = eight[5], [four[10], four[11]]
    assert torch.equal(whole.targets, torch.cat([part.targets for part in half]))
    assert torch.equal(whole.lengths, torch.cat([part.lengths for part in half]))
    assert torch.equal(eight[5].inputs, whole.inputs)
    assert not torch.equal(eight[5].targets, dataclasses.replace(eight, seed=2)[5].targets)
    seen = torch.cat([source[number].inputs.sum(1) for number in range(150)])
    assert sorted(seen.tolist()) == sorted(int(row.token_ids.sum()) for row in rows)
    padding = sum(int((eight[number].inputs == 0).sum()) for number in range(18))
    assert padding < 0.2 * sum(len(row.token_ids) for row in rows)
    looks = list(texts_in_order(source, tokens_at_once=100))
    assert sum(len(batch.lengths) for batch in looks) == 150
    assert sum(batch.weight for batch in looks) == 150


def test_settings_are_checked() -> None:
    for wrong in ({"temperature": 0.0}, {"threshold": 1.5}):
        with pytest.raises(ConfigError):
            HeadSettings(**wrong)
