"""The verb ``chat``: talk in the terminal, or answer what is given."""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autogpt.cli.inputs import (
    DEFAULT_MODEL,
    Dtype,
    Input,
    Inputs,
    Out,
    Resume,
    Text,
    TextField,
    gather,
    load_model,
    perform,
    read_standard_input,
    standard_output,
)
from autogpt.cli.options import Json, Policy, Quiet, Seed, Temperature, TopP
from autogpt.core.errors import AutoGPTError, RefusedError, UsageError

if TYPE_CHECKING:
    from autogpt.llm import LLM
    from autogpt.tasks.chat import Chat

__all__ = ["chat"]

_HELP = """\
Type a message and Enter. A line that ends with \\ goes on; \"\"\" begins and ends several lines.
  /system TEXT   say how the model is to behave; alone: show it
  /undo          take back the last message and its answer
  /retry         have the last message answered anew
  /save FILE     append the conversation to FILE, as finetune --task chat reads it
  /load FILE     go on with the last conversation in FILE
  /clear         begin anew
  /exit          leave; so does Ctrl-D. Ctrl-C stops an answer.
A message that begins with / is written //."""
_COMMANDS = ("help", "system", "undo", "retry", "save", "load", "clear", "exit", "quit")


def chat(  # noqa: PLR0913 - each flag is spelled out for the user
    text: Text = None,
    model: Annotated[str, typer.Option(help="An assistant.")] = DEFAULT_MODEL,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How the model is to behave.")
    ] = None,
    load: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Go on with the last conversation in this transcript."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append the conversation to this transcript at the end."),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most tokens of an answer.")
    ] = 512,
    temperature: Temperature = None,
    top_p: TopP = None,
    seed: Seed = None,
    input_: Input = None,
    text_field: TextField = None,
    out: Out = None,
    resume: Resume = False,  # noqa: FBT002 - a command line flag
    dtype: Dtype = "float32",
    policy: Policy = "default",
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Talk to a model in the terminal; with TEXT, or piped input, answer once.

    \b
    autogpt chat
    autogpt chat --model runs/helper --system "Answer in one sentence."
    autogpt chat "Why is the sky blue?" --seed 1
    echo "Why is the sky blue?" | autogpt chat --json
    """  # noqa: D301 - \b keeps typer from joining the lines
    given = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    settings = {name: value for name, value in given.items() if value is not None}
    if text is None and input_ is None:
        if sys.stdin.isatty() and not json_:
            talk = _begin(
                lambda: load_model(model, dtype=dtype, policy=policy), system, load, settings
            )
            _talk(talk, save)
            return
        inputs = Inputs([("", read_standard_input())], many=False)
    else:
        inputs = gather(text, input_, text_field)
    if not inputs.many and not json_ and out is None:
        talk = _begin(lambda: load_model(model, dtype=dtype, policy=policy), system, load, settings)
        with standard_output():
            _answer(talk, inputs.texts[0])
        _keep(talk, save)
        return
    if load is not None or save is not None:
        raise UsageError("--load and --save go with a conversation in the terminal.")
    from autogpt.tasks.chat import TASK

    perform(
        TASK,
        inputs,
        {"system": system, **settings},
        load=lambda: load_model(model, dtype=dtype, policy=policy),
        show=_show,
        as_json=json_,
        out=out,
        resume=resume,
        quiet=quiet,
    )


def _show(answer: Mapping[str, Any]) -> None:
    print(answer["text"], flush=True)


def _begin(
    load: Callable[[], object],
    system: str | None,
    transcript: Path | None,
    settings: Mapping[str, Any],
) -> Chat:
    """Return a conversation to go on with."""
    from autogpt.tasks.chat import TASK, load_transcript

    TASK.job(settings)
    known = None if transcript is None else load_transcript(transcript)
    llm: LLM = load()  # type: ignore[assignment]  # or it says so
    if not hasattr(llm, "chat"):
        raise UsageError("The model does not write.", hint="Name an assistant.")
    talk = llm.chat(system=system, **settings)
    if known is not None:
        talk.messages = known
        if system is not None:
            talk.system = system
    return talk


def _answer(talk: Chat, said: str) -> None:
    """Print an answer as it is written."""
    begun = False
    try:
        for chunk in talk.stream(said):
            shown = chunk.text if begun else chunk.text.lstrip()
            begun = begun or bool(shown)
            print(shown, end="", flush=True)
            if chunk.refusal is not None:
                raise RefusedError(chunk.refusal, hint="What is above passed.")
    finally:  # also on Ctrl-C: what follows begins on a line of its own
        print(flush=True)


def _keep(talk: Chat, save: Path | None) -> None:
    from autogpt.tasks.chat import save_transcript

    if save is not None and any(turn.role == "assistant" for turn in talk.messages):
        save_transcript(save, talk.messages)


# -- in the terminal -------------------------------------------------------------------------------


def _talk(talk: Chat, save: Path | None) -> None:
    """Read messages and answer them until the user leaves."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history and editing
    print("Type a message; /help says what else.", file=sys.stderr)
    try:
        while (said := _read()) is not None:
            if not said.strip():
                continue
            if said.startswith("/") and not said.startswith("//"):
                if not _command(talk, said):
                    break
                continue
            with contextlib.suppress(KeyboardInterrupt):
                _try(lambda said=said: _answer(talk, said.removeprefix("/")))  # type: ignore[misc]
    finally:
        _keep(talk, save)


def _try(action: Callable[[], None]) -> None:
    """Do something; what is wrong with it is said, and the conversation goes on."""
    try:
        action()
    except AutoGPTError as error:
        print(f"autogpt: {error}", file=sys.stderr)


def _read() -> str | None:
    """Return a message of one or several lines; None when the user leaves."""
    lines: list[str] = []
    block = False
    while True:
        try:
            line = input("... " if lines or block else "> ")
        except EOFError:
            print(file=sys.stderr)
            return None
        except KeyboardInterrupt:  # forget what was begun
            print(file=sys.stderr)
            return ""
        if line.strip().startswith('"""') and not block and not lines:
            block = True
            line = line.strip()[3:]
        if block and line.rstrip().endswith('"""'):
            lines.append(line.rstrip()[:-3])
            return "\n".join(lines).strip("\n")
        if not block and not line.endswith("\\"):
            return "\n".join([*lines, line])
        if not block:
            lines.append(line[:-1])
        elif line or lines:
            lines.append(line)


def _command(talk: Chat, said: str) -> bool:
    """Do what a line that begins with / says; False: leave."""
    name, _, rest = said[1:].partition(" ")
    rest = rest.strip()
    if name in ("exit", "quit"):
        return False
    actions: dict[str, Callable[[], None]] = {
        "help": lambda: print(_HELP, file=sys.stderr),
        "system": lambda: _system(talk, rest),
        "undo": lambda: _undo(talk),
        "retry": lambda: _retry(talk),
        "save": lambda: _save(talk, rest),
        "load": lambda: _load(talk, rest),
        "clear": talk.clear,
    }
    if name in actions:
        with contextlib.suppress(KeyboardInterrupt):
            _try(actions[name])
        return True
    near = difflib.get_close_matches(name, _COMMANDS, n=1)
    hint = f"Did you mean /{near[0]}?" if near else "/help lists them; // begins a message with /."
    print(f"autogpt: There is no command /{name}. {hint}", file=sys.stderr)
    return True


def _system(talk: Chat, text: str) -> None:
    if text:
        talk.system = text
    print(f"system: {talk.system or '(nothing)'}", file=sys.stderr)


def _undo(talk: Chat) -> None:
    said = talk.undo()
    print("There is nothing to undo." if said is None else f"undone: {said}", file=sys.stderr)


def _retry(talk: Chat) -> None:
    said = talk.undo()
    if said is None:
        raise UsageError("There is nothing to answer anew.")
    _answer(talk, said)


def _save(talk: Chat, name: str) -> None:
    from autogpt.tasks.chat import save_transcript

    if not name:
        raise UsageError("There is no file to save to.", hint="Write /save talk.jsonl.")
    if not any(turn.role == "assistant" for turn in talk.messages):
        raise UsageError("There is nothing to save yet.")
    save_transcript(Path(name).expanduser(), talk.messages)
    print(f"saved {len(talk.messages)} messages to {name}", file=sys.stderr)


def _load(talk: Chat, name: str) -> None:
    from autogpt.tasks.chat import load_transcript

    if not name:
        raise UsageError("There is no file to load.", hint="Write /load talk.jsonl.")
    talk.messages = load_transcript(Path(name).expanduser())
    for turn in talk.messages:
        mark = "> " if turn.role == "user" else "system: " if turn.role == "system" else ""
        print(f"{mark}{turn.content}", file=sys.stderr)
