from __future__ import annotations

import torch
import torch.nn.functional as F

from autogpt.data.text_batches import TextBatch
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.heads import HeadConfig, put_head
from autogpt.training.objective import head_loss, next_token_loss

CONFIG = GPTConfig(
    vocab_size=11,
    hidden_size=8,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=1,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=4,
)


def test_it_is_the_mean_over_the_targets_that_count() -> None:
    torch.manual_seed(0)
    model, hidden = GPT(CONFIG), torch.randn(2, 4, 8)
    targets = torch.randint(11, (2, 4))
    targets[0, 1] = -100
    log_probabilities = F.log_softmax(model.logits(hidden), dim=-1)
    picked = [
        -log_probabilities[row, place, targets[row, place]]
        for row in range(2)
        for place in range(4)
        if targets[row, place] != -100
    ]
    torch.testing.assert_close(
        next_token_loss(model, hidden, targets), torch.stack(picked).mean(), rtol=1e-5, atol=1e-6
    )


def test_a_part_of_a_label_is_spread_over_all_while_it_is_taught() -> None:
    torch.manual_seed(0)
    model = put_head(GPT(CONFIG), HeadConfig(kind="sequence", labels=("bad", "fair", "good")))
    torch.nn.init.normal_(model.score.weight)
    inputs, lengths = torch.randint(11, (2, 4)), torch.tensor([4, 3])
    batch = TextBatch(inputs=inputs, lengths=lengths, targets=torch.tensor([2, 0]))
    logs = F.log_softmax(model.read_rows(inputs, lengths), dim=-1)
    target = torch.tensor([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    model.train()
    smoothed = head_loss(model, batch, smoothing=0.3)
    torch.testing.assert_close(smoothed, -(target * logs).sum(-1).mean())
    model.eval()
    torch.testing.assert_close(head_loss(model, batch, smoothing=0.3), head_loss(model, batch))
