"""What can end or turn a run of the agent, as typed exceptions.

::

    RunError
    ├── AmbiguousError     an effect may or may not have happened, and nobody could say
    ├── DivergedError      the journal holds another course than the one that is taken
    └── BusyError          another process is at work on the run
    AutoGPTError
    ├── OutOfBudgetError   the next call would not fit; ends the run with its own state
    ├── StuckError         the same call gave the same result too often
    ├── DeniedError        a call was not approved
    └── GaveUpError        the plan cannot go on
"""

from __future__ import annotations

from autogpt.core.errors import AutoGPTError, RunError

__all__ = [
    "AmbiguousError",
    "BusyError",
    "DeniedError",
    "DivergedError",
    "GaveUpError",
    "OutOfBudgetError",
    "StuckError",
]


class AmbiguousError(RunError):
    """An effect was begun and its result is not known."""


class DivergedError(RunError):
    """A resumed run asks for something else than what was recorded in this place."""


class BusyError(RunError):
    """Two processes write the journal of one run."""


class OutOfBudgetError(AutoGPTError):
    """The next call would not fit into what is left."""


class StuckError(AutoGPTError):
    """The run goes in a circle."""


class DeniedError(AutoGPTError):
    """A call was not approved."""


class GaveUpError(AutoGPTError):
    """A plan found that it cannot reach the goal."""
