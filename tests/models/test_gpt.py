from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch

from autogpt.core.errors import ConfigError, UsageError
from autogpt.models.counting import flops_per_token, parameter_count
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.cache import KVCache
from autogpt.nn.positions import YarnScaling

TINY = GPTConfig(
    vocab_size=61,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=32,
    initializer_range=0.3,  # large, so that tokens really influence each other
)
CLASSIC = dataclasses.replace(
    TINY,
    model_type="gpt2",
    norm="layer",
    network="gelu",
    positions="learned",
    query_key_norm=False,
    attention_bias=True,
    network_bias=True,
    num_key_value_heads=4,
    head_dim=8,
)
SINUSOIDAL = dataclasses.replace(CLASSIC, positions="sinusoidal", tie_word_embeddings=False)
FULL, SLIDING = "full_attention", "sliding_attention"
WINDOWED = dataclasses.replace(
    TINY, model_type="mistral", query_key_norm=False, sliding_window=4, attention_output_bias=True
)
LOCAL = dataclasses.replace(
    TINY,
    model_type="gemma3_text",
    num_hidden_layers=3,
    norm="offset_rms",
    post_norms=True,
    network="geglu",
    embedding_multiplier=32**0.5,
    query_pre_attn_scalar=9,
    rope_local_base_freq=50.0,
    sliding_window=4,
    layer_types=(SLIDING, FULL, SLIDING),
)
CONFIGS = {
    "qwen3": TINY,
    "gpt2": CLASSIC,
    "sinusoidal": SINUSOIDAL,
    "windowed": WINDOWED,
    "local": LOCAL,
}


def build(config: GPTConfig = TINY, **settings: object) -> GPT:
    torch.manual_seed(0)
    return GPT(dataclasses.replace(config, **settings)).eval()


def text(batch: int = 2, length: int = 12, *, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 61, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("packed", [False, True])
def test_all_forms_of_attention_give_the_same_hidden_states(name: str, packed: bool) -> None:
    model = build(CONFIGS[name])
    documents = torch.arange(12).div(5, rounding_mode="floor").expand(2, 12) if packed else None
    outputs = []
    for form in ("reference", "explicit", "sdpa"):
        model.attention = form
        outputs.append(model(text(), document_ids=documents))
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_no_token_sees_the_future(name: str) -> None:
    model = build(CONFIGS[name])
    changed = text()
    changed[:, 7:] = (changed[:, 7:] + 1) % 61
    before, after = model(text()), model(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7], atol=1e-5, rtol=1e-5)
    assert (before[:, 7:] - after[:, 7:]).abs().amax(-1).min() > 0.01


@pytest.mark.parametrize("name", ["qwen3", "windowed", "local"])
@pytest.mark.parametrize("form", ["reference", "explicit", "sdpa"])
def test_packed_documents_are_what_each_is_alone(name: str, form: str) -> None:
    model = build(CONFIGS[name])
    model.attention = form
    first, second = text(1, 5, seed=1), text(1, 8, seed=2)
    packed = torch.cat((first, second), dim=1)
    hidden = model(packed, document_ids=torch.tensor([[7] * 5 + [3] * 8]))
    torch.testing.assert_close(hidden[:, :5], model(first), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(hidden[:, 5:], model(second), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cached", [False, True])
def test_a_token_sees_its_window_and_no_further(packed: bool, cached: bool) -> None:
    if packed and cached:
        pytest.skip("a cache holds one document a row")
    model = build(WINDOWED, num_hidden_layers=1)

    def read(token_ids: torch.Tensor) -> torch.Tensor:
        if cached:
            cache = KVCache(model.config, 2, 12)
            return torch.cat([model(part, cache=cache) for part in token_ids.split(5, 1)], dim=1)
        return model(token_ids, document_ids=torch.zeros_like(token_ids) if packed else None)

    before, changed = read(text()), text()
    changed[:, 3] = (changed[:, 3] + 1) % 61
    difference = (read(changed) - before).abs().amax(-1)  # [B, T]
    assert (difference[:, :3] == 0).all()
    assert (difference[:, 3:7] > 0.001).all()  # a window of four, token 3 itself included
    assert (difference[:, 7:] == 0).all()


def test_layers_without_window_see_everything() -> None:
    model = build(LOCAL, layer_types=(SLIDING, SLIDING, FULL))
    changed = text()
    changed[:, 0] = (changed[:, 0] + 1) % 61
    assert ((model(changed) - model(text())).abs().amax(-1) > 0.001).all()


def test_a_window_that_covers_the_text_changes_nothing() -> None:
    model = build()
    wide = build(sliding_window=12)
    wide.load_state_dict(model.state_dict())
    assert torch.equal(wide(text()), model(text()))
    assert not torch.equal(wide(text(2, 13)), model(text(2, 13)))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's compiler looks at it
@pytest.mark.parametrize(
    ("name", "packed", "graphs"),
    [("qwen3", False, 1), ("qwen3", True, 1), ("local", False, 2), ("local", True, 1)],
)
def test_one_compilation_of_a_block_serves_all_layers_alike(
    name: str, packed: bool, graphs: int
) -> None:
    model = build(CONFIGS[name], num_hidden_layers=3)
    documents = torch.arange(12).div(5, rounding_mode="floor").expand(2, 12) if packed else None
    expected = model(text(), document_ids=documents)
    compiled = []

    def backend(graph: torch.fx.GraphModule, _: object) -> object:
        compiled.append(graph)
        return graph.forward

    torch.compiler.reset()
    for layer in model.layers:
        layer.compile(backend=backend, dynamic=False, fullgraph=True)
    torch.testing.assert_close(model(text(), document_ids=documents), expected)
    assert len(compiled) == graphs


def test_packed_documents_restart_absolute_positions_when_told() -> None:
    model = build(CLASSIC)
    first, second = text(1, 5, seed=1), text(1, 8, seed=2)
    hidden = model(
        torch.cat((first, second), dim=1),
        document_ids=torch.tensor([[0] * 5 + [1] * 8]),
        positions=torch.tensor([[*range(5), *range(8)]]),
    )
    torch.testing.assert_close(hidden[:, 5:], model(second), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("form", ["reference", "explicit", "sdpa"])
def test_cached_equals_uncached(name: str, form: str) -> None:
    model = build(CONFIGS[name])
    model.attention = form
    cache = KVCache(model.config, 2, 12)
    pieces = text().split([5, 1, 3, 1, 2], dim=1)
    cached = torch.cat([model(piece, cache=cache) for piece in pieces], dim=1)
    assert cache.lengths == (12, 12)
    torch.testing.assert_close(cached, model(text()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("form", ["explicit", "sdpa"])
@torch.inference_mode()
def test_a_batch_of_different_lengths_gives_what_each_prompt_alone_gives(
    name: str, form: str
) -> None:
    model = build(CONFIGS[name])
    model.attention = form
    prompts = [text(1, length, seed=length) for length in (3, 9, 1)]

    def greedy(batch: list[torch.Tensor]) -> list[list[int]]:
        lengths = [prompt.shape[1] for prompt in batch]
        padded = torch.zeros(len(batch), max(lengths), dtype=torch.int64)
        for row, prompt in enumerate(batch):
            padded[row, : lengths[row]] = prompt
        cache = KVCache(model.config, len(batch), max(lengths) + 8)
        hidden = model(padded, cache=cache)
        cache.truncate(lengths)
        last = hidden[torch.arange(len(batch)), torch.tensor(lengths) - 1]
        written: list[list[int]] = [[] for _ in batch]
        for _ in range(8):
            token_ids = model.logits(last).argmax(-1)
            for row, token_id in enumerate(token_ids.tolist()):
                written[row].append(token_id)
            last = model(token_ids[:, None], cache=cache)[:, 0]
        return written

    assert greedy(prompts) == list(itertools.chain(*(greedy([prompt]) for prompt in prompts)))


@pytest.mark.parametrize(
    ("config", "form", "packed"),
    [
        (TINY, "explicit", True),
        (TINY, "sdpa", False),
        (
            dataclasses.replace(LOCAL, num_hidden_layers=2, layer_types=(SLIDING, FULL)),
            "sdpa",
            False,
        ),
    ],
)
def test_compiles_as_one_graph(config: GPTConfig, form: str, packed: bool) -> None:
    model = build(config)
    model.attention = form
    documents = torch.arange(12).div(5, rounding_mode="floor").expand(2, 12) if packed else None
    expected = model(text(), document_ids=documents)
    # The backend runs the captured graph as it is: what is tested is that there is only one.
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    result = compiled(text(), document_ids=documents)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)
    result.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", ["qwen3", "local"])
def test_bf16_stays_near_fp32_and_logits_are_fp32(name: str) -> None:
    model = build(CONFIGS[name], initializer_range=0.05)
    with torch.no_grad():
        expected = model.logits(model(text()))
        model.to(torch.bfloat16)
        hidden = model(text())
        logits = model.logits(hidden)
    assert (hidden.dtype, logits.dtype) == (torch.bfloat16, torch.float32)
    assert (logits - expected).abs().max() < 0.05  # of a spread of about 1


def test_first_weights_follow_gpt2() -> None:
    model = build(initializer_range=0.02, hidden_size=256, intermediate_size=512)
    weights = model.state_dict()
    assert float(weights["embedding.weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert float(weights["layers.1.attention.query.weight"].std()) == pytest.approx(0.02, rel=0.05)
    residual = 0.02 / math.sqrt(2 * 2)
    for name in ("layers.0.attention.output.weight", "layers.1.network.down.weight"):
        assert float(weights[name].std()) == pytest.approx(residual, rel=0.05)
    assert weights["norm.weight"].unique().tolist() == [1.0]
    offset = build(LOCAL).state_dict()
    assert offset["layers.0.attention_post_norm.weight"].unique().tolist() == [0.0]


def test_the_first_loss_is_that_of_a_guess() -> None:
    model = build(initializer_range=0.02)
    with torch.no_grad():
        logits = model.logits(model(text(8, 32)))
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), text(8, 32)[:, 1:].flatten()
    )
    assert float(loss) == pytest.approx(math.log(61), abs=0.05)


def test_the_seed_decides_the_weights() -> None:
    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("tied", [False, True])
def test_parameter_count_is_what_the_model_has(name: str, tied: bool) -> None:
    config = dataclasses.replace(CONFIGS[name], tie_word_embeddings=tied, attention_bias=tied)
    assert parameter_count(config) == sum(p.numel() for p in GPT(config).parameters())


def test_flops_count_every_matrix_product() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    untied = dataclasses.replace(TINY, tie_word_embeddings=False)
    for config in (TINY, CLASSIC, untied, WINDOWED):
        model = build(config)
        model.attention = "reference"
        with FlopCounterMode(display=False) as counter:
            model.logits(model(text(2, 16))).sum().backward()
        formula = flops_per_token(config, 16) * 2 * 16
        # The formula counts norms and biases as if they were matrices: 4% of so small a model.
        assert counter.get_total_flops() == pytest.approx(formula, rel=0.04)


def test_texts_longer_than_the_positions_are_refused() -> None:
    model = build()
    with pytest.raises(UsageError, match="33 tokens are more than the 32 positions"):
        model(text(1, 33))
    cache = KVCache(model.config, 1, 40)
    model(text(1, 30), cache=cache)
    with pytest.raises(UsageError, match="33 tokens"):
        model(text(1, 3), cache=cache)


def test_a_cache_fixes_positions_and_documents() -> None:
    model = build()
    with pytest.raises(ValueError, match="cannot be given as well"):
        model(text(), document_ids=torch.zeros_like(text()), cache=KVCache(TINY, 2, 12))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": 0}, "hidden_size = 0 must be at least 1"),
        ({"num_hidden_layers": -2}, "num_hidden_layers = -2 must be at least 1"),
        ({"norm_eps": 0.0}, "norm_eps = 0.0 must be positive"),
        ({"rope_theta": math.nan}, "rope_theta = nan must be positive"),
        ({"num_key_value_heads": 3}, "num_attention_heads = 4 must be a multiple"),
        ({"head_dim": 15}, "head_dim = 15 must be even"),
        ({"norm": "batch"}, "norm = 'batch' is unknown, expected rms or offset_rms or layer"),
        ({"network": "relu"}, "network = 'relu' is unknown"),
        ({"positions": "alibi"}, "positions = 'alibi' is unknown"),
        ({"positions": "sinusoidal", "hidden_size": 33}, "hidden_size = 33 must be even"),
        ({"sliding_window": 0}, "sliding_window = 0 must be at least 1"),
        ({"query_pre_attn_scalar": 0}, "query_pre_attn_scalar = 0 must be at least 1"),
        ({"embedding_multiplier": 0.0}, "embedding_multiplier = 0.0 must be positive"),
        ({"rope_local_base_freq": 9.0}, "rope_local_base_freq = 9.0 is for layers with a sliding"),
        ({"layer_types": (FULL, FULL)}, "layer_types is given, but sliding_window is not"),
        ({"sliding_window": 4, "layer_types": (FULL,)}, "names 1 layers, expected num_hidden_"),
        ({"sliding_window": 4, "layer_types": (FULL, "none")}, "layer_types holds 'none'"),
        (
            {
                "rope_theta": 1.0,
                "rope_scaling": YarnScaling(
                    factor=2.0, original_max_position_embeddings=9, attention_factor=1.0
                ),
            },
            "rope_theta = 1.0 must be above 1 for yarn scaling",
        ),
    ],
)
def test_wrong_switches_are_refused_in_one_sentence(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        dataclasses.replace(TINY, **wrong)
    assert caught.value.message.count(". ") == 0
