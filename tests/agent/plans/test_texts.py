"""Goals about files of text are told apart, and the files and words that they name are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.agent.plans import best_template
from autogpt.agent.plans.base import Goal
from autogpt.agent.plans.texts import folders_named, is_text, named_files, occurrences, stems
from autogpt.agent.tools.folder import Folder

FILES = ("contract.md", "notes/a.txt", "notes/b.txt", "合同.txt", "sales.csv", "scan.png")


@pytest.mark.parametrize(
    ("goal", "kind"),
    [
        ("Which note mentions the boiler?", "mentions"),
        ("Does any letter talk about the rent?", "mentions"),
        ("哪个文件提到了锅炉？", "mentions"),
        ("How often does the word boiler occur in notes/a.txt?", "counts"),
        ("How many lines of notes/a.txt contain boiler?", "counts"),
        ("How many words does contract.md have?", "counts"),
        ("“锅炉”这个词在合同.txt中出现了多少次？", "counts"),
        ("合同.txt有多少行？", "counts"),
        ("What does contract.md say about the notice to terminate?", "quotes"),
        ("根据合同.txt，什么时候付款？", "quotes"),
    ],
)
def test_goals_about_texts_are_told_apart(goal: str, kind: str) -> None:
    template = best_template(Goal(text=goal, files=FILES))
    assert template is not None
    assert template.name == kind


def test_files_are_named_in_full_or_without_their_suffix() -> None:
    def named(text: str) -> list[str]:
        return named_files(Goal(text=text, files=FILES))

    assert named("How many lines does contract.md have?") == ["contract.md"]
    assert named("What does the contract say?") == ["contract.md"]
    assert named("合同里写了什么？") == ["合同.txt"]
    assert named("Write what b.txt says to contract.md") == ["notes/b.txt"]  # that one is written
    assert folders_named(Goal(text="What is in notes?", files=FILES)) == ["notes"]
    assert stems(FILES[:2]) == ["contract", "a"]
    assert [is_text(path) for path in FILES] == [True] * 5 + [False]


def test_a_word_is_counted_where_it_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Art, art.\nstart art_work ART\n艺术和大艺术\n", "utf-8")
    folder = Folder(tmp_path)
    assert occurrences(folder, "a.txt", "art") == 3
    assert occurrences(folder, "a.txt", "art", lines=True) == 2
    assert occurrences(folder, "a.txt", "艺术") == 2
