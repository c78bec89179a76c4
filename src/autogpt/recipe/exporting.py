"""Write a model for other engines, and prove that it is the same there before it takes its name.

::

    found = export("runs/mine", to="gguf", out="mine.gguf", dtype="q8_0")
    found.path, found.verification.is_fine

An export is written beside its place, verified (``evaluation.verification``), and renamed; one
that differs in an engine is refused with the reason, and leaves nothing behind.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.files import (
    MANIFEST,
    explain_os_errors,
    write_json,
    write_manifest,
    write_text,
)
from autogpt.core.progress import Progress
from autogpt.core.refs import resolve
from autogpt.core.store import holds, require_space
from autogpt.evaluation.engines.engine import Format, make_cases
from autogpt.evaluation.engines.ours import OwnEngine
from autogpt.evaluation.verification import EXPECTED, Verification, verify, write_cases
from autogpt.interop.gguf import open_gguf
from autogpt.interop.gguf.modelfile import modelfile
from autogpt.interop.gguf.writing import GGUF_TYPES, GGUFType, architecture_for, write_gguf
from autogpt.interop.tensorflow import is_tensorflow, read_tensorflow, write_tensorflow
from autogpt.models.checkpoint import (
    load_model,
    read_generation_config,
    read_settings,
    save_model,
)
from autogpt.models.counting import parameter_count
from autogpt.models.embedding_head import is_embedding_head
from autogpt.models.gpt import GPT
from autogpt.models.weights import INDEX, WEIGHTS, open_weights, write_safetensors
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["FORMATS", "Exported", "export"]

FORMATS: tuple[Format, ...] = get_args(Format)
_DTYPES = ("auto", "float32", "bfloat16")
_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625, "q4_0": 0.5625}
_KEPT = ("README.md", "LICENSE", "LICENSE.txt", "NOTICE")
_SHARD_BYTES = 5_000_000_000
_MOST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: The folder or the file.
        format: Of it.
        dtype: How weights are stored.
        files: Names in the folder, with their size in bytes.
        verification: What the engines made of it; None if that was not wanted.
    """

    path: Path
    format: Format
    dtype: str
    files: Mapping[str, int]
    verification: Verification | None

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        found = self.verification
        return {
            "path": str(self.path),
            "format": self.format,
            "dtype": self.dtype,
            "files": dict(self.files),
            "bytes": sum(self.files.values()),
            "verification": None if found is None else found.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class _Source:
    """What is exported."""

    path: Path
    name: str
    model: GPT
    tokenizer: Tokenizer
    generation: Mapping[str, Any]


def export(
    reference: str | Path,
    *,
    to: Format,
    out: Path | str,
    dtype: str | None = None,
    shard_bytes: int = _SHARD_BYTES,
    check: bool = True,
    progress: Progress | None = None,
) -> Exported:
    """Write a model in another format, and verify it in every engine that is installed.

    Args:
        reference: Any MODEL.
        to: "hf", a folder; "gguf", a file or a folder with one; "onnx" and "tensorflow", folders.
        out: Where to: a new folder, or for "gguf" a new ``.gguf`` file.
        dtype: How weights are stored: for "gguf" f32, f16 (the default), bf16, q8_0 or q4_0; for
            "hf" float32, bfloat16 or, the default, what they are; "onnx" and "tensorflow" are
            float32.
        shard_bytes: "hf": larger files of weights are cut into several.
        check: Verify, and refuse what differs.
        progress: Where to show what is done.

    Raises:
        UsageError: If there is no such model, or ``out`` is taken.
        ConfigError: If the format cannot express the model.
        CheckpointError: If what was written is not the same model in an engine.
        MissingExtraError: If a package that the format needs is not installed.
        ResourceError: If the disk is full or ``out`` cannot be written.
    """
    if to not in FORMATS:
        raise UsageError(f"--to is {to!r}, expected one of {', '.join(FORMATS)}.")
    stored = _stored_as(to, dtype)
    out = Path(out).expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{str(out)!r} already exists.", hint="Name a new folder or file.")
    path = resolve(reference)
    shown = progress or Progress(quiet=True)
    shown.say(f"reading {reference}")
    source = _read(path, str(reference))
    if to == "gguf":
        architecture_for(source.model.config)  # what cannot be said is told at once
    with explain_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        count = parameter_count(source.model.config)
        require_space(out.parent, math.ceil(count * _BYTES.get(stored, 4.0)))
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        shown.say(f"writing {to}")
        written = _WRITERS[to](source, draft, out, stored, shard_bytes)
        found = None
        if check:
            shown.say("verifying")
            found = verify(written)
            _refuse(found, out)
        return _settle(draft, written, out, to, stored, found)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _stored_as(to: Format, dtype: str | None) -> str:
    """Return how weights are stored.

    Raises:
        UsageError: If the format has no such type.
    """
    allowed: Sequence[str] = {"gguf": GGUF_TYPES, "hf": _DTYPES}.get(to, ("float32",))
    wanted = dtype or ("f16" if to == "gguf" else allowed[0])
    if wanted not in allowed:
        raise UsageError(f"--dtype is {wanted!r}; {to} has {', '.join(allowed)}.")
    return wanted


def _read(path: Path, name: str) -> _Source:
    if path.is_dir() and is_tensorflow(path):
        with tempfile.TemporaryDirectory() as folder:
            read_tensorflow(path, Path(folder))
            return replace(_read(Path(folder), name), path=path)
    if path.is_dir() and is_embedding_head(read_settings(path)):
        raise UsageError(
            f"{name!r} is a head on a sentence encoder's vectors, which no other engine reads.",
            hint="Copy it as it is with autogpt models cp; its encoder has to be there, too.",
        )
    if path.is_dir():
        model = load_model(path, dtype="auto", deep=not holds(path))
        generation = read_generation_config(path)
        return _Source(path, _plain(name), model, Tokenizer.load(path), generation)
    file = open_gguf(path)
    model = file.model(dtype="auto")
    return _Source(path, _plain(name), model, file.tokenizer(), file.generation())


def _plain(name: str) -> str:
    """Return a name of a model without folders."""
    return Path(name).name.removesuffix(".gguf") or "model"


def _refuse(found: Verification, out: Path) -> None:
    if found.is_fine:
        return
    raise CheckpointError(
        f"The export to {str(out)!r} was refused, because it is not the same model: {found.fault}",
        hint="Add --no-verify to keep it all the same.",
    )


def _settle(
    draft: Path, written: Path, out: Path, to: Format, stored: str, found: Verification | None
) -> Exported:
    """Give the export its name."""
    is_file = written.is_file()
    with explain_os_errors(out):
        if is_file and out.suffix.lower() == ".gguf":
            names = [out.name, f"{out.stem}.Modelfile"]
            (draft / "Modelfile").replace(out.parent / names[1])
            written.replace(out)
            base, place = out.parent, out
        else:
            draft.chmod(0o755)
            draft.replace(out)
            base, place = out, out / written.name if is_file else out
            names = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    sizes = {name: (base / name).stat().st_size for name in names}
    if found is not None:
        found = replace(found, path=str(place))
    return Exported(place, to, stored, sizes, found)


# -- formats ---------------------------------------------------------------------------------------


def _write_gguf(source: _Source, draft: Path, out: Path, stored: str, shard_bytes: int) -> Path:
    del shard_bytes
    single = out.suffix.lower() == ".gguf"
    path = draft / (out.name if single else f"{source.name}-{stored}.gguf")
    write_gguf(
        path,
        source.model,
        source.tokenizer,
        kind=cast("GGUFType", stored),
        generation=source.generation,
        name=source.name,
    )
    path.chmod(0o644)
    text = modelfile(path.name, source.tokenizer, source.generation)
    write_text(draft / "Modelfile", text)
    if not single:
        _keep(source, draft)
        write_manifest(draft, [file.name for file in draft.iterdir() if file.is_file()])
    return path


def _write_hf(source: _Source, draft: Path, out: Path, stored: str, shard_bytes: int) -> Path:
    del out
    dtype = cast("Literal['auto', 'float32', 'bfloat16']", stored)
    generation = {
        key: value
        for key, value in source.generation.items()
        if key not in ("bos_token_id", "pad_token_id")
    }
    save_model(
        source.model, draft, tokenizer=source.tokenizer, dtype=dtype, generation_config=generation
    )
    _keep(source, draft)
    _shard(draft, shard_bytes)
    return draft


def _shard(folder: Path, shard_bytes: int) -> None:
    """Cut the weights into files of at most so many bytes, with an index, as transformers does."""
    whole = folder / WEIGHTS
    if whole.stat().st_size <= shard_bytes:
        return
    groups: list[list[str]] = [[]]
    held = 0
    with open_weights(folder) as stored:
        sizes = {}
        for name in stored.places:
            tensor = stored.tensor(name)
            sizes[name] = tensor.numel() * tensor.element_size()
            if groups[-1] and held + sizes[name] > shard_bytes:
                groups.append([])
                held = 0
            groups[-1].append(name)
            held += sizes[name]
        where: dict[str, str] = {}
        for number, names in enumerate(groups, 1):
            file = f"model-{number:05}-of-{len(groups):05}.safetensors"
            write_safetensors(folder / file, [(name, stored.tensor(name)) for name in names])
            where |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
    write_json(folder / INDEX, index)
    whole.unlink()
    names = [file.name for file in folder.iterdir() if file.name not in (MANIFEST, *_KEPT)]
    write_manifest(folder, names)


def _write_onnx(source: _Source, draft: Path, out: Path, stored: str, shard_bytes: int) -> Path:
    from autogpt.interop.onnx import write_onnx

    del out, stored, shard_bytes
    _settings_beside(source, draft)
    write_onnx(draft, source.model)
    return _finish(draft)


def _write_tensorflow(
    source: _Source, draft: Path, out: Path, stored: str, shard_bytes: int
) -> Path:
    del out, stored, shard_bytes
    with tempfile.TemporaryDirectory(dir=draft.parent) as folder:
        save_model(source.model.float(), Path(folder), tokenizer=source.tokenizer)
        write_tensorflow(draft, Path(folder), source.model)
    engine = OwnEngine(source.model.float(), source.tokenizer)
    context = min(_MOST_TOKENS, source.model.config.max_position_embeddings)
    write_cases(draft / EXPECTED, make_cases(engine, most_tokens=context))
    return _finish(draft)


def _settings_beside(source: _Source, draft: Path) -> None:
    """Write config, tokenizer and the reference's answers, but no weights."""
    model = source.model.float()
    save_model(model, draft, tokenizer=source.tokenizer, generation_config=source.generation)
    for name in (WEIGHTS, MANIFEST):
        (draft / name).unlink()
    context = min(_MOST_TOKENS, model.config.max_position_embeddings)
    cases = make_cases(OwnEngine(model, source.tokenizer), most_tokens=context)
    write_cases(draft / EXPECTED, cases)
    _keep(source, draft)


def _finish(draft: Path) -> Path:
    names = [str(p.relative_to(draft)) for p in draft.rglob("*") if p.is_file()]
    write_manifest(draft, names)
    return draft


def _keep(source: _Source, draft: Path) -> None:
    """Take the card and the license of the model along."""
    folder = source.path if source.path.is_dir() else source.path.parent
    for name in _KEPT if source.path.is_dir() or holds(source.path) else ():
        if (folder / name).is_file():
            shutil.copyfile(folder / name, draft / name)


_WRITERS: dict[Format, Callable[[_Source, Path, Path, str, int], Path]] = {
    "hf": _write_hf,
    "gguf": _write_gguf,
    "onnx": _write_onnx,
    "tensorflow": _write_tensorflow,
}
