"""One step of many rows gives what the model gives for each text at once."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from autogpt.inference.backends import Backend, PagedCache, TorchBackend, make_batch
from autogpt.inference.packing import pack_model
from autogpt.models.gpt import GPT

# In line, in line, scattered, and in line at first only.
TABLES = [[*range(8)], [*range(8, 16)], [20, 17, 18, 30, 31, 32, 33, 19], [*range(34, 40), 21, 22]]
# New tokens of each row, step by step: pieces of prompts, decoding, guesses, and all mixed.
STEPS = [[50, 30, 20, 1], [1, 1, 1, 1], [1, 1, 5, 40], [1, 16, 1, 1], [3, 3, 3, 3], [70, 1, 2, 9]]

SWITCHES: dict[str, dict[str, object]] = {
    "qwen3": {},
    "layer norm": {"norm": "layer"},
    "windows": {"sliding_window": 7, "layer_types": ("sliding_attention", "full_attention")},
}


def ids_of_rows() -> torch.Tensor:
    return torch.randint(0, 300, (4, 128), generator=torch.Generator().manual_seed(1))


def check(backend: Backend, cache: PagedCache, wanted: torch.Tensor, tolerance: float) -> None:
    ids = ids_of_rows()
    read = [0] * 4
    for counts in STEPS:
        ends = [begin + count for begin, count in zip(read, counts, strict=True)]
        new = [ids[row, read[row] : ends[row]].tolist() for row in range(4)]
        batch = make_batch(new, read, TABLES)
        assert batch.lengths.tolist() == ends
        logits = backend.run(batch, cache, all_logits=True)
        assert logits.dtype == torch.float32
        every = torch.cat([wanted[row, read[row] : ends[row]] for row in range(4)])
        assert (logits - every).abs().max() < tolerance * wanted.abs().max()
        last = backend.run(batch, cache)  # again: the same tokens in the same places
        assert torch.allclose(last, logits[batch.row_starts[1:].long() - 1], atol=1e-5)
        read = ends


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("packed", [True, False])
def test_steps_are_the_whole(make_model: Callable[..., GPT], name: str, packed: bool) -> None:
    model = make_model(max_position_embeddings=128, **SWITCHES[name])
    with torch.inference_mode():
        wanted = model.logits(model(ids_of_rows()))
    running = copy.deepcopy(model)
    backend = TorchBackend(running, pack_model(running) if packed else None)
    cache = backend.new_cache(40)
    for store in (*cache.keys, *cache.values):
        store.fill_(torch.nan)  # what is not written must not be read
    check(backend, cache, wanted, 1e-5)


def test_another_layout_of_the_cache_gives_the_same(make_model: Callable[..., GPT]) -> None:
    """Blocks that lie one behind the other, as a native kernel may want them."""
    model = make_model(max_position_embeddings=128)
    with torch.inference_mode():
        wanted = model.logits(model(ids_of_rows()))
    backend = TorchBackend(model)
    ours = backend.new_cache(40)
    theirs = PagedCache(
        [store.contiguous() for store in ours.keys], [store.contiguous() for store in ours.values]
    )
    check(backend, theirs, wanted, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_gets_the_same_bits_beside_others(
    make_model: Callable[..., GPT], dtype: torch.dtype
) -> None:
    # The network is wide enough that threads would share the sum of a single row.
    model = make_model(max_position_embeddings=128, intermediate_size=1536).to(dtype)
    backend = TorchBackend(model, pack_model(model))
    ids = ids_of_rows().tolist()
    alone, together = backend.new_cache(40), backend.new_cache(40)
    read = [0] * 4
    for counts in STEPS:
        ends = [begin + count for begin, count in zip(read, counts, strict=True)]
        new = [ids[row][read[row] : ends[row]] for row in range(4)]
        logits = backend.run(make_batch(new, read, TABLES), together)
        for row in range(4):
            own = backend.run(make_batch([new[row]], [read[row]], [TABLES[row]]), alone)
            assert torch.equal(own[0], logits[row])
        read = ends
