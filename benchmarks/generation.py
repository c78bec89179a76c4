"""Speed of generation beside ``transformers``: tokens per second, the same weights and prompt.

Run: ``python benchmarks/generation.py``. A model of random weights (about 10M parameters,
vocabulary 8192) is written to a folder that both sides load. They take turns, greedy, one prompt
and a batch, float32 and bfloat16; medians are compared. ``transformers`` runs its ``generate``
with its default cache and attention, in inference mode. In float32 the tokens of both must be the
same; in bfloat16, where rounding decides near ties, only their number. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
import transformers

import autogpt.data
from autogpt.inference.engine import Engine
from autogpt.inference.packing import pack_model
from autogpt.inference.sampling import SamplingParams
from autogpt.models.checkpoint import load_model, save_model
from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

QUICKSTART_TEXT = Path(autogpt.data.__file__).parent / "quickstart"
VOCAB_SIZE = 8192
PROMPT_TOKENS = 32
Generate = Callable[[list[list[int]]], list[list[int]]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128, help="tokens to generate a row")
    parser.add_argument("--batch", type=int, default=8, help="rows of the batch")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = make_tokenizer()
        config = make_config(tokenizer.vocab_size)
        torch.manual_seed(0)
        save_model(GPT(config), folder, tokenizer=tokenizer)
        results = [
            compare(folder, tokenizer, dtype, rows, arguments.tokens, arguments.repeats)
            for dtype in ("float32", "bfloat16")
            for rows in (1, arguments.batch)
        ]
    facts = {
        "parameters": parameter_count(config),
        "prompt_tokens": PROMPT_TOKENS,
        "tokens": arguments.tokens,
        "repeats": arguments.repeats,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "results": results,
    }
    print(json.dumps(facts, indent=2))


def make_tokenizer() -> Tokenizer:
    """Return a tokenizer of the bundled texts."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(QUICKSTART_TEXT.glob("*.txt"))]
    settings = TokenizerConfig(kind="bpe", vocab_size=VOCAB_SIZE)
    return train(texts, settings, corpus_bytes=sum(len(text.encode()) for text in texts))


def make_config(vocab_size: int) -> GPTConfig:
    """Return a Qwen3 of 10.1M parameters, without an end: every row runs to its last token."""
    return GPTConfig(
        vocab_size=vocab_size,
        hidden_size=320,
        intermediate_size=864,
        num_hidden_layers=6,
        num_attention_heads=5,
        num_key_value_heads=5,
        head_dim=64,
        max_position_embeddings=512,
    )


def compare(
    folder: Path,
    tokenizer: Tokenizer,
    dtype: Literal["float32", "bfloat16"],
    rows: int,
    tokens: int,
    repeats: int,
) -> dict[str, object]:
    """Return tokens per second of both sides, in turns."""
    sides = {
        "autogpt": load_ours(folder, tokenizer, dtype, tokens),
        "transformers": load_theirs(folder, dtype, tokens),
    }
    generator = torch.Generator().manual_seed(1)
    prompts = torch.randint(0, tokenizer.vocab_size - 3, (rows, PROMPT_TOKENS), generator=generator)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    written = {name: generate(prompts.tolist()) for name, generate in sides.items()}  # warm up
    if dtype == "float32" and written["autogpt"] != written["transformers"]:
        raise AssertionError("the two sides generated different tokens")
    for _ in range(repeats):
        for name, generate in sides.items():
            begin = time.perf_counter()
            result = generate(prompts.tolist())
            seconds[name].append(time.perf_counter() - begin)
            if [len(row) for row in result] != [tokens] * rows:
                raise AssertionError(f"{name} generated another number of tokens")
    rates = {name: rows * tokens / statistics.median(times) for name, times in seconds.items()}
    return {
        "dtype": dtype,
        "rows": rows,
        "tokens_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "times_as_fast": round(rates["autogpt"] / rates["transformers"], 2),
        "seconds": {name: [round(value, 3) for value in times] for name, times in seconds.items()},
    }


def load_ours(
    folder: Path, tokenizer: Tokenizer, dtype: Literal["float32", "bfloat16"], tokens: int
) -> Generate:
    """Return our side as a function of prompts."""
    model = load_model(folder, dtype=dtype)
    engine = Engine(model, tokenizer, ends=frozenset(), head=pack_model(model))
    params = SamplingParams(max_tokens=tokens, temperature=0.0)

    def generate(prompts: list[list[int]]) -> list[list[int]]:
        rows: list[list[int]] = [[] for _ in prompts]
        for step in engine.generate(prompts, params):
            rows[step.row].append(step.token_id)
        return rows

    return generate


def load_theirs(folder: Path, dtype: str, tokens: int) -> Generate:
    """Return their side as a function of prompts."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    model.eval()
    settings = transformers.GenerationConfig(
        max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0
    )

    def generate(prompts: list[list[int]]) -> list[list[int]]:
        with torch.inference_mode():
            ids = torch.tensor(prompts)
            written = model.generate(
                ids, attention_mask=torch.ones_like(ids), generation_config=settings
            )
        rows: list[list[int]] = written[:, ids.shape[1] :].tolist()
        return rows

    return generate


if __name__ == "__main__":
    main()
