"""How memory and time grow with the length of the context and the number of streams.

Run: ``python benchmarks/growth.py --plot growth.png``. A model of random weights (about 10M
parameters, or ``--model FOLDER``) writes with 1 to 64 streams at contexts of 16 to 4,096 tokens.
For each point: seconds per step and tokens per second (medians of single steps), seconds to read
the prompts, bytes of keys and values in blocks that are held, and the peak memory of a process
that does nothing else. Contexts that all streams together share are a second curve: one prompt,
read once. Prints one JSON object; each point runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import torch

from autogpt.inference.capacity import EngineConfig
from autogpt.inference.engine import Engine
from autogpt.inference.packing import pack_model
from autogpt.inference.params import SamplingParams
from autogpt.models.checkpoint import load_model
from autogpt.models.config import GPTConfig
from autogpt.models.gpt import GPT
from autogpt.nn.paged import BLOCK
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

Dtype = Literal["float32", "bfloat16"]

CONTEXTS = (16, 64, 256, 1024, 4096)
STREAMS = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a model folder; default 10M random weights")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--contexts", type=int, nargs="+", default=CONTEXTS)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--steps", type=int, default=16, help="decode steps of a point")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the curves")
    parser.add_argument("--point", metavar="JSON", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        print(json.dumps(measure(arguments.model, arguments.dtype, **json.loads(arguments.point))))
        return
    wanted = [(context, 1, False) for context in arguments.contexts]
    wanted += [(256, streams, False) for streams in arguments.streams]
    wanted += [(1024, streams, True) for streams in arguments.streams]
    points = [
        run_point(arguments, {"context": context, "streams": streams, "shared": shared})
        for context, streams, shared in dict.fromkeys(wanted)
    ]
    facts = {
        "dtype": arguments.dtype,
        "model": str(arguments.model or "10M random weights"),
        "steps": arguments.steps,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "points": points,
    }
    print(json.dumps(facts, indent=2))
    if arguments.plot:
        plot(points, arguments.plot)


def run_point(arguments: argparse.Namespace, where: dict[str, object]) -> dict[str, object]:
    """Measure one point in a process of its own, so that its peak memory is its own."""
    point = where | {"steps": arguments.steps}
    command = [sys.executable, __file__, "--dtype", arguments.dtype, "--point", json.dumps(point)]
    if arguments.model:
        command += ["--model", str(arguments.model)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, object] = json.loads(done.stdout)
    print(result, file=sys.stderr)
    return result


def measure(
    folder: Path | None, dtype: Dtype, *, context: int, streams: int, shared: bool, steps: int
) -> dict[str, object]:
    """Return time and memory of ``streams`` texts that hold ``context`` tokens each."""
    model, tokenizer = load(folder, dtype)
    head = pack_model(model)
    config = EngineConfig(cache_bytes=(4 << 30))
    engine = Engine(model, tokenizer, ends=frozenset(), head=head, config=config)
    generator = torch.Generator().manual_seed(0)
    size = (1 if shared else streams, context)
    prompts = torch.randint(0, tokenizer.vocab_size - 3, size, generator=generator).tolist()
    # Those that are read first go on writing until all have begun.
    many = steps + 2 + streams * context // 64
    params = SamplingParams(max_tokens=many, temperature=0.0, n=streams if shared else 1)
    idle_bytes = peak_bytes()
    begin = time.perf_counter()
    for prompt in prompts:
        engine.add_request(prompt, params)
    begun: set[tuple[int, int]] = set()
    while len(begun) < streams:
        begun |= {(output.request, output.row) for output in engine.step()}
    prefill_s = time.perf_counter() - begin
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        engine.step()
        seconds.append(time.perf_counter() - begin)
    held = engine.blocks_held
    step_s = statistics.median(seconds)
    return {
        "context": context,
        "streams": streams,
        "shared": shared,
        "prefill_s": round(prefill_s, 4),
        "step_s": round(step_s, 5),
        "tokens_per_s": round(streams / step_s, 1),
        "cache_bytes": held * block_bytes(model),
        "idle_rss_bytes": idle_bytes,
        "peak_rss_bytes": peak_bytes(),
    }


def load(folder: Path | None, dtype: Dtype) -> tuple[GPT, Tokenizer]:
    """Return the model to measure and a tokenizer."""
    if folder is not None:
        return load_model(folder, dtype=dtype), Tokenizer.load(folder)
    text = "Shall I compare thee to a summer's day? 學而時習之，不亦說乎？\n" * 8
    settings = TokenizerConfig(kind="bpe", vocab_size=320)
    tokenizer = train([text], settings, corpus_bytes=len(text.encode()))
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=8192,
        hidden_size=320,
        intermediate_size=864,
        num_hidden_layers=6,
        num_attention_heads=5,
        num_key_value_heads=5,
        head_dim=64,
        max_position_embeddings=8192,
    )
    return GPT(config).to(getattr(torch, dtype)).eval(), tokenizer


def block_bytes(model: GPT) -> int:
    """Return the bytes of one block of keys and values in all layers."""
    config = model.config
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * BLOCK * config.head_dim
    return values * model.embedding.weight.element_size()


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def plot(points: list[dict[str, object]], path: Path) -> None:
    """Draw time and memory against context and streams."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained")
    curves = (
        ("context", [p for p in points if p["streams"] == 1 and not p["shared"]], "one stream"),
        ("streams", [p for p in points if p["context"] == 256 and not p["shared"]], "256 tokens"),
        ("streams", [p for p in points if p["shared"]], "1,024 tokens, shared"),
    )
    for name, curve, label in curves:
        column = 0 if name == "context" else 1
        curve.sort(key=lambda point: float(str(point[name])))
        x = [float(str(point[name])) for point in curve]
        times = [float(str(point["step_s"])) * 1e3 for point in curve]
        sizes = [float(str(point["cache_bytes"])) / 2**20 for point in curve]
        axes[0][column].plot(x, times, marker="o", label=label)
        axes[1][column].plot(x, sizes, marker="o", label=label)
    for row, title in enumerate(("milliseconds a step", "keys and values, MiB")):
        for column, name in enumerate(("context, tokens", "streams")):
            axis = axes[row][column]
            axis.set(xlabel=name, ylabel=title, xscale="log")
            axis.grid(alpha=0.3)
            axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
