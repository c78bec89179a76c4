from __future__ import annotations

import copy
import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.inference.packing import pack_model
from autogpt.models.checkpoint import load_model, read_generation_config, save_model
from autogpt.models.gpt import GPT, GPTConfig

CONFIG = GPTConfig(
    vocab_size=50,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=16,
)


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(CONFIG).eval()


@pytest.fixture
def folder(model: GPT, tmp_path: Path) -> Path:
    save_model(model, tmp_path)
    return tmp_path


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    (folder / "manifest.json").unlink(missing_ok=True)


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")
    (folder / "manifest.json").unlink()


def refusal(folder: Path, *, deep: bool = True) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(folder, deep=deep)
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_bf16_and_fp32_are_stored_and_loaded_as_asked(model: GPT, tmp_path: Path) -> None:
    save_model(model, tmp_path, dtype="bfloat16")
    stored = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert load_model(tmp_path).embedding.weight.dtype == torch.float32
    assert load_model(tmp_path, dtype="auto").embedding.weight.dtype == torch.bfloat16
    rounded = model.embedding.weight.bfloat16().float()
    assert torch.equal(load_model(tmp_path).embedding.weight, rounded)


def test_a_model_that_was_packed_to_run_is_not_saved(model: GPT, tmp_path: Path) -> None:
    model = copy.deepcopy(model)
    pack_model(model)
    with pytest.raises(UsageError, match="rearranged to run"):
        save_model(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_loaded_model_can_be_trained(folder: Path) -> None:
    loaded = load_model(folder).train()
    loaded(torch.tensor([[1, 2, 3]])).sum().backward()
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.sub_(parameter.grad)
    assert not torch.equal(loaded.norm.weight, load_model(folder).norm.weight)


def test_saving_over_an_older_model_replaces_it(folder: Path) -> None:
    other = GPT(dataclasses.replace(CONFIG, num_hidden_layers=1))
    save_model(other, folder)
    assert load_model(folder).config.num_hidden_layers == 1
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_sharded_weights_are_read(folder: Path, model: GPT) -> None:
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    shards = {"a.safetensors": names[:7], "b.safetensors": names[7:]}
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    weight_map = {name: file for file, part in shards.items() for name in part}
    (folder / "model.safetensors").unlink()
    (folder / "manifest.json").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert torch.equal(load_model(folder).embedding.weight, model.embedding.weight)

    (folder / "b.safetensors").unlink()
    assert "b.safetensors' is missing" in refusal(folder)
    index.write_text(json.dumps({"weight_map": {"x": "../../secret.safetensors"}}))
    assert "expected a .safetensors file beside it" in refusal(folder)
    index.write_text("[]")
    assert "has no weight_map" in refusal(folder)


def test_a_missing_folder_or_file_is_named(folder: Path) -> None:
    assert "There is no model folder" in refusal(folder / "nothing")
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").unlink()
    assert "model.safetensors' is missing" in refusal(folder)
    (folder / "config.json").unlink()
    assert "config.json' is missing" in refusal(folder)


def test_a_file_that_the_manifest_names_must_be_there(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    assert "generation_config.json' is missing" in refusal(folder)


@pytest.mark.parametrize("with_manifest", [True, False])
@pytest.mark.parametrize("keep", [0.0, 0.0001, 0.3, 0.999])
def test_truncated_weights_are_refused(folder: Path, with_manifest: bool, keep: float) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    if not with_manifest:
        (folder / "manifest.json").unlink()
    assert "truncated" in refusal(folder, deep=False)


def test_altered_bytes_are_refused_when_checked_deeply(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    assert "its sha256 does not match" in refusal(folder)
    load_model(folder, deep=False)


def test_an_altered_manifest_is_refused(folder: Path) -> None:
    for content in ('{"files": {"config.json": 1}}', '{"files": []}', "[]", "{"):
        (folder / "manifest.json").write_text(content)
        refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    def poison(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = value

    edit_weights(folder, poison)
    message = refusal(folder)
    assert "NaN or infinity in 'model.layers.1.mlp.up_proj.weight'" in message


def test_a_missing_tensor_is_named_with_the_nearest(folder: Path) -> None:
    def rename(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.layers.0.mlp.upp_proj.weight"] = tensors.pop(
            "model.layers.0.mlp.up_proj.weight"
        )

    edit_weights(folder, rename)
    message = refusal(folder)
    assert "lacks tensor 'model.layers.0.mlp.up_proj.weight'" in message
    assert "nearest is 'model.layers.0.mlp.upp_proj.weight'" in message


def test_an_unexpected_tensor_is_named(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({"adapter": torch.ones(2)}))
    assert "holds the unknown tensor 'adapter'" in refusal(folder)


def test_a_tied_head_must_be_the_embedding(folder: Path) -> None:
    def untie(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1

    edit_weights(folder, untie)
    assert "differs from 'model.embed_tokens.weight'" in refusal(folder)


def test_a_wrong_shape_is_told_with_both(folder: Path) -> None:
    edit_config(folder, intermediate_size=128)
    assert "with shape [64, 32], but config.json asks for [128, 32]" in refusal(folder)


def test_integers_are_no_weights(folder: Path) -> None:
    def quantize(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.norm.weight"] = tensors["model.norm.weight"].to(torch.int8)

    edit_weights(folder, quantize)
    assert "stores 'model.norm.weight' as torch.int8" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "qwen33"}, "type 'qwen33' are not supported, only gemma3_text, gpt2"),
        ({"model_type": None}, "type None are not supported"),
        ({"model_type": ["qwen3"]}, "are not supported"),
        ({"hidden_size": None}, "config.json has no 'hidden_size'"),
        ({"hidden_size": "32"}, "hidden_size = '32', expected a whole number"),
        ({"hidden_size": True}, "hidden_size = True, expected a whole number"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps = 'small', expected a number"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings = 1, expected true or false"),
        ({"eos_token_id": "x"}, "eos_token_id = 'x', expected token ids"),
        ({"num_hidden_layers": -1}, "num_hidden_layers = -1 must be at least 1"),
        ({"num_attention_heads": 0}, "num_attention_heads = 0 must be at least 1"),
        ({"num_hidden_layers": 10**9}, "too few for the 1000000000 layers"),
        ({"num_hidden_layers": 3}, "lacks tensor 'model.layers.2"),
        ({"num_hidden_layers": 1}, "holds the unknown tensor 'model.layers.1"),
        ({"hidden_size": 10**30}, "beyond what this machine can hold"),
        ({"max_position_embeddings": 10**15}, "beyond what this machine can hold"),
        ({"vocab_size": 10**12}, "config.json asks for [1000000000000, 32]"),
        ({"hidden_act": "relu"}, "hidden_act = 'relu', but only 'silu' is supported"),
        ({"use_sliding_window": 1}, "use_sliding_window = 1, expected true or false"),
        ({"use_sliding_window": True, "sliding_window": "wide"}, "expected a whole number"),
        (
            {"use_sliding_window": True, "sliding_window": 8, "num_hidden_layers": 10**9},
            "num_hidden_layers = 1000000000, expected at most 100000",
        ),
        ({"layer_types": ["sliding_attention"]}, "names 1 layers, expected num_hidden_layers = 2"),
        ({"layer_types": ["full_attention", "chunked"]}, "asks for layer_types 'chunked'"),
        ({"layer_types": "full_attention"}, "expected a list"),
        ({"layer_types": [[], {}]}, "asks for layer_types []"),
        (
            {"layer_types": ["sliding_attention", "full_attention"]},
            "layer_types has 'sliding_attention', but has no sliding window",
        ),
        ({"rope_scaling": {"rope_type": "yarn"}}, "config.json has no 'factor'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 0.5}}, "needs factor >= 1, got 0.5"),
        (
            {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
            "rotary scaling of type 'dynamic', but only 'default', 'linear' or 'llama3' or 'yarn'",
        ),
        ({"rope_scaling": {"rope_type": "longrope"}}, "rotary scaling of type 'longrope'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5, but only 1.0"),
        ({"rope_parameters": {"full_attention": {}}}, "rotary positions for each type of layer"),
        ({"rope_parameters": {"sliding_attention": 3}}, "rope_parameters has 3"),
        ({"rope_theta": 10**400}, "rope_theta a number beyond what this machine can hold"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "config.json has no 'factor'"),
        ({"rope_scaling": 3}, "expected an object"),
        ({"quantization_config": {"bits": 4}}, "quantized"),
    ],
)
def test_a_wrong_config_is_refused_in_one_sentence(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    edit_config(folder, **changes)
    assert message in refusal(folder)


GEMMA = GPTConfig(
    model_type="gemma3_text",
    vocab_size=50,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=16,
    norm="offset_rms",
    post_norms=True,
    network="geglu",
    embedding_multiplier=32**0.5,
    query_pre_attn_scalar=8,
    rope_local_base_freq=10_000.0,
    sliding_window=4,
    layer_types=("sliding_attention", "full_attention"),
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"final_logit_softcapping": 30.0}, "softcapping = 30.0, which is not supported"),
        ({"attn_logit_softcapping": 50.0}, "softcapping = 50.0, which is not supported"),
        ({"use_bidirectional_attention": "x"}, "use_bidirectional_attention = 'x', expected true"),
        ({"hidden_activation": "gelu"}, "but only 'gelu_pytorch_tanh' is supported"),
        ({"query_pre_attn_scalar": 0}, "query_pre_attn_scalar = 0 must be at least 1"),
        ({"sliding_window_pattern": 0}, "sliding_window_pattern = 0, expected >= 1"),
        ({"hidden_size": 0}, "hidden_size = 0 must be at least 1"),
        ({"hidden_size": 10**400}, "hidden_size a number beyond what this machine can hold"),
        ({"rope_local_base_freq": -1.0}, "rope_local_base_freq = -1.0 must be positive"),
        ({"rope_local_base_freq": "x"}, "rope_local_base_freq = 'x', expected a number"),
        (
            {"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}},
            "type 'linear' in layers with a sliding window, but only 'default'",
        ),
        ({"layer_types": ["full_attention"] * 3}, "names 3 layers"),
    ],
)
def test_what_gemma_3_does_not_have_here_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    save_model(GPT(GEMMA), tmp_path)
    assert load_model(tmp_path).config == GEMMA
    edit_config(tmp_path, **changes)
    assert message in refusal(tmp_path)


@pytest.mark.parametrize(
    ("model_type", "changes", "message"),
    [
        ("mistral", {"layer_types": ["full_attention"] * 2}, "layer_types = ['full_attention'"),
        ("mistral", {"attention_bias": True}, "attention_bias = True, but only False"),
        ("mistral", {"hidden_act": "gelu"}, "hidden_act = 'gelu', but only 'silu'"),
        ("mistral", {"sliding_window": 0}, "sliding_window = 0 must be at least 1"),
        ("qwen2", {"rope_scaling": {"type": "mrope"}}, "rotary scaling of type 'mrope'"),
        ("qwen2", {"max_window_layers": "all"}, "max_window_layers = 'all', expected a whole"),
    ],
)
def test_what_other_families_do_not_have_is_refused(
    model_type: str, changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, model_type=model_type, query_key_norm=False)
    if model_type == "qwen2":
        config = dataclasses.replace(config, attention_bias=True, attention_output_bias=False)
    save_model(GPT(config), tmp_path)
    edit_config(tmp_path, **changes)
    assert message in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\x01"])
def test_a_broken_config_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    assert "config.json' is not" in refusal(folder)


def test_pickles_are_never_loaded(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = refusal(folder)
    assert "'pytorch_model.bin', a pickle that can run any program and is never loaded" in message


@pytest.mark.parametrize(
    "header", [b"{}", b"not json", b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}']
)
def test_a_forged_header_is_refused(folder: Path, header: bytes) -> None:
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    refusal(folder)


def test_generation_settings_may_be_absent(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    assert read_generation_config(folder) == {}


def test_switches_that_a_family_does_not_have_are_not_saved(tmp_path: Path) -> None:
    model = GPT(dataclasses.replace(CONFIG, positions="learned"))
    with pytest.raises(ConfigError, match="saved as 'qwen3' cannot have positions = 'learned'"):
        save_model(model, tmp_path)
    with pytest.raises(ConfigError, match="saved as 'qwen3' cannot have network = 'geglu'"):
        save_model(GPT(dataclasses.replace(CONFIG, network="geglu")), tmp_path)
    gemma = GPT(dataclasses.replace(GEMMA, embedding_multiplier=2.0))
    with pytest.raises(ConfigError, match="'gemma3_text' cannot have embedding_multiplier = 2"):
        save_model(gemma, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_larger_than_the_model_is_refused(model: GPT, tmp_path: Path) -> None:
    class Large:
        vocab_size = 51

        def save(self, folder: Path) -> None: ...

    with pytest.raises(ConfigError, match="The tokenizer has 51 tokens, the model only 50"):
        save_model(model, tmp_path, tokenizer=Large())
