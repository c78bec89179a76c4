"""Settings for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine is slow and not wrong: no test fails for its time alone.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--browser", action="store_true", help="Run the tests in a browser.")
    parser.addoption("--screenshots", metavar="FOLDER", help="Keep pictures of the pages.")
