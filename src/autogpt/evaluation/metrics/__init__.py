"""Figures of merit: from examples and predictions to values with intervals, a file a family.

A metric is a small array, what each example adds, and a formula of the sums (``formulas``). So a
metric costs its libraries' work once, and resampling it a thousand times is one matrix product.
"""
