"""A few lines of a model's Python, interpreted: there are no system calls to escape with.

``pydantic-monty`` knows a subset of Python. Not here: what needs real Python (``agent.sandbox``).
"""

from __future__ import annotations

from collections.abc import Mapping

from autogpt.agent.tools.base import ToolError

__all__ = ["run_glue"]


def run_glue(code: str, *, inputs: Mapping[str, object] | None = None) -> object:
    """Run a few lines in pydantic-monty: no files, no network, no imports beyond a few pure ones.

    Args:
        code: Python; the value of its last expression is returned.
        inputs: Values by name.

    Raises:
        ToolError: If it fails.
        LookupError: If it needs what the interpreter does not have, or that is not installed.
    """
    try:
        from pydantic_monty import CollectString, Monty, MontyError, ResourceLimits
    except ImportError as error:
        raise LookupError("pydantic-monty is not installed") from error
    printed = CollectString(max_bytes=200_000)
    limits: ResourceLimits = {
        "max_feed_duration_secs": 10.0,
        "max_memory": 256 << 20,
        "max_recursion_depth": 500,
    }
    try:
        with Monty() as pool, pool.checkout(limits=limits) as session:
            value = session.feed_run(code, inputs=dict(inputs or {}), print_callback=printed)
    except MontyError as error:
        text = str(error)
        missing = ("ModuleNotFoundError", "not supported", "NotImplementedError", "ImportError",
                   "SyntaxError", "PermissionError")  # fmt: skip
        if any(word in text for word in missing):
            raise LookupError(text) from error
        raise ToolError(f"The code failed: {text[:400]}") from error
    return printed.output + ("" if value is None else str(value))
