"""Whether a model is intact, and the same in every engine that is installed.

::

    found = verify("model-f16.gguf")
    found.is_fine            # no fault in the files, no engine that differs
    print(found.to_dict())

The reference is this package, computing in fp32. A format that it does not run itself (ONNX,
TensorFlow) carries the reference's answers in ``expected.json``, written when it was exported.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from gguf.constants import LlamaFileType

from autogpt.core.errors import AutoGPTError, CheckpointError, UsageError
from autogpt.core.files import read_json, write_json
from autogpt.evaluation.engines import ENGINES
from autogpt.evaluation.engines.comparison import TOLERANCES, EngineReport, compare
from autogpt.evaluation.engines.engine import (
    Case,
    Engine,
    EngineModule,
    Format,
    make_cases,
    open_module,
)
from autogpt.evaluation.engines.ours import OwnEngine
from autogpt.evaluation.integrity import Check, check_files, writes_text
from autogpt.interop.gguf import open_gguf

__all__ = [
    "EXPECTED",
    "Verification",
    "format_of",
    "is_export",
    "read_cases",
    "verify",
    "write_cases",
]

EXPECTED = "expected.json"
ONNX_MODEL = "model.onnx"
KERAS_MODEL = "metadata.json"  # of a KerasHub preset
_KERNEL = {"F32": "f32", "F16": "f16", "BF16": "bf16", "Q8_0": "q8_0", "Q4_0": "q4_0"}
_MOST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        path: What was verified.
        format: Of it.
        checks: Of the files.
        engines: Of each engine that runs this format.
    """

    path: str
    format: Format
    checks: tuple[Check, ...]
    engines: tuple[EngineReport, ...]

    @property
    def is_intact(self) -> bool:
        """Whether the files have no fault."""
        return all(check.status != "fault" for check in self.checks)

    @property
    def is_fine(self) -> bool:
        """Whether the files have no fault and no engine differs."""
        return self.is_intact and all(report.is_fine for report in self.engines)

    @property
    def fault(self) -> str:
        """The first fault in one sentence, "" if there is none."""
        for check in self.checks:
            if check.status == "fault":
                return f"Its {check.name} is at fault: {check.detail}"
        for report in self.engines:
            if not report.is_fine:
                return f"{report.engine} {report.version} {report.status}: {report.reason}"
        return ""

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return {
            "path": self.path,
            "format": self.format,
            "ok": self.is_fine,
            "intact": self.is_intact,
            "checks": [asdict(check) for check in self.checks],
            "engines": [asdict(report) for report in self.engines],
        }


def format_of(path: Path) -> Format:
    """Return what a path is.

    Raises:
        UsageError: If it is no model in a known format.
    """
    if path.is_file() and path.suffix.lower() == ".gguf":
        return "gguf"
    if path.is_dir():
        if (path / ONNX_MODEL).is_file():
            return "onnx"
        if (path / KERAS_MODEL).is_file() and (path / "config.json").is_file():
            return "tensorflow"
        if (path / "config.json").is_file():
            return "hf"
    raise UsageError(
        f"{str(path)!r} is no model that can be verified.",
        hint="Name a model folder, a .gguf file, or a folder that export wrote.",
    )


def is_export(path: Path) -> bool:
    """Whether a path is a folder that only ``export`` writes, and no MODEL."""
    return (path / ONNX_MODEL).is_file() or (path / KERAS_MODEL).is_file()


def verify(
    path: Path, *, engines: Sequence[str] | None = None, cases: Sequence[Case] | None = None
) -> Verification:
    """Look at the files, then ask every engine the same questions.

    Args:
        path: A model folder, a GGUF file, or what ``export`` wrote.
        engines: Which to ask; default all that run the format.
        cases: The reference's answers; default this package's own.

    Raises:
        UsageError: If it is no model in a known format, or an engine is not known.
    """
    for name in engines or ():
        if name not in ENGINES:
            raise UsageError(f"There is no engine {name!r}, only {', '.join(ENGINES)}.")
    kind = format_of(path)
    checks = tuple(check_files(path, kind))
    if any(check.status == "fault" for check in checks):
        return Verification(str(path), kind, checks, ())
    if kind == "hf" and not writes_text(path):  # engines are asked to go on with a text
        return Verification(str(path), kind, checks, ())
    if cases is None:
        cases = read_cases(path / EXPECTED) if kind in ("onnx", "tensorflow") else None
    reports: list[EngineReport] = []
    if cases is None:
        cases, own = _own_cases(path)
        reports.append(own)
    tolerance = TOLERANCES[_numbers(path, kind)]
    for name in ENGINES:
        module = open_module(name)
        asked = engines is None or name in engines
        if asked and kind in module.FORMATS and not (name == "autogpt" and reports):
            reports.append(_ask(path, name, module, cases, tolerance))
    return Verification(str(path), kind, checks, tuple(reports))


def _numbers(path: Path, kind: Format) -> str:
    """Return how the weights are stored, as ``TOLERANCES`` names it."""
    if kind != "gguf":
        return "float32"
    entries = open_gguf(path).header.entries
    number = entries.get("general.file_type", int, default=int(LlamaFileType.MOSTLY_Q4_0))
    try:
        name = LlamaFileType(number).name.removeprefix("ALL_").removeprefix("MOSTLY_")
    except ValueError:
        name = ""
    return _KERNEL.get(name, "q4_0")


def _own_cases(path: Path) -> tuple[list[Case], EngineReport]:
    """Ask this package, twice: token by token with a cache, and all at once."""
    module = open_module("autogpt")
    engine = module.open_engine(path)
    try:
        assert isinstance(engine, OwnEngine)
        context = min(_MOST_TOKENS, engine.model.config.max_position_embeddings)
        cases = make_cases(engine, most_tokens=context)
        own = compare(
            _AtOnce(engine), cases, name="autogpt", version=module.version(),
            tolerance=TOLERANCES["float32"],
        )  # fmt: skip
    finally:
        engine.close()
        gc.collect()
    return cases, own


class _AtOnce:
    """Our own model, without a cache: its answers must be those it gives with one."""

    def __init__(self, engine: OwnEngine) -> None:
        self._engine = engine

    def encode(self, text: str) -> list[int]:
        return self._engine.encode(text)

    def expect(self, token_ids: Sequence[int], last: int) -> list[tuple[tuple[int, float], ...]]:
        from autogpt.evaluation.engines.engine import top_of

        model = self._engine.model
        with torch.inference_mode():
            hidden = model(torch.tensor([list(token_ids)]))[0, -last:]
            return [top_of(row) for row in model.logits(hidden).numpy()]

    def close(self) -> None:
        """Free nothing: the engine is somebody else's."""


def _ask(
    path: Path, name: str, module: EngineModule, cases: Sequence[Case], tolerance: float
) -> EngineReport:
    """Return what an engine makes of the model; an error of its own is a finding."""
    version = module.version()
    if version is None:
        reason = f"{name} is not installed."
        return EngineReport(engine=name, version=None, status="missing", reason=reason)
    engine: Engine | None = None
    try:
        engine = module.open_engine(path)
        return compare(engine, cases, name=name, version=version, tolerance=tolerance)
    except Exception as error:  # noqa: BLE001 - whatever stops an engine is what is to be told
        said = (
            error.message if isinstance(error, AutoGPTError) else f"{type(error).__name__}: {error}"
        )
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        reason = f"It does not run there: {(lines or ['no reason given'])[0][:300]}"
        return EngineReport(engine=name, version=version, status="failed", reason=reason)
    finally:
        if engine is not None:
            engine.close()
        gc.collect()


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write the reference's answers, so that an export can be verified anywhere."""
    write_json(path, {"cases": [asdict(case) for case in cases]})


def read_cases(path: Path) -> list[Case]:
    """Read the reference's answers.

    Raises:
        CheckpointError: If there are none, or they are damaged.
    """
    document = read_json(path)
    try:
        return list(_cases(document["cases"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} holds no answers to compare with.") from error


def _cases(items: Sequence[dict[str, object]]) -> Iterator[Case]:
    for item in items:
        answers = tuple(
            tuple((int(token_id), float(logprob)) for token_id, logprob in top)
            for top in item["answers"]  # type: ignore[attr-defined] # checked by who catches
        )
        ids, continued = (tuple(map(int, item[name])) for name in ("token_ids", "continued"))  # type: ignore[call-overload] # as above
        yield Case(str(item["prompt"]), ids, continued, answers)
