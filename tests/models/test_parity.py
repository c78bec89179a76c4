"""Our Transformer against transformers, on tiny random weights, in both directions."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from autogpt.models.checkpoint import load_model, read_config, read_generation_config, save_model
from autogpt.models.family import find_family
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.cache import KVCache
from autogpt.nn.positions import LinearScaling, Llama3Scaling, YarnScaling
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

TEXT = "Shall I compare thee to a summer's day? 學而時習之，不亦說乎？\n" * 8

LLAMA3 = Llama3Scaling(
    factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16
)
YARN = YarnScaling(factor=4.0, original_max_position_embeddings=16, attention_factor=1.2)
FULL, SLIDING = "full_attention", "sliding_attention"
WINDOW = 7  # texts below are longer: 24 tokens, and 39 when continued

QWEN3 = GPTConfig(
    vocab_size=300,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=64,
    initializer_range=0.2,  # large, so that a wrong detail shows in the logits
)
LLAMA = dataclasses.replace(QWEN3, model_type="llama", query_key_norm=False, head_dim=8)
GPT2 = dataclasses.replace(
    QWEN3,
    model_type="gpt2",
    norm="layer",
    norm_eps=1e-5,
    network="gelu",
    positions="learned",
    query_key_norm=False,
    attention_bias=True,
    network_bias=True,
    num_key_value_heads=4,
    head_dim=8,
)
QWEN2 = dataclasses.replace(
    LLAMA, model_type="qwen2", attention_bias=True, attention_output_bias=False
)
MISTRAL = dataclasses.replace(
    LLAMA, model_type="mistral", sliding_window=WINDOW, tie_word_embeddings=False
)
GEMMA3 = dataclasses.replace(
    QWEN3,
    model_type="gemma3_text",
    num_hidden_layers=3,
    norm="offset_rms",
    post_norms=True,
    network="geglu",
    embedding_multiplier=math.sqrt(32),
    query_pre_attn_scalar=20,
    rope_theta=50_000.0,
    rope_local_base_freq=500.0,
    sliding_window=WINDOW,
    layer_types=(SLIDING, SLIDING, FULL),
)
CONFIGS = {
    "qwen3": QWEN3,
    "qwen3-window": dataclasses.replace(QWEN3, sliding_window=WINDOW, layer_types=(FULL, SLIDING)),
    "qwen3-yarn": dataclasses.replace(QWEN3, rope_scaling=YARN),
    "qwen3-untied-biased": dataclasses.replace(
        QWEN3, tie_word_embeddings=False, attention_bias=True, rope_theta=500.0
    ),
    "qwen3-llama3-rope": dataclasses.replace(QWEN3, rope_scaling=LLAMA3),
    "llama": LLAMA,
    "llama-3": dataclasses.replace(
        LLAMA, rope_theta=50_000.0, rope_scaling=LLAMA3, eos_token_id=(7, 9), bos_token_id=1
    ),
    "llama-untied-biased": dataclasses.replace(
        LLAMA, tie_word_embeddings=False, attention_bias=True, network_bias=True
    ),
    "llama-linear-rope": dataclasses.replace(LLAMA, rope_scaling=LinearScaling(factor=3.0)),
    "llama-yarn-with-every-field": dataclasses.replace(
        LLAMA,
        rope_theta=100.0,
        rope_scaling=YarnScaling(
            factor=4.0,
            original_max_position_embeddings=200,
            attention_factor=1.2,
            beta_fast=4.0,
            beta_slow=0.5,
            truncate=False,  # a ramp from 1.8 to 3.6 of four pairs, rather than from 1 to 4
        ),
    ),
    "qwen2": QWEN2,
    "qwen2-untied": dataclasses.replace(QWEN2, tie_word_embeddings=False),
    "qwen2-window-everywhere": dataclasses.replace(QWEN2, sliding_window=WINDOW),
    "mistral": MISTRAL,
    "mistral-tied": dataclasses.replace(MISTRAL, tie_word_embeddings=True, head_dim=16),
    "mistral-without-window": dataclasses.replace(MISTRAL, sliding_window=None),
    "gemma3": GEMMA3,
    "gemma3-untied-biased": dataclasses.replace(
        GEMMA3, tie_word_embeddings=False, attention_bias=True
    ),
    "gemma3-linear-rope": dataclasses.replace(GEMMA3, rope_scaling=LinearScaling(factor=8.0)),
    "gemma3-without-window": dataclasses.replace(
        GEMMA3, sliding_window=None, layer_types=None, rope_local_base_freq=None
    ),
    "gpt2": GPT2,
    "gpt2-untied": dataclasses.replace(GPT2, tie_word_embeddings=False),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([TEXT], TokenizerConfig(kind="byte"), corpus_bytes=len(TEXT.encode()))


def randomize(model: torch.nn.Module) -> None:
    """Give biases and norms values that are not those they begin with."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                parameter.add_(0.3 * noise)
            else:
                parameter.copy_(0.2 * noise)


def our_model(config: GPTConfig) -> GPT:
    model = GPT(config)
    randomize(model)
    return model.eval()


def their_model(config: dict[str, Any]) -> transformers.PreTrainedModel:
    config = {k: v for k, v in config.items() if v is not None or k == "sliding_window"}
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(**config)
    )
    randomize(model)
    return model.eval()


def texts() -> torch.Tensor:
    return torch.randint(0, 300, (2, 24), generator=torch.Generator().manual_seed(2))


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def logits_of(model: GPT, token_ids: torch.Tensor) -> torch.Tensor:
    return model.logits(model(token_ids))


@pytest.mark.parametrize("name", CONFIGS)
def test_our_folder_gives_the_same_logits_there(name: str, tmp_path: Path) -> None:
    model = our_model(CONFIGS[name])
    save_model(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    difference = (theirs(texts()).logits - logits_of(model, texts())).abs().max()
    assert float(difference) < 1e-5


@pytest.mark.parametrize("name", CONFIGS)
def test_their_folder_gives_the_same_logits_here(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    theirs = their_model(find_family(config.model_type).to_hf(config))
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    difference = (theirs(texts()).logits - logits_of(ours, texts())).abs().max()
    assert float(difference) < 1e-5
    # Neither the switches nor the special tokens got lost on the way through their config.
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    assert dataclasses.replace(ours.config, **special) == dataclasses.replace(config, **special)
    if config.eos_token_id is not None:
        assert ours.config.eos_token_id == config.eos_token_id


@pytest.mark.parametrize("window", [4, 40, None])
def test_gemma_that_looks_to_both_sides_gives_the_same_both_ways(
    window: int | None, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIGS["gemma3-without-window"], is_causal=False)
    if window is not None:
        config = dataclasses.replace(GEMMA3, sliding_window=window, is_causal=False)
    model = our_model(config)
    save_model(model, tmp_path)
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    assert theirs.config.use_bidirectional_attention
    difference = (theirs(texts()).last_hidden_state - model(texts())).abs().max()
    assert float(difference) < 1e-5
    assert load_model(tmp_path).config == config
    theirs.save_pretrained(tmp_path / "theirs")
    assert read_config(tmp_path / "theirs").sliding_window == window


@pytest.mark.parametrize("name", CONFIGS)
def test_our_folder_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    model = our_model(CONFIGS[name])
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    assert torch.equal(logits_of(loaded, texts()), logits_of(model, texts()))


@pytest.mark.parametrize("name", ["gemma3", "gpt2", "mistral", "qwen2"])
def test_their_sharded_weights_give_the_same_logits_here(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    theirs = their_model(find_family(config.model_type).to_hf(config))
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    difference = (theirs(texts()).logits - logits_of(load_model(tmp_path), texts())).abs().max()
    assert float(difference) < 1e-5


@pytest.mark.parametrize(
    "name",
    [
        "qwen3",
        "qwen3-window",
        "llama-3",
        "qwen2",
        "qwen2-window-everywhere",
        "mistral",
        "gemma3",
        "gpt2",
    ],
)
def test_greedy_continuations_are_identical(name: str, tmp_path: Path) -> None:
    model = our_model(dataclasses.replace(CONFIGS[name], eos_token_id=None))
    save_model(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    prompt = texts()[:1, :9]
    expected = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=30,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )

    cache = KVCache(model.config, 1, 39)
    hidden, written = model(prompt, cache=cache), prompt
    for _ in range(30):
        next_id = model.logits(hidden[:, -1]).argmax(-1, keepdim=True)
        written = torch.cat((written, next_id), dim=1)
        hidden = model(next_id, cache=cache) if written.shape[1] < 39 else hidden
    assert written.tolist() == expected.tolist()


def test_tokenizer_and_generation_settings_open_there(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = dataclasses.replace(
        QWEN3, eos_token_id=tokenizer.eos_id, pad_token_id=tokenizer.pad_id
    )
    generation = {"eos_token_id": [tokenizer.eos_id, tokenizer.pad_id], "temperature": 0.8}
    model = our_model(config)
    save_model(
        model, tmp_path, tokenizer=tokenizer, generation_config=generation, card="# A model\n"
    )

    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(TEXT)["input_ids"] == tokenizer.encode(TEXT)
    assert theirs.decode(tokenizer.encode(TEXT)) == TEXT
    assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.eos_id, tokenizer.pad_id)
    settings = transformers.GenerationConfig.from_pretrained(tmp_path)
    assert settings.eos_token_id == [tokenizer.eos_id, tokenizer.pad_id]
    assert settings.pad_token_id == tokenizer.pad_id
    assert read_generation_config(tmp_path)["temperature"] == 0.8
    assert read_config(tmp_path) == config
    assert (tmp_path / "README.md").read_text() == "# A model\n"


def test_the_config_is_what_other_engines_look_for(tmp_path: Path) -> None:
    save_model(our_model(QWEN3), tmp_path, dtype="bfloat16")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]
    assert config["model_type"] == "qwen3"
    assert config["head_dim"] == 16
    assert config["use_sliding_window"] is False
    assert config["sliding_window"] is None
    assert config["rope_theta"] == 10_000.0
    assert config["dtype"] == config["torch_dtype"] == "bfloat16"
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype="auto")
    assert theirs.dtype == torch.bfloat16


@pytest.mark.parametrize("layout", ["transformers 4", "transformers 5"])
def test_both_layouts_of_rotary_settings_are_read(layout: str) -> None:
    from autogpt.models import llama

    scaling = {
        "rope_type": "llama3",
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    config = llama.to_hf(LLAMA)
    del config["rope_theta"], config["rope_scaling"]
    if layout == "transformers 4":
        config |= {"rope_theta": 5e5, "rope_scaling": scaling}
    else:
        config |= {"rope_parameters": {**scaling, "rope_theta": 5e5}}
    read = llama.from_hf(config)
    assert read == dataclasses.replace(LLAMA, rope_theta=5e5, rope_scaling=LLAMA3)


def test_gpt2_files_without_prefix_and_with_stored_masks_are_read(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = our_model(GPT2)
    save_model(model, tmp_path)
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / "model.safetensors"
    tensors = {name.removeprefix("transformer."): t for name, t in load_file(path).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 64, 64)
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    save_file(tensors, path)
    assert torch.equal(logits_of(load_model(tmp_path), texts()), logits_of(model, texts()))
