"""What anyone gets without a language model: figures that a model has to beat.

A figure says little without what a guess, a rule or a linear model gives on the same examples. They
learn from the same training examples as the model did, where those are known.
"""
