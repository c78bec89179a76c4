"""The agent in the browser: a goal, a call that wants leave, what it left; and a look inside."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.pages import Shoot, Studio, Words

GOAL = "Write the total amount by region in sales.csv to totals.csv"


def test_a_goal_is_reached_with_leave(
    studio: Studio, words: Words, language: str, shoot: Shoot, tmp_path: Path
):
    page = studio.open("agent")
    source = tmp_path / "sales.csv"
    source.write_text("region,amount\nnorth,10\nsouth,20\nnorth,5\n", encoding="utf-8")
    page.get_by_text(words("agent.files", language), exact=True).click()
    page.locator("input[type=file]").first.set_input_files(str(source))
    page.locator(".facts").first.wait_for()
    page.get_by_label(words("agent.goal", language), exact=True).fill(GOAL)
    page.get_by_role("button", name=words("agent.run", language), exact=True).click()
    asked = page.get_by_role("alertdialog")
    asked.wait_for(timeout=60_000)
    assert "totals.csv" in asked.inner_text()
    axe.check(page)
    shoot(page, "agent-asks")
    asked.get_by_role("button", name=words("agent.allow", language)).click()
    page.get_by_role("heading", name=words("agent.state.verified", language)).wait_for()
    page.locator(".timeline .good").first.wait_for()
    axe.check(page)
    shoot(page, "agent")
    with page.expect_download() as got:
        label = words("agent.download", language, name="totals.csv")
        page.get_by_role("button", name=label).click()
    assert "north,15" in Path(got.value.path()).read_text(encoding="utf-8")


def test_a_look_inside(studio: Studio, words: Words, language: str, shoot: Shoot):
    page = studio.open("inspect")
    text = {"en": "The sea is wide", "zh": "海阔天空"}[language]
    page.get_by_label(words("tasks.text", language), exact=True).fill(text)
    page.get_by_role("button", name=words("inspect.run", language)).click()
    inside = page.frame_locator("iframe")
    expect(inside.locator("body")).to_contain_text(text[0], timeout=60_000)
    page.wait_for_timeout(500)
    axe.check(page)
    shoot(page, "inspect")
