from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.models.card import model_card
from autogpt.models.card_facts import (
    ArchitectureFacts,
    CorpusFacts,
    ModelFacts,
    Removal,
    ResultFacts,
    Sample,
    TokenizerFacts,
    TrainingFacts,
)
from autogpt.models.card_use import Medium


def facts(text: str = "plays") -> ModelFacts:
    return ModelFacts(
        name=text,
        reference=f"runs/{text}",
        created="2026-01-02T03:04:05+00:00",
        autogpt_version="0.1.0",
        corpus=CorpusFacts(
            sources=("plays.txt", text),
            documents=1300,
            size_bytes=1_268_809,
            train_documents=1100,
            train_bytes=1_130_000,
            train_tokens=300_000,
            validation_documents=130,
            validation_bytes=125_000,
            validation_tokens=33_000,
            removals=(Removal(step=f"exact | {text}", documents=14, size_bytes=5120),),
            languages=("en", "zh"),
        ),
        tokenizer=TokenizerFacts(kind="byte-level BPE", vocab_size=4096, bytes_per_token=3.42),
        architecture=ArchitectureFacts(
            family="qwen3",
            parameters=5_312_512,
            layers=6,
            hidden_size=256,
            heads=4,
            key_value_heads=2,
            context_length=256,
        ),
        training=TrainingFacts(
            steps=2100,
            tokens=6_900_000,
            train_s=118.2,
            wall_s=141.0,
            tokens_per_s=35_900.0,
            method="Muon and AdamW",
            machine="two cores",
            energy_kwh=0.00084,
            energy_basis="A rough estimate, not a measurement.",
        ),
        result=ResultFacts(loss=1.55731, bits_per_byte=1.09012, compressors={"gzip": 3.44}),
        samples=(Sample(prompt="子曰：\n", continuation="学而时习之```\n# x", settings=text),),
    )


def front_matter(card: str) -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert match is not None
    parsed = yaml.safe_load(match[1])
    assert isinstance(parsed, dict)
    return parsed


def test_the_front_matter_is_what_the_hub_reads() -> None:
    front = front_matter(model_card(facts()))
    assert front["library_name"] == "transformers"
    assert front["pipeline_tag"] == "text-generation"
    assert front["language"] == ["en", "zh"]
    assert "autogpt" in front["tags"]
    assert "license" not in front
    [model] = front["model-index"]
    assert [metric["value"] for metric in model["results"][0]["metrics"]] == [1.5573, 1.0901]


def test_a_license_is_what_the_user_said() -> None:
    card = model_card(replace(facts(), license="cc-by-4.0"))
    assert front_matter(card)["license"] == "cc-by-4.0"
    assert "No license" not in card
    assert "No license was chosen" in model_card(facts())


def test_the_card_is_honest() -> None:
    card = model_card(facts())
    for words in (
        "1.1 MB of text",
        "1.5573",
        "1.0901",
        "3.4400",
        "23.0 passes",
        "23 times",
        "word for word",
        "not a measurement",
        "| exact \\| plays | 14 | 5.1 kB |",
        "not taught to follow instructions",
        "autogpt generate runs/plays '子曰：'",
        'tokenizer("子曰：", return_tensors="pt")',
    ):
        assert words in card, words
    assert "tokens per parameter" not in card  # more tokens would only be more repeats


def test_too_little_training_is_named() -> None:
    base = facts()
    corpus = replace(base.corpus, train_tokens=50_000_000)
    assert "1.3 tokens per parameter" in model_card(replace(base, corpus=corpus))


def test_a_sample_cannot_end_its_block() -> None:
    assert "````text\n子曰：\n学而时习之```\n# x\n````" in model_card(facts())


def test_without_samples_or_sources_it_is_still_a_card() -> None:
    base = facts()
    card = model_card(replace(base, samples=(), created="", autogpt_version=""))
    assert "## Samples" not in card
    assert "autogpt generate runs/plays Once" in card
    assert "AutoGPT. It continues" in card


@pytest.mark.parametrize(
    "name",
    [
        "a: b",
        "- x",
        "#",
        "'",
        '"',
        "null",
        "---",
        "\ud83d",
        "\x7f",
        "\u2028",
        "😀",
        "a\nb: c",
        "\\",
    ],
)
def test_any_name_is_one_yaml_string(name: str) -> None:
    card = model_card(facts(name))
    card.encode("utf-8")
    assert front_matter(card)["model-index"][0]["name"] == name


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_any_text_leaves_the_front_matter_whole(text: str) -> None:
    card = model_card(facts(text))
    assert front_matter(card)["model-index"][0]["name"] == text
    outside = re.sub(r"^(`{3,})\w+\n.*?\n\1$", "", card, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"^ *<\w", outside, re.MULTILINE)


@pytest.mark.parametrize(
    ("task", "medium", "pipeline", "words"),
    [
        ("classify", "", "text-classification", 'pipeline("text-classification", model=".")'),
        ("tag", "", "token-classification", "autogpt tag --model runs/plays"),
        ("translate", "", "translation", "autogpt translate --to zh --model runs/plays"),
        ("chat", "", "text-generation", "gpt.chat().say("),
        ("recognize", "picture", "image-classification", 'model.predict("picture.png")'),
        ("recognize", "sound", "audio-classification", "recognize --model runs/plays sound.wav"),
        ("transcribe", "sound", "automatic-speech-recognition", ".transcribe("),
    ],
)
def test_each_task_says_how_it_is_used(
    task: str, medium: Medium, pipeline: str, words: str
) -> None:
    card = model_card(replace(facts(), task=task, medium=medium))
    front = front_matter(card)
    assert front["pipeline_tag"] == pipeline
    assert front["model-index"][0]["results"][0]["task"]["type"] == pipeline
    assert words in card
    assert ("autogpt generate" in card) is False
    assert ("without AutoGPT" in card) is not bool(medium)
    assert front["library_name"] == ("autogpt" if medium else "transformers")


def test_ears_of_others_are_named() -> None:
    given = replace(facts(), task="recognize", medium="sound", encoder="whisper-base")
    card = model_card(given)
    assert "The encoder of `whisper-base` listens for it" in card
    assert "A model that listens to sounds, with" in card
    assert "1,100 sounds and knows the labels of these alone" in card
    assert "moderation in front" not in card
    assert "listens for it" not in model_card(replace(given, encoder=""))
