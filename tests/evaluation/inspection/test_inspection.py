"""What an inspection says, and how it is shown."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import zlib
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from rich.console import Console
from tests.llm.test_model import make_run

import autogpt
from autogpt.core.errors import ConfigError, UsageError
from autogpt.evaluation.inspection.inspection import Focus, Inspection
from autogpt.evaluation.inspection.page import render_page
from autogpt.evaluation.inspection.predictions import largest
from autogpt.evaluation.inspection.tour import render_tour, write_tour
from autogpt.evaluation.inspection.view import show
from autogpt.evaluation.inspection.wording import LANGUAGES, WORDS, Language, preferred_language
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import sample
from autogpt.llm import LLM, load

TEXT = "Shall I compare thee? 學而時習之 🌍 12"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def gpt(run: Path) -> LLM:
    loaded = load(run)
    assert isinstance(loaded, LLM)
    return loaded


@pytest.fixture(scope="module")
def found(gpt: LLM) -> Inspection:
    return gpt.inspect(TEXT, name="tiny")


def test_tokens_are_the_text(gpt: LLM, found: Inspection) -> None:
    assert found.text == TEXT
    assert b"".join(token.data for token in found.tokens).decode() == TEXT
    assert [token.token_id for token in found.tokens] == gpt.tokenizer.encode(TEXT)
    assert any(re.fullmatch(r"<([0-9A-F]{2})+>", token.text) for token in found.tokens)


def test_losses_are_the_cross_entropy(gpt: LLM, found: Inspection) -> None:
    ids = torch.tensor([gpt.tokenizer.encode(TEXT)])
    with torch.inference_mode():
        logits = gpt.model.logits(gpt.model(ids))[0]
    expected = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none")
    torch.testing.assert_close(torch.tensor(found.losses), expected, atol=1e-4, rtol=1e-4)
    assert found.loss == pytest.approx(float(expected.mean()), abs=1e-4)
    facts = json.loads(json.dumps(found.to_dict()))
    assert facts["loss"]["perplexity"] == pytest.approx(math.exp(float(expected.mean())), rel=1e-3)
    entropy = torch.distributions.Categorical(logits=logits[0]).entropy() / math.log(2)
    assert facts["tokens"][1]["entropy_bits"] == pytest.approx(float(entropy), abs=1e-3)
    assert facts["tokens"][1]["rank"] == int((logits[0] > logits[0, ids[0, 1]]).sum())
    predicted = len(TEXT.encode()) - len(found.tokens[0].data)
    assert found.bits_per_byte == pytest.approx(
        float(expected.sum()) / math.log(2) / predicted, abs=1e-4
    )


def test_the_formula_gives_the_models_own_numbers(gpt: LLM, found: Inspection) -> None:
    for token in (0, 5, len(found.tokens) - 1):
        for head in range(4):
            worked = gpt.inspect(TEXT, focus=Focus(token=token, layer=1, head=head)).worked
            assert worked.difference < 1e-5
            assert worked.seen == token + 1
            assert sum(key.weight for key in worked.keys) + worked.rest == pytest.approx(1)
            assert worked.keys[0].score == pytest.approx(worked.keys[0].product * worked.scale)
            assert worked.key_head == head // 2
            shown = torch.tensor(worked.output), torch.tensor(worked.model_output)
            torch.testing.assert_close(*shown, atol=1e-5, rtol=1e-4)


def test_the_last_layer_of_the_lens_is_the_model(found: Inspection) -> None:
    last = found.lens[-1].layers[-1]
    assert [one.token_id for one in last.top] == list(found.next.token_ids[: len(last.top)])
    stage = found.next.stages[0]
    assert last.top[0].probability == pytest.approx(stage.probabilities[0], abs=1e-4)
    assert len(found.lens[-1].layers) == 2


@pytest.mark.parametrize("size", [3, 64, 639, 640, 1001, 6400])
def test_the_largest_are_found_without_sorting_all(size: int) -> None:
    scores = torch.randn(7, size, generator=torch.Generator().manual_seed(size))
    values, places = largest(scores, 5)
    expected = scores.topk(min(5, size), dim=-1)
    torch.testing.assert_close(values, expected.values, atol=0, rtol=0)
    assert torch.equal(places, expected.indices)


def test_steps_of_the_choice_are_those_of_sampling(gpt: LLM) -> None:
    params = SamplingParams(temperature=0.7, top_k=9, top_p=0.6, min_p=0.05)
    stages = gpt.inspect(TEXT, params=params).next.stages
    assert [stage.name for stage in stages] == ["model", "temperature", "top_k", "top_p", "min_p"]
    assert stages[2].left <= 9
    assert stages[-1].left <= stages[3].left <= stages[2].left
    ids = torch.tensor([gpt.tokenizer.encode(TEXT)])
    with torch.inference_mode():
        logits = gpt.model.logits(gpt.model(ids)[:, -1])
    draws = torch.linspace(0, 0.999, 400, dtype=torch.float64)
    drawn = {int(sample(logits, params, draws=draw[None])) for draw in draws}
    kept = gpt.inspect(TEXT, params=params).next
    assert drawn <= {
        token_id
        for token_id, p in zip(kept.token_ids, kept.stages[-1].probabilities, strict=True)
        if p > 0
    }
    greedy = gpt.inspect(TEXT, params=SamplingParams(temperature=0)).next.stages
    assert [stage.name for stage in greedy] == ["model"]


def test_positions_are_the_models_table(gpt: LLM) -> None:
    positions = gpt.inspect(TEXT, focus=Focus(token=4)).positions
    (rotary,) = positions.rotary
    for angle, cos, sin in zip(rotary.angles, rotary.cos, rotary.sin, strict=True):
        assert math.cos(angle) == pytest.approx(cos, abs=1e-5)
        assert math.sin(angle) == pytest.approx(sin, abs=1e-5)
    assert rotary.angles[0] == pytest.approx(4.0)


def test_the_cache_is_as_large_as_the_formula_says(found: Inspection) -> None:
    # two layers, keys and values, two heads of 16 numbers of four bytes
    assert found.cache.bytes_per_token == 2 * 2 * 2 * 16 * 4
    assert found.cache.text_bytes == found.cache.bytes_per_token * len(found.tokens)
    assert found.cache.without_sharing_bytes == 2 * found.cache.bytes_per_token


def test_json_holds_everything_once(found: Inspection) -> None:
    facts = json.loads(json.dumps(found.to_dict(), ensure_ascii=False))
    assert facts["attention"]["complete"]
    rows = facts["attention"]["top"]
    assert (len(rows), len(rows[0]), len(rows[0][0])) == (2, 4, len(found.tokens))
    for token, row in enumerate(rows[1][3]):
        assert sum(weight for _, weight in row) == pytest.approx(1, abs=1e-5)
        assert {key for key, _ in row} <= set(range(token + 1))
        assert [weight for _, weight in row] == sorted((w for _, w in row), reverse=True)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_tour_goes_through_the_readers_own_sentence(
    gpt: LLM, found: Inspection, language: Language
) -> None:
    tour = render_tour(found, language=language, pictures="pictures")
    assert tour.count("\n## ") == 5
    assert f"\n> {TEXT}\n" in tour
    rows = [line for line in tour.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    assert f"{found.loss:.3f}" in tour
    assert not re.search(r"\n\n\n", tour)
    render_tour(gpt.inspect("S"), language=language, pictures="pictures")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_tour_has_the_pictures_it_shows(
    gpt: LLM, found: Inspection, language: Language, tmp_path: Path
) -> None:
    for seen in (found, gpt.inspect("S"), gpt.inspect(TEXT, focus=Focus(token=2))):
        page = tmp_path / f"tour {seen.focus}.md"
        write_tour(page, seen, language=language)
        shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        assert len(shown) == (6 if seen.losses else 5)
        for name in shown:
            picture = ElementTree.parse(tmp_path / unquote(name)).getroot()
            assert picture.get("height") != "0"
    words = "".join(picture.itertext())
    assert f"{found.loss:.2f}" in words


def test_one_token_alone(gpt: LLM) -> None:
    alone = gpt.inspect("S")
    assert alone.loss is None
    assert alone.attention.row(0, 0, 0) == [(0, 1.0)]
    render_page(alone, language="zh")
    for language in LANGUAGES:
        show(alone, Console(file=io.StringIO()), language=language)


def test_conversations_have_the_templates_tokens(gpt: LLM) -> None:
    seen = gpt.inspect([autogpt.user("day")])
    assert seen.tokens[0].text == "<|im_start|>"
    assert seen.tokens[0].is_special


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_terminal_shows_every_section(found: Inspection, language: Language) -> None:
    shown = io.StringIO()
    show(found, Console(file=shown, width=150), language=language)
    for section in ("tokens", "attention", "worked", "positions", "lens", "next", "loss", "cache"):
        assert WORDS[language][section] in shown.getvalue()
    assert not re.search(r"\{[a-z_]+\}", shown.getvalue())


def test_the_page_carries_the_weights_and_needs_nothing_else(found: Inspection) -> None:
    page = render_page(found, language="en")
    assert not re.search(r"""(src|href)=|url\(|https?://""", page)
    packed = re.search(r'id="attention">([^<]*)<', page)
    assert packed is not None
    data = np.frombuffer(zlib.decompress(base64.b64decode(packed[1])), dtype="<u2")
    data = data.reshape(*found.attention.keys.shape, 2)
    assert np.array_equal(data[..., 0], found.attention.keys.numpy())
    assert np.abs(data[..., 1] / 65535 - found.attention.weights.numpy()).max() < 1e-5
    embedded = re.search(r'id="found">(.*?)</script>', page, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded[1])["text"] == TEXT


def test_a_text_cannot_break_out_of_the_page(gpt: LLM) -> None:
    page = render_page(gpt.inspect("</script><script>alert(1)</script>"), language="en")
    assert "<script>alert" not in page
    assert page.count("</script>") == 4


def test_both_languages_say_the_same_things() -> None:
    assert list(WORDS["en"]) == list(WORDS["zh"])
    for key, words in WORDS["en"].items():
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", WORDS["zh"][key]))


def test_the_language_follows_the_locale() -> None:
    assert preferred_language({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert preferred_language({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}) == "en"
    assert preferred_language({}) == "en"


@pytest.mark.parametrize(
    ("focus", "message"),
    [
        (Focus(token=99), "token = 99 is not there"),
        (Focus(layer=2), "layer = 2 is not there: there are 2, numbered from 0 to 1"),
        (Focus(layer=0, head=-5), "head = -5"),
        (Focus(kept=0), "kept = 0"),
    ],
)
def test_what_is_not_there_is_told(gpt: LLM, focus: Focus, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gpt.inspect(TEXT, focus=focus)


def test_quantized_models_say_why_not(run: Path) -> None:
    quantized = load(run, quantize="int8")
    if quantized._backend is None:
        pytest.skip("no compiler: torch has the weights")
    with pytest.raises(ConfigError, match="without quantize"):
        quantized.inspect(TEXT)


def test_too_long_a_text_is_refused(gpt: LLM) -> None:
    with pytest.raises(UsageError, match="64 positions"):
        gpt.inspect(TEXT * 20)
