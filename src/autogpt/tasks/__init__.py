"""One file a task: text in, text out; each knows how to ask, to read the answer, and to teach.

``TASKS`` names them; each then appears by itself in Python, the command line and the server.
"""

from __future__ import annotations

__all__ = ["TASKS"]

TASKS: dict[str, str] = {
    "classify": "autogpt.tasks.classify.Classify",
    "tag": "autogpt.tasks.tag.Tag",
}
"""Name of a task -> dotted path of its class."""
