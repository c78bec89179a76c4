"""Hold our scores and speed on public suites against lm-evaluation-harness's own back end.

Both read the same weights in the same type from one folder (a GGUF file is unpacked into one) and
the same questions from the same local file, in a process of its own each; time is that of scoring,
after the model is loaded. The harness runs with each batch size, and its fastest run counts. It
needs many packages, so it is called by the interpreter of an environment of its own:
``python -m venv X; X/bin/pip install torch lm_eval transformers accelerate``. A JSON line a suite.
``python benchmarks/suites.py MODEL --suite-data FOLDER --lm-eval X/bin/python [--limit 50]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

METRICS = {"arc_easy": ("acc", "acc_norm"), "lambada_openai": ("acc", "perplexity")}
CLOSE = 0.003  # of a share; 0.3 points
FASTER = 2.0

TASKS = {
    "arc_easy": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{query}}\nAnswer:",
        "doc_to_target": "gold",
        "doc_to_choice": "{{choices}}",
    },
    "lambada_openai": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{context}}",
        "doc_to_target": "{{' '+continuation}}",
    },
}

THEIRS = """
import json, sys, time
asked = json.loads(sys.argv[1])
import torch
torch.set_num_threads(asked["threads"])
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
model = HFLM(
    pretrained=asked["model"], dtype=asked["dtype"], device="cpu", batch_size=asked["batch"]
)
manager = TaskManager(include_path=asked["tasks"], include_defaults=False)
begin = time.perf_counter()
found = simple_evaluate(
    model=model, tasks=[asked["suite"] + "_local"], task_manager=manager, limit=asked["limit"],
    bootstrap_iters=0, log_samples=False, verbosity="ERROR",
)
wall_s = time.perf_counter() - begin
row = found["results"][asked["suite"] + "_local"]
print(json.dumps({"wall_s": wall_s, **{n: row[n + ",none"] for n in asked["metrics"]}}))
"""


def ours(folder: Path, suite: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Return our figures and the seconds of scoring."""
    command = [
        *(sys.executable, "-m", "autogpt", "evaluate", str(folder), "--suite", suite, "--json"),
        *("--suite-data", str(arguments.suite_data), "--dtype", arguments.dtype, "-q"),
        *([] if arguments.limit is None else ["--limit", str(arguments.limit)]),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    fields = json.loads(done.stdout)
    return {"wall_s": fields["wall_s"], **{n: fields["metrics"][n] for n in METRICS[suite]}}


def theirs(
    folder: Path, suite: str, batch: int, tasks: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    """Return the harness's figures and the seconds of scoring."""
    asked = {
        "model": str(folder), "dtype": arguments.dtype, "batch": batch, "suite": suite,
        "tasks": str(tasks), "limit": arguments.limit, "threads": arguments.threads,
        "metrics": METRICS[suite],
    }  # fmt: skip
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **{"HF_HOME": str(tasks / "cache"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        **{"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(arguments.threads)},
    }
    done = subprocess.run(
        [arguments.lm_eval, "-c", THEIRS, json.dumps(asked)],
        check=False, capture_output=True, text=True, env=environment, cwd=tasks,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"lm_eval failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_tasks(folder: Path, suite_data: Path) -> None:
    """Write the harness's task files; JSON is YAML."""
    for suite, how in TASKS.items():
        fields = {
            "task": f"{suite}_local",
            "dataset_path": "json",
            "dataset_kwargs": {
                "data_files": {"test": str((suite_data / suite).resolve()) + ".jsonl"}
            },
            "test_split": "test",
            "metric_list": [{"metric": name} for name in METRICS[suite]],
            **how,
        }
        (folder / f"{suite}.yaml").write_text(json.dumps(fields), encoding="utf-8")


def unpacked(reference: str, folder: Path) -> Path:
    """Return a folder of the model; of a GGUF file one is made, in bf16."""
    from autogpt.core.refs import resolve

    path = resolve(reference)
    if path.is_dir():
        return path
    from autogpt.interop.gguf import open_gguf
    from autogpt.models.checkpoint import save_model

    file = open_gguf(path)
    save_model(file.model(dtype="bfloat16"), folder, tokenizer=file.tokenizer())
    return folder


def main() -> None:
    """Print what both give, suite by suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--suite-data", type=Path, required=True)
    parser.add_argument("--lm-eval", required=True, help="an interpreter that has lm_eval")
    parser.add_argument("--suites", default="arc_easy,lambada_openai")
    parser.add_argument("--batch-sizes", default="1,16")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "model"
        in_a_process = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); " + (
            "from pathlib import Path; from suites import unpacked; "
            f"print(unpacked({arguments.model!r}, Path({str(made)!r})))"
        )
        done = subprocess.run(
            [sys.executable, "-c", in_a_process], check=True, capture_output=True, text=True
        )
        folder = Path(done.stdout.splitlines()[-1])
        write_tasks(Path(temporary), arguments.suite_data)
        for suite in arguments.suites.split(","):
            own = ours(folder, suite, arguments)
            harness = {
                size: theirs(folder, suite, int(size), Path(temporary), arguments)
                for size in arguments.batch_sizes.split(",")
            }
            fastest = min(harness.values(), key=lambda run: run["wall_s"])
            apart = {name: own[name] - fastest[name] for name in METRICS[suite]}
            print(
                json.dumps({
                    "suite": suite,
                    "limit": arguments.limit,
                    "ours": own,
                    "lm_eval": harness,
                    "apart": apart,
                    "speedup": fastest["wall_s"] / own["wall_s"],
                    "same": all(abs(apart[n]) <= CLOSE for n in METRICS[suite] if "acc" in n),
                    "fast": fastest["wall_s"] >= FASTER * own["wall_s"],
                }),
                flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
