"""Adapters in PEFT's layout: ours open in PEFT, and theirs open here, for each family."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.models import adapter_files
from autogpt.models.checkpoint import load_model, save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.adapters import LoRAConfig, attach, low_rank, merge

QWEN3 = GPTConfig(
    vocab_size=60,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=32,
    initializer_range=0.2,
)
LLAMA = dataclasses.replace(QWEN3, model_type="llama", query_key_norm=False, head_dim=8)
CONFIGS = {
    "qwen3": QWEN3,
    "llama": LLAMA,
    "qwen2": dataclasses.replace(
        LLAMA, model_type="qwen2", attention_bias=True, attention_output_bias=False
    ),
    "mistral": dataclasses.replace(LLAMA, model_type="mistral", tie_word_embeddings=False),
    "gpt2": dataclasses.replace(
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
    ),
    "gemma3_text": dataclasses.replace(
        QWEN3,
        model_type="gemma3_text",
        norm="offset_rms",
        post_norms=True,
        network="geglu",
        embedding_multiplier=math.sqrt(32),
        query_pre_attn_scalar=20,
        rope_local_base_freq=500.0,
        sliding_window=7,
        layer_types=("sliding_attention", "full_attention"),
    ),
}
IDS = torch.randint(60, (2, 20), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> GPTConfig:
    return CONFIGS[request.param]


def model(config: GPTConfig) -> GPT:
    torch.manual_seed(0)
    return GPT(config).eval()


def stirred(config: GPTConfig, made: LoRAConfig, *, seed: int = 2) -> GPT:
    gpt = model(config)
    torch.manual_seed(seed)
    attach(gpt, made, shared=adapter_files.shared(config))
    for _, layer in low_rank(gpt):
        torch.nn.init.normal_(layer.lora_b, std=0.1)
    return gpt


def logits(gpt: GPT) -> Tensor:
    with torch.no_grad():
        return gpt.logits(gpt(IDS))


def saved(gpt: GPT, made: LoRAConfig, folder: Path) -> None:
    adapter_files.save(folder, adapter_files.gather(gpt, {}), gpt.config, made, base="tiny")


@pytest.mark.parametrize("targets", ["all", "attention", "network"])
@pytest.mark.filterwarnings("ignore")
def test_peft_computes_the_same_with_what_we_saved(config: GPTConfig, targets: str, tmp_path: Path):
    peft = pytest.importorskip("peft")
    made = LoRAConfig(rank=4, alpha=6, rslora=targets == "network", targets=targets)  # type: ignore[arg-type]
    save_model(model(config), tmp_path / "base")
    gpt = stirred(config, made)
    saved(gpt, made, tmp_path / "adapter")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", dtype=torch.float32
    )
    theirs = peft.PeftModel.from_pretrained(theirs, tmp_path / "adapter").eval()
    with torch.no_grad():
        found = theirs(IDS).logits
    torch.testing.assert_close(found, logits(gpt), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_we_compute_the_same_with_what_peft_saved(config: GPTConfig, tmp_path: Path):
    peft = pytest.importorskip("peft")
    save_model(model(config), tmp_path / "base")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", dtype=torch.float32
    )
    fused = config.model_type == "gpt2"
    first = "c_attn" if fused else "q_proj"
    settings = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        target_modules=[first, "c_fc" if fused else "down_proj"],
        fan_in_fan_out=fused,
        init_lora_weights=False,  # B is random, so that it does something
        alpha_pattern={first: 7},
        rank_pattern={first: 2},
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(5)
    theirs = peft.get_peft_model(theirs, settings).eval()
    theirs.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        expected = theirs(IDS).logits
    adapter = adapter_files.load(tmp_path / "adapter", config)
    ours = load_model(tmp_path / "base", keep=adapter_files.add([adapter]))
    torch.testing.assert_close(logits(ours), expected, rtol=1e-5, atol=1e-5)


def test_saved_and_loaded_is_merged(config: GPTConfig, tmp_path: Path):
    made = LoRAConfig(rank=4)
    save_model(model(config), tmp_path / "base")
    gpt = stirred(config, made)
    saved(gpt, made, tmp_path / "run" / "adapter")
    adapter = adapter_files.load(tmp_path / "run", config)  # as a run, and the folder itself
    assert adapter.layers.keys() == dict(low_rank(gpt)).keys()
    loaded = load_model(tmp_path / "base", keep=adapter_files.add([adapter]))
    merge(gpt)
    assert torch.equal(logits(loaded), logits(gpt))


def test_adapters_are_stacked(tmp_path: Path):
    made = LoRAConfig(rank=4)
    save_model(model(QWEN3), tmp_path / "base")
    weight = load_model(tmp_path / "base").layers[1].network.down.weight
    changes = []
    for seed in (2, 3):
        saved(stirred(QWEN3, made, seed=seed), made, tmp_path / str(seed))
        adapter = adapter_files.load(tmp_path / str(seed), QWEN3)
        one = load_model(tmp_path / "base", keep=adapter_files.add([adapter]))
        changes.append(one.layers[1].network.down.weight - weight)
    adapters = [adapter_files.load(tmp_path / str(seed), QWEN3) for seed in (2, 3)]
    both = load_model(tmp_path / "base", keep=adapter_files.add(adapters))
    torch.testing.assert_close(both.layers[1].network.down.weight, weight + sum(changes))


def test_more_precise_weights_of_a_run_are_what_is_saved():
    gpt = stirred(CONFIGS["gpt2"], LoRAConfig(rank=2))
    name = "layers.0.attention.query.lora_a"
    precise = torch.full_like(gpt.get_parameter(name), 1 + 2**-20)
    adapter = adapter_files.gather(gpt.bfloat16(), {name: precise})
    for layer in ("query", "key", "value"):
        assert torch.equal(adapter.layers[f"layers.0.attention.{layer}"].a, precise)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = LoRAConfig(rank=4)
    saved(stirred(QWEN3, made), made, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"peft_type": "IA3"},
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"init_lora_weights": "pissa_niter_4"},
        {"lora_alpha": "much"},
        {"alpha_pattern": {"(": 3}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_not_supported_is_refused(folder: Path, change: dict[str, object]):
    path = folder / adapter_files.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=next(iter(change))):
        adapter_files.load(folder, QWEN3)


def test_an_adapter_of_another_model_is_refused(folder: Path):
    wider = dataclasses.replace(QWEN3, hidden_size=64)
    with pytest.raises(CheckpointError, match="does not fit the model"):
        adapter_files.load(folder, wider)
    shallower = dataclasses.replace(QWEN3, num_hidden_layers=1)
    with pytest.raises(CheckpointError, match=r"layers\.1"):
        adapter_files.load(folder, shallower)
    with pytest.raises(CheckpointError, match="does not fit the model"):
        adapter_files.load(folder, CONFIGS["gpt2"])


def test_damaged_and_pickled_weights_are_refused(folder: Path):
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="truncated"):
        adapter_files.load(folder, QWEN3)
    path.rename(folder / "adapter_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        adapter_files.load(folder, QWEN3)


def test_a_missing_adapter_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="no adapter"):
        adapter_files.load(tmp_path / "nowhere", QWEN3)
