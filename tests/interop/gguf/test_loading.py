"""From a ``.gguf`` file to text, and what is said of one that cannot be loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from tests.cli.commands import run
from tests.interop.gguf.tiny import Contents, byte_level_entries, pack, sentencepiece_entries, tiny

import autogpt
from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf import open_gguf
from autogpt.models.checkpoint import save_model

Type = GGMLQuantizationType


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny(kind=Type.Q8_0).write(tmp_path / "x.gguf")


def test_a_file_writes_text(file: Path) -> None:
    gpt = autogpt.load(file)
    completion = gpt.generate("the summer 学而", max_tokens=6, seed=0)
    assert completion.usage.prompt_tokens == len(gpt.tokenizer.encode("the summer 学而"))
    assert completion.usage.completion_tokens >= 1
    assert gpt.generate([autogpt.user("hi 学")], max_tokens=2, seed=0).usage.prompt_tokens > 4
    assert "llama" in repr(gpt)


def test_the_command_writes_text(file: Path) -> None:
    done = run("generate", str(file), "the 学", "--max-tokens", "3", "--seed", "1", "--json")
    assert json.loads(done.stdout)["usage"]["completion_tokens"] >= 1


def test_it_writes_what_the_same_model_writes_from_a_folder(tmp_path: Path) -> None:
    contents = tiny("qwen3", kind=Type.F32, untied=True)
    opened = open_gguf(contents.write(tmp_path / "x.gguf"))
    save_model(opened.model(), tmp_path / "folder", tokenizer=opened.tokenizer())
    texts = [
        autogpt.load(path).generate("the day 学", max_tokens=20, temperature=0).text
        for path in (tmp_path / "x.gguf", tmp_path / "folder")
    ]
    assert texts[0] == texts[1]


def test_a_model_that_expects_a_first_token_gets_it(tmp_path: Path) -> None:
    contents = tiny(vocabulary=sentencepiece_entries())
    gpt = autogpt.load(contents.write(tmp_path / "x.gguf"))
    assert gpt.generate("the", max_tokens=1).usage.prompt_tokens == 1 + len(
        gpt.tokenizer.encode("the")
    )
    assert gpt.generate("", max_tokens=1).usage.prompt_tokens == 1


def test_sampling_settings_are_those_of_the_file(tmp_path: Path) -> None:
    contents = tiny()
    contents.entries |= {
        "general.sampling.temp": 0.5,
        "general.sampling.top_k": 7,
        "general.sampling.top_p": 0.75,
        "general.sampling.min_p": 0.125,
        "general.sampling.penalty_repeat": 1.25,
    }
    defaults = autogpt.load(contents.write(tmp_path / "x.gguf")).defaults
    assert (defaults.temperature, defaults.top_k, defaults.top_p) == (0.5, 7, 0.75)
    assert (defaults.min_p, defaults.repetition_penalty) == (0.125, 1.25)

    contents.entries["general.sampling.temp"] = -1.0
    with pytest.raises(CheckpointError, match=r"generation settings of .*temperature is -1"):
        autogpt.load(contents.write(tmp_path / "y.gguf"))


def test_all_tokens_that_end_a_text_end_it(file: Path) -> None:
    tokens = byte_level_entries()["tokenizer.ggml.tokens"]
    ends = sorted(map(tokens.index, ("<|im_end|>", "<|endoftext|>")))
    assert open_gguf(file).config.eos_token_id == tuple(ends)


Change = Callable[[Contents], object]


def entry(name: str, value: object) -> Change:
    """Return a change of one entry, of the architecture unless it has a dot; None takes it out."""

    def change(contents: Contents) -> None:
        key = name if name.startswith(("general.", "split.")) else f"llama.{name}"
        contents.entries.pop(key, None)
        if value is not None:
            contents.entries[key] = value

    return change


def tensor(name: str, *shape: int, kind: Type = Type.F32) -> Change:
    """Return a change that puts a tensor in."""
    values = pack(np.full(shape, 0.5, dtype=np.float32), kind)
    return lambda contents: contents.tensors.update({name: values})


def without(name: str) -> Change:
    return lambda contents: contents.tensors.pop(name)


NAN = np.full((64, 32), np.nan, dtype=np.float32)

REFUSED: dict[str, tuple[Change, str]] = {
    "architecture": (entry("general.architecture", "lama"), "architecture 'lama'; supported are"),
    "no width": (entry("embedding_length", None), "has no 'llama.embedding_length'"),
    "width is text": (entry("embedding_length", "32"), "= '32', expected a whole number"),
    "heads of layers": (entry("attention.head_count", [4, 4]), "= 2 items, expected a whole"),
    "no heads": (entry("attention.head_count", 0), "contradicts itself: num_attention_heads = 0"),
    "keys": (entry("attention.head_count_kv", 3), "must be a multiple of num_key_value_heads"),
    "epsilon": (entry("attention.layer_norm_rms_epsilon", 0.0), "norm_eps = 0.0 must be positive"),
    "nan": (entry("attention.layer_norm_rms_epsilon", float("nan")), "expected a finite number"),
    "partial rotation": (entry("rope.dimension_count", 4), "= 4, expected the width of a head, 8"),
    "wide values": (entry("attention.value_length", 16), "= 16, expected the width of a head, 8"),
    "experts": (entry("expert_count", 8), "= 8, expected 0: mixtures of experts are not supported"),
    "scaling": (entry("rope.scaling.type", "longrope"), "loaded: its header asks for rotary"),
    "long context": (entry("context_length", 1 << 30), "positions alone would take 68719476736 by"),
    "parts": (entry("split.count", 3), "is one of 3 parts of a model"),
    "many layers": (entry("block_count", 1 << 31), "too few for the 2147483648 layers of its head"),
    "one layer more": (entry("block_count", 3), "lacks tensor 'blk.2.attn_norm.weight'"),
    "one layer less": (entry("block_count", 1), "holds the unknown tensor 'blk.1."),
    "width": (entry("feed_forward_length", 65), "but its header asks for [65, 32]"),
    "huge": (entry("feed_forward_length", 1 << 62), "beyond what this machine can hold"),
    "no embedding": (without("token_embd.weight"), "has no matrix 'token_embd.weight'"),
    "embedding": (tensor("token_embd.weight", 9), "has no matrix 'token_embd.weight'"),
    "missing": (without("blk.1.ffn_up.weight"), "lacks tensor 'blk.1.ffn_up.weight'"),
    "unknown": (tensor("blk.0.extra.weight", 4), "the unknown tensor 'blk.0.extra.weight'"),
    "shape": (tensor("blk.0.attn_q.weight", 16, 32), "shape [16, 32], but its header asks for"),
    "not a number": (
        lambda contents: contents.tensors.update({"blk.0.ffn_up.weight": pack(NAN, Type.F16)}),
        "holds NaN or infinity in 'blk.0.ffn_up.weight'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    change, message = REFUSED[case]
    contents = tiny()
    change(contents)
    with pytest.raises(CheckpointError) as caught:
        autogpt.load(contents.write(tmp_path / "x.gguf"))
    assert message in caught.value.message
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("case", ["missing", "unknown", "shape", "one layer more", "width"])
def test_packed_weights_are_checked_alike(case: str, tmp_path: Path) -> None:
    change, message = REFUSED[case]
    contents = tiny()
    change(contents)
    with pytest.raises(CheckpointError) as caught:
        list(open_gguf(contents.write(tmp_path / "x.gguf")).packed())
    assert message in caught.value.message


def test_a_vocabulary_larger_than_the_embedding_is_refused(tmp_path: Path) -> None:
    contents = tiny()
    contents.tensors["token_embd.weight"] = pack(np.ones((200, 32)), Type.F32)
    with pytest.raises(CheckpointError, match="tokens, its model only 200"):
        autogpt.load(contents.write(tmp_path / "x.gguf"))


def test_an_embedding_larger_than_the_vocabulary_is_fine(tmp_path: Path) -> None:
    contents = tiny()
    contents.tensors["token_embd.weight"] = pack(np.ones((320, 32)), Type.F32)
    assert autogpt.load(contents.write(tmp_path / "x.gguf")).model.config.vocab_size == 320


@pytest.mark.slow
@pytest.mark.skipif("AUTOGPT_GGUF" not in os.environ, reason="AUTOGPT_GGUF names no file")
def test_a_real_file() -> None:
    """``AUTOGPT_GGUF=SmolLM2-135M-Instruct.Q4_1.gguf``, or any other instructed model."""
    gpt = autogpt.load(os.environ["AUTOGPT_GGUF"])
    answer = gpt.generate(
        [autogpt.user("What is the capital of France?")], max_tokens=30, temperature=0
    )
    assert "Paris" in answer.text
    for text in ("The capital of France is Paris.", "學而時習之，不亦說乎？", "  1,234\n\n\tx 😀"):
        assert gpt.tokenizer.decode(gpt.tokenizer.encode(text)) == text
    prompt = torch.tensor(
        [[*gpt.tokenizer.bos_ids, *gpt.tokenizer.encode("The capital of France is")]]
    )
    with torch.inference_mode():
        model = open_gguf(os.environ["AUTOGPT_GGUF"]).model()
        likeliest = model.logits(model(prompt))[0, -1].argmax()
    assert gpt.tokenizer.decode([int(likeliest)]) == " Paris"
