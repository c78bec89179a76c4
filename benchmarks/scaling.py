"""Runs for the scaling law: loss against weights, tokens and corpus, one JSON object a line.

Each run trains a model from nothing for a given number of tokens, with the settings that the
planner would give it, and measures the whole validation split. The results are what
``autogpt.training.scaling`` is fitted to; they depend on tokens, not on the speed of the machine.

``python benchmarks/scaling.py --out runs.jsonl NAME=SOURCE[,SOURCE] [NAME=SOURCE ...]``; runs that
are in the file already are left out, so it may be stopped and started at any time. ``--grid`` takes
other sizes, as width x layers x thousands of tokens, say ``192x4x3000``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

# width, layers, thousands of tokens; the cheap ones first
GRID = (
    (128, 3, 250),
    (128, 3, 1000),
    (192, 4, 1000),
    (192, 4, 3000),
    (96, 3, 500),
    (256, 5, 2000),
)


def run(job: tuple[str, str, tuple[int, int, int], str, str, float | None]) -> dict[str, object]:
    """Do one run: corpus, source, (width, layers, thousands of tokens), folder, dtype, decay."""
    name, source, (width, layers, thousands), work, dtype, decay = job
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    from autogpt.core.config import from_mapping
    from autogpt.data.batches import Batches
    from autogpt.models.counting import parameter_count
    from autogpt.models.gpt import GPT
    from autogpt.models.presets import build_config
    from autogpt.recipe.prepare import prepare
    from autogpt.recipe.settings import Recipe
    from autogpt.training import kernels, scaling, sizes
    from autogpt.training.trainer import Hooks, Trainer, evaluate

    tokens = thousands * 1000
    head = 64 if width >= 192 and width % 64 == 0 else 32
    length = 256
    recipe = from_mapping(
        Recipe,
        {
            "model": {
                "preset": "tiny",
                "hidden_size": width,
                "num_hidden_layers": layers,
                "head_dim": head,
                "num_key_value_heads": width // head,
                "context_length": length,
            },
        },
    )
    folder = Path(work) / name
    prepared = prepare(
        source.split(","), recipe, folder, resume=False, say=lambda _: None, phase=lambda *_: None
    )
    shard, held_out = prepared.train, prepared.validation
    epochs = tokens / len(shard)
    training = from_mapping(
        type(recipe.training),
        {"weight_decay": sizes.weight_decay(epochs) if decay is None else decay},
    )
    config = build_config(recipe.model, prepared.tokenizer.vocab_size, eos_token_id=0)
    training = sizes.batch_sizes(training, config, tokens=tokens)
    rows = training.batch_size
    steps = tokens // (rows * length)
    training = replace(training, max_steps=steps)
    chosen = kernels.Kernels(
        dtype=dtype,
        attention="explicit" if tokens >= 1_000_000 else "sdpa",
        compiled=tokens >= 1_000_000,
        threads=1,
    )
    batches = Batches(
        shard=shard, batch_size=training.micro_batch_size, context_length=length, seed=0
    )
    trainer = Trainer(GPT(config), batches, training, chosen)
    hooks = Hooks(
        entry=lambda *_: None,
        validate=lambda model: evaluate(model, held_out, context_length=length),
        checkpoint=lambda *_: None,
    )
    trainer.run(hooks, budget_s=None)
    measured = hooks.validate(trainer.finish())
    known = scaling.look_at(
        shard.tokens,
        held_out.tokens,
        vocab_size=shard.vocab_size,
        held_out_bytes=held_out.total_bytes,
    )
    return {
        "corpus": name,
        "width": width,
        "layers": layers,
        "vocab": shard.vocab_size,
        "weights": parameter_count(config),
        "block_weights": parameter_count(config) - shard.vocab_size * width,
        "tokens": trainer.at.tokens,
        "steps": steps,
        "step_tokens": rows * length,
        "weight_decay": training.weight_decay,
        "unique_tokens": len(shard),
        "counted": [[tokens, round(loss, 4)] for tokens, loss in known.counted],
        "loss": round(measured.loss, 5),
        "bits_per_byte": round(measured.bits_per_byte, 5),
    }


def main() -> None:
    """Do the runs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+", metavar="NAME=SOURCE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "scaling")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--dtype", default="bfloat16", help="float32 where that is the faster one")
    parser.add_argument("--decay", type=float, help="of the weights; else as it is planned")
    parser.add_argument("--grid", type=_sizes, nargs="+", default=GRID, metavar="WxLxK")
    arguments = parser.parse_args()
    kept = []
    if arguments.out.exists():
        kept = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    done = {_key(r["corpus"], r["width"], r["layers"], r["tokens"]) for r in kept}
    jobs = []
    for width, layers, thousands in arguments.grid:
        for corpus in arguments.corpora:
            name, _, source = corpus.partition("=")
            if _key(name, width, layers, thousands * 1000) not in done:
                jobs.append(
                    (
                        name,
                        source,
                        (width, layers, thousands),
                        str(arguments.work),
                        arguments.dtype,
                        arguments.decay,
                    )
                )
    with ProcessPoolExecutor(arguments.processes) as pool, arguments.out.open("a") as out:
        for record in pool.map(run, jobs):
            print(json.dumps(record), file=out, flush=True)
            print(
                record["corpus"],
                record["width"],
                record["tokens"],
                record["loss"],
                record["bits_per_byte"],
                file=sys.stderr,
            )


def _sizes(text: str) -> tuple[int, int, int]:
    width, layers, thousands = (int(part) for part in text.split("x"))
    return width, layers, thousands


def _key(corpus: str, width: int, layers: int, tokens: int) -> tuple[object, ...]:
    """Return what tells a run: the last step falls short of the tokens that were asked for."""
    return corpus, width, layers, round(tokens / 1e6, 1)


if __name__ == "__main__":
    main()
