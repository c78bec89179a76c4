"""The agent: one sentence in, a checked result out.

::

    agent = autogpt.Agent(gpt, tools=[search])
    outcome = agent.run("Which note mentions the boiler?")
    outcome.state, outcome.answer        # "verified", "notes/2.txt"

``loop`` reads on a page; a plan is a generator that yields what it needs (``plans``), a tool a
typed function (``tools``). Code decides what may run (``policy``) and whether the goal was reached
(``checks``), never the model. What happens is in a journal first (``journal``), so that a run goes
on after any crash.

Names are imported when first used: the agent's core brings no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt.agent.loop import Agent, Outcome
    from autogpt.agent.policy import Limits
    from autogpt.agent.tools.base import tool

__all__ = ["Agent", "Limits", "Outcome", "tool"]

_HOME = {
    "Agent": "autogpt.agent.loop",
    "Outcome": "autogpt.agent.loop",
    "Limits": "autogpt.agent.policy",
    "tool": "autogpt.agent.tools.base",
}


def __getattr__(name: str) -> object:
    """Import the module that defines a public name (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
