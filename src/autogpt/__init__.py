"""AutoGPT: from your own text and a budget to a working, measured language model.

::

    import autogpt

    plan = autogpt.plan("tickets/", budget="10m")  # print(plan) shows the forecast
    run = plan.train(out="runs/tickets")
    gpt = autogpt.load("runs/tickets")
    print(gpt.generate("Dear customer,", max_tokens=64, seed=0).text)

Names are imported when first used, so ``import autogpt`` costs nothing; torch comes with the
first model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt.agent import Agent
    from autogpt.core.errors import (
        AutoGPTError,
        CheckpointError,
        ConfigError,
        DataError,
        DownloadError,
        LicenseError,
        MissingExtraError,
        RefusedError,
        ResourceError,
        RunError,
        UsageError,
    )
    from autogpt.core.messages import Chunk, Completion, Message, assistant, system, user
    from autogpt.core.pull import pull
    from autogpt.inference.params import SamplingParams
    from autogpt.llm import LLM, load
    from autogpt.recipe import finetune, plan, quickstart, train
    from autogpt.recipe.evaluating import evaluate

    __version__: str

__all__ = [
    "LLM",
    "Agent",
    "AutoGPTError",
    "CheckpointError",
    "Chunk",
    "Completion",
    "ConfigError",
    "DataError",
    "DownloadError",
    "LicenseError",
    "Message",
    "MissingExtraError",
    "RefusedError",
    "ResourceError",
    "RunError",
    "SamplingParams",
    "UsageError",
    "__version__",
    "assistant",
    "evaluate",
    "finetune",
    "load",
    "plan",
    "pull",
    "quickstart",
    "system",
    "train",
    "user",
]

_MODULES = {
    "autogpt.agent": "Agent",
    "autogpt.core.errors": (
        "AutoGPTError CheckpointError ConfigError DataError DownloadError LicenseError "
        "MissingExtraError RefusedError ResourceError RunError UsageError"
    ),
    "autogpt.core.messages": "Chunk Completion Message assistant system user",
    "autogpt.core.pull": "pull",
    "autogpt.inference.params": "SamplingParams",
    "autogpt.llm": "LLM load",
    "autogpt.recipe": "finetune plan quickstart train",
    "autogpt.recipe.evaluating": "evaluate",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import the module that defines a public name, and keep the name here (PEP 562)."""
    value: object
    if name == "__version__":
        from importlib.metadata import version

        value = version("autogpt-transformer")
    elif name in _HOME:
        from importlib import import_module

        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
