from __future__ import annotations

import torch
import torch.nn.functional as F

from autogpt.models.gpt import GPT, GPTConfig
from autogpt.training.objective import next_token_loss


def test_it_is_the_mean_over_the_targets_that_count():
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=11,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=4,
    )
    model, hidden = GPT(config), torch.randn(2, 4, 8)
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
