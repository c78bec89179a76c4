"""From a folder to text: what ``autogpt.load`` accepts, and what the object writes."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

import autogpt
from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.core.messages import ChatModel, Chunk, TokenLogprob
from autogpt.inference.backends import TorchBackend
from autogpt.inference.native.build import _find_library
from autogpt.llm import LLM
from autogpt.llm import load as load_guarded
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

TEXT = "Shall I compare thee to a summer's day? Thou art more lovely. 學而時習之，不亦說乎？\n" * 8


def load(reference: str | Path, **settings: Any) -> LLM:  # noqa: ANN401
    """Load without safety rails: what a model writes, and when, is tested here."""
    return load_guarded(reference, policy=None, **settings)


def make_run(
    folder: Path, *, generation: dict[str, object] | None = None, text: str = TEXT
) -> Path:
    """Write a run folder with a finished model of random weights."""
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    tokenizer = train([text], settings, corpus_bytes=len(text.encode()))
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=64,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )
    torch.manual_seed(0)
    model = GPT(config)
    save_model(model, folder / "model", tokenizer=tokenizer, generation_config=generation)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def gpt(run: Path) -> LLM:
    return load(run)


def joined(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_generate(gpt: LLM) -> None:
    completion = gpt.generate("Shall I", max_tokens=20, seed=0)
    assert completion.text
    assert completion.finish_reason in {"stop", "length"}
    assert completion.usage.prompt_tokens == len(gpt.tokenizer.encode("Shall I"))
    assert 1 <= completion.usage.completion_tokens <= 20
    assert completion.timing.load_s > 0
    assert 0 < completion.timing.first_token_s < 60
    assert completion.timing.tokens_per_s > 0
    assert completion.logprobs is None
    fields = json.loads(json.dumps(completion.to_dict()))
    assert set(fields) == {"text", "finish_reason", "usage", "timing"}
    completion.text.encode("utf-8")


def test_the_same_seed_gives_the_same_text_in_another_process_too(gpt: LLM, run: Path) -> None:
    text = gpt.generate("Shall", max_tokens=16, seed=5).text
    assert text == gpt.generate("Shall", max_tokens=16, seed=5).text
    assert text == load(run / "model").generate("Shall", max_tokens=16, seed=5).text
    script = (
        "import sys, autogpt; "
        "gpt = autogpt.load(sys.argv[1], policy=None); "
        "text = gpt.generate('Shall', max_tokens=16, seed=5).text; "
        "sys.stdout.buffer.write(text.encode())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(run)], capture_output=True, check=True, timeout=120
    )
    assert other.stdout.decode() == text


def test_a_stream_is_the_text_in_pieces(gpt: LLM) -> None:
    chunks = list(gpt.stream("Thou", max_tokens=30, seed=1, logprobs=2))
    completion = gpt.generate("Thou", max_tokens=30, seed=1, logprobs=2)
    assert joined(chunks) == completion.text
    assert len(chunks) > 5
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])
    assert chunks[-1].finish_reason == completion.finish_reason
    assert chunks[-1].usage == completion.usage
    entries = [entry for chunk in chunks for entry in chunk.logprobs]
    assert tuple(entries) == completion.logprobs
    assert all(len(entry.top) == 2 for entry in entries)


def test_logprobs_have_text_and_bytes(gpt: LLM) -> None:
    completion = gpt.generate("學", max_tokens=12, seed=2, logprobs=0)
    assert completion.logprobs
    for entry in completion.logprobs:
        assert isinstance(entry, TokenLogprob)
        assert entry.token == entry.token_bytes.decode("utf-8", "replace")
        assert entry.logprob <= 0
        assert entry.top == ()
    spelled = b"".join(entry.token_bytes for entry in completion.logprobs)
    assert spelled.decode("utf-8", "replace").startswith(completion.text)


def test_nothing_of_a_stop_string_is_streamed(gpt: LLM) -> None:
    whole = gpt.generate("Thou", max_tokens=40, seed=1).text
    stop = whole[10:14]
    chunks = list(gpt.stream("Thou", max_tokens=40, seed=1, stop=stop))
    assert joined(chunks) == whole[: whole.index(stop)]
    assert chunks[-1].finish_reason == "stop"


def test_several_completions_of_several_prompts(gpt: LLM) -> None:
    params = gpt.sampling(max_tokens=12, seed=0, n=3)
    rows = gpt.complete(["Shall I", "學而"], params)
    assert [len(row) for row in rows] == [3, 3]
    texts = [completion.text for row in rows for completion in row]
    assert len(set(texts)) == 6
    assert rows[1][0].text == gpt.generate("學而", max_tokens=12, seed=0).text
    streamed = list(gpt.stream("Shall I", max_tokens=12, seed=0, n=3))
    for index in range(3):
        own = [chunk for chunk in streamed if chunk.index == index]
        assert joined(own) == texts[index]
        assert [chunk.finish_reason for chunk in own][-1] is not None


def test_greedy_needs_no_seed(gpt: LLM) -> None:
    first = gpt.generate("day", max_tokens=10, temperature=0)
    assert first.text == gpt.generate("day", max_tokens=10, temperature=0).text


def test_an_empty_prompt_begins_a_document(gpt: LLM) -> None:
    completion = gpt.generate("", max_tokens=5, seed=0)
    assert completion.usage.prompt_tokens == 1


def test_special_tokens_in_a_prompt_are_text(gpt: LLM) -> None:
    completion = gpt.generate("a<|im_end|>", max_tokens=1, seed=0)
    assert completion.usage.prompt_tokens > 2


def test_messages_are_written_with_the_template(gpt: LLM) -> None:
    completion = gpt.generate([autogpt.user("day")], max_tokens=5, seed=0)
    written = "<|im_start|>user\nday<|im_end|>\n<|im_start|>assistant\n"
    expected = gpt.tokenizer.encode(written, allow_special=True)
    assert completion.usage.prompt_tokens == len(expected)


def test_messages_need_a_template(gpt: LLM, run: Path, tmp_path: Path) -> None:
    model = GPT(gpt.model.config)
    save_model(model, tmp_path, tokenizer=Tokenizer.load(run / "model"))
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": None}))
    with pytest.raises(UsageError, match="no chat template"):
        load(tmp_path).stream([autogpt.user("hi")])


def test_longer_than_the_context(gpt: LLM, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        completion = gpt.generate(TEXT, max_tokens=100, seed=3)
    assert "only the last 32 are read" in caplog.text
    assert "summer" not in caplog.text
    assert completion.usage.prompt_tokens == 32
    if completion.finish_reason == "length":
        assert completion.usage.completion_tokens == 100


def test_a_prompt_that_does_not_fit_is_refused_by_choice(gpt: LLM) -> None:
    long = "學而時習之 " * 30
    with pytest.raises(UsageError, match="tokens, the model's context only 64"):
        gpt.generate(long, overflow="refuse")
    with pytest.raises(UsageError, match="context only 64"):
        gpt.stream(long, overflow="refuse")  # before the first piece is asked for
    assert gpt.generate("學而", overflow="refuse", max_tokens=3).text


@pytest.mark.parametrize("draft", ["lookup", "the model itself"])
def test_guessing_ahead_changes_no_text(gpt: LLM, run: Path, draft: str) -> None:
    guessing = load(run, draft=draft if draft == "lookup" else run)
    for prompt in ("Shall I compare thee, shall I compare thee", "學而時習之，學而時習之"):
        for temperature in (0, 1):
            wanted = gpt.generate(prompt, max_tokens=40, temperature=temperature, seed=4)
            got = guessing.generate(prompt, max_tokens=40, temperature=temperature, seed=4)
            assert got.text == wanted.text
            assert got.usage == wanted.usage


def test_a_draft_needs_the_same_tokenizer(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path, text="to be or not to be " * 40)
    with pytest.raises(UsageError, match="has another tokenizer"):
        load(run, draft=other)


@pytest.mark.parametrize(
    "settings", [{"max_tokens": 0}, {"temperature": -1}, {"top_p": 2.0}, {"seed": -3}, {"stop": ""}]
)
def test_settings_are_checked_before_anything_runs(gpt: LLM, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        gpt.stream("x", **settings)  # type: ignore[arg-type] - wrong on purpose


PERSON = {
    "type": "object",
    "properties": {"名字": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["名字", "age"],
    "additionalProperties": False,
}


def test_texts_that_must_match(gpt: LLM) -> None:
    for seed in range(5):
        for max_tokens in (21, 30, 60):
            text = gpt.generate("Thou", json_schema=PERSON, max_tokens=max_tokens, seed=seed).text
            person = json.loads(text)
            assert list(person) == ["名字", "age"]
            assert type(person["age"]) is int
    assert gpt.generate("是", choices=["是", "不是"], seed=0).text in ("是", "不是")
    assert gpt.generate("x", choices=["yes"], seed=0).finish_reason == "stop"
    assert re.fullmatch("[ab]{3}", gpt.generate("x", regex="[ab]{3}", seed=1).text)
    bracketed = gpt.generate("x", grammar='start: "(" start ")" | "x"', max_tokens=9, seed=1)
    assert re.fullmatch(r"\(*x\)*", bracketed.text)
    assert bracketed.text.count("(") == bracketed.text.count(")")


def test_a_batch_of_texts_that_must_match(gpt: LLM) -> None:
    params = gpt.sampling(json_schema=PERSON, max_tokens=24, seed=4, n=3)
    together = gpt.complete(["Thou", "學而", "day"], params)
    alone = gpt.complete(["學而"], params)[0]
    assert [completion.text for completion in together[1]] == [other.text for other in alone]
    for completion in (completion for row in together for completion in row):
        assert list(json.loads(completion.text)) == ["名字", "age"]


def test_too_few_tokens_for_any_text_is_told_before_writing(gpt: LLM) -> None:
    with pytest.raises(ConfigError, match=r"max_tokens is 5, but the shortest text .* takes \d+"):
        gpt.stream("x", json_schema=PERSON, max_tokens=5)
    with pytest.raises(ConfigError, match="stop would cut"):
        gpt.stream("x", json_schema=PERSON, stop="}")


def test_beams(gpt: LLM) -> None:
    params = gpt.sampling(beams=3, n=2, max_tokens=12)
    first, second = gpt.complete(["Shall I"], params)[0]
    assert first.text != second.text
    alone = gpt.generate("Shall I", beams=3, max_tokens=12)
    assert alone.text == first.text
    assert alone.usage.prompt_tokens == len(gpt.tokenizer.encode("Shall I"))
    assert json.loads(gpt.generate("x", json_schema=PERSON, beams=2, max_tokens=30).text)


def test_bias_and_penalties_reach_the_text(gpt: LLM) -> None:
    plain = gpt.generate("Thou", max_tokens=40, temperature=0, logprobs=0)
    token_id = gpt.tokenizer.encode("day")[0]
    forced = gpt.generate("Thou", max_tokens=6, temperature=0, logit_bias={token_id: 100})
    assert forced.text == gpt.tokenizer.decode([token_id] * 6)
    other = gpt.generate(
        "Thou", max_tokens=6, temperature=0, logit_bias={token_id: 50}, frequency_penalty=2,
        dry_multiplier=50, dry_allowed_length=1, dry_breakers=["學"],
    )  # fmt: skip
    assert other.text != forced.text
    assert plain.logprobs is not None
    with pytest.raises(ConfigError, match="names token 99999"):
        gpt.stream("x", logit_bias={99999: 1})


def test_loops_end_a_text(gpt: LLM) -> None:
    token_id = gpt.tokenizer.encode("day")[0]
    looping = gpt.generate("x", max_tokens=100, logit_bias={token_id: 100}, stop_loops=3)
    assert looping.finish_reason == "stop"
    assert looping.usage.completion_tokens == 32


def test_an_unknown_setting_is_no_silence(gpt: LLM) -> None:
    with pytest.raises(ConfigError, match=r"no setting 'sede'. Did you mean seed\?"):
        gpt.generate("x", sede=1)  # type: ignore[call-arg] - wrong on purpose
    with pytest.raises(ConfigError, match="n is 3, but generate writes one text"):
        gpt.generate("x", n=3)  # type: ignore[call-arg] - wrong on purpose


def test_the_models_own_settings_are_defaults(tmp_path: Path) -> None:
    generation: dict[str, object] = {
        "do_sample": True, "temperature": 0.5, "top_k": 5, "eos_token_id": [1, 2],
    }  # fmt: skip
    gpt = load(make_run(tmp_path, generation=generation))
    params = gpt.sampling()
    assert (params.temperature, params.top_k, params.top_p) == (0.5, 5, None)
    assert gpt.sampling(temperature=1.5).temperature == 1.5
    assert {1, 2, gpt.tokenizer.eos_id, gpt.tokenizer.pad_id} <= gpt._engine._ends


def test_a_model_that_says_greedy_is_greedy(tmp_path: Path) -> None:
    gpt = load(make_run(tmp_path, generation={"do_sample": False, "temperature": 0.7, "top_k": 0}))
    assert gpt.sampling().temperature == 0
    assert gpt.sampling().top_k is None


def test_broken_settings_of_a_model(tmp_path: Path) -> None:
    folder = make_run(tmp_path, generation={"temperature": -1.0})
    with pytest.raises(CheckpointError, match=r"generation settings of .*temperature is -1"):
        load(folder)


def test_references(run: Path, tmp_path: Path) -> None:
    assert repr(load(run / "model")) == repr(load(str(run)))
    assert "qwen3" in repr(load(run))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "recipe.toml").touch()
    with pytest.raises(UsageError, match="Train again"):
        load(tmp_path / "unfinished")
    with pytest.raises(UsageError, match="no model"):
        load(tmp_path / "nothing")


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    weights = folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        load(folder)


def test_bfloat16_writes_too(run: Path) -> None:
    gpt = load(run, dtype="bfloat16")
    assert gpt.generate("Shall", max_tokens=8, seed=0).usage.completion_tokens >= 1


def test_it_is_a_chat_model(gpt: LLM) -> None:
    model: ChatModel = gpt
    assert list(model.stream([autogpt.user("hi")], max_tokens=2, seed=0))


def test_public_names_are_lazy_and_all_there() -> None:
    script = (
        "import sys, autogpt; "
        "assert not {'torch', 'numpy', 'jinja2'} & set(sys.modules); "
        "autogpt.user; autogpt.UsageError; autogpt.__version__; "
        "assert 'torch' not in sys.modules; "
        "print(autogpt.__version__)"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    )
    assert output.stdout.strip()
    assert set(autogpt.__all__) <= set(dir(autogpt))
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        autogpt.laod  # type: ignore[attr-defined] # noqa: B018 - the access is the test


@pytest.mark.parametrize("quantize", ["int8", "int4"])
@pytest.mark.parametrize("cache", ["float16", "int8"])
def test_a_quantized_model_writes_the_same_alone_and_beside_others(
    run: Path, quantize: Literal["int8", "int4"], cache: Literal["float16", "int8"]
) -> None:
    quantized = load(run, quantize=quantize, cache=cache)
    params = quantized.sampling(max_tokens=12, seed=1)
    prompts = ["Shall I compare", "學而時習之", "thee"]
    together = [one.text for (one,) in quantized.complete(prompts, params)]
    assert together == [quantized.complete([prompt], params)[0][0].text for prompt in prompts]


def test_without_a_compiler_a_quantized_model_writes_too(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    _find_library.cache_clear()
    written = load(run, quantize="int8").generate("學而", max_tokens=8, temperature=0)
    _find_library.cache_clear()
    assert written.usage.completion_tokens == 8


def test_an_unknown_quantization_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="'int3' is unknown, expected int8 or int4"):
        load(run, quantize="int3")


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_quantized_weights_write_too_and_know_their_limits(run: Path, bits: str):
    small = load(run, quantize=bits)  # in C++ where a compiler is, else in torch
    first, again = (small.generate("Shall I", max_tokens=12, temperature=0.0) for _ in range(2))
    assert first.text == again.text
    assert first.usage.completion_tokens >= 1
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    told = small.generate("Shall I", max_tokens=24, seed=0, json_schema=schema)
    assert isinstance(json.loads(told.text)["n"], int)
    with pytest.raises(ConfigError, match="int3"):
        load(run, quantize="int3")


def test_beams_are_refused_where_another_backend_holds_the_weights(gpt: LLM):
    elsewhere = LLM(gpt.model, gpt.tokenizer, backend=TorchBackend(gpt.model, gpt.model.logits))
    assert elsewhere.generate("Shall I", max_tokens=4, temperature=0.0).text
    with pytest.raises(ConfigError, match="quantized weights"):
        elsewhere.generate("Shall I", max_tokens=4, beams=2)
