"""What the quality gates share: data, splits that cannot leak, runs of the command, verdicts.

A gate does what a user would: it writes examples to files, calls ``autogpt finetune`` and
``autogpt evaluate``, and prints one JSON object: the figure with its 95% interval, the baseline
beside it, the goal, whether it is reached, and what it cost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
CORES = 2  # the goals are for so many

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a command took: minutes by the clock, and of both cores together."""

    wall_minutes: float
    cpu_minutes_of_two_cores: float


@dataclass(kw_only=True)
class Gate:
    """One row of the table of goals.

    Attributes:
        name: Of the script, as in ``banking77``.
        args: The command line.
        settings: What the training was told beside its defaults.
        cost: Of training.
    """

    name: str
    args: argparse.Namespace
    settings: list[str] = field(default_factory=list)
    cost: Cost | None = None

    @property
    def room(self) -> Path:
        """The folder for examples and runs."""
        folder: Path = self.args.out / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def data(self, *parts: str) -> Path:
        """Return the path of a file of data; the gate ends where it is missing."""
        path = Path(self.args.data).joinpath(*parts)
        if not path.exists():
            sys.exit(f"{path} is missing: name the folder of data with --data.")
        return path

    def limited(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows, or the first of them in a dry run."""
        return rows[: self.args.limit] if self.args.limit else rows

    def train(
        self, text: Path, *, budget: str, settings: Sequence[str], run: str = "before"
    ) -> Path:
        """Train a model on plain text; return the run's folder."""
        return self._learn(["train", str(text)], run=run, budget=budget, settings=settings)

    def finetune(self, model: str, train: Path, *, task: str, run: str = "run") -> Path:
        """Fine-tune with the product's defaults and what ``--set`` says; return the run's folder.

        A finished run is used again, so that a figure can be had without training once more.
        """
        command = ["finetune", model, str(train), "--task", task]
        settings = [*self.settings, *self.args.set]
        return self._learn(command, run=run, budget=self.args.budget, settings=settings)

    def _learn(
        self, command: Sequence[str], *, run: str, budget: str, settings: Sequence[str]
    ) -> Path:
        out, result = self.room / run, self.room / f"{run}.json"
        if not (self.args.reuse and result.exists()):
            command = [*command, "--out", str(out), "--budget", budget]
            command += ["--seed", str(self.args.seed), "--json"]
            for setting in settings:
                command += ["--set", setting]
            if self.args.resume and out.exists():
                command.append("--resume")
            found, cost = autogpt(command)
            result.write_text(json.dumps({"result": found, "cost": asdict(cost)}))
        kept = json.loads(result.read_text())
        cost = Cost(**kept["cost"])
        before = self.cost or Cost(wall_minutes=0.0, cpu_minutes_of_two_cores=0.0)
        self.cost = Cost(
            wall_minutes=round(before.wall_minutes + cost.wall_minutes, 2),
            cpu_minutes_of_two_cores=round(
                before.cpu_minutes_of_two_cores + cost.cpu_minutes_of_two_cores, 2
            ),
        )
        return out

    def evaluate(self, model: str | Path, test: Path, *options: str) -> dict[str, Any]:
        """Return what ``autogpt evaluate --json`` says."""
        command = ["evaluate", str(model), str(test), "--seed", str(self.args.seed), "--json"]
        return autogpt([*command, *options])[0]

    def verdict(
        self,
        found: Mapping[str, Any],
        metric: str,
        *,
        goal: float,
        baseline: str | None = None,
        better: str = "higher",
        **more: object,
    ) -> None:
        """Print the figure and whether it reaches the goal.

        Args:
            found: Of :meth:`evaluate`.
            metric: Its name there.
            goal: What is to be reached.
            baseline: Whose figure stands beside it.
            better: Whether ``higher`` or ``lower`` values are.
            more: Further figures to show.
        """
        metrics = found["metrics"]
        figure = metrics[metric]
        reached = figure >= goal if better == "higher" else figure <= goal
        shown: dict[str, object] = {
            "gate": self.name,
            "metric": metric,
            "figure": figure,
            "interval": [metrics.get(f"{metric}_low"), metrics.get(f"{metric}_high")],
            "goal": round(goal, 4),
            "reached": bool(reached),
        }
        if baseline is not None:
            key = f"{baseline}_{metric}"
            ends = [found["baselines"].get(f"{key}_{end}") for end in ("low", "high")]
            shown |= {"baseline": {baseline: found["baselines"][key], "interval": ends}}
        shown |= {
            "examples": found.get("examples"),
            **more,
            "seed": self.args.seed,
            "settings": [*self.settings, *self.args.set],
            "limit": self.args.limit,
            "training": None if self.cost is None else asdict(self.cost),
            "commit": commit(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
        print(json.dumps(shown, ensure_ascii=False), flush=True)


def gate(
    name: str,
    text: str | None,
    *,
    budget: str = "45m",
    **own: Sequence[str] | None,
) -> Gate:
    """Read the command line of a gate.

    Args:
        name: Of the gate.
        text: What the script does, its docstring.
        budget: Of training, by default.
        own: Options of this gate alone: what may be chosen, several times; None: any text.
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=ROOT.parent / "shared" / "data", help="folder of data")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"), help="folder for runs")
    parser.add_argument("--limit", type=int, help="dry run: so many examples of each part")
    parser.add_argument("--budget", default=budget, help="of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--resume", action="store_true", help="go on with a stopped training")
    parser.add_argument("--reuse", action="store_true", help="measure the finished run again")
    for attribute, choices in own.items():
        option = "--" + attribute.replace("_", "-")
        if choices is None:
            parser.add_argument(option)
        else:
            parser.add_argument(option, action="append", choices=choices)
    return Gate(name=name, args=parser.parse_args())


def split(
    rows: Iterable[Row], key: Callable[[Row], str], *, share: float = 0.1
) -> tuple[list[Row], list[Row]]:
    """Return rows to learn from and rows to test on, parted by what they ask.

    The hash of the key decides, so that equal texts are on one side, whatever their order.

    Args:
        rows: All of them.
        key: What must not be on both sides.
        share: Of the keys that are tested.
    """
    train, test = [], []
    for row in rows:
        digest = hashlib.sha256(" ".join(key(row).lower().split()).encode()).digest()
        is_test = int.from_bytes(digest[:8], "big") < share * 2**64
        (test if is_test else train).append(row)
    return train, test


def write_lines(path: Path, rows: Iterable[dict[str, object]]) -> Path:
    """Write JSON lines and return the path."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def autogpt(arguments: Sequence[str]) -> tuple[dict[str, Any], Cost]:
    """Run the command and return its JSON and what it took; its progress goes to standard error."""
    begin, used = time.perf_counter(), _children_s()
    found = autogpt_lines(arguments)[-1]
    cost = Cost(
        wall_minutes=round((time.perf_counter() - begin) / 60, 2),
        cpu_minutes_of_two_cores=round((_children_s() - used) / 60 / CORES, 2),
    )
    return found, cost


def autogpt_lines(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Run the command and return each line of JSON that it prints."""
    command = [sys.executable, "-m", "autogpt", *arguments]
    print("$ autogpt", " ".join(arguments), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"autogpt {arguments[0]} ended with {done.returncode}: {done.stdout}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def commit() -> str:
    """Return the commit of the code, with a plus where something is not committed."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    dirty = subprocess.run([*git, "status", "--porcelain", "src"], capture_output=True, text=True)
    return name.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
