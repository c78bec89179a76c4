"""The command ``autogpt``: reads what the user says, shows what came back; no logic.

Rules for every verb: ``--json`` prints one JSON object to standard output and nothing else;
progress goes to standard error; exit 0 done, 1 failed, 2 wrong usage, 3 refused, 130 interrupted.
A verb is a function in a module of this package, where it imports everything heavy itself, so that
``autogpt --help`` answers at once.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Annotated

import typer

from autogpt.cli.agent import agent, mcp
from autogpt.cli.chat import chat
from autogpt.cli.classify import classify, tag
from autogpt.cli.compare import compare
from autogpt.cli.doctor import doctor
from autogpt.cli.evaluate import evaluate
from autogpt.cli.export import export
from autogpt.cli.finetune import finetune
from autogpt.cli.generate import generate
from autogpt.cli.inspect import inspect
from autogpt.cli.media import recognize, transcribe
from autogpt.cli.models import models
from autogpt.cli.moderate import moderate
from autogpt.cli.serve import serve
from autogpt.cli.summarize import summarize
from autogpt.cli.train import plan, quickstart, train
from autogpt.cli.translate import translate
from autogpt.cli.verify import verify
from autogpt.core import launch
from autogpt.core.errors import AutoGPTError, PeerLostError, UsageError
from autogpt.core.i18n import language_of_terminal, localized

__all__ = ["main"]

app = typer.Typer(
    name="autogpt",
    help="From your own text and a budget to a model that writes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_VERBS = (
    *(quickstart, plan, train, finetune, evaluate, compare),
    *(generate, chat, summarize, translate, classify, tag, recognize, transcribe, moderate),
    *(inspect, export, verify, serve, agent, mcp, doctor),
)
for _verb in _VERBS:
    app.command()(_verb)
app.add_typer(models)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,  # noqa: FBT002 - a command line flag
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("autogpt-transformer"))
        raise typer.Exit


def main() -> int:
    """Run the command line and return its exit code."""
    # Threads that wait for each other by spinning stop a busy machine: with two other processes on
    # two cores, a training step took 20 times as long as with threads that sleep (docs/log.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without the letter shows a "?"
            stream.reconfigure(errors="replace")
    try:
        code = app(standalone_mode=False)
    except AutoGPTError as error:
        return _fail(error)
    except (KeyboardInterrupt, typer.Abort):  # also at a question
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except typer.TyperException as error:
        message = error.format_message()  # empty where typer has printed the help instead
        return _fail(UsageError(message, hint="See autogpt --help.")) if message else 2
    return code if isinstance(code, int) else 0


def _fail(error: AutoGPTError) -> int:
    if isinstance(error, PeerLostError) and launch.was_launched():
        return error.exit_code  # whoever started the processes says which was lost
    if "--json" in sys.argv and launch.leads():
        print(json.dumps({"error": error.to_dict()}, ensure_ascii=False))
    told = localized(error, language_of_terminal())
    said = f"{told['message']} {told['hint']}".rstrip()
    print(f"autogpt: {said} [{error.id}]", file=sys.stderr)
    return error.exit_code
