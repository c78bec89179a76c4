"""What is written can be read back, is the same model, and says what a reader of another needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest
import tokenizers
import torch
from tests.evaluation.inspection.test_trace import FAMILIES, SIZES
from tokenizers import models, normalizers, pre_tokenizers

from autogpt.core.errors import ConfigError
from autogpt.interop.gguf import open_gguf
from autogpt.interop.gguf.modelfile import go_template, modelfile
from autogpt.interop.gguf.vocabulary_writing import HARD_TEXTS
from autogpt.interop.gguf.writing import GGUF_TYPES, GGUFType, write_gguf
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.positions import LinearScaling, Llama3Scaling, YarnScaling
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, TokenizerRoles, train

TEXT = "Shall I compare thee to a summer's day? 學而時習之，不亦說乎？ 12 34\n" * 8
LLAMA3 = Llama3Scaling(
    factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16
)
CASES: dict[str, dict[str, Any]] = {
    "qwen3": FAMILIES["qwen3"],
    "qwen3-untied": {"tie_word_embeddings": False},
    "llama": {"model_type": "llama", **FAMILIES["llama"]},
    "llama-3": {
        "model_type": "llama", "query_key_norm": False, "rope_scaling": LLAMA3, "rope_theta": 50.0,
        "head_dim": 16,
    },
    "llama-biased": {
        "model_type": "llama", "query_key_norm": False, "attention_bias": True,
        "network_bias": True,
    },
    "mistral": {"model_type": "mistral", "query_key_norm": False},
    "qwen2": {
        "model_type": "qwen2", "query_key_norm": False, "attention_bias": True,
        "attention_output_bias": False,
    },
    "gemma3": {
        "model_type": "gemma3_text", **FAMILIES["gemma3_text"], "query_pre_attn_scalar": 8,
        "num_hidden_layers": 7,
        "layer_types": (*["sliding_attention"] * 5, "full_attention", "sliding_attention"),
    },
    "gemma3-windows": {
        "model_type": "gemma3_text", **FAMILIES["gemma3_text"], "query_pre_attn_scalar": 8,
        "layer_types": None,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    return train([TEXT], settings, corpus_bytes=len(TEXT.encode()))


def tiny(tokenizer: Tokenizer, case: str, **changes: Any) -> GPT:  # noqa: ANN401 - fields of GPTConfig
    torch.manual_seed(0)
    fields = {"model_type": "qwen3", **SIZES, "vocab_size": tokenizer.vocab_size + 3, **CASES[case]}
    fields |= {"eos_token_id": tokenizer.eos_id, "pad_token_id": tokenizer.pad_id, **changes}
    model = GPT(GPTConfig(**fields)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_back(tokenizer: Tokenizer, case: str, tmp_path: Path) -> None:
    model = tiny(tokenizer, case)
    path = tmp_path / "model.gguf"
    write_gguf(path, model, tokenizer, kind="f32", name="tiny")
    file = open_gguf(path)
    family = "llama" if case == "mistral" else model.config.model_type
    config = replace(file.config, head_dim=model.config.head_dim)
    assert config.model_type == family
    read = file.model()
    ids = torch.randint(
        0, tokenizer.vocab_size, (2, 19), generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        torch.testing.assert_close(
            read.logits(read(ids)), model.logits(model(ids)), atol=2e-5, rtol=1e-4
        )
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], weight, atol=3e-7, rtol=1e-6)


@pytest.mark.parametrize("kind", GGUF_TYPES)
def test_every_type_of_numbers(tokenizer: Tokenizer, kind: GGUFType, tmp_path: Path) -> None:
    model = tiny(tokenizer, "llama")
    write_gguf(tmp_path / "m.gguf", model, tokenizer, kind=kind)
    read = open_gguf(tmp_path / "m.gguf").model().state_dict()
    tolerance = {"f32": 0.0, "f16": 1e-3, "bf16": 8e-3, "q8_0": 1e-2, "q4_0": 0.2}[kind]
    for name, weight in model.state_dict().items():
        worst = float((read[name] - weight).abs().max() / weight.abs().max())
        assert worst <= (1e-6 if weight.ndim == 1 else tolerance), name
    kinds = {
        t.name: t.tensor_type.name.lower() for t in gguf.GGUFReader(tmp_path / "m.gguf").tensors
    }
    assert kinds["blk.0.attn_q.weight"] == kind
    assert kinds["token_embd.weight"] == ("q8_0" if kind == "q4_0" else kind)
    assert kinds["output_norm.weight"] == "f32"


def test_rows_that_are_no_whole_blocks_become_f16(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_gguf(
        tmp_path / "m.gguf", tiny(tokenizer, "qwen3", intermediate_size=48), tokenizer, kind="q8_0"
    )
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "m.gguf").tensors}
    assert kinds["blk.0.ffn_down.weight"] == "F16"
    assert kinds["blk.0.ffn_up.weight"] == "Q8_0"


def test_the_tokenizer_and_its_settings_come_back(tokenizer: Tokenizer, tmp_path: Path) -> None:
    generation = {"temperature": 0.6, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.1}
    model = tiny(tokenizer, "qwen3")
    write_gguf(tmp_path / "m.gguf", model, tokenizer, generation=generation)
    file = open_gguf(tmp_path / "m.gguf")
    read = file.tokenizer()
    for text in (*HARD_TEXTS, TEXT):
        assert read.encode(text) == tokenizer.encode(text)
    assert read.roles.chat_template == tokenizer.roles.chat_template
    assert (read.eos_id, read.pad_id, read.bos_ids) == (tokenizer.eos_id, tokenizer.pad_id, ())
    assert "tokenizer.ggml.add_bos_token" in file.header.entries
    assert file.generation() == pytest.approx(generation)


def hf(document: dict[str, Any]) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(json.dumps(document))


def test_the_way_of_cutting_is_found_by_trying(tokenizer: Tokenizer, tmp_path: Path) -> None:
    document = json.loads(tokenizer.to_json())
    built = hf(document)
    built.pre_tokenizer = pre_tokenizers.Sequence([  # as SmolLM's own file says it
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])  # fmt: skip
    smollm = Tokenizer(built, roles=replace(tokenizer.roles, bos="<|endoftext|>", add_bos=True))
    write_gguf(tmp_path / "m.gguf", tiny(tokenizer, "llama"), smollm)
    file = open_gguf(tmp_path / "m.gguf")
    assert file.header.entries.get("tokenizer.ggml.pre", str) == "smollm"
    assert file.tokenizer().bos_ids == smollm.bos_ids
    built.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex("[aeiou]"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    with pytest.raises(ConfigError, match="No GGUF entries were found that cut text"):
        write_gguf(
            tmp_path / "o.gguf", tiny(tokenizer, "llama"), Tokenizer(built, roles=tokenizer.roles)
        )


def test_sentencepiece(tmp_path: Path) -> None:
    words = ["▁the", "▁day", "the", "day", "学而", "▁▁"]
    letters = list("▁theday学而习abcdefghijklmnopqrstuvwxyz.,!?'0123456789")
    parts = [word[:end] for word in words for end in range(2, len(word) + 1)]
    names = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{b:02X}>" for b in range(256))]
    names = list(dict.fromkeys([*names, *letters, *parts]))
    merges = [(part[:-1], part[-1]) for part in dict.fromkeys(parts)]
    built = tokenizers.Tokenizer(
        models.BPE(
            {name: i for i, name in enumerate(names)}, merges,
            unk_token="<unk>", byte_fallback=True, fuse_unk=True,
        )
    )  # fmt: skip
    built.normalizer = normalizers.Replace(" ", "▁")
    built.decoder = tokenizers.decoders.Sequence([
        tokenizers.decoders.Replace("▁", " "), tokenizers.decoders.ByteFallback(),
        tokenizers.decoders.Fuse(),
    ])  # fmt: skip
    built.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>"])
    roles = TokenizerRoles(eos="<eos>", pad="<pad>", bos="<bos>", add_bos=True, chat_template=None)
    tokenizer = Tokenizer(built, roles=roles)
    write_gguf(tmp_path / "m.gguf", tiny(tokenizer, "gemma3"), tokenizer, kind="f16")
    read = open_gguf(tmp_path / "m.gguf").tokenizer()
    for text in (*HARD_TEXTS, "the day 学而时习之 🌍"):
        assert read.encode(text) == tokenizer.encode(text)
    assert read.bos_ids == (2,)


YARN = YarnScaling(factor=2.0, original_max_position_embeddings=32, attention_factor=1.1)
WINDOWED = {"model_type": "mistral", "sliding_window": 8, "query_key_norm": False}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (WINDOWED, "llama.cpp runs mistral without its sliding window of 8 tokens"),
        ({"sliding_window": 8}, "cannot say sliding_window = 8"),
        ({"rope_scaling": YARN}, "yarn"),
        (FAMILIES["gpt2"] | {"model_type": "gpt2"}, "'gpt2' cannot be written as GGUF"),
    ],
)
def test_what_the_format_cannot_say_is_refused(
    tokenizer: Tokenizer, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        write_gguf(tmp_path / "m.gguf", tiny(tokenizer, "qwen3", **changes), tokenizer)


def test_numbers_too_large_for_f16_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = tiny(tokenizer, "llama", rope_scaling=LinearScaling(factor=1.5))
    with torch.no_grad():
        model.layers[0].attention.output.weight[0, 0] = 1e5
    with pytest.raises(ConfigError, match="more than f16 can"):
        write_gguf(tmp_path / "m.gguf", model, tokenizer, kind="f16")


def test_the_modelfile_speaks_as_the_template_does(tokenizer: Tokenizer) -> None:
    text = modelfile("m.gguf", tokenizer, {"temperature": 0.7})
    assert text.startswith("FROM ./m.gguf\n")
    assert (
        '{{- range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}'
        '<|im_end|>\n{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n'
        "{{ end }}{{ end }}<|im_start|>assistant\n"
    ) in text
    assert 'PARAMETER stop "<|im_end|>"' in text
    assert "PARAMETER temperature 0.7" in text


def test_a_template_with_a_system_message_of_its_own(tokenizer: Tokenizer) -> None:
    own = (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}"
        "{% endif %}" + (tokenizer.roles.chat_template or "")
    )
    built = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    template = go_template(Tokenizer(built, roles=replace(tokenizer.roles, chat_template=own)))
    assert template is not None
    assert template.startswith(
        '{{- if ne (index .Messages 0).Role "system" }}<|im_start|>system\nBe kind.<|im_end|>\n'
        '{{ end }}{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n'
    )


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% for m in messages %}{{ loop.index }}{{ m['role'] + m['content'] }};{% endfor %}",
    ],
)
def test_a_template_that_is_not_plain_is_left_out(tokenizer: Tokenizer, template: str) -> None:
    built = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    other = Tokenizer(built, roles=replace(tokenizer.roles, chat_template=template))
    assert go_template(other) is None
    assert "TEMPLATE" not in modelfile("m.gguf", other, {})
