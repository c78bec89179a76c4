"""The parts of a Transformer: layers, positions, attention, cache."""
