"""A conditional random field beside a tagger: sums over all rows of tags, read with suspicion."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from autogpt.core.errors import CheckpointError
from autogpt.models.tag_field import FIELD, TagField, feature_numbers, load_field, save_field
from autogpt.tasks.spans import units_of

TEXT = "Ada met 李明 in Rom"


def learned(tags: int = 3) -> TagField:
    chance = np.random.default_rng(0)
    numbers = np.unique(np.concatenate(feature_numbers(TEXT, units_of(TEXT))))[::2]
    return TagField(
        numbers=numbers,
        weight=chance.normal(size=(len(numbers), tags)).astype(np.float32),
        follow=chance.normal(size=(tags, tags)).astype(np.float32),
    )


def test_marginals_are_those_of_all_rows_of_tags() -> None:
    field, units = learned(), units_of(TEXT)
    known = dict(zip(field.numbers, field.weight, strict=True))
    scores = [
        sum((known[number] for number in own if number in known), np.zeros(3))
        for own in feature_numbers(TEXT, units)
    ]
    wanted = np.zeros((len(units), 3))
    for row in itertools.product(range(3), repeat=len(units)):
        total = sum(each[tag] for each, tag in zip(scores, row, strict=True))
        total += sum(field.follow[a, b] for a, b in itertools.pairwise(row))
        wanted[np.arange(len(units)), row] += np.exp(total)
    wanted /= wanted.sum(axis=1, keepdims=True)
    assert np.exp(field.log_marginals(TEXT, units)) == pytest.approx(wanted, rel=1e-6)


def test_a_text_without_units_has_no_marginals() -> None:
    assert learned().log_marginals("", []).shape == (0, 3)


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    field, units = learned(), units_of(TEXT)
    save_field(field, tmp_path)
    again = load_field(tmp_path, tags=3)
    assert np.array_equal(again.log_marginals(TEXT, units), field.log_marginals(TEXT, units))


@pytest.mark.parametrize("damage", ["missing", "short", "lacks", "unsorted", "endless", "tags"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    save_field(learned(), tmp_path)
    path = tmp_path / FIELD
    found = load_file(path)
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        if damage == "lacks":
            del found["follow"]
        elif damage == "unsorted":
            found["numbers"] = found["numbers"][::-1].copy()
        elif damage == "endless":
            found["follow"][0, 0] = np.nan
        save_file(found, path)
    with pytest.raises(CheckpointError, match=r"field\.safetensors"):
        load_field(tmp_path, tags=2 if damage == "tags" else 3)
