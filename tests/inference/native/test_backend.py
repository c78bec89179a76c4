from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from autogpt.core.errors import UsageError
from autogpt.inference.backends import PagedCache, StepBatch, make_batch
from autogpt.inference.engine import Engine
from autogpt.inference.native import CacheKind, NativeBackend, obstacle
from autogpt.inference.native.build import Built
from autogpt.inference.sampling import SamplingParams
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.quantized import Quantization, QuantizedModel
from autogpt.tokenizer.bpe import Tokenizer

Make = Callable[..., tuple[QuantizedModel, GPT]]

FAMILIES: dict[str, dict[str, object]] = {
    "qwen3": {"tie_word_embeddings": False},
    "llama": {"query_key_norm": False, "rope_theta": 100_000.0},
    "biases": {"query_key_norm": False, "attention_bias": True, "network_bias": True},
    "odd sizes": {"hidden_size": 40, "intermediate_size": 72, "vocab_size": 333, "head_dim": 48},
    "one head": {"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 16},
    "wide group": {"num_attention_heads": 14, "num_key_value_heads": 1, "head_dim": 32},
    "gemma3": {
        "norm": "offset_rms",
        "network": "geglu",
        "post_norms": True,
        "embedding_multiplier": 5.0,
        "sliding_window": 20,
        "layer_types": ("sliding_attention", "full_attention"),
        "rope_local_base_freq": 10_000.0,
        "rope_theta": 1e6,
        "query_pre_attn_scalar": 32,
    },
}
SWITCHES = {field.name for field in fields(GPTConfig)}


def tokens(count: int, seed: int = 0) -> list[int]:
    return torch.randint(0, 320, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def read(backend: NativeBackend, ids: list[int], *, pieces: tuple[int, ...] = ()) -> Tensor:
    """Return the scores of what follows each token, read in pieces of those sizes."""
    table = list(range(-(-len(ids) // 16)))[::-1]
    cache, scores, done = backend.new_cache(len(table)), [], 0
    for size in (*pieces, len(ids) - sum(pieces)):
        batch = make_batch([ids[done : done + size]], [done], [table])
        scores.append(backend.run(batch, cache, all_logits=True))
        done += size
    return torch.cat(scores)


def truth(model: GPT, ids: list[int]) -> Tensor:
    with torch.inference_mode():
        return model.logits(model(torch.tensor([ids]))[0])


def distance(scores: Tensor, wanted: Tensor) -> float:
    return float((scores - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_scores_are_those_of_torch_with_the_rounded_weights(
    built: Built, make_quantized: Make, family: str, quantization: Quantization
) -> None:
    if not FAMILIES[family].keys() <= SWITCHES:
        pytest.skip("this family is not there")
    quantized, model = make_quantized(quantization, **FAMILIES[family])
    ids = tokens(50)
    # What is left: activations rounded to 8 bits, keys and values to half precision.
    assert distance(read(NativeBackend(quantized, built), ids), truth(model, ids)) < 0.06


def test_contexts_of_several_spans(built: Built, make_quantized: Make) -> None:
    quantized, model = make_quantized(max_position_embeddings=1200)
    ids = tokens(1100)
    scores = read(NativeBackend(quantized, built), ids, pieces=(500, 13))
    assert distance(scores, truth(model, ids)) < 0.06
    assert distance(scores[-10:], truth(model, ids)[-10:]) < 0.06


def test_keys_and_values_of_8_bits_are_nearly_those_of_half_precision(
    built: Built, make_quantized: Make
) -> None:
    quantized, model = make_quantized(head_dim=48)
    ids = tokens(64)
    wanted = truth(model, ids)
    wide, narrow = (
        read(NativeBackend(quantized, built, cache=kind), ids) for kind in ("float16", "int8")
    )
    assert distance(narrow, wanted) < 0.06
    assert not torch.equal(narrow, wide)


@pytest.mark.parametrize("cache", ["float16", "int8"])
@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_pieces_and_threads_change_no_bit(
    built: Built, make_quantized: Make, quantization: Quantization, cache: CacheKind
) -> None:
    quantized, _ = make_quantized(quantization, max_position_embeddings=700, num_hidden_layers=1)
    backend = NativeBackend(quantized, built, cache=cache)
    ids = tokens(600)
    whole = read(backend, ids)
    assert torch.equal(read(backend, ids, pieces=(1, 1, 14, 100, 3, 400)), whole)
    for threads in (1, 3):
        other = NativeBackend(quantized, built, cache=cache, threads=threads)
        assert torch.equal(read(other, ids), whole)


@pytest.mark.parametrize("cache", ["float16", "int8"])
def test_64_rows_get_the_bits_that_each_gets_alone(
    built: Built, make_quantized: Make, cache: CacheKind
) -> None:
    quantized, _ = make_quantized(max_position_embeddings=128)
    backend = NativeBackend(quantized, built, cache=cache)
    prompts = [tokens(1 + 7 * row % 90, seed=row) for row in range(64)]
    blocks = np.random.default_rng(0).permutation(64 * 6).reshape(64, 6).tolist()
    together = backend.new_cache(64 * 6)
    before = [len(prompt) - 1 for prompt in prompts]
    rows = [row for row in range(64) if before[row]]
    backend.run(
        make_batch(
            [prompts[row][:-1] for row in rows], [0] * len(rows), [blocks[row] for row in rows]
        ),
        together,
    )
    scores = backend.run(make_batch([[p[-1]] for p in prompts], before, blocks), together)
    for row in range(0, 64, 5):
        assert torch.equal(read(backend, prompts[row])[-1], scores[row])


def test_what_lay_in_the_cache_before_does_not_matter(built: Built, make_quantized: Make) -> None:
    quantized, _ = make_quantized()
    backend = NativeBackend(quantized, built)
    batch = make_batch([tokens(20)], [0], [[1, 0]])
    scores = []
    for byte in (0, 255):  # pairs of 255 are not a number in half precision
        cache = backend.new_cache(2)
        for store in (*cache.keys, *cache.values):
            store.fill_(byte)
        scores.append(backend.run(batch, cache))
    assert torch.equal(*scores)
    assert bool(scores[0].isfinite().all())


def table(*rows: list[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.int32)


def good_batch() -> StepBatch:
    return make_batch([tokens(20), tokens(1)], [0, 3], [[0, 1], [2]])


WRONG = {
    "token ids": {"token_ids": torch.full((21,), 320)},
    "negative ids": {"token_ids": torch.full((21,), -1)},
    "positions beyond the context": {"positions": torch.arange(21) + 60},
    "positions that jump": {"positions": torch.arange(0, 42, 2)},
    "too few positions": {"positions": torch.arange(3)},
    "a table without block": {"block_tables": table([0, -1], [2, -1])},
    "a table of unknown blocks": {"block_tables": table([0, 9], [2, 0])},
    "a table that is short": {"block_tables": table([0], [2])},
    "a table too many": {"block_tables": torch.zeros(3, 2, dtype=torch.int32)},
    "rows that are empty": {"row_starts": torch.tensor([0, 0, 21], dtype=torch.int32)},
    "rows that end early": {"row_starts": torch.tensor([0, 20, 20], dtype=torch.int32)},
    "rows that go back": {"row_starts": torch.tensor([0, 25, 21], dtype=torch.int32)},
    "no rows": {
        "row_starts": torch.tensor([0], dtype=torch.int32),
        "block_tables": torch.zeros(0, 1, dtype=torch.int32),
    },
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_batch_is_an_error_and_no_crash(
    built: Built, make_quantized: Make, what: str
) -> None:
    quantized, _ = make_quantized()
    backend = NativeBackend(quantized, built)
    cache = backend.new_cache(3)
    backend.run(good_batch(), cache)
    with pytest.raises(UsageError, match="A step of the decoder is wrong"):
        backend.run(replace(good_batch(), **WRONG[what]), cache)


@pytest.mark.parametrize("kind", ["float", "other sizes", "strided", "too few layers"])
def test_a_wrong_cache_is_an_error_and_no_crash(
    built: Built, make_quantized: Make, kind: str
) -> None:
    quantized, _ = make_quantized()
    backend = NativeBackend(quantized, built)
    good = backend.new_cache(3)
    keys = {
        "float": [store.float() for store in good.keys],
        "other sizes": [store[:, :-2].contiguous() for store in good.keys],
        "strided": [store.repeat(2, 1, 1)[::2] for store in good.keys],
        "too few layers": good.keys[:1],
    }[kind]
    with pytest.raises(UsageError, match="made by this back end"):
        backend.run(good_batch(), PagedCache(keys, good.values))


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_the_engine_writes_the_same_text_alone_and_among_16(
    built: Built, make_quantized: Make, tokenizer: Tokenizer, quantization: Quantization
) -> None:
    quantized, _ = make_quantized(quantization)
    params = SamplingParams(max_tokens=12, temperature=0.9, seed=3)
    prompts = [tokenizer.encode(text) for text in ("Shall I", "學而時習之", "summer's day")]
    prompts = [prompt[-20:] for prompt in prompts]

    def write(batch: list[list[int]]) -> list[list[int]]:
        backend = NativeBackend(quantized, built)
        engine = Engine(quantized.model, tokenizer, ends=frozenset(), backend=backend)
        rows: list[list[int]] = [[] for _ in batch]
        for output in engine.generate(batch, params):
            rows[output.row].append(output.token_id)
        return rows

    many = write([prompts[index % 3][: 20 - index] for index in range(16)])
    assert many[:3] == [write([prompts[index][: 20 - index]])[0] for index in range(3)]
    assert len({tuple(row) for row in many}) >= 3


@pytest.mark.parametrize(
    ("switches", "what"),
    [
        ({"norm": "layer"}, "norm = 'layer'"),
        ({"network": "gelu"}, "network = 'gelu'"),
        ({"positions": "learned"}, "positions = 'learned'"),
        ({"head_dim": 24}, "head_dim = 24"),
        ({}, None),
    ],
)
def test_what_the_decoder_does_not_know_is_named(
    make_model: Callable[..., GPT], switches: dict[str, object], what: str | None
) -> None:
    assert obstacle(make_model(**switches).config) == what
