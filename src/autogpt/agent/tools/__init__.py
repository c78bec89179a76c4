"""The agent's tools: typed functions with a docstring, one file a kind.

What a tool is and how a function becomes one is in ``base``; :func:`toolbox` gathers those that
come with the agent.
"""

from __future__ import annotations

from autogpt.agent.tools.base import Call, Result, Tool, ToolError, as_tool, tool

__all__ = ["Call", "Result", "Tool", "ToolError", "as_tool", "tool"]
