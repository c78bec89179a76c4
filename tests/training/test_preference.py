"""Preferences: the loss against the paper's formula, and where learning leads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from autogpt.data.batches import Batch
from autogpt.data.preferences import PairBatches, pair_rows, pairs_in_order
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.lessons import Lesson
from autogpt.training.kernels import Kernels
from autogpt.training.objective import (
    learned_tokens,
    margins,
    next_token,
    preference,
    text_logprobs,
)
from autogpt.training.settings import TrainingConfig
from autogpt.training.trainer import Hooks, Measured, Trainer

CONFIG = GPTConfig(
    vocab_size=20,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=16,
    initializer_range=0.2,
)
KERNELS = Kernels(dtype="float32", attention="sdpa", compiled=False, threads=1)


def model() -> GPT:
    torch.manual_seed(0)
    return GPT(CONFIG).eval()


def lesson(prompt: list[int], answer: list[int]) -> Lesson:
    ids = np.array(prompt + answer, dtype=np.int32)
    return Lesson(ids, np.arange(len(ids)) >= len(prompt))


CHOSEN = [lesson([1, 2, 3], [4, 5]), lesson([6], [7, 8, 9]), lesson([1, 6], [4])]
REJECTED = [lesson([1, 2, 3], [10]), lesson([6], [11, 12]), lesson([1, 6], [13, 14, 15])]


def logprob(gpt: GPT, one: Lesson) -> torch.Tensor:
    """Return the log-probability of an answer by the plain formula, without padding."""
    ids = torch.from_numpy(one.token_ids.astype(np.int64))
    scores = gpt.logits(gpt(ids[None]))[0].log_softmax(-1)
    places = one.learned.nonzero()[0]
    return sum(scores[place - 1, ids[place]] for place in places)  # type: ignore[return-value]


def batches(size: int, reference: torch.Tensor | None = None) -> PairBatches:
    return PairBatches(
        chosen=CHOSEN,
        rejected=REJECTED,
        reference=torch.zeros(2, 3) if reference is None else reference,
        batch_size=size,
        context_length=16,
        pad_id=0,
        seed=0,
    )


def test_the_log_probability_of_an_answer_is_that_of_its_tokens_alone():
    gpt = model()
    inputs, targets = pair_rows([*CHOSEN, *REJECTED], pad_id=0)
    found = text_logprobs(gpt, inputs, targets)
    expected = torch.stack([logprob(gpt, one) for one in (*CHOSEN, *REJECTED)])
    torch.testing.assert_close(found, expected)


def test_the_loss_is_that_of_the_paper():
    gpt, beta = model(), 0.3
    reference = torch.randn(2, 3, generator=torch.Generator().manual_seed(1)) - 6
    (batch,) = pairs_in_order(batches(3, reference))
    terms = []
    for number, (good, bad) in enumerate(zip(CHOSEN, REJECTED, strict=True)):
        gained = logprob(gpt, good) - reference[0, number]
        lost = logprob(gpt, bad) - reference[1, number]
        terms.append(-F.logsigmoid(beta * (gained - lost)))
    torch.testing.assert_close(preference(gpt, batch, beta=beta), torch.stack(terms).mean())
    assert batch.weight == 3


def test_learning_prefers_what_was_chosen():
    gpt = model()
    with torch.no_grad():
        sides = [[logprob(gpt, one) for one in side] for side in (CHOSEN, REJECTED)]
    pairs = batches(3, torch.tensor(sides))
    run = Trainer(
        gpt,
        pairs,
        TrainingConfig(max_steps=30, batch_size=3, matrices="adamw", lr=0.003, validations=0),
        KERNELS,
        objective=partial(preference, beta=0.5),
    )
    (batch,) = pairs_in_order(pairs)
    with torch.no_grad():
        torch.testing.assert_close(margins(gpt, batch, beta=0.5), torch.zeros(3), atol=1e-4, rtol=0)
    hooks = Hooks(
        entry=lambda *_: None, validate=lambda _: Measured(0, None), checkpoint=lambda *_: None
    )
    assert run.run(hooks, budget_s=None)
    with torch.no_grad():
        assert (margins(run.finish(), batch, beta=0.5) > 1).all()


def test_every_pair_comes_once_an_epoch_whatever_the_batch_size():
    singles = [batches(1)[number].inputs for number in range(6)]
    for size in (2, 3):
        rows = [row for number in range(6 // size) for row in batches(size)[number].inputs[:size]]
        for one, row in zip(singles, rows, strict=True):
            width = min(one.shape[1], len(row))
            assert torch.equal(one[0, :width], row[:width])
    assert replace(batches(1), batch_size=2)[0].weight == 2


def test_only_learned_tokens_count_and_prompts_cost_no_logits():
    gpt = model()
    inputs, targets = pair_rows(CHOSEN, pad_id=0)
    batch = Batch(inputs, targets, None)
    with torch.no_grad():
        torch.testing.assert_close(learned_tokens(gpt, batch), next_token(gpt, batch))
        changed = inputs.clone()
        changed[2, 2:] = 3  # padding behind the text
        padded = Batch(changed, targets, None)
        torch.testing.assert_close(learned_tokens(gpt, padded), learned_tokens(gpt, batch))
