"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow and not wrong: no test fails for its time alone.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
