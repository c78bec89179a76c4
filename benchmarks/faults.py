"""Break runs in every way we can think of, and count what is lost.

::

    writes   a crash, a power cut, an I/O error, a full disk at every write, fsync, rename of a save
    flips    random bit flips and truncations of a checkpoint: noticed, and the one before it used
    kills    random ``kill -9`` of real runs, resumed until they end: the same weights, bit for bit
    disk     a real full disk (a small tmpfs; needs root): a clear message, resumable
    memory   real failed allocations (a limit on the address space): smaller micro-batches
    time     what checkpoints cost a run of 10 million weights

One JSON object on standard output. ``python benchmarks/faults.py [writes flips ...] [--kills 100]
[--flips 1000] [--seed 0]``. The package has no hooks for this: ``writes`` replaces functions of
``os`` in a forked child; a power cut leaves what would be there if the disk had kept nothing that
was not synced.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autogpt.core.errors import AutoGPTError
from autogpt.data.batches import Batches
from autogpt.data.shards import TokenShard
from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPT
from autogpt.models.presets import ModelConfig, build_config
from autogpt.training import checkpoints, kernels
from autogpt.training.checkpoints import RunState
from autogpt.training.saving import Saver
from autogpt.training.settings import TrainingConfig
from autogpt.training.trainer import Hooks, Measured, Trainer

AUTOGPT = Path(sysconfig.get_path("scripts")) / "autogpt"
TEXT = Path(__file__).parents[1] / "src/autogpt/data/quickstart/lunyu.txt"
TINY = ("model.hidden_size=32", "model.num_hidden_layers=1", "model.context_length=32")
FAULTS = ("crash", "crash halfway", "power cut", "I/O error", "full disk")
SAVED, CRASHED, CLEAR = 0, 9, 3  # exit codes of a child; any other means a raw error


# -- writes: a fault at each operation of a save ---------------------------------------------------


class Written:
    """A file whose writes are counted; the rest is the file's own."""

    def __init__(self, file: Any, disk: Disk) -> None:  # noqa: ANN401
        self._file, self._disk = file, disk
        self._inode = os.fstat(file.fileno()).st_ino

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._file, name)

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Write all of it, or half where this is the operation that fails."""

        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._disk.step("write", self._inode, halfway=half)
        done = int(self._file.write(data))
        self._file.flush()
        return done


@dataclass
class Disk:
    """Counts what this process does to the disk, and fails at one operation.

    Attributes:
        report: Where to tell, before a crash, what was done.
        fail_at: The operation, counted from 0; None: none.
        fault: One of ``FAULTS``.
        events: What was done so far.
    """

    report: Path
    fail_at: int | None = None
    fault: str = ""
    events: list[list[object]] = field(default_factory=list)

    def install(self) -> None:
        """Take the place of the functions of ``os`` that change the disk."""
        fdopen, fsync = os.fdopen, os.fsync

        def opened(descriptor: int, *arguments: Any, **named: Any) -> Written:  # noqa: ANN401
            return Written(fdopen(descriptor, *arguments, **named), self)

        def synced(descriptor: int) -> None:
            self.step("fsync", os.fstat(descriptor).st_ino)
            fsync(descriptor)

        os.fdopen, os.fsync = opened, synced  # type: ignore[assignment]
        for name in ("rename", "replace", "mkdir", "unlink", "rmdir"):
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            paths = [os.fspath(a) for a in arguments if isinstance(a, str | os.PathLike)]
            folder = os.path.dirname(paths[-1])  # noqa: PTH120 - pathlib may be what calls
            inode = os.stat(folder).st_ino if os.path.isdir(folder) else 0  # noqa: PTH112, PTH116
            self.step(name, inode, *paths)
            return function(*arguments, **named)

        return call

    def step(self, name: str, *facts: object, halfway: Callable[[], None] | None = None) -> None:
        """Count an operation that is about to be done, or fail instead."""
        if self.fail_at == len(self.events):
            if halfway is not None and self.fault != "crash":
                halfway()
                self.events.append([name, *facts])
            if self.fault == "I/O error":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if self.fault == "full disk":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.tell()
            os._exit(CRASHED)
        self.events.append([name, *facts])

    def tell(self) -> None:
        """Write down what was done."""
        with open(self.report, "w") as file:  # noqa: PTH123 - not through what is replaced
            json.dump(self.events, file)


def tensors(step: int) -> dict[str, torch.Tensor]:
    """Return a state that belongs to a step."""
    generator = torch.Generator().manual_seed(step)
    return {f"master.{name}": torch.randn(40, 7, generator=generator) for name in "ab"}


def save_in_child(run: Path, step: int, disk: Disk) -> int:
    """Save a checkpoint in a process of its own, as training does, and return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        disk.install()
        with Saver(run) as saver:
            saver.save(RunState(steps=step), tensors(step))
        disk.tell()
        code = SAVED
    except AutoGPTError:
        code = CLEAR
    finally:
        os._exit(code)


def cut_power(run: Path, events: list[list[Any]]) -> None:
    """Take away what was written, renamed and made, but not synced since."""
    synced = {event[1]: number for number, event in enumerate(events) if event[0] == "fsync"}
    written = {event[1]: number for number, event in enumerate(events) if event[0] == "write"}
    for path in run.rglob("*"):
        inode = path.stat().st_ino
        if path.is_file() and written.get(inode, -1) > synced.get(inode, -1):
            os.truncate(path, 0)
    kept_renames: list[tuple[str, str]] = []
    for number, (name, inode, *paths) in reversed(list(enumerate(events))):
        if name in ("rename", "replace") and synced.get(inode, -1) > number:
            kept_renames.insert(0, (paths[0], paths[1]))
            continue
        for old, new in kept_renames:  # what a folder holds has moved with it
            paths = [path.replace(old + "/", new + "/", 1) for path in paths]
        if synced.get(inode, -1) > number or not paths or not Path(paths[-1]).exists():
            continue
        if name in ("rename", "replace"):
            Path(paths[1]).rename(paths[0])
        elif name == "mkdir":
            shutil.rmtree(paths[0])


def whole(run: Path, *steps: int) -> bool:
    """Whether a run's newest checkpoint is of one of these steps, and what was saved then."""
    found = checkpoints.latest(run)
    if found is None:
        return False
    at, loaded = checkpoints.load(found)
    expected = tensors(at.steps)
    return at.steps in steps and all(torch.equal(loaded[n], t) for n, t in expected.items())


def writes(folder: Path, *, faults: tuple[str, ...] = FAULTS) -> dict[str, object]:
    """Fail at every operation of the third save of a run, in every way, and once after the last.

    Older checkpoints are removed at the end: from there on the new one must be there for good.
    """
    torch.set_num_threads(1)  # a process with threads must not be forked
    before, run, report = folder / "before", folder / "run", folder / "events.json"
    for step in (1, 2):
        checkpoints.save(before, RunState(steps=step), tensors(step))
    shutil.copytree(before, run)
    assert save_in_child(run, 3, Disk(report)) == SAVED
    done = json.loads(report.read_text())
    result: dict[str, object] = {"operations": [event[0] for event in done]}
    pruned_from = next(n for n, event in enumerate(done) if event[0] == "unlink")
    unloadable, raw, lost = [], [], []
    for number, (operation, *_) in enumerate([*done, ["end"]]):
        for fault in faults:
            shutil.rmtree(run)
            shutil.copytree(before, run)
            report.unlink(missing_ok=True)
            code = save_in_child(run, 3, Disk(report, number, fault))
            if fault == "power cut":
                cut_power(run, json.loads(report.read_text()))
            case = f"{fault} at {number}, {operation}"
            if code not in (SAVED, CRASHED, CLEAR):
                raw.append(case)
            try:
                found = whole(run, 3) if number >= pruned_from else whole(run, 2, 3)
            except AutoGPTError:
                found = False
            if not found:
                unloadable.append(case)
            checkpoints.save(run, RunState(steps=4), tensors(4))
            names = sorted(path.name for path in (run / checkpoints.FOLDER).iterdir())
            if not whole(run, 4) or names[-1] != "step-00000004" or len(names) != 2:
                lost.append(f"{case}: then {names}")
    return {
        **result,
        "tried": (len(done) + 1) * len(faults),
        "unloadable": unloadable,
        "raw": raw,
        "stuck": lost,
    }


# -- flips: damage to what lies on the disk --------------------------------------------------------


def flips(folder: Path, count: int, chance: random.Random) -> dict[str, object]:
    """Flip a bit of, or cut, a file of the newest checkpoint, many times."""
    for step in (1, 2):
        checkpoints.save(folder, RunState(steps=step), tensors(step))
    newest = folder / checkpoints.FOLDER / "step-00000002"
    undetected, tried = [], {"flip": 0, "truncation": 0}
    for _ in range(count):
        path = newest / chance.choice(["state.safetensors", "state.json", "manifest.json"])
        content = path.read_bytes()
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        kind = chance.choice(["flip", "truncation"])
        damaged = bytearray(content)
        if kind == "flip":
            damaged[place] ^= 1 << bit
        else:
            del damaged[place:]
        path.write_bytes(damaged)
        said: list[str] = []
        found = checkpoints.latest(folder, say=said.append)
        if found is None or found.name != "step-00000001" or len(said) != 1:
            undetected.append(f"{kind} in {path.name} at {place}")
        path.write_bytes(content)
        tried[kind] += 1
    return {"tried": tried, "undetected": undetected}


# -- kills: real runs ------------------------------------------------------------------------------


def command(out: Path, *more: str, steps: int, every: int = 50) -> list[str]:
    """Return the command of a tiny real run."""
    settings = (
        *TINY,
        "training.batch_size=8",
        f"training.max_steps={steps}",
        f"training.checkpoint_every={every}",
        "kernels.attention=explicit",
        "kernels.threads=1",
        "kernels.dtype=float32",
    )
    flags = [word for setting in settings for word in ("--set", setting)]
    given = ["--preset", "tiny", *flags, "--json", *more]
    return [str(AUTOGPT), "train", str(TEXT), "--out", str(out), *given]


def weights(out: Path) -> str:
    """Return the sha256 of a finished run's weights."""
    return hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()


def last_step(out: Path) -> int:
    """Return the last step in a run's record; 0 if there is none."""
    path, last = out / "metrics.jsonl", 0
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            last = max(last, json.loads(line)["step"])
    return last


def begun_step(out: Path) -> int:
    """Return the step of the newest checkpoint that was begun; 0 if there is none."""
    names = (out / checkpoints.FOLDER).glob("*step-*")
    return max((int(path.name.split("-")[-1]) for path in names), default=0)


def kills(folder: Path, count: int, chance: random.Random, *, steps: int = 1500) -> dict[str, Any]:
    """Kill runs at random moments, resuming each until it ends.

    The processes are forked from one that has imported the package, so that the signals meet them
    at work and not while they start.
    """
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.cli.warm import Warm

    warm, every = Warm(folder), 50
    begin = time.perf_counter()
    assert warm.run(*command(folder / "whole", steps=steps)[1:]).returncode == 0
    took, expected = time.perf_counter() - begin, weights(folder / "whole")
    killed, failed, lost, runs, different = 0, [], [], 0, 0
    out = folder / "run-0"
    while killed < count or out.exists():
        last, begun = last_step(out), begun_step(out)
        process = warm.start(*command(out, "--resume", steps=steps)[1:])
        if killed < count:
            time.sleep(chance.uniform(0.0, 0.4 * took))
            result = process.kill()
        else:
            result = process.wait()
        resumed = re.search(r"going on after step (\d+)", result.stderr)
        if resumed:
            lost.append(max(last - int(resumed[1]), begun + every // 2 - int(resumed[1])))
        if result.returncode == -signal.SIGKILL:
            killed += 1
            continue
        if result.returncode:
            failed.append(result.stderr[-300:])
        else:
            different += weights(out) != expected
        shutil.rmtree(out)
        runs, out = runs + 1, folder / f"run-{runs + 1}"
        print(f"killed {killed}, ended {runs}", file=sys.stderr)
    warm.close()
    return {
        "kills": killed,
        "resumed_in_training": len(lost),
        "runs_ended": runs,
        "failed": failed,
        "other_weights": different,
        "interval_steps": every,
        "most_steps_lost": max(lost, default=0),
    }


# -- disk and memory -------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Give a file system of a few megabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        check=True, capture_output=True,
    )  # fmt: skip
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def disk(folder: Path) -> dict[str, object]:
    """Let the disk of a run get full, and go on when there is room again."""
    if os.geteuid() != 0:
        return {"skipped": "mounting a small disk needs root"}
    steps = 600
    subprocess.run(command(folder / "whole", steps=steps), check=True, capture_output=True)
    with small_disk(folder / "small", "24m") as small:
        process = subprocess.Popen(
            command(small / "run", steps=steps), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        while begun_step(small / "run") < 150 and process.poll() is None:
            time.sleep(0.01)
        with contextlib.suppress(OSError), (small / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(1 << 12))
                filler.flush()
        _, said = process.communicate()
        found = checkpoints.latest(small / "run")
        (small / "filler").unlink()
        again = subprocess.run(
            command(small / "run", "--resume", steps=steps), text=True, capture_output=True
        )
        return {
            "exit": process.returncode,
            "message": said.splitlines()[-1],
            "traceback": "Traceback" in said,
            "kept": None if found is None else found.name,
            "resumed_exit": again.returncode,
            "same_weights": weights(small / "run") == weights(folder / "whole"),
        }


LIMITED = """
import pathlib, re, resource, sys
from autogpt import recipe  # what is imported does not count
from autogpt.cli.app import main
status = pathlib.Path("/proc/self/status").read_text()
size = int(re.search(r"VmSize:\\s+(\\d+) kB", status)[1]) * 1024 + int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (size, size))
sys.exit(main())
"""


def memory(folder: Path, *, room_bytes: int = 2_000_000_000) -> dict[str, object]:
    """Train with micro-batches that do not fit into the address space that is left."""
    asked = ("training.batch_size=256", "training.micro_batch_size=256", "model.context_length=512")
    flags = [word for setting in asked for word in ("--set", setting)]
    line = command(folder / "run", *flags, steps=2)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(room_bytes), *line[1:]], text=True, capture_output=True
    )
    recipe = (folder / "run" / "recipe.toml").read_text()
    kept = re.search(r"micro_batch_size = (\d+)", recipe)
    return {
        "exit": done.returncode,
        "said": [line for line in done.stderr.splitlines() if "emory" in line],
        "micro_batch_size": kept and int(kept[1]),
        "traceback": "Traceback" in done.stderr,
    }


# -- time ------------------------------------------------------------------------------------------


def cost(folder: Path, *, seconds: float = 100.0) -> dict[str, object]:
    """Train a model of 10 million weights with checkpoints, and add up what they took."""
    chosen = ModelConfig(preset="small")
    config = build_config(chosen, 2048, eos_token_id=0, pad_token_id=0)
    ids = np.random.default_rng(0).integers(0, 2048, 200_000).astype(np.uint16)
    shard = TokenShard(
        tokens=ids, starts=np.zeros(1, np.uint64), total_bytes=2 * len(ids), vocab_size=2048
    )
    batches = Batches(shard=shard, batch_size=8, context_length=256, seed=0)
    how = kernels.choose(
        kernels.KernelConfig(compile="off"), config, length=256, masked=False, budget_s=None
    )
    trainer = Trainer(GPT(config), batches, TrainingConfig(batch_size=8), how)
    trainer.warm_up()
    with Saver(folder) as saver:
        hooks = Hooks(
            entry=lambda *_: None,
            validate=lambda _: Measured(0.0, 0.0),
            checkpoint=saver.save,
            checkpoint_due=saver.due,
        )
        saver.save(trainer.at, trainer.optimizer.state())  # as a run begins, before its loop
        saver.wait()
        first = (saver.count, saver.loop_s, saver.thread_s)
        begin = time.perf_counter()
        trainer.run(hooks, budget_s=seconds)
        took = time.perf_counter() - begin
    count = saver.count - first[0]
    loop_s, thread_s = saver.loop_s - first[1], saver.thread_s - first[2]
    sizes = [path.stat().st_size for path in folder.rglob("*.safetensors")]
    return {
        "parameters": parameter_count(config),
        "seconds": took,
        "checkpoints": count,
        "megabytes_each": sum(sizes) / 1e6 / max(1, len(sizes)),
        "loop_s_each": loop_s / max(1, count),
        "thread_s_each": thread_s / max(1, count),
        "first_s": first[1],
        "loop_share": loop_s / took,
        "share_with_thread": (loop_s + thread_s / torch.get_num_threads()) / took,
    }


def main() -> None:
    """Run the parts that were asked for, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    names = ("writes", "flips", "kills", "disk", "memory", "time")
    parser.add_argument("parts", nargs="*", choices=[*names, []], default=[])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    parts: dict[str, Callable[[Path], dict[str, object]]] = {
        "writes": writes,
        "flips": lambda folder: flips(folder, asked.flips, chance),
        "kills": lambda folder: kills(folder, asked.kills, chance),
        "disk": disk,
        "memory": memory,
        "time": cost,
    }
    result = {}
    for name in asked.parts or names:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            result[name] = parts[name](Path(folder))
    print(json.dumps(result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
