"""Every room, empty and at every width: no serious finding, nothing cut off, both languages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.pages import Shoot, Studio, Words

ROOMS = ("chat", "tasks", "train", "runs", "models", "system")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_rooms_are_for_everyone(
    studio: Studio, theme: str, shoot: Shoot, words: Words, language: str
):
    studio.page.emulate_media(color_scheme=theme)
    for room in ROOMS:
        page = studio.open(room)
        page.wait_for_load_state("networkidle")
        expect(page).to_have_title(re.compile(re.escape(words(f"room.{room}", language))))
        assert page.locator("html").get_attribute("data-theme") == theme
        page.wait_for_timeout(200)
        axe.check(page)
        if theme == "dark" and room in ("chat", "models"):
            shoot(page, f"{room}-dark")


def test_rooms_fit_a_phone(studio: Studio, shoot: Shoot):
    studio.page.set_viewport_size({"width": 390, "height": 844})
    for room in ROOMS:
        page = studio.open(room)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(200)
        wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        main = page.locator("main").evaluate("(main) => main.scrollWidth - main.clientWidth")
        assert wide <= 0, room
        assert main <= 0, room
        shoot(page, f"phone-{room}")
        axe.check(page)


def test_keys_alone_lead_everywhere(studio: Studio, words: Words, language: str):
    page = studio.open("models")
    page.keyboard.press("Tab")
    skip = page.evaluate("document.activeElement.textContent")
    assert skip == words("frame.skip", language)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("link", name=words("room.runs", language), exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name=words("room.runs", language)).wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1"


def test_language_and_theme_are_kept(studio: Studio, words: Words, language: str):
    page = studio.open("system")
    other = "zh" if language == "en" else "en"
    page.get_by_role("radio", name="中" if other == "zh" else "EN").check(force=True)
    page.get_by_role("heading", level=1, name=words("room.system", other)).wait_for()
    page.get_by_role("radio", name=words("theme.dark", other)).check(force=True)
    page.reload()
    page.get_by_role("heading", level=1, name=words("room.system", other)).wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("html").get_attribute("lang") == ("zh-Hans" if other == "zh" else "en")
