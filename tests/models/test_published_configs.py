"""Config files as they are published, made small: all fields, in the layout of transformers 4.

Each is read, built in transformers with random weights, and saved by it again (in the layout of
transformers 5 where that is installed): both files must mean the same, and give their logits.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from autogpt.models.checkpoint import load_model, read_config

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "attention_dropout": 0.0,
    "initializer_range": 0.02,
    "use_cache": True,
    "torch_dtype": "float32",
}
LLAMA = SMALL | {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "attention_bias": False,
    "hidden_act": "silu",
    "mlp_bias": False,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
}
QWEN = SMALL | {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
}
GEMMA = SMALL | {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "bos_token_id": 2,
    "cache_implementation": "hybrid",
    "eos_token_id": [1, 106],
    "final_logit_softcapping": None,
    "head_dim": 16,
    "hidden_activation": "gelu_pytorch_tanh",
    "num_key_value_heads": 1,
    "num_hidden_layers": 7,
    "pad_token_id": 0,
    "query_pre_attn_scalar": 16,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": 5,
}
PUBLISHED: dict[str, dict[str, Any]] = {
    "SmolLM2-135M": LLAMA
    | {
        "bos_token_id": 0,
        "eos_token_id": 0,
        "is_llama_config": True,
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": 100000,
        "tie_word_embeddings": True,
    },
    "TinyLlama-1.1B": LLAMA
    | {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    },
    "Llama-3.2-1B": LLAMA
    | {
        "bos_token_id": 288,
        "eos_token_id": [289, 290],
        "head_dim": 8,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 64,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
    },
    "a Llama stretched in the old way": LLAMA
    | {"rope_scaling": {"type": "linear", "factor": 4.0}, "tie_word_embeddings": False},
    "Qwen2.5-0.5B": QWEN
    | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "bos_token_id": 243,
        "eos_token_id": 243,
        "max_window_layers": 24,
        "sliding_window": 32768,
        "use_mrope": False,
    },
    "Qwen2.5 stretched as its page says": QWEN
    | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "max_window_layers": 24,
        "sliding_window": 131072,
        "rope_scaling": {
            "factor": 4.0,
            "original_max_position_embeddings": 32,
            "type": "yarn",
        },
    },
    "a Qwen2 that slides": QWEN
    | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "max_window_layers": 1,
        "sliding_window": 5,
        "use_sliding_window": True,
    },
    "Qwen3-0.6B": QWEN
    | {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "attention_bias": False,
        "bos_token_id": 243,
        "eos_token_id": 245,
        "head_dim": 16,
        "max_window_layers": 28,
        "rope_scaling": None,
        "sliding_window": None,
    },
    "Mistral-7B-v0.1": SMALL
    | {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "sliding_window": 5,
        "tie_word_embeddings": False,
    },
    "Mistral-7B-v0.3": SMALL
    | {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
    },
    "gemma-3-1b": GEMMA | {"sliding_window_pattern": 6},
    "gemma-3-270m": GEMMA
    | {
        "_sliding_window_pattern": 6,
        "layer_types": ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
        "use_bidirectional_attention": False,
    },
    "gemma-3-4b, its text part": GEMMA
    | {"rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window_pattern": 3},
    "gpt2": {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 256,
        "embd_pdrop": 0.1,
        "eos_token_id": 256,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": 128,
        "n_embd": 32,
        "n_head": 4,
        "n_layer": 2,
        "n_positions": 128,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 257,
    },
}


def randomize(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.2 * noise if parameter.ndim > 1 else parameter + 0.3 * noise)


@pytest.mark.parametrize("name", PUBLISHED)
@torch.inference_mode()
def test_a_published_config_means_here_what_it_means_there(name: str, tmp_path: Path) -> None:
    published, saved = tmp_path / "published", tmp_path / "saved"
    published.mkdir()
    (published / "config.json").write_text(json.dumps(PUBLISHED[name]))
    theirs = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.from_pretrained(published)
    ).eval()
    randomize(theirs)
    theirs.save_pretrained(saved)
    shutil.copy(saved / "model.safetensors", published)
    assert read_config(published) == read_config(saved)

    text = torch.randint(0, 257, (2, 40), generator=torch.Generator().manual_seed(2))
    ours = load_model(published)
    difference = (theirs(text).logits - ours.logits(ours(text))).abs().max()
    assert float(difference) < 1e-5
    assert ours.config.windows.count(5) == {
        "a Qwen2 that slides": 1,
        "Mistral-7B-v0.1": 2,
        "gemma-3-1b": 6,
        "gemma-3-270m": 6,
        "gemma-3-4b, its text part": 5,
    }.get(name, 0)
