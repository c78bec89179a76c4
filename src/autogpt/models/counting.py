"""How many weights a model has, and what training on a token costs: from its switches alone."""

from __future__ import annotations

from autogpt.models.config import GPTConfig

__all__ = ["flops_per_token", "parameter_count"]


def parameter_count(config: GPTConfig) -> int:
    """Return the number of weights of a model, without building it; a tied head counts once."""
    hidden, inner = config.hidden_size, config.num_attention_heads * config.head_dim
    shared = config.num_key_value_heads * config.head_dim
    affine = 2 if config.norm == "layer" else 1  # vectors in a norm: weight, and bias

    attention = 2 * hidden * inner + 2 * hidden * shared
    attention += (inner + 2 * shared) * config.attention_bias
    output_bias = config.attention_output_bias
    attention += hidden * (config.attention_bias if output_bias is None else output_bias)
    attention += 2 * affine * config.head_dim * config.query_key_norm
    wide = 1 if config.network == "gelu" else 2  # matrices into the intermediate width
    network = (wide + 1) * hidden * config.intermediate_size
    network += (wide * config.intermediate_size + hidden) * config.network_bias
    norms = (4 if config.post_norms else 2) * affine * hidden
    blocks = config.num_hidden_layers * (attention + network + norms)

    embeddings = config.vocab_size * hidden * (1 if config.tie_word_embeddings else 2)
    if config.positions == "learned":
        embeddings += config.max_position_embeddings * hidden
    return blocks + affine * hidden + embeddings


def flops_per_token(config: GPTConfig, context_length: int) -> int:
    """Return the floating point operations to train on one token, forward and backward.

    6 N + 12 L H E T. Each weight multiplies and adds once forward and twice backward, hence 6;
    N counts the weights that multiply: all of them and the head, but not the looked-up embedding
    and position tables. Attention adds 12 L H E T: scores and mixing take 2 T H E
    operations each, in L layers, times 3 with the backward pass. The half of the scores that
    causality masks is counted, as is usual, though a kernel may skip it.

    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1; Chowdhery
    et al. 2022, "PaLM", appendix B.

    Args:
        config: The model.
        context_length: T, tokens in a training sequence.
    """
    weights = parameter_count(config)
    if not config.tie_word_embeddings:
        weights -= config.vocab_size * config.hidden_size
    if config.positions == "learned":
        weights -= config.max_position_embeddings * config.hidden_size
    inner = config.num_attention_heads * config.head_dim
    return 6 * weights + 12 * config.num_hidden_layers * inner * context_length
