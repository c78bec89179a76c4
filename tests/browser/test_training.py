"""From a dropped file to a trained model that is tried, in the browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

import autogpt.data
from tests.browser import axe
from tests.browser.pages import Shoot, Studio, Words

TEXT = Path(autogpt.data.__file__).parent / "quickstart"
SETTINGS = (
    "model.preset=tiny\nmodel.hidden_size=32\nmodel.num_hidden_layers=1\nmodel.context_length=32\n"
    "training.batch_size=8\nkernels.compile=off\nkernels.attention=explicit\n"
)


def drop(page: Page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(str(path))


def test_train_stop_resume_and_try(  # noqa: PLR0915 - one way through the page
    studio: Studio, words: Words, language: str, shoot: Shoot, tmp_path: Path
):
    page = studio.open("train")
    name = {"en": "Analects", "zh": "论语"}[language]
    source = tmp_path / f"{name}.txt"
    source.write_bytes((TEXT / "lunyu.txt").read_bytes())
    drop(page, source)
    page.get_by_text(words("kind.passage", language), exact=True).first.wait_for()
    assert page.locator(".tokens span").count() > 50
    axe.check(page)

    # What a budget buys; the forecasts come one by one.
    forecast = page.get_by_role("term").filter(has_text=words("plan.quality", language))
    forecast.wait_for(timeout=90_000)
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert page.locator("output").inner_text() == {"en": "2 min", "zh": "2 分"}[language]
    page.locator(".plot canvas").wait_for(timeout=90_000)
    shoot(page, "train")
    page.locator(".dial").scroll_into_view_if_needed()
    shoot(page, "train-plan")

    page.get_by_label(words("train.name", language), exact=True).fill(name)
    page.get_by_text(words("train.settings", language), exact=True).click()
    page.get_by_label(words("train.settings_label", language), exact=True).fill(
        SETTINGS + "training.max_steps=1500\ntraining.checkpoint_every=50"
    )
    page.get_by_role("button", name=words("train.start", language)).click()
    page.get_by_role("heading", level=1, name=name).wait_for()
    page.locator(".plot canvas").wait_for(timeout=90_000)
    page.wait_for_timeout(1500)
    axe.check(page)
    shoot(page, "run-live")

    page.reload()  # loses nothing
    page.locator(".plot canvas").wait_for()
    page.get_by_role("button", name=words("job.stop", language), exact=True).click()
    page.get_by_role("button", name=words("job.resume", language), exact=True).wait_for(
        timeout=60_000
    )
    page.get_by_text(words("runs.stopped", language)).wait_for()
    page.get_by_role("button", name=words("job.resume", language), exact=True).click()
    page.get_by_role("button", name=words("job.stop", language), exact=True).wait_for()
    page.get_by_role("button", name=words("runs.chat", language)).wait_for(timeout=240_000)
    axe.check(page)
    shoot(page, "run")

    with page.context.expect_page() as opened:
        page.get_by_role("button", name=words("runs.report", language)).click()
    opened.value.wait_for_url("**/reports/*")
    opened.value.wait_for_load_state()
    assert name in opened.value.content()
    opened.value.close()

    # It continues text, and the page says so.
    page.get_by_role("button", name=words("runs.chat", language)).click()
    page.get_by_label(words("common.model", language), exact=True).select_option(name)
    page.get_by_text(words("chat.start.continue", language), exact=True).wait_for()
    page.get_by_label(words("chat.message", language), exact=True).fill("子曰：“")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=words("chat.retry", language)).wait_for()
    assert page.locator(".answer").inner_text().strip()

    page = studio.open("runs")
    for run in ("tiny-chat", name):
        page.get_by_role("checkbox", name=words("runs.compare_one", language, name=run)).check()
    page.locator(".plot canvas").wait_for()
    page.get_by_text("training.max_steps").wait_for()
    axe.check(page)
    shoot(page, "runs")
    studio.server.post("/models/unload", {"model": name})


def test_problems_are_named_before_anything_is_trained(
    studio: Studio, words: Words, language: str, shoot: Shoot, tmp_path: Path
):
    page = studio.open("train")
    rows = {
        "en": "text,label\ngood film,pos\nbad film,neg\nfine,pos\nfine,neg\n",
        "zh": "text,label\n好电影,正面\n烂电影,负面\n还行,正面\n还行,负面\n",
    }[language]
    source = tmp_path / "reviews.csv"
    source.write_text(rows, encoding="utf-8")
    drop(page, source)
    page.get_by_text(words("kind.labeled", language), exact=True).first.wait_for()
    hints = page.locator(".hint").all_inner_texts()
    assert any("fine" in hint or "还行" in hint for hint in hints)
    page.get_by_role("radio", name=words("train.goal.teach", language)).check(force=True)
    task = page.get_by_label(words("train.task", language), exact=True)
    assert task.input_value() == "classify"
    axe.check(page)
    shoot(page, "train-problems")

    broken = tmp_path / "picture.txt"
    broken.write_bytes(bytes(range(256)) * 40)
    drop(page, broken)
    page.locator(".problem").wait_for(timeout=60_000)
