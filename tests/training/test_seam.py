"""The loop with another objective, other batches, and weights that stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from autogpt.data.batches import Batch
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.trainable import Trainable
from autogpt.training.kernels import Kernels
from autogpt.training.objective import next_token
from autogpt.training.optim import Optimizer, OptimizerConfig
from autogpt.training.settings import TrainingConfig
from autogpt.training.trainer import Hooks, Measured, Trainer
from autogpt.training.validation import mean_loss

VOCAB, LENGTH, ROWS = 11, 6, 4
CONFIG = GPTConfig(
    vocab_size=VOCAB,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=LENGTH,
)
KERNELS = Kernels(dtype="float32", attention="sdpa", compiled=False, threads=1)
STEPS = TrainingConfig(max_steps=3, batch_size=ROWS, matrices="adamw", validations=0)


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Rows of which more or less is learned; of the second row of each step nothing is."""

    batch_size: int
    context_length: int = LENGTH

    def __getitem__(self, index: int) -> Batch:
        rows = [self._row(index * self.batch_size + n) for n in range(self.batch_size)]
        inputs, targets = zip(*rows, strict=True)
        return Batch(torch.stack(inputs), torch.stack(targets), None)

    def _row(self, number: int) -> tuple[Tensor, Tensor]:
        tokens = torch.randint(
            VOCAB, (LENGTH + 1,), generator=torch.Generator().manual_seed(number)
        )
        targets = tokens[1:].clone()
        targets[: LENGTH if number % ROWS == 1 else number % LENGTH] = -100
        return tokens[:-1], targets


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What a classifier learns from: token ids, and a label a row."""

    inputs: Tensor
    labels: Tensor

    @property
    def weight(self) -> float:
        return len(self.labels)

    def to(self, device: torch.device) -> Sums:
        return replace(self, inputs=self.inputs.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, kw_only=True)
class SumBatches:
    batch_size: int
    context_length: int = LENGTH

    def __getitem__(self, index: int) -> Sums:
        seed = torch.Generator().manual_seed(index)
        inputs = torch.randint(VOCAB, (self.batch_size, LENGTH), generator=seed)
        return Sums(inputs=inputs, labels=(inputs[:, -1] > VOCAB // 2).long())


class Classifier(Trainable):
    """A GPT with two labels."""

    def __init__(self) -> None:
        super().__init__()
        self.gpt = GPT(CONFIG)
        self.config, self.layers = self.gpt.config, self.gpt.layers
        self.attention = "sdpa"
        self.labels = torch.nn.Linear(CONFIG.hidden_size, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.labels(self.gpt(inputs)[:, -1])
        return scores


def label_loss(model: Classifier, batch: Sums) -> Tensor:
    return torch.nn.functional.cross_entropy(model(batch.inputs).float(), batch.labels)


def no_hooks() -> Hooks:
    return Hooks(
        entry=lambda *_: None,
        validate=lambda _: Measured(0.0, 0.0),
        checkpoint=lambda *_: None,
    )


def model() -> GPT:
    torch.manual_seed(0)
    return GPT(CONFIG)


def test_micro_batches_count_by_what_is_learned_in_them():
    whole = Trainer(model(), Lessons(batch_size=ROWS), STEPS, KERNELS)
    parts = Trainer(model(), Lessons(batch_size=1), STEPS, KERNELS)
    for _ in range(3):
        one, many = whole.step(1.0), parts.step(1.0)
        whole.at = replace(whole.at, tokens=whole.at.tokens + whole.tokens_per_step)
        parts.at = replace(parts.at, tokens=parts.at.tokens + parts.tokens_per_step)
        assert one == pytest.approx(many, rel=1e-5)
    found = dict(parts.finish().named_parameters())
    for name, weight in whole.finish().named_parameters():
        torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-5)


def test_a_step_without_anything_to_learn_is_skipped():
    @dataclass(frozen=True, kw_only=True)
    class Nothing(Lessons):
        def __getitem__(self, index: int) -> Batch:
            batch = super().__getitem__(index)
            return Batch(batch.inputs, torch.full_like(batch.targets, -100), None)

    from autogpt.training.anomalies import StepError

    with pytest.raises(StepError, match="no longer a number"):
        Trainer(model(), Nothing(batch_size=2), STEPS, KERNELS).step(1.0)


def test_only_weights_that_require_gradients_are_stepped_and_kept():
    frozen = model()
    frozen.requires_grad_(requires_grad=False)
    frozen.norm.requires_grad_(requires_grad=True)
    before = {name: weight.clone() for name, weight in frozen.named_parameters()}
    run = Trainer(frozen, Lessons(batch_size=ROWS), STEPS, replace(KERNELS, dtype="bfloat16"))
    assert set(run.optimizer.state()) == {
        "master.norm.weight",
        "adamw.0.norm.weight",
        "adamw.1.norm.weight",
    }
    assert run.run(no_hooks(), budget_s=None)
    assert all(w.dtype == torch.bfloat16 for w in run.model.parameters())
    for name, weight in run.finish().named_parameters():
        moved = not torch.equal(weight, before[name].bfloat16().float())
        assert moved == (name == "norm.weight"), name


def test_another_head_is_trained_by_the_same_loop():
    torch.manual_seed(0)
    config = replace(STEPS, max_steps=200, lr=0.01)
    batches = SumBatches(batch_size=8)
    run = Trainer(
        Classifier(), batches, replace(config, batch_size=8), KERNELS, objective=label_loss
    )
    before, _ = mean_loss(run.model, iter([batches[1000]]), objective=label_loss)
    assert run.run(no_hooks(), budget_s=None)
    after, count = mean_loss(run.finish(), iter([batches[1000]]), objective=label_loss)
    assert count == 8
    assert after < before / 4


def test_the_matrices_of_blocks_are_known_whatever_is_around_them():
    optimizer = Optimizer(Classifier(), OptimizerConfig(matrices="muon"))
    names = {name for name in optimizer.state() if name.startswith("muon.")}
    assert names
    assert all(name.startswith("muon.0.gpt.layers.") for name in names)


def test_enough_ends_the_run_at_a_look():
    run = Trainer(model(), Lessons(batch_size=ROWS), replace(STEPS, max_steps=40), KERNELS)
    hooks = replace(no_hooks(), enough=lambda: run.at.steps >= 10)
    assert run.run(hooks, budget_s=None, validations=7)
    assert run.at.steps == 10


def test_mean_loss_weighs_batches_and_leaves_out_empty_ones():
    lessons, gpt = Lessons(batch_size=1), model().eval()
    singles = [lessons[n] for n in range(8)]
    with torch.no_grad():
        total = sum(float(next_token(gpt, b)) * b.weight for b in singles if b.weight)
    count = sum(b.weight for b in singles)
    loss, weight = mean_loss(gpt, iter(singles))
    assert weight == count
    assert loss == pytest.approx(total / count)
