"""Sources to token shards: read > clean > tokenize, once; reused while nothing has changed."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autogpt.core.config import from_mapping, to_mapping
from autogpt.core.errors import AutoGPTError, DataError, RunError
from autogpt.core.files import MANIFEST, read_json, write_json
from autogpt.data import shards, sources
from autogpt.data.clean import CleanResult, clean
from autogpt.data.readers import ReadReport, read
from autogpt.models.card_facts import CorpusFacts, Removal
from autogpt.recipe.folder import TOKENIZER
from autogpt.recipe.settings import Recipe
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.bpe import train as train_tokenizer
from autogpt.tokenizer.training import TokenizerConfig

__all__ = ["Prepared", "is_prepared_from", "prepare"]

_CORPUS = "corpus.json"
_USUAL = ("utf-8", "utf_8", "ascii")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A corpus, ready to learn from.

    Attributes:
        tokenizer: Made for it.
        train: To learn from.
        validation: Held out.
        corpus: What was read, removed and left.
        tokenizer_config: How the tokenizer was made, with nothing left open.
    """

    tokenizer: Tokenizer
    train: shards.TokenShard
    validation: shards.TokenShard
    corpus: CorpusFacts
    tokenizer_config: TokenizerConfig


def prepare(
    names: Sequence[str],
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool,
    say: Callable[[str], None],
    phase: Callable[[str, float], None],
) -> Prepared:
    """Prepare ``names`` in ``folder``, or reuse what was prepared there from the same.

    Args:
        names: Files, folders, globs, ``-``, ``hf:NAME[:split]``; none, to resume with what is
            prepared, wherever it came from.
        recipe: How to read, clean and tokenize.
        folder: For the shards.
        resume: Refuse other data than that prepared before; standard input is not read again.
        say: Told what was read and removed.
        phase: Told the seconds of each phase.

    Raises:
        DataError: If the sources cannot be used.
        RunError: If a run is resumed on other data.
    """
    if resume and not names:
        return _opened(folder, names)
    key = _key(names, _with_tokenizer_of(folder, recipe))
    current = is_prepared_from(names, recipe, folder)
    if current and (resume or "-" not in names):
        try:
            return _opened(folder, names)
        except AutoGPTError:
            say("The prepared tokens are damaged: preparing again.")
    elif resume and (folder / "train" / MANIFEST).exists():
        raise RunError(
            f"The run in {str(folder.parent)!r} was begun on other data or with other settings of "
            "reading, cleaning or the tokenizer.",
            hint="Give the same, unchanged sources and settings, or train into another folder.",
        )
    report, mark = ReadReport(), time.perf_counter()
    documents = read(names, recipe.read, report=report)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".prepare-", dir=folder) as room:
        cleaned = clean(documents, recipe.clean, folder=Path(room))
        _tell(cleaned, report, say)
        phase("read and clean", time.perf_counter() - mark)
        mark = time.perf_counter()
        tokenizer = train_tokenizer(
            cleaned.train, recipe.tokenizer, corpus_bytes=cleaned.train.bytes
        )
        tokenizer.save(folder / TOKENIZER)
        kind = tokenizer.training.kind if tokenizer.training else "bpe"
        decided = replace(recipe.tokenizer, kind=kind, vocab_size=tokenizer.vocab_size)
        key = _key(names, replace(recipe, tokenizer=decided))
        for split, text in (("train", cleaned.train), ("validation", cleaned.validation)):
            shards.write(text.items(), tokenizer, folder, split, key=key)
        phase("tokenize", time.perf_counter() - mark)
    write_json(
        folder / _CORPUS,
        {
            "tokenizer": to_mapping(decided),
            "sources": _short(names),
            "corpus": _described(cleaned, report),
        },
    )
    return _opened(folder, names)


def is_prepared_from(names: Sequence[str], recipe: Recipe, folder: Path) -> bool:
    """Whether ``folder`` holds what :func:`prepare` makes of ``names`` as they are now.

    Raises:
        DataError: If a source is missing.
    """
    key = _key(names, _with_tokenizer_of(folder, recipe))
    return shards.is_current(folder, key) and (folder / _CORPUS).exists()


def _short(names: Sequence[str]) -> list[str]:
    return [Path(name).name or name for name in names]


def _with_tokenizer_of(folder: Path, recipe: Recipe) -> Recipe:
    """Return the recipe with what it leaves open of the tokenizer as it was decided before."""
    try:
        stored = from_mapping(TokenizerConfig, read_json(folder / _CORPUS)["tokenizer"])
    except (AutoGPTError, KeyError, TypeError):
        return recipe  # nothing was prepared here, or by an older version
    wanted = recipe.tokenizer
    return replace(
        recipe,
        tokenizer=replace(
            stored,
            kind=stored.kind if wanted.kind == "auto" else wanted.kind,
            vocab_size=wanted.vocab_size or stored.vocab_size,
        ),
    )


def _key(names: Sequence[str], recipe: Recipe) -> str:
    found = list(sources.find(names))
    settings: Mapping[str, object] = {
        "read": to_mapping(recipe.read),
        "clean": to_mapping(recipe.clean),
        "tokenizer": to_mapping(recipe.tokenizer),
        "sources": [source.name for source in found if source.path is None],
    }
    return shards.data_key(settings, [source.path for source in found if source.path is not None])


def _tell(cleaned: CleanResult, report: ReadReport, say: Callable[[str], None]) -> None:
    """Say in a few lines what was read, what was passed over, and what was removed."""
    others = {name: n for name, n in report.encodings.items() if name.lower() not in _USUAL}
    if others:
        say("encodings: " + ", ".join(f"{name} ({n} files)" for name, n in others.items()))
    if report.skipped_count:
        say(f"skipped: {report.skipped_count}, for example {report.skipped[0]}")
    for row in cleaned.report.table():
        say("  ".join(row).rstrip())


def _opened(folder: Path, names: Sequence[str]) -> Prepared:
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    train, validation = (
        shards.load(folder, split, tokenizer=tokenizer) for split in ("train", "validation")
    )
    if len(validation) < 2:
        raise DataError("Too little text is held out to measure a model.", hint="Give more text.")
    stored = read_json(folder / _CORPUS)
    kept = stored["corpus"]
    removals = tuple(Removal(**{**r, "examples": tuple(r["examples"])}) for r in kept["removals"])
    return Prepared(
        tokenizer=tokenizer,
        train=train,
        validation=validation,
        tokenizer_config=from_mapping(TokenizerConfig, stored["tokenizer"]),
        corpus=CorpusFacts(
            **{
                **kept,
                "removals": removals,
                "skipped_examples": tuple(kept["skipped_examples"]),
                "sources": tuple(_short(names) or stored.get("sources", ())),
                "train_tokens": len(train),
                "validation_tokens": len(validation),
            }
        ),
    )


def _described(cleaned: CleanResult, report: ReadReport) -> dict[str, object]:
    """Return the fields of :class:`CorpusFacts` that the shards do not tell, as plain values."""
    removals = [
        Removal(
            step=step.step, documents=step.documents, size_bytes=step.bytes, examples=step.examples
        )
        for step in cleaned.report.steps
    ]
    return {
        "documents": report.documents,
        "size_bytes": cleaned.report.bytes_in,
        "train_documents": cleaned.train.documents,
        "train_bytes": cleaned.train.bytes,
        "validation_documents": cleaned.validation.documents,
        "validation_bytes": cleaned.validation.bytes,
        "files": report.files,
        "encodings": dict(report.encodings),
        "skipped": report.skipped_count,
        "skipped_examples": list(report.skipped),
        "removals": [dataclasses.asdict(removal) for removal in removals],
    }
