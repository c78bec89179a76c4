"""Plans: kinds of goals that are known, each a state machine whose slots a small model can fill.

``TEMPLATES`` names them; ``free`` is for all others. A new kind is a file with a ``Template`` and a
line here.
"""

from __future__ import annotations

from importlib import import_module

from autogpt.agent.plans.base import Goal, Template

__all__ = ["TEMPLATES", "best_template"]

TEMPLATES: dict[str, str] = {
    "arithmetic": "autogpt.agent.plans.arithmetic.ARITHMETIC",
    "copy": "autogpt.agent.plans.edits.COPY",
    "replace": "autogpt.agent.plans.edits.REPLACE",
    "sort_lines": "autogpt.agent.plans.edits.SORT_LINES",
    "counts": "autogpt.agent.plans.counts.COUNTS",
    "mentions": "autogpt.agent.plans.mentions.MENTIONS",
    "specialist": "autogpt.agent.plans.labels.SPECIALIST",
    "sort": "autogpt.agent.plans.labels.SORT",
    "summary": "autogpt.agent.plans.summaries.SUMMARY",
    "table": "autogpt.agent.plans.tables.TABLES",
    "quotes": "autogpt.agent.plans.quotes.QUOTES",
    "serve": "autogpt.agent.plans.serving.SERVE",
    "transcribe": "autogpt.agent.plans.taught.TRANSCRIBE",
    "translate": "autogpt.agent.plans.taught.TRANSLATE",
    "recognize": "autogpt.agent.plans.taught.RECOGNIZE",
}
"""Name of a kind -> dotted path of its ``Template``."""

_SURE = 0.5


def best_template(goal: Goal) -> Template | None:
    """Return the kind that a goal is of, None if none is sure enough."""
    found = [_load(path) for path in TEMPLATES.values()]
    sure = [(template.fits(goal), -place, template) for place, template in enumerate(found)]
    best = max(sure, key=lambda one: one[:2])
    return best[2] if best[0] >= _SURE else None


def _load(path: str) -> Template:
    module, name = path.rsplit(".", 1)
    template: Template = getattr(import_module(module), name)
    return template
