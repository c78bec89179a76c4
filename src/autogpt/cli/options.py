"""Flags that several verbs share: among them the settings of a generation.

What each setting does in full is in ``autogpt.inference.settings``; here it is in a line of help.
"""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

__all__ = [
    "Beams",
    "Choices",
    "DryAllowedLength",
    "DryBase",
    "DryBreaker",
    "DryMultiplier",
    "FrequencyPenalty",
    "Grammar",
    "Json",
    "JsonSchema",
    "LengthPenalty",
    "LogitBias",
    "MaxTokens",
    "MinP",
    "Policy",
    "PresencePenalty",
    "Quiet",
    "Regex",
    "RepetitionPenalty",
    "Seed",
    "Set",
    "Stop",
    "StopLoops",
    "Temperature",
    "TopK",
    "TopP",
    "Watermark",
    "WatermarkKey",
    "process_start",
    "read_key",
    "say_policy",
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result, on one machine.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting: training.clip=0.5.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]

Policy = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="default|strict|off|FILE",
        help="What the safety rails do with what goes in and comes out; a TOML file says more.",
    ),
]

_CHOOSE = "How to choose"
_REPEAT = "Against repetition"
_MATCH = "What the text must match, also when tokens run short"

MaxTokens = Annotated[
    int, typer.Option(metavar="N", help="Write at most this many tokens; the model may end sooner.")
]
Stop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT", help="End before this text; may be given several times, first wins."
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=_CHOOSE,
        help="How freely to choose: 0 always takes the likeliest token, 1 follows the model's "
        "probabilities. Default, here and below: what the model's files say; else 0.8 and "
        "no filters.",
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        metavar="N", rich_help_panel=_CHOOSE, help="Choose among the N likeliest tokens only."
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        rich_help_panel=_CHOOSE,
        help="Choose among the fewest tokens that together have this probability, up to 1.",
    ),
]
MinP = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        rich_help_panel=_CHOOSE,
        help="Leave out tokens less likely than this fraction of the likeliest, 0 to 1.",
    ),
]
LogitBias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID=X",
        rich_help_panel=_CHOOSE,
        help="Add X, -100 to 100, to the logit of a token; may be given several times.",
    ),
]
Beams = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        rich_help_panel=_CHOOSE,
        help="Leave nothing to chance: follow N texts at once and print the likeliest; with --n, "
        "that many of the best.",
    ),
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=_CHOOSE,
        help="With --beams: compare texts by token (1, the default); more prefers longer ones.",
    ),
]
RepetitionPenalty = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=_REPEAT,
        help="Above 1, tokens of the prompt and the text become less likely.",
    ),
]
PresencePenalty = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=_REPEAT,
        help="Above 0, up to 2, tokens of the text become less likely.",
    ),
]
FrequencyPenalty = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=_REPEAT,
        help="Above 0, up to 2, tokens of the text become less likely with each time.",
    ),
]
DryMultiplier = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=_REPEAT,
        help="Above 0, as 0.8, to go on repeating a phrase becomes less likely with each token.",
    ),
]
DryBase = Annotated[
    float | None,
    typer.Option(metavar="X", rich_help_panel=_REPEAT, help="How fast that rises; 1.75."),
]
DryAllowedLength = Annotated[
    int | None,
    typer.Option(
        metavar="N", rich_help_panel=_REPEAT, help="Tokens that may be repeated at no cost; 2."
    ),
]
DryBreaker = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        rich_help_panel=_REPEAT,
        help="No repetition reaches across this text; may be given several times. Default: line "
        "breaks, colons, double quotes, asterisks.",
    ),
]
StopLoops = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        rich_help_panel=_REPEAT,
        help="End the text when it is the same phrase N times in a row, 2 or more.",
    ),
]
JsonSchema = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|JSON",
        rich_help_panel=_MATCH,
        help="Write JSON of this schema, given as a file or in place.",
    ),
]
Regex = Annotated[
    str | None,
    typer.Option(
        metavar="R",
        rich_help_panel=_MATCH,
        help="Write a text that this regular expression matches as a whole.",
    ),
]
Choices = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        rich_help_panel=_MATCH,
        help='Write one of these; a JSON list, as ["a, b", "c"], where they hold commas.',
    ),
]
Grammar = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_MATCH,
        help="Write what the rule 'start' of this grammar, in Lark's syntax, gives.",
    ),
]
Watermark = Annotated[
    str | None,
    typer.Option(
        metavar="synthid|kgw",
        rich_help_panel="Provenance",
        help="Mark the text so that whoever has the key can tell that it was generated: synthid "
        "costs no quality, kgw is found in shorter texts.",
    ),
]
WatermarkKey = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel="Provenance",
        help="The file with the secret of --watermark.",
    ),
]


def process_start() -> float:
    """Return when this process began, by ``time.perf_counter``: since then the user has waited."""
    import psutil

    return time.perf_counter() - (time.time() - float(psutil.Process().create_time()))


def read_key(watermark: str | None, name: str | None) -> str:
    """Return the secret of a watermark, "" if none is asked for.

    Raises:
        UsageError: If one of the two flags is missing, or the file is.
    """
    from pathlib import Path

    from autogpt.core.errors import UsageError

    if watermark is None and name is None:
        return ""
    if watermark is None or name is None:
        raise UsageError("--watermark and --watermark-key go together.", hint="Give both.")
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The key {name!r} cannot be read.") from error


def say_policy(policy: str) -> str:
    """Return the policy as it was given, once it is known to be one; "off" is said loudly.

    Raises:
        UsageError: If there is no such policy.
    """
    from autogpt.safety.policy import load_policy

    if not load_policy(policy).enabled:
        print("autogpt: The safety rails are OFF: nothing is checked.", file=sys.stderr)
    return policy
