from __future__ import annotations

from autogpt.models.presets import ModelConfig, build_config
from autogpt.training import plan
from autogpt.training.trainer import TrainingConfig


def test_more_time_gets_a_larger_model():
    names = [plan.preset(ModelConfig(), budget_s=s).preset for s in (60, 3600, 36_000)]
    assert names == ["tiny", "small", "medium"]
    assert plan.preset(ModelConfig(preset="medium"), budget_s=1).preset == "medium"


def test_micro_batches_divide_the_batch_and_stay_small():
    for preset in ("tiny", "small", "medium"):
        for vocab_size in (300, 8192, 60_000):
            config = build_config(ModelConfig(preset=preset), vocab_size)  # type: ignore[arg-type]
            sizes = plan.batch_sizes(TrainingConfig(), config)
            assert sizes.batch_size is not None
            assert sizes.micro_batch_size is not None
            assert sizes.batch_size % sizes.micro_batch_size == 0
            tokens = sizes.micro_batch_size * 256
            assert tokens <= 2048
            assert tokens * vocab_size <= 1 << 25 or sizes.micro_batch_size == 1


def test_what_is_set_stays():
    config = build_config(ModelConfig(preset="tiny"), 300)
    sizes = plan.batch_sizes(TrainingConfig(batch_size=6, micro_batch_size=3), config)
    assert (sizes.batch_size, sizes.micro_batch_size) == (6, 3)
    assert plan.batch_sizes(TrainingConfig(micro_batch_size=5), config).batch_size == 5
