"""A run on a cluster, on paper: memory, traffic and time by formulas, held against published runs.

``python benchmarks/cluster.py`` prints the tables of docs/cluster.md; ``--write`` puts them there.
Nothing is measured: what is assumed stands in :class:`Machine` and :data:`EFFICIENCY`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autogpt.models.counting import flops_per_token, parameter_count
from autogpt.models.gpt import GPTConfig
from autogpt.training.layout import owners

PAGE = Path(__file__).parents[1] / "docs/cluster.md"
EFFICIENCY = 0.46  # of the peak, all but exchange included: the median of RUNS


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A GPU and its place: peak in bf16, memory, and links in bytes a second and direction.

    H100 SXM: 989 TFLOP/s dense, 80 GB, NVLink 900 GB/s both ways together, eight network ports of
    400 Gb/s a server (NVIDIA 2023, "H100 Tensor Core GPU Architecture", DGX H100 data sheet).
    """

    flops: float = 989e12
    memory_bytes: float = 80e9
    per_server: int = 8
    nvlink: float = 450e9
    port: float = 50e9
    reached: float = 0.8  # of a link's rate, by large messages; assumed

    def bandwidth(self, gpus: int) -> float:
        """Return the rate at which a GPU takes part in a ring: the slowest link, all ports used."""
        slowest = self.nvlink if gpus <= self.per_server else self.per_server * self.port
        return self.reached * min(self.nvlink, slowest)


ONE_BILLION = GPTConfig(
    vocab_size=32_768,
    hidden_size=2048,
    intermediate_size=5632,
    num_hidden_layers=20,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=2048,
)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one GPU needs: bytes of each kind, bytes sent a step, seconds of a step."""

    layout: str
    gpus: int
    state: float
    gathered: float
    activations: float
    traffic: float
    compute_s: float
    muon_s: float
    exchange_s: float
    steps: int

    @property
    def memory(self) -> float:
        """Bytes in all."""
        return self.state + self.gathered + self.activations

    @property
    def step_s(self) -> tuple[float, float]:
        """Seconds of a step, if all of the exchange is hidden behind the work, and if none is.

        Replicated processes exchange after the backward pass, so nothing is hidden there.
        """
        work = self.compute_s + self.muon_s
        unhidden = work + self.exchange_s
        hidden = max(work, self.exchange_s) if self.layout == "shard" else unhidden
        return hidden, unhidden


def matrices(model: GPTConfig) -> tuple[tuple[int, int, int], ...]:
    """Return N, R, C of the matrices that Muon steps, by shape."""
    hidden, layers = model.hidden_size, model.num_hidden_layers
    inner = model.num_attention_heads * model.head_dim
    shared = model.num_key_value_heads * model.head_dim
    inside = model.intermediate_size
    shapes = [(inner, hidden), (shared, hidden), (shared, hidden), (hidden, inner)]
    shapes += [(inside, hidden), (inside, hidden), (hidden, inside)]
    return tuple((layers, rows, columns) for rows, columns in shapes)


def state_bytes(model: GPTConfig) -> int:
    """Return the bytes of weights, gradients, masters and moments of a whole model.

    2 + 2 (weight and gradient in bf16) + 4 + 4 (master and sum of gradients in fp32) a weight, and
    moments in fp32: one for Muon's matrices, two for AdamW's rest.
    """
    weights = parameter_count(model)
    of_muon = sum(count * rows * columns for count, rows, columns in matrices(model))
    return 12 * weights + 4 * of_muon + 8 * (weights - of_muon)


def activation_bytes(model: GPTConfig, tokens: int) -> int:
    """Return the bytes that a micro-batch keeps for its backward pass, in bf16, logits in fp32.

    A layer keeps, a token: the two inputs of its norms and what the norms give (4 D); queries, keys
    and values before and after rotation, and what attention gives (3 H E + 3 K E, values once);
    gate, up, silu(gate) and their product (4 I). Fused attention keeps no scores (Dao et al. 2022).
    Logits are kept in bf16 and fp32, with an fp32 gradient (10 V).
    """
    inner = model.num_attention_heads * model.head_dim
    shared = model.num_key_value_heads * model.head_dim
    layer = 4 * model.hidden_size + 3 * inner + 3 * shared + 4 * model.intermediate_size
    return tokens * (2 * model.num_hidden_layers * layer + 10 * model.vocab_size)


def muon_flops(model: GPTConfig, gpus: int) -> float:
    """Return the operations of the busiest GPU in orthogonalizing its share of the matrices."""
    shapes = matrices(model)
    work = [5 * (4 * min(r, c) ** 2 * max(r, c) + 2 * min(r, c) ** 3) for _, r, c in shapes]
    return max(
        sum(len(at) * one for at, one in zip(places, work, strict=True))
        for places in owners(shapes, gpus)
    )


def estimate(
    layout: str,
    gpus: int,
    *,
    model: GPTConfig = ONE_BILLION,
    step_tokens: int = 1 << 20,
    part_tokens: int = 8192,
    tokens: float = 20e9,
    machine: Machine | None = None,
) -> Estimate:
    """Return what a run needs on ``gpus`` GPUs.

    A ring sends (G - 1) / G of the data to gather or to reduce it in shards, and twice that to sum
    it (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms"). Replicated: the fp32
    gradients are summed and Muon's bf16 updates gathered, once a step. Sharded: bf16 weights are
    gathered forward and backward and fp32 gradients reduced, each micro-batch; Muon's rows go to
    their owners and back once a step.
    """
    machine = machine or Machine()
    weights, length = parameter_count(model), model.max_position_embeddings
    of_muon = sum(count * rows * columns for count, rows, columns in matrices(model))
    share = step_tokens // gpus
    at_once = min(part_tokens, share)
    parts = math.ceil(share / at_once)
    ring = (gpus - 1) / gpus
    if layout == "replicate":
        traffic = ring * (2 * 4 * weights + 2 * of_muon)
        state, gathered = float(state_bytes(model)), 0.0
    else:
        traffic = ring * (parts * (2 + 2 + 4) * weights + 2 * 2 * of_muon / gpus)
        block = (weights - model.vocab_size * model.hidden_size) // model.num_hidden_layers
        root = model.vocab_size * model.hidden_size
        state = state_bytes(model) / gpus
        # The next block is gathered while one computes; a gradient is bf16 and, reduced, fp32.
        gathered = 2.0 * 2 * block + (2 + 4) * block + (2 + 2 + 4) * root
    rate = machine.flops * EFFICIENCY
    return Estimate(
        layout=layout,
        gpus=gpus,
        state=state,
        gathered=gathered,
        activations=float(activation_bytes(model, at_once)),
        traffic=traffic,
        compute_s=share * flops_per_token(model, length) / rate,
        muon_s=muon_flops(model, gpus) / rate,
        exchange_s=traffic / machine.bandwidth(gpus),
        steps=math.ceil(tokens / step_tokens),
    )


@dataclass(frozen=True, kw_only=True)
class Published:
    """A run that others have published: its size, its machine, and what it took.

    Attributes:
        name: Model and software.
        source: Where it stands.
        gpus: With the peak of each in FLOP/s.
        flops: Model operations a token, 6 N + 12 L H E T.
        tokens_per_s: Of all of them together, as published or from what was.
    """

    name: str
    source: str
    gpus: int
    peak: float
    flops: float
    tokens_per_s: float

    @property
    def utilization(self) -> float:
        """Share of the peak that goes into the model's own operations."""
        return self.flops * self.tokens_per_s / (self.gpus * self.peak)

    @property
    def off(self) -> float:
        """How far the formula's time is off: 0.1 says 10% longer than what was published."""
        return self.utilization / EFFICIENCY - 1


def _flops(weights: float, layers: int, inner: int, length: int) -> float:
    return 6 * weights + 12 * layers * inner * length


A100, H100, TPU4 = 312e12, 989e12, 275e12
GPT2, GPT2_XL = _flops(123.6e6, 12, 768, 1024), _flops(1556e6, 48, 1600, 1024)
LLAMA_8B = _flops(7.504e9, 32, 4096, 8192)  # 8.03e9 but for the embedding that is looked up
RUNS = (
    Published(
        name="GPT-2 124M, nanoGPT",
        source="README of karpathy/nanoGPT (2022): 600,000 steps of 491,520 tokens in about 4 days",
        gpus=8,
        peak=A100,
        flops=GPT2,
        tokens_per_s=600_000 * 491_520 / (4 * 86_400),
    ),
    Published(
        name="GPT-2 124M, llm.c",
        source="karpathy/llm.c, discussion 481 (2024): 10e9 tokens in about 90 minutes",
        gpus=8,
        peak=A100,
        flops=GPT2,
        tokens_per_s=10e9 / 5400,
    ),
    Published(
        name="GPT-2 1.6B, llm.c",
        source="karpathy/llm.c, scripts/run_gpt2_1558M.sh (2024): 2.80 s for 1,048,576 tokens",
        gpus=8,
        peak=H100,
        flops=GPT2_XL,
        tokens_per_s=1_048_576 / 2.80,
    ),
    Published(
        name="d24, nanochat",
        source="karpathy/nanochat, dev/LEADERBOARD.md (2026), run 1: 16,704 steps of 524,288 "
        "tokens and 4.33e19 operations in 10,949 s, with Muon",
        gpus=8,
        peak=H100,
        flops=4.330784e19 / (16_704 * 524_288),
        tokens_per_s=16_704 * 524_288 / 10_949.5,
    ),
    Published(
        name="Llama 3.1 8B, torchtitan",
        source="performance.md of pytorch/torchtitan (2024): FSDP2 and torch.compile, 6,667 "
        "tokens/s a GPU",
        gpus=8,
        peak=H100,
        flops=LLAMA_8B,
        tokens_per_s=8 * 6667,
    ),
    Published(
        name="Llama 3 8B, torchtitan",
        source="the same page: FSDP2, 2,904 tokens/s a GPU",
        gpus=64,
        peak=A100,
        flops=LLAMA_8B,
        tokens_per_s=64 * 2904,
    ),
    Published(
        name="GPT 1.7B, Megatron-LM",
        source="Narayanan et al. 2021, arXiv 2104.04473, table 1: 137 TFLOP/s a GPU, of which the "
        "forward pass done twice is a quarter",
        gpus=32,
        peak=A100,
        flops=_flops(1.65e9, 24, 2304, 2048),
        tokens_per_s=32 * 137e12 * 0.75 / _flops(1.65e9, 24, 2304, 2048),
    ),
    Published(
        name="PaLM 540B",
        source="Chowdhery et al. 2022, arXiv 2204.02311, section 4.1: 238,300 tokens/s",
        gpus=6144,
        peak=TPU4,
        flops=_flops(540.35e9, 118, 48 * 256, 2048),
        tokens_per_s=238_300,
    ),
    Published(
        name="Llama 3 405B",
        source="Grattafiori et al. 2024, arXiv 2407.21783, table 4: 400 TFLOP/s a GPU",
        gpus=16_384,
        peak=H100,
        flops=_flops(405e9, 126, 16_384, 8192),
        tokens_per_s=16_384 * 400e12 / _flops(405e9, 126, 16_384, 8192),
    ),
)


def paper(gpus: Sequence[int] = (8, 64, 512)) -> Iterator[str]:
    """Yield the rows of the table on paper, in Markdown."""
    yield (
        "| GPUs | layout | state | gathered | activations | memory | sent a step | work | Muon "
        "| exchange | step | 20B tokens |"
    )
    yield "| --- " * 12 + "|"
    for number in gpus:
        for layout in ("replicate", "shard"):
            found = estimate(layout, number)
            low, high = found.step_s
            span = f"{low:.3f} s" if high < 1.005 * low else f"{low:.3f}-{high:.3f} s"
            hours = [seconds * found.steps / 3600 for seconds in (low, high)]
            time = f"{hours[0]:.1f} h" if hours[1] < 1.005 * hours[0] else (
                f"{hours[0]:.1f}-{hours[1]:.1f} h"
            )  # fmt: skip
            cells = [
                str(number),
                layout,
                *(_giga(n) for n in (found.state, found.gathered, found.activations)),
                _giga(found.memory),
                _giga(found.traffic),
                *(f"{n:.3f} s" for n in (found.compute_s, found.muon_s, found.exchange_s)),
                span,
                time,
            ]
            yield "| " + " | ".join(cells) + " |"


def checked() -> Iterator[str]:
    """Yield the rows of the comparison with published runs, in Markdown."""
    yield "| run | GPUs | tokens/s | utilization | formula's time | source |"
    yield "| --- " * 6 + "|"
    for run in RUNS:
        cells = [
            run.name,
            f"{run.gpus:,}",
            f"{run.tokens_per_s:,.0f}",
            f"{run.utilization:.1%}",
            f"{run.off:+.0%}",
            run.source,
        ]
        yield "| " + " | ".join(cells) + " |"


def _giga(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.2f} GB"


def filled(page: str) -> str:
    """Return the page with its tables made anew."""
    for name, rows in (("paper", paper()), ("published", checked())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, _, rest = page.partition(begin)
        _, _, tail = rest.partition(end)
        page = head + begin + "\n".join(rows) + "\n" + end + tail
    return page


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/cluster.md")
    if parser.parse_args().write:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    for rows in (paper(), checked()):
        print("\n".join(rows), end="\n\n")


if __name__ == "__main__":
    main()
