"""``python -m autogpt``: the same as the ``autogpt`` command."""

from __future__ import annotations

import sys

from autogpt.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
