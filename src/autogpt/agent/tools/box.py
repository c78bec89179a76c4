"""All tools that come with the agent: files, tables, arithmetic, Python, the web, the toolkit."""

from __future__ import annotations

from autogpt.agent.models import AgentModel
from autogpt.agent.tools.base import Tool
from autogpt.agent.tools.calculator import calculator_tools
from autogpt.agent.tools.files import file_tools
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.python import python_tools
from autogpt.agent.tools.tables import table_tools
from autogpt.agent.tools.toolkit import toolkit_tools
from autogpt.agent.tools.web import web_tools

__all__ = ["toolbox"]


def toolbox(folder: Folder, model: AgentModel, *, web: bool = False) -> list[Tool]:
    """Return the tools over a folder.

    Args:
        folder: The one that they may see.
        model: For tools that label or write.
        web: Whether pages may be fetched.
    """
    return [
        *file_tools(folder),
        *table_tools(folder),
        *calculator_tools(),
        *python_tools(folder),
        *toolkit_tools(folder, model),
        *(web_tools() if web else ()),
    ]
