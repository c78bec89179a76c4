"""Run a model: sampling and the decode loop."""
