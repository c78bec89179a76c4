"""Export models in every format, verify them in every engine here, and write the table of docs.

Tiny models of random weights in each family, and a real one: the difference of log probabilities
is measured for every pair of format and engine. Prints one JSON object; with --docs it also writes
the table between the marks of docs/engines.md. Engines that need an environment of their own are
measured there, into the same --rows, which keeps what is not measured anew.
``python benchmarks/engines.py [--model smollm2-135m-instruct] [--docs docs/engines.md]``
``... --only qwen3 --only llama --formats tensorflow --rows rows.jsonl``
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import autogpt
from autogpt.core.errors import AutoGPTError
from autogpt.core.refs import is_missing
from autogpt.core.units import format_bytes
from autogpt.evaluation.engines import ENGINES
from autogpt.evaluation.engines.engine import open_module
from autogpt.evaluation.verification import verify
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.recipe.exporting import export
from autogpt.tokenizer.bpe import TokenizerConfig, train

CORPUS = Path(autogpt.__file__).parent / "data" / "quickstart"
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3": {},
    "llama": {"query_key_norm": False},
    "qwen2": {
        "query_key_norm": False, "attention_bias": True, "attention_output_bias": False,
        "head_dim": 16,
    },
    "gemma3_text": {
        "norm": "offset_rms", "network": "geglu", "post_norms": True, "query_pre_attn_scalar": 32,
        "embedding_multiplier": 8.0, "sliding_window": 16, "rope_local_base_freq": 10_000.0,
        "num_hidden_layers": 7,
        "layer_types": (*["sliding_attention"] * 5, "full_attention", "sliding_attention"),
    },
    "mistral": {"query_key_norm": False, "sliding_window": 16},
    "gpt2": {
        "norm": "layer", "network": "gelu", "positions": "learned", "query_key_norm": False,
        "attention_bias": True, "network_bias": True, "num_key_value_heads": 4, "head_dim": 16,
        "norm_eps": 1e-5,
    },
}  # fmt: skip
EXPORTS = (
    ("hf", "float32"),
    ("hf", "bfloat16"),
    ("gguf", "f32"),
    ("gguf", "f16"),
    ("gguf", "bf16"),
    ("gguf", "q8_0"),
    ("gguf", "q4_0"),
    ("onnx", "float32"),
    ("tensorflow", "float32"),
)
BEGIN, END = "<!-- measured -->", "<!-- end -->"


def tiny_models(folder: Path, only: list[str]) -> Iterator[tuple[str, Path]]:
    """Write a model of random weights of each family; yield names and folders."""
    text = "".join(
        (CORPUS / name).read_text(encoding="utf-8")[:60_000]
        for name in ("tinyshakespeare.txt", "lunyu.txt")
    )
    settings = TokenizerConfig(kind="bpe", vocab_size=1024)
    tokenizer = train([text], settings, corpus_bytes=len(text.encode()))
    for family, switches in FAMILIES.items():
        if only and family not in only:
            continue
        torch.manual_seed(0)
        fields = {**SIZES, **switches, "vocab_size": tokenizer.vocab_size}
        ends = {"eos_token_id": tokenizer.eos_id, "pad_token_id": tokenizer.pad_id}
        model = GPT(GPTConfig(model_type=family, **fields, **ends)).eval()
        save_model(model, folder / family, tokenizer=tokenizer)
        yield f"{family}, random", folder / family


def measure(
    name: str, model: str | Path, folder: Path, formats: list[str]
) -> Iterator[dict[str, Any]]:
    """Export a model in every format; yield what each engine made of it."""
    for to, dtype in EXPORTS:
        if formats and to not in formats:
            continue
        row: dict[str, Any] = {"model": name, "format": to, "dtype": dtype}
        out = folder / f"{Path(str(model)).name}-{to}-{dtype}"
        try:
            written = export(model, to=to, out=out, dtype=dtype, check=False)
            found = verify(written.path)
        except AutoGPTError as error:
            yield {**row, "refused": error.message}
            continue
        size = sum(written.files.values())
        faults = [check.detail for check in found.checks if check.status == "fault"]
        if faults:
            yield {**row, "bytes": size, "refused": faults[0]}
        for report in found.engines:
            yield {
                **row, "bytes": size, "engine": report.engine, "status": report.status,
                "difference": report.difference, "same_tokens": report.same_tokens,
                "same_top": report.same_top, "tolerance": report.tolerance,
                "reason": report.reason,
            }  # fmt: skip


def kept(path: Path | None, measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of earlier calls that were not measured anew, and the new ones; keep all."""
    if path is None:
        return measured
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    new = {(row["model"], row["format"]) for row in measured}
    rows = [row for row in map(json.loads, lines) if (row["model"], row["format"]) not in new]
    rows += measured
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return what was measured as a page of Markdown: an engine a column."""
    engines = {row["engine"]: row["version"] for row in rows if row.get("version")}
    lines = ["| engine | version |", "| --- | --- |"]
    lines += [f"| {name} | {version} |" for name, version in engines.items()]
    lines += [
        "",
        f"Measured on {platform.machine()}, Python {platform.python_version()}, torch "
        f"{torch.__version__.partition('+')[0]}, with `python benchmarks/engines.py`: the largest "
        "difference of log p, and in brackets what is allowed. A dash: it does not read that.",
        "",
        f"| model | format | size | {' | '.join(engines)} |",
        f"| {' | '.join(['---'] * (3 + len(engines)))} |",
    ]
    order = {export: place for place, export in enumerate(EXPORTS)}
    models = list(dict.fromkeys(row["model"] for row in rows))
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["format"], row["dtype"]), []).append(row)
    for (model, to, dtype), own in sorted(
        groups.items(), key=lambda pair: (models.index(pair[0][0]), order[pair[0][1:]])
    ):
        size = format_bytes(own[0]["bytes"]) if "bytes" in own[0] else ""
        refused = [row["refused"] for row in own if "refused" in row]
        cells = [f"refused: {refused[0]}"] if refused else [_cell(own, name) for name in engines]
        cells += [""] * (len(engines) - len(cells))
        # What is refused whatever the dtype is one line.
        what = f"{to} {dtype}" if size or not refused else to
        line = f"| {model} | {what} | {size} | {' | '.join(cells)} |"
        if line != lines[-1]:
            lines.append(line)
    return "\n".join(lines)


def _cell(rows: list[dict[str, Any]], engine: str) -> str:
    row = next((row for row in rows if row.get("engine") == engine), None)
    if row is None or row["status"] == "missing":
        return "—"
    if row["difference"] is None:
        return str(row["reason"]).replace("|", "/")
    same = "" if row["same_tokens"] and row["same_top"] else ", other tokens"
    return f"{row['difference']:.1e} ({row['tolerance']:g}){same}"


def main() -> None:
    """Measure, print one JSON object, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--only", action="append", default=[], help="A family, or the model.")
    parser.add_argument("--formats", action="append", default=[])
    parser.add_argument("--rows", type=Path, help="Keep rows in this file of JSON lines.")
    parser.add_argument("--docs", type=Path)
    arguments = parser.parse_args()
    versions = {name: open_module(name).version() for name in ENGINES}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models: list[tuple[str, str | Path]] = [*tiny_models(folder, arguments.only)]
        wanted = not arguments.only or arguments.model in arguments.only
        if wanted and not is_missing(arguments.model):
            models.append((arguments.model, arguments.model))
        for name, path in models:
            for row in measure(name, path, folder, arguments.formats):
                row["version"] = versions.get(row.get("engine", ""))
                print(json.dumps(row, ensure_ascii=False), file=sys.stderr, flush=True)
                rows.append(row)
    rows = kept(arguments.rows, rows)
    print(json.dumps({"engines": versions, "rows": rows}, indent=2, ensure_ascii=False))
    if arguments.docs is not None:
        page = arguments.docs.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN, 1)
        after = rest.split(END, 1)[1]
        whole = f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}"
        arguments.docs.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    main()
