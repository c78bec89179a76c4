"""The studio in a real browser: Debian's Chromium, driven by Playwright.

Run with ``make test-browser``. ``--screenshots FOLDER`` says where pictures go; by default they are
thrown away. Nothing may be asked of another host, and no page may say an error.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.studio.serving import Server, teach_chat

pytest.importorskip("playwright", reason="the browser tests need the package playwright")
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.pages import Shoot, Studio, Words

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
LANGUAGES = ("en", "zh")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reason = None
    if CHROMIUM is None:
        reason = "there is no Chromium here: apt-get install chromium"
    elif not config.getoption("--browser"):
        reason = "run by make test-browser"
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a chat model that was made a moment ago."""
    room = tmp_path_factory.mktemp("studio")
    teach_chat(room)
    return room


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder, "runs/tiny-chat")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def studio(browser: Browser, server: Server, language: str) -> Iterator[Studio]:
    locale = "zh-CN" if language == "zh" else "en-US"
    with browser.new_context(
        locale=locale, viewport={"width": 1280, "height": 800}, color_scheme="light",
        reduced_motion="reduce", accept_downloads=True,
    ) as context:  # fmt: skip
        studio = Studio(context, server, language)
        yield studio
    assert studio.wrong == []


@pytest.fixture
def shoot(pytestconfig: pytest.Config, language: str) -> Shoot:
    """Take a picture of a page, if pictures are wanted; for the docs only those they show."""
    where = pytestconfig.getoption("--screenshots")
    shown = Path("docs/studio.md").read_text(encoding="utf-8")

    def take(page: Page, name: str) -> None:
        is_for_docs = where is not None and Path(where) == Path("docs/images")
        if where is None or (is_for_docs and f"images/{name}-{language}.png" not in shown):
            return
        path = Path(where) / f"{name}-{language}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(250)
        taken = Image.open(BytesIO(page.screenshot()))
        # 128 colors are enough for what is drawn, and a third of the bytes.
        taken.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)

    return take


@pytest.fixture(scope="session")
def words() -> Words:
    """Return a text of the catalogue, in a language."""
    from autogpt.core.i18n import text

    return text
