"""The front is light: it answers for models without loading what runs them."""

from __future__ import annotations

import subprocess
import sys


def test_the_front_does_not_import_torch() -> None:
    script = (
        "import sys, autogpt.server.app, autogpt.server.running, autogpt.server.rails; "
        "print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert found.stdout.strip() == b"False"
