"""Measure a model and show the result."""
