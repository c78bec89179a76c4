"""Tasks in the browser: a form by registration, one text, and a file with a batch."""

from __future__ import annotations

import json
from pathlib import Path

from tests.browser import axe
from tests.browser.pages import Shoot, Studio, Words

TEXTS = {
    "en": "The boiler in the hall broke on Monday. Nobody could wash with warm water for two days. "
    "On Wednesday a mechanic came and changed a valve. Since then it works again.",
    "zh": "星期一，大厅的锅炉坏了。两天里谁也没有热水洗澡。星期三来了一位师傅，换了一个阀门。"
    "从那以后锅炉又能用了。",
}


def test_one_text_and_a_file(
    studio: Studio, words: Words, language: str, shoot: Shoot, tmp_path: Path
):
    page = studio.open("tasks/classify")
    page.get_by_label(words("tasks.text", language), exact=True).fill(TEXTS[language])
    labels = {"en": "good, bad", "zh": "好, 坏"}[language]
    page.get_by_label(words("param.labels", language), exact=True).fill(labels)
    page.get_by_role("button", name=words("tasks.run", language), exact=True).click()
    rows = page.locator(".probabilities .number")
    rows.first.wait_for()
    shares = [float(text.rstrip("%")) for text in rows.all_inner_texts()]
    assert abs(sum(shares) - 100) < 0.5
    axe.check(page)
    shoot(page, "tasks")

    page.get_by_role("radio", name=words("tasks.file", language)).check(force=True)
    source = tmp_path / "reviews.txt"
    source.write_text(TEXTS[language].replace("。", "。\n").replace(". ", ".\n"), encoding="utf-8")
    count = len(source.read_text(encoding="utf-8").strip().splitlines())
    page.locator("input[type=file]").first.set_input_files(str(source))
    page.get_by_role("button", name=words("tasks.run_all", language)).click()
    page.locator(".state.done").wait_for(timeout=90_000)
    page.get_by_text(words("tasks.preview", language, count=count)).first.wait_for()
    with page.expect_download() as got:
        page.get_by_role("button", name=words("common.download", language)).first.click()
    lines = Path(got.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == count
    assert all("label" in json.loads(line) for line in lines)
    axe.check(page)
    shoot(page, "tasks-batch")
