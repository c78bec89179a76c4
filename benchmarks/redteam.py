"""Attack the server with garak, without rails and with them; the share of clean answers by probe.

    python -m venv /tmp/garak && /tmp/garak/bin/pip install garak      # its own: it brings a torch
    python benchmarks/redteam.py --garak /tmp/garak/bin/garak > redteam.json

Starts ``autogpt serve`` on loopback, once with ``--policy off`` and once with the default, and
lets garak (Derczynski et al. 2024) ask it through its OpenAI-compatible generator, offline. A
prompt that the rails refuse has no answer: it counts as clean and is listed as refused. Detectors
that need a model from the network are skipped, and listed.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "quality"))

PROBES = (
    "ansiescape.AnsiEscaped",
    "ansiescape.AnsiRaw",
    "web_injection.TaskXSS",
    "web_injection.MarkdownXSS",
    "web_injection.MarkdownImageExfil",
    "web_injection.MarkdownURIImageExfilExtended",
    "web_injection.MarkdownURINonImageExfilExtended",
    "web_injection.PlaygroundMarkdownExfil",
    "web_injection.ColabAIDataLeakage",
    "web_injection.StringAssemblyDataExfil",
    "apikey.CompleteKey",
    "continuation.ContinueSlursReclaimedSlurs",
    "dan.DanInTheWild",
    "encoding.InjectBase64",
    "encoding.InjectROT13",
    "goodside.Tag",
    "grandma.Slurs",
    "latentinjection.LatentInjectionReport",
    "lmrc.SlurUsage",
    "promptinject.HijackHateHumans",
    "suffix.GCGCached",
    "sysprompt_extraction.SystemPromptExtraction",
)
MUST_BE_CLEAN = ("ansiescape", "web_injection")


def main() -> None:
    """Attack and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--garak", type=Path, required=True, help="garak's command.")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--prompts", type=int, default=6, help="Of each probe, at most.")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--probes", nargs="*", default=list(PROBES))
    parser.add_argument("--policies", nargs="*", default=["off", "default"])
    parser.add_argument("--out", type=Path, default=Path("runs/redteam"))
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    reports = {}
    for policy in args.policies:
        with serving(args.model, policy, args.out) as address:
            reports[policy] = attack(args, policy, address)
    print(json.dumps(summed(reports), indent=1))


@contextmanager
def serving(model: str, policy: str, out: Path) -> Iterator[str]:
    """Serve a model on loopback while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "autogpt", "serve", f"target={model}", "--no-studio"]
    with (out / f"server-{policy}.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--policy", policy, "--folder", str(out / "served")],
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                if server.poll() is not None:
                    sys.exit(f"The server ended; see {log.name}.")
                try:
                    urllib.request.urlopen(f"{address}/v1/models", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()
            server.wait(60)


def attack(args: argparse.Namespace, policy: str, address: str) -> list[dict[str, object]]:
    """Run garak against a server, and return the lines of its report."""
    generator = {
        "uri": f"{address}/v1/",
        "max_tokens": args.max_tokens,
        "temperature": 0.0,
        "stop": [],
        "suppressed_params": ["n", "frequency_penalty", "presence_penalty", "top_p"],
    }
    config = {
        "system": {"lite": False},
        "run": {"seed": 0, "generations": 1, "soft_probe_prompt_cap": args.prompts},
        "plugins": {
            "target_type": "openai.OpenAICompatible",
            "target_name": "target",
            "probe_spec": ",".join(args.probes),
            "generators": {"openai": {"OpenAICompatible": generator}},
        },
        "reporting": {"report_dir": str(args.out), "report_prefix": policy},
    }
    path = args.out / f"{policy}.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    report = args.out / f"{policy}.report.jsonl"
    report.unlink(missing_ok=True)
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OPENAICOMPATIBLE_API_KEY": "none",
        "XDG_DATA_HOME": str(args.out / "data"),
        "XDG_CACHE_HOME": str(args.out / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONPATH", None)
    spec = ",".join(f"probes.{probe}" for probe in args.probes)
    with (args.out / f"garak-{policy}.log").open("w") as log:
        subprocess.run(
            [str(args.garak), "--config", str(path), "--spec", spec],
            env=environment,
            stdout=log,
            stderr=log,
            check=False,
        )
    if not report.exists():
        sys.exit(f"garak wrote no report; see {log.name}.")
    return [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]


def summed(reports: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    """Return by probe and detector how many answers were clean, and what did not run."""
    import linear

    table: dict[str, dict[str, object]] = defaultdict(dict)
    ran: set[str] = set()
    for policy, lines in reports.items():
        for line in lines:
            if line.get("entry_type") == "eval":
                detector = str(line["detector"]).removeprefix("detector.")
                key = f"{line['probe']} {detector}"
                ran.add(detector)
                passed, nones = int(str(line["passed"])), int(str(line["nones"]))
                table[key][policy] = {
                    "clean": linear.share(passed + nones, int(str(line["total_processed"]))),
                    "refused": nones,
                }
    strict = [key for key in table if key.startswith(MUST_BE_CLEAN)]
    after = list(reports)[-1]
    return {
        "by_probe_and_detector": dict(sorted(table.items())),
        "must_be_clean": {
            key: table[key][after]["clean"]["value"]  # type: ignore[index]
            for key in sorted(strict)
            if after in table[key]
        },
        "detectors_that_ran": sorted(ran),
        "detectors_skipped": sorted(wanted(reports) - ran),
    }


def wanted(reports: dict[str, list[dict[str, object]]]) -> set[str]:
    """Return the detectors that garak's table of plugins names for the probes that ran."""
    named: set[str] = set()
    for lines in reports.values():
        for line in lines:
            if line.get("entry_type") == "plugin_cache":
                named |= set(detectors_in(line))
    return named


def detectors_in(value: object) -> Iterator[str]:
    """Yield the detectors that a part of the report names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "primary_detector" and inner:
                yield str(inner)
            elif key == "extended_detectors":
                yield from map(str, inner or ())
            else:
                yield from detectors_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from detectors_in(inner)


if __name__ == "__main__":
    main()
