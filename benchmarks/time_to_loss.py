"""How much text and how much time it takes to learn tinyshakespeare, character by character.

The first 90% of the characters are learned, the rest is the validation split, all of it measured
(65 characters, in windows of the model's context). Four stages, each a process of its own with an
empty compiler cache and nothing remembered about the machine:

third   at nanoGPT's CPU batch and context (12 x 64), a third of the tokens of its recipe
all     the same with all of its tokens (2,000 steps); nanoGPT's README reports 1.88 for it, and
        a run of it here ended at 1.898
three   three minutes from a cold start: imports, compiling and training
ten     ten minutes, the same; nanoGPT's README reports 1.4697 for three minutes of an A100

One JSON object on standard output; loss in nats a character.
``python benchmarks/time_to_loss.py --text tinyshakespeare.txt [--stages third all three ten]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUNDLED = Path(__file__).parents[1] / "src/autogpt/data/quickstart/tinyshakespeare.txt"
NANOGPT_STEPS, NANOGPT_ROWS, NANOGPT_LENGTH = 2000, 12, 64
TARGETS = {"third": 1.898, "all": 1.59, "three": 1.50, "ten": 1.47}
AFTER_S = 6.0  # measuring the validation split, and leaving

SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "head_dim": 64}
STAGES: dict[str, dict[str, dict[str, object]]] = {
    "third": {"model": SMALL, "training": {"max_steps": NANOGPT_STEPS // 3}},
    "all": {"model": SMALL, "training": {"max_steps": NANOGPT_STEPS}},
    "three": {
        "model": {"hidden_size": 192, "num_hidden_layers": 4, "head_dim": 64},
        "training": {"budget": "3m", "batch_size": 8, "muon_lr": 0.008},
    },
    "ten": {
        "model": {"hidden_size": 192, "num_hidden_layers": 4, "head_dim": 64},
        "training": {"budget": "10m", "batch_size": 8, "muon_lr": 0.008, "weight_decay": 0.1},
    },
}


def learn(stage: str, text: Path, begun: float) -> dict[str, object]:
    """Be one stage: learn, measure, and say how it went. ``begun`` is when the process started."""
    import numpy as np
    import torch

    from autogpt.core.budget import parse_budget
    from autogpt.data.batches import Batches
    from autogpt.data.shards import TokenShard
    from autogpt.models.counting import parameter_count
    from autogpt.models.gpt import GPT, GPTConfig
    from autogpt.training import kernels, plan
    from autogpt.training.settings import TrainingConfig
    from autogpt.training.trainer import Hooks, Trainer, evaluate

    torch.manual_seed(0)
    characters = text.read_text(encoding="utf-8")
    alphabet = sorted(set(characters))
    number = {character: index for index, character in enumerate(alphabet)}
    ids = np.array([number[character] for character in characters], dtype=np.uint16)
    cut = int(len(ids) * 0.9)

    def shard(tokens: np.ndarray) -> TokenShard:
        start = np.zeros(1, np.uint64)
        return TokenShard(
            tokens=tokens, starts=start, total_bytes=len(tokens), vocab_size=len(alphabet)
        )

    sizes, settings = STAGES[stage]["model"], dict(STAGES[stage]["training"])
    timed = "budget" in settings
    length = 256 if timed else NANOGPT_LENGTH
    heads = sizes["hidden_size"] // sizes["head_dim"]
    config = GPTConfig(
        vocab_size=len(alphabet),
        intermediate_size=-(-sizes["hidden_size"] * 8 // 3 // 64) * 64,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=length,
        tie_word_embeddings=False,
        **sizes,
    )
    settings.setdefault("batch_size", NANOGPT_ROWS)
    training = plan.batch_sizes(TrainingConfig(**settings), config)
    batches = Batches(
        shard=shard(ids[:cut]),
        batch_size=training.micro_batch_size,
        context_length=length,
        seed=0,
    )
    budget_s = parse_budget(training.budget).amount if timed else 3600.0
    chosen = kernels.choose(
        kernels.KernelConfig(), config, length=length, masked=False, budget_s=budget_s
    )
    trainer = Trainer(GPT(config), batches, training, chosen)
    warmth = trainer.warm_up()
    left_s = budget_s - (time.time() - begun) - AFTER_S

    def show(entry: object, share: float) -> None:
        print(f"{stage} {share:4.0%} step {entry.step} loss {entry.loss:.3f}", file=sys.stderr)

    hooks = Hooks(
        entry=show,
        validate=lambda model: evaluate(model, shard(ids[cut:]), context_length=length),
        checkpoint=lambda *_: None,
    )
    trainer.run(hooks, budget_s=left_s if timed else None)
    loss = hooks.validate(trainer.finish()).loss
    return {
        "loss": round(loss, 4),
        "target": TARGETS[stage],
        "reached": loss <= TARGETS[stage],
        "weights": parameter_count(config),
        "steps": trainer.at.steps,
        "tokens": trainer.at.tokens,
        "train_s": round(trainer.at.train_s, 1),
        "compile_s": round(warmth.compile_s, 1),
        "wall_s": round(time.time() - begun, 1),
        "kernels": {"dtype": chosen.dtype, "attention": chosen.attention},
    }


def main() -> None:
    """Run the stages one after another and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=BUNDLED)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--stage", choices=list(STAGES), help=argparse.SUPPRESS)
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(learn(arguments.stage, arguments.text, arguments.begun)))
        return
    results = {}
    for stage in arguments.stages:
        with tempfile.TemporaryDirectory() as empty:
            cold = {"TORCHINDUCTOR_CACHE_DIR": f"{empty}/compiler", "AUTOGPT_CACHE": empty}
            command = [sys.executable, __file__, "--text", str(arguments.text)]
            done = subprocess.run(
                [*command, "--stage", stage, "--begun", str(time.time())],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={**os.environ, **cold},
            )
        results[stage] = json.loads(done.stdout)
        print(stage, results[stage], file=sys.stderr)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
