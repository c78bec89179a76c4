"""Models and the machine, in the browser."""

from __future__ import annotations

from pathlib import Path

from tests.browser import axe
from tests.browser.pages import Shoot, Studio, Words
from tests.studio.serving import LESSONS


def test_a_model_is_looked_at_loaded_and_unloaded(
    studio: Studio, words: Words, language: str, shoot: Shoot
):
    page = studio.open("models")
    runs = page.get_by_role("region", name=words("models.runs", language))
    name = page.get_by_role("heading", name="tiny-chat", exact=True)
    group = runs.locator("article").filter(has=name)
    group.get_by_role("button", name=words("models.card", language)).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("qwen3").first.wait_for()
    axe.check(page)
    shoot(page, "model-card")
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    loaded = page.get_by_role("region", name=words("models.loaded", language))
    mine = loaded.locator("article").filter(has=name)
    mine.get_by_role("button", name=words("models.unload", language)).click()
    mine.wait_for(state="detached")
    group.get_by_role("button", name=words("models.load", language), exact=True).click()
    loaded.get_by_role("heading", name="tiny-chat").wait_for()
    shoot(page, "models")


def test_a_model_is_loaded_in_fewer_bits_under_a_name(
    studio: Studio, words: Words, language: str, shoot: Shoot
):
    page = studio.open("models")
    runs = page.get_by_role("region", name=words("models.runs", language))
    name = page.get_by_role("heading", name="tiny-chat", exact=True)
    group = runs.locator("article").filter(has=name)
    group.get_by_role("button", name=words("models.load_as", language)).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(words("models.load_name", language)).fill("tiny-8")
    bits = words("models.bits_of.int8", language)
    dialog.get_by_role("radio", name=bits, exact=True).check(force=True)
    axe.check(page)
    shoot(page, "model-load")
    dialog.get_by_role("button", name=words("models.load", language), exact=True).click()
    loaded = page.get_by_role("region", name=words("models.loaded", language))
    mine = loaded.locator("article").filter(
        has=page.get_by_role("heading", name="tiny-8", exact=True)
    )
    mine.get_by_text(bits, exact=True).wait_for()
    mine.get_by_role("button", name=words("models.unload", language)).click()
    mine.wait_for(state="detached")


def test_a_model_is_exported(studio: Studio, words: Words, language: str, shoot: Shoot):
    page = studio.open("models")
    runs = page.get_by_role("region", name=words("models.runs", language))
    runs.get_by_role("button", name=words("models.export", language)).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(words("models.format", language)).select_option("gguf")
    dialog.get_by_label(words("models.stored", language)).select_option("f32")
    axe.check(page)
    shoot(page, "model-export")
    dialog.get_by_role("button", name=words("models.export", language), exact=True).click()
    exports = page.get_by_role("region", name=words("models.exports", language))
    file = exports.get_by_role("button").filter(has_text=".gguf").first
    file.wait_for(timeout=120_000)
    axe.check(page)
    with page.expect_download() as fetched:
        file.click()
    assert Path(fetched.value.path()).read_bytes()[:4] == b"GGUF"


def test_a_name_that_is_not_there_is_told(studio: Studio, words: Words, language: str):
    page = studio.open("models")
    page.get_by_label(words("models.pull_name", language), exact=True).fill("no/such/name")
    page.get_by_role("button", name=words("models.fetch", language), exact=True).first.click()
    page.locator(".note.bad").wait_for()
    studio.wrong = [line for line in studio.wrong if "400 (Bad Request)" not in line]


def test_the_machine(studio: Studio, words: Words, language: str, shoot: Shoot):
    page = studio.open("system")
    page.get_by_text(words("system.processor", language), exact=True).wait_for()
    page.get_by_text(words("engine.ready", language)).first.wait_for()
    axe.check(page)
    shoot(page, "system")


def test_a_model_is_measured(
    studio: Studio, words: Words, language: str, shoot: Shoot, tmp_path: Path
):
    page = studio.open("models")
    group = page.get_by_role("region", name=words("models.runs", language))
    group.get_by_role("button", name=words("evaluate.run", language)).first.click()
    dialog = page.get_by_role("dialog")
    source = tmp_path / "sea.txt"
    source.write_text("\n".join(answer for _, answer in LESSONS) * 5, encoding="utf-8")
    dialog.locator("input[type=file]").set_input_files(str(source))
    dialog.get_by_text(words("kind.passage", language), exact=True).first.wait_for()
    axe.check(page)
    dialog.get_by_role("button", name=words("evaluate.run", language), exact=True).click()
    page = studio.open("runs")
    report = page.get_by_role("button", name=words("runs.report", language)).first
    report.wait_for(timeout=120_000)
    figures = page.get_by_role("term").filter(has_text="bits per byte")
    figures.first.wait_for()
    axe.check(page)
    shoot(page, "evaluation")
    with page.context.expect_page() as opened:
        report.click()
    opened.value.wait_for_url("**/reports/*")
    opened.value.close()
