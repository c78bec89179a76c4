"""Make a model: plan, optimizer, checkpoints, the one loop, the record."""
