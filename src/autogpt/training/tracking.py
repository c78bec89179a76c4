"""The record of a run in experiment trackers: MLflow, trackio, Weights & Biases.

Each is an extra, imported when asked for, and keeps its runs where its own users look for them.
Local by default: nothing leaves the machine unless the user has pointed the tool at a server
(``MLFLOW_TRACKING_URI``; ``TRACKIO_SPACE_ID``, ``TRACKIO_SERVER_URL``; ``WANDB_MODE``,
``WANDB_API_KEY``), and what the tools would report of their own use is turned off. A tracker is a
mirror, filled by a thread beside the training: where one fails, the run says so and goes on.

TensorBoard events are written with every run (``record``); asking for them is no mistake.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from autogpt.core.config import flatten
from autogpt.core.errors import AutoGPTError, MissingExtraError, UsageError
from autogpt.core.files import read_json, write_json
from autogpt.training.record import Entry

__all__ = ["TOOLS", "Trackers", "check"]

TOOLS = ("tensorboard", "mlflow", "trackio", "wandb")
_PROJECT = "autogpt"
_IDS = "tracking.json"  # by which a resumed run is found again


class Trackers:
    """The tools that a run is followed with; a context manager.

    Args:
        names: Of ``TOOLS``.
        run: The run folder; its name is the run's.
        settings: The recipe, as nested plain values.
        say: Told where to look, and of a tool that fails.

    Raises:
        UsageError: If a tool is unknown.
        MissingExtraError: If a tool is not installed.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        run: Path,
        settings: Mapping[str, object],
        say: Callable[[str], None],
    ) -> None:
        check(names)
        self._say = say
        self._tools: dict[str, _Tool] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        wanted = [name for name in dict.fromkeys(names) if name in _OPENERS]
        if not wanted:
            return
        label = _label(run)
        for name in wanted:
            self._guarded(name, partial(self._open, name, label, settings))
        write_json(run / _IDS, {"id": label.id, **label.known})

    def log(self, entry: Entry) -> None:
        """Hand an entry to every tool, which takes it when it can."""
        for name, tool in self._tools.items():
            self._thread.submit(self._guarded, name, partial(tool.log, entry))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True)
        for name, tool in list(self._tools.items()):
            self._guarded(name, partial(tool.close, finished=error is None))

    def _open(self, name: str, label: _Label, settings: Mapping[str, object]) -> None:
        tool = _OPENERS[name](label, settings)
        self._tools[name] = tool
        self._say(f"{name}: {tool.place}")

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        """Do what a tool is asked for, in silence; without it from the first failure on."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # results alone are printed there
                work()
        except AutoGPTError:
            raise
        except Exception as error:  # noqa: BLE001 - of any tool; a mirror must not end the run
            self._tools = {other: tool for other, tool in self._tools.items() if other != name}
            self._say(f"{name} failed and is left out: {type(error).__name__}: {error}")


def check(names: Sequence[str]) -> None:
    """Refuse tools that are unknown or not installed, before any work is done.

    Raises:
        UsageError: If a tool is unknown.
        MissingExtraError: If a tool is not installed.
    """
    for name in names:
        if name not in TOOLS:
            raise UsageError(
                f"--track {name!r} is unknown.", hint=f"Choose from {', '.join(TOOLS)}."
            )
        spec = find_spec(name) if name in _OPENERS else None
        # A folder of that name, which wandb leaves behind, is found too, but has no origin.
        if name in _OPENERS and (spec is None or spec.origin is None):
            raise MissingExtraError(name, extra=name, purpose=f"--track {name}")


# -- one tool each ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Label:
    """What a run is called: by its folder's name, an id of its own, and the ids of tools."""

    name: str
    id: str
    known: dict[str, str]


class _Tool(Protocol):
    place: str

    def log(self, entry: Entry) -> None: ...

    def close(self, *, finished: bool) -> None: ...


def _label(run: Path) -> _Label:
    known: dict[str, str] = {}
    with contextlib.suppress(AutoGPTError, TypeError, ValueError):
        known = dict(read_json(run / _IDS))
    return _Label(run.resolve().name, known.pop("id", uuid.uuid4().hex[:8]), known)


class _MLflow:
    """A run in MLflow's store: what ``MLFLOW_TRACKING_URI`` says, by default a local database."""

    def __init__(self, label: _Label, settings: Mapping[str, object]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow: Any = importlib.import_module("mlflow")
        entities: Any = importlib.import_module("mlflow.entities")
        self._metric, self._client = entities.Metric, mlflow.MlflowClient()
        self._run = label.known.get("mlflow")
        if self._run is None:
            experiment = self._client.get_experiment_by_name(_PROJECT)
            number = experiment and experiment.experiment_id
            number = number or self._client.create_experiment(_PROJECT)
            self._run = self._client.create_run(number, run_name=label.name).info.run_id
            label.known["mlflow"] = self._run
            params = [entities.Param(key, str(value)) for key, value in flatten(settings).items()]
            self._client.log_batch(self._run, params=params)
        self.place = f"{mlflow.get_tracking_uri()}, to look at with: mlflow ui"

    def log(self, entry: Entry) -> None:
        now = time.time_ns() // 1_000_000
        metrics = [self._metric(k, v, now, entry.step) for k, v in entry.scalars().items()]
        self._client.log_batch(self._run, metrics=metrics)

    def close(self, *, finished: bool) -> None:
        self._client.set_terminated(self._run, status="FINISHED" if finished else "KILLED")


class _Trackio:
    """A run in trackio's local database, or where ``TRACKIO_SPACE_ID`` or ``_SERVER_URL`` says."""

    def __init__(self, label: _Label, settings: Mapping[str, object]) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        self._trackio: Any = importlib.import_module("trackio")
        self._run = self._trackio.init(
            project=_PROJECT,
            name=f"{label.name}-{label.id}",
            config=flatten(settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        self.place = f"to look at with: trackio show --project {_PROJECT}"

    def log(self, entry: Entry) -> None:
        self._run.log(entry.scalars(), step=entry.step)

    def close(self, *, finished: bool) -> None:  # noqa: ARG002 - it has no word for it
        self._trackio.finish()


class _Wandb:
    """A run of Weights & Biases: offline, unless the user has set it up to be online."""

    def __init__(self, label: _Label, settings: Mapping[str, object]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        online = bool({"WANDB_MODE", "WANDB_API_KEY"} & os.environ.keys())
        wandb: Any = importlib.import_module("wandb")
        self._run = wandb.init(
            project=_PROJECT,
            name=label.name,
            id=label.id,
            resume="allow" if online else None,
            config=dict(settings),
            mode=None if online else "offline",
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )
        folder = Path(self._run.dir).parent
        offline = f"offline in {folder}, to send with: wandb sync {folder}"
        self.place = offline if self._run.offline else str(self._run.url)

    def log(self, entry: Entry) -> None:
        self._run.log(entry.scalars(), step=entry.step)

    def close(self, *, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


_OPENERS: Mapping[str, Callable[[_Label, Mapping[str, object]], _Tool]] = {
    "mlflow": _MLflow,
    "trackio": _Trackio,
    "wandb": _Wandb,
}
