"""axe-core, from npm: what is wrong for people who do not see, or use no mouse.

It is not in the repository: ``npm install`` fetches it into ``node_modules`` for ``make
test-browser``; without it these checks are skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path("node_modules/axe-core/axe.min.js").resolve()


def check(page: Page) -> None:
    """Fail if a page has serious findings.

    The policy of the page lets no other script in, so axe runs in a world of its own, through the
    debugger.
    """
    if not AXE.is_file():
        pytest.skip("axe-core is not here: npm install")
    session = page.context.new_cdp_session(page)
    session.send("Page.enable")
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})
    context = world["executionContextId"]

    def run(script: str) -> Any:  # noqa: ANN401 - JSON
        found = session.send(
            "Runtime.evaluate",
            {
                "expression": script,
                "contextId": context,
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    run(AXE.read_text(encoding="utf-8"))
    options = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
    violations = run(f"axe.run(document, {options}).then((found) => found.violations)")
    session.detach()
    serious = [
        f"{one['id']} ({one['impact']}): {one['help']}: "
        + "; ".join(
            f"{node['html'][:160]} [{node['failureSummary'][-200:]}]" for node in one["nodes"][:3]
        )
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [], "\n".join(serious)
