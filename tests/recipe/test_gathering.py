"""Held-out examples: a tenth, but no more text than measuring is worth."""

import json
from pathlib import Path

import pytest

from autogpt.recipe.gathering import gather
from autogpt.recipe.settings import FinetuneConfig, FinetuneRecipe

LONG = 1000  # characters


def examples(path: Path, count: int) -> str:
    rows = (
        {"source": f"{number} {'text ' * (LONG // 5)}", "target": f"summary {number}"}
        for number in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("count", "held_out"), [(500, 50), (3000, 128), (20, 2)])
def test_no_more_text_is_held_out_than_measuring_is_worth(
    tmp_path: Path, count: int, held_out: int
) -> None:
    recipe = FinetuneRecipe(finetune=FinetuneConfig(task="summarize", base="any"))
    gathered = gather([examples(tmp_path / "pairs.jsonl", count)], None, recipe)
    assert abs(len(gathered.validation) - held_out) <= 2
    assert len(gathered.train) + len(gathered.validation) == count


def test_a_text_with_a_label_is_cheap_so_a_tenth_of_them_is_held_out(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    rows = ({"text": f"{n} {'word ' * 200}", "label": "ab"[n % 2]} for n in range(3000))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = FinetuneRecipe(finetune=FinetuneConfig(task="classify", base="any"))
    assert len(gather([str(path)], None, recipe).validation) == 300
