"""Marks are found, unmarked texts are not taken for marked, and synthid keeps the odds."""

from __future__ import annotations

import math

import pytest
import torch

from autogpt.core.errors import ConfigError
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import RowSampler, choose
from autogpt.inference.settings import changed_params
from autogpt.inference.watermark import Marker, Method, Watermark, detect

VOCAB = 500
METHODS: tuple[Method, ...] = ("kgw", "synthid")


def distribution(seed: int, entropy: float) -> torch.Tensor:
    """Return random logits, scaled to an entropy in nats."""
    logits = torch.randn(VOCAB, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    low, high = 0.01, 40.0
    for _ in range(40):
        middle = math.sqrt(low * high)
        p = torch.softmax(logits * middle, -1)
        found = float(-(p * p.clamp(min=1e-300).log()).sum())
        low, high = (middle, high) if found > entropy else (low, middle)
    return (logits * low).float()


def write(count: int, *, watermark: Watermark | None, seed: int, entropy: float = 2.0) -> list[int]:
    params = SamplingParams(watermark=watermark, temperature=1.0, seed=seed)
    sampler = RowSampler(params, VOCAB, [1, 2, 3, 4], 0)
    logits = torch.stack([distribution(100 + i, entropy) for i in range(20)])
    order = torch.randint(0, 20, (count,), generator=torch.Generator().manual_seed(seed))
    token_ids = []
    for place in range(count):
        row = int(order[place])
        (choice,) = choose(logits[row : row + 1], [sampler])
        sampler.push(choice.token_id)
        token_ids.append(choice.token_id)
    return token_ids


@pytest.mark.parametrize("method", METHODS)
def test_200_tokens_of_2_nats_carry_the_mark(method: Method) -> None:
    watermark = Watermark(method=method, key="secret")
    found = [detect(write(200, watermark=watermark, seed=seed), watermark) for seed in range(20)]
    assert all(each.is_marked for each in found)
    other = Watermark(method=method, key="another")
    assert not any(
        detect(write(200, watermark=watermark, seed=seed), other).is_marked for seed in range(10)
    )


@pytest.mark.parametrize("method", METHODS)
def test_p_values_of_unmarked_texts_are_evenly_spread(method: Method) -> None:
    watermark = Watermark(method=method, key="secret")
    generator = torch.Generator().manual_seed(0)
    texts = torch.randint(0, VOCAB, (600, 60), generator=generator).tolist()
    values = sorted(detect(text, watermark).p_value for text in texts)
    for share in (0.05, 0.2, 0.5):
        below = sum(value <= share for value in values) / len(values)
        assert below <= share + 0.04


def test_the_tournament_leaves_the_odds_as_they_were_on_average_over_keys() -> None:
    p = torch.softmax(distribution(3, 1.5), -1)
    total = torch.zeros(VOCAB, dtype=torch.float64)
    for key in range(4000):
        marker = Marker(Watermark(method="synthid", key=str(key)), VOCAB, [5, 6, 7, 8])
        marked = marker.tournament(p)
        assert float(marked.sum()) == pytest.approx(1.0, abs=1e-4)
        total += marked.double()
    likely = p > 0.05
    assert torch.allclose(total[likely] / 4000, p[likely].double(), atol=0.025)


def test_repeated_places_count_once() -> None:
    watermark = Watermark(method="kgw", key="secret")
    green = next(t for t in range(VOCAB) if detect([1, 2, t], watermark).score > 0)
    assert detect([1, 2, green] * 300, watermark).places == 3
    assert not detect([1, 2, green] * 300, watermark).is_marked
    assert detect([1], watermark).p_value == 1.0


def test_rows_beside_a_marked_one_are_what_they_are_alone() -> None:
    logits = distribution(1, 3.0)[None].repeat(2, 1)
    plain = SamplingParams(seed=4)
    marked = SamplingParams(seed=4, watermark=Watermark(method="kgw", key="k", strength=9.0))
    alone = choose(logits[:1], [RowSampler(plain, VOCAB, [1, 2], 0)])
    both = choose(
        logits, [RowSampler(plain, VOCAB, [1, 2], 0), RowSampler(marked, VOCAB, [1, 2], 0)]
    )
    assert both[0] == alone[0]


def test_settings() -> None:
    params = changed_params({"watermark": "kgw", "watermark_key": "k"}, SamplingParams())
    assert params.watermark == Watermark(method="kgw", key="k")
    for settings, message in (
        ({"watermark": "kgw"}, "needs a key"),
        ({"watermark": "ink", "watermark_key": "k"}, "expected kgw or synthid"),
        ({"watermark_key": "k"}, "but not watermark"),
        ({"watermark": "kgw", "watermark_key": "k", "beams": 3}, "beams"),
    ):
        with pytest.raises(ConfigError, match=message):
            changed_params(settings, SamplingParams())  # type: ignore[arg-type]
