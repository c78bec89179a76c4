from __future__ import annotations

import torch

from autogpt.training.optim import orthogonalize


def test_orthogonalize_pushes_singular_values_towards_one():
    torch.manual_seed(0)
    for shape in ((2, 16, 48), (2, 48, 16)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(*shape)))
        assert values.min() > 0.3
        assert values.max() < 1.5
