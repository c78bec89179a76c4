"""Measure how long a GGUF file takes to load, and its memory: ours and transformers'.

``int4`` and ``int8`` move groups of 32 that are stored as ours are; ``int4 rounded`` and ``int8
rounded`` unpack and round them again, as other forms need. Those read the weights in one thread.

Every load is a process of its own with its file in the page cache; the kinds take turns, medians
are shown. One JSON object on standard output.
``python benchmarks/gguf_loading.py FILE.gguf [--repeats 3]``
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

PROMPT = "The capital of France is"


def ours(path: Path, dtype: Literal["float32", "bfloat16"]) -> dict[str, float]:
    """Load as ``autogpt.load`` does, and write one token."""
    begin = time.perf_counter()
    import autogpt

    autogpt.load  # noqa: B018 - the access imports
    import torch

    imported = time.perf_counter()
    from autogpt.interop.gguf import open_gguf

    file = open_gguf(path)
    opened = time.perf_counter()
    tokenizer = file.tokenizer()
    spelled = time.perf_counter()
    model = file.model(dtype=dtype)
    read = time.perf_counter()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    ids = [*tokenizer.bos_ids, *tokenizer.encode(PROMPT)]
    with torch.inference_mode():
        model.logits(model(torch.tensor([ids]))[:, -1]).argmax()
    return {
        "import_s": imported - begin,
        "header_s": opened - imported,
        "tokenizer_s": spelled - opened,
        "weights_s": read - spelled,
        "load_s": read - imported,
        "first_token_s": time.perf_counter() - read,
        "weights_bytes": float(sum(each.nbytes for each in model.state_dict().values())),
        "peak_rss_bytes": float(rss),
    }


def quantized(
    path: Path, quantization: Literal["int4", "int8"], *, moved: bool
) -> dict[str, float]:
    """Load weights of few bits."""
    begin = time.perf_counter()
    from autogpt.interop.gguf import open_gguf
    from autogpt.models.quantized import Quantizer, one_thread

    imported = time.perf_counter()
    file = open_gguf(path)
    opened = time.perf_counter()
    quantizer = Quantizer(quantization)
    with one_thread():
        file.model(dtype="auto", keep=quantizer, take=quantizer.take if moved else None)
    read = time.perf_counter()
    return {
        "import_s": imported - begin,
        "header_s": opened - imported,
        "weights_s": read - opened,
        "load_s": read - imported,
        "weights_bytes": float(sum(each.size_bytes for each in quantizer.matrices.values())),
        "peak_rss_bytes": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10),
    }


def measured(path: Path, kind: str) -> dict[str, float]:
    """Load in one way."""
    match kind.split():
        case ["transformers"]:
            return theirs(path)
        case ["float32" | "bfloat16" as dtype]:
            return ours(path, dtype)
        case ["int4" | "int8" as bits, *rounded]:
            return quantized(path, bits, moved=not rounded)
    raise ValueError(kind)


def theirs(path: Path) -> dict[str, float]:
    """Load with transformers, in float32."""
    begin = time.perf_counter()
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.AutoModelForCausalLM, transformers.AutoTokenizer  # noqa: B018 - imports
    imported = time.perf_counter()
    folder, name = str(path.parent), path.name
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)
    spelled = time.perf_counter()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32
    )
    read = time.perf_counter()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    with torch.inference_mode():
        model(**tokenizer(PROMPT, return_tensors="pt")).logits[:, -1].argmax()
    return {
        "import_s": imported - begin,
        "tokenizer_s": spelled - imported,
        "weights_s": read - spelled,
        "load_s": read - imported,
        "first_token_s": time.perf_counter() - read,
        "peak_rss_bytes": float(rss),
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    kinds = ["float32", "bfloat16", "int4", "int4 rounded", "int8", "int8 rounded"]
    parser.add_argument("--kinds", nargs="*", choices=[*kinds, "transformers"])
    parser.add_argument("--only", choices=[*kinds, "transformers"])
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(measured(options.file, options.only)))
        return
    if options.kinds is not None:
        kinds = options.kinds
    elif importlib.util.find_spec("transformers"):
        kinds.append("transformers")
    options.file.read_bytes()
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    failed: dict[str, str] = {}
    for _ in range(max(1, options.repeats)):
        for kind in kinds:
            command = [sys.executable, __file__, str(options.file), "--only", kind]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                failed[kind] = done.stderr.splitlines()[-1]
            else:
                runs[kind].append(json.loads(done.stdout.splitlines()[-1]))
    medians = {
        kind: {name: round(statistics.median(run[name] for run in found), 3) for name in found[0]}
        for kind, found in runs.items()
        if found
    }
    size = options.file.stat().st_size
    result = {"file": options.file.name, "file_bytes": size, **medians, "failed": failed}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
