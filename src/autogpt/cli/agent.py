"""The verb ``agent``: a goal in a sentence, and what became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autogpt.cli.agent_verbs import look, measure, model_in_use, promote_model, try_sandboxes
from autogpt.cli.offer import can_ask, require
from autogpt.cli.options import Json, Quiet
from autogpt.core.errors import UsageError

if TYPE_CHECKING:
    from autogpt.agent.agent import Agent
    from autogpt.agent.loop import Outcome
    from autogpt.agent.policy import Limits
    from autogpt.agent.tools.base import Call, Tool
    from autogpt.agent.trace import Event

__all__ = ["agent", "mcp"]

_LOOKS = ("runs", "memory", "lessons", "promote", "sandbox")
_MARKS = {"goal": "goal", "plan": "plan", "call": "  ->", "result": "  <-", "check": "check"}

Root = Annotated[
    Path, typer.Option(metavar="FOLDER", help="The only folder that tools see; here by default.")
]
JournalFile = Annotated[
    Path | None, typer.Option("--journal", metavar="FILE", help="Where runs are written down.")
]


def agent(  # noqa: PLR0913 - each flag is spelled out for the user
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="GOAL",
            help="What is wanted, in a sentence or a few; or: resume RUN, runs, show RUN, memory, "
            "lessons (verified runs as examples for finetune --task chat), promote MODEL (think "
            "with it from now on, if it is not worse), sandbox (what holds).",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL|URL",
            help="Thinks: a model, or an OpenAI-compatible API; by default the one that was "
            "promoted, else smollm2-135m-instruct.",
        ),
    ] = None,
    root: Root = Path(),
    yes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOOL",
            help="Allow this tool without asking, where the goal itself says where its effect "
            "goes; may be given several times.",
        ),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECK",
            help="Must hold in the end: file:PATH, command:CMD, metric:NAME>=X, "
            "schema:PATH=SCHEMA, quote:PATH=TEXT.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="steps=30, tokens=200000, wall=1h, money=0, cpu=1h (of training), disk=2GB.",
        ),
    ] = None,
    escalate: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A larger model, for what this one is unsure of."),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(metavar="IN,OUT", help="Of --escalate or a URL: per million tokens."),
    ] = None,
    mcp_server: Annotated[
        list[str] | None,
        typer.Option(
            "--mcp",
            metavar="COMMAND",
            help="Use the tools of an MCP server over stdio, after its command, its file and each "
            "description were approved.",
        ),
    ] = None,
    web: Annotated[  # noqa: FBT002 - a command line flag
        bool, typer.Option("--web", help="Let pages be fetched, one by one with your yes.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Spans as JSON lines (OpenTelemetry GenAI)."),
    ] = None,
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="Send the spans to this collector.")
    ] = None,
    journal: JournalFile = None,
    happened: Annotated[
        str | None,
        typer.Option(metavar="yes|no", help="Of resume: whether the effect under way happened."),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Measure whether a model can plan freely, and keep it."),
    ] = None,
    quiet: Quiet = False,  # noqa: FBT002 - a command line flag
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Reach a goal with tools, and check by code what was reached.

    \b
    autogpt agent "Which note mentions the boiler?"
    autogpt agent "Write the total amount by region in sales.csv to totals.csv" --yes write_file
    autogpt agent "Train a classifier on tickets.csv in 5 minutes" --yes make_specialist
    autogpt agent "Sort new.csv into the teams in teams.md" --model http://127.0.0.1:8000/v1
    autogpt agent resume 20260101-1a2b3c4d
    autogpt agent memory list
    autogpt agent promote runs/caller
    """  # noqa: D301 - \b keeps typer from joining the lines
    given = list(words or ())
    if probe is not None:
        measure(probe, as_json=json_)
        return
    if not given:
        raise UsageError("There is no goal.", hint='Write it like: autogpt agent "..."')
    verb = given[0] if len(given) > 1 or given[0] in _LOOKS else ""
    if verb == "sandbox":
        try_sandboxes(as_json=json_)
        return
    if verb in ("runs", "show", "memory", "lessons"):
        look(verb, given[1:], journal, as_json=json_)
        return
    if verb == "promote":
        promote_model(given[1:], journal, as_json=json_)
        return
    run, begun = (given[1] if verb == "resume" else None), None
    if run is not None:
        root, model, yes, begun = _as_begun(run, journal, model, yes)
    made = _make(
        model=model or model_in_use(journal),
        root=root,
        yes=yes or (),
        limits=_limits(limit or (), begun),
        escalate=escalate,
        price=price,
        servers=mcp_server or (),
        web=web,
        trace=trace,
        journal=journal,
        quiet=quiet or json_,
    )
    if run is not None:
        outcome = made.resume(run, happened=_said(happened))
    else:
        outcome = made.run(" ".join(given), checks=check or ())
    if otlp:
        made.tracer.send(otlp)
    _show(outcome, as_json=json_)
    if outcome.state in ("failed", "out_of_budget"):
        raise typer.Exit(1)


def mcp(
    model: Annotated[str | None, typer.Option(metavar="MODEL|URL", help="Thinks.")] = None,
    root: Root = Path(),
    yes: Annotated[
        list[str] | None, typer.Option(metavar="TOOL", help="Allow the agent this tool.")
    ] = None,
) -> None:
    """Serve the tasks and the agent to other programs, as an MCP server over stdio.

    \b
    autogpt mcp --root ~/notes
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.agent.mcp_server import serve

    serve(model=model or model_in_use(None), root=root, yes=yes or ())


def _make(  # noqa: PLR0913 - what the flags say
    *,
    model: str,
    root: Path,
    yes: Sequence[str],
    limits: Limits,
    escalate: str | None,
    price: str | None,
    servers: Sequence[str],
    web: bool,
    trace: Path | None,
    journal: Path | None,
    quiet: bool,
) -> Agent:
    from autogpt.agent.agent import Agent
    from autogpt.agent.router import installed_embedder

    if not root.is_dir():
        raise UsageError(f"--root is {str(root)!r}, which is no folder.")
    is_remote = model.startswith(("http://", "https://"))
    if not is_remote:
        require(model)
    asks = can_ask() and not quiet
    tools: list[Tool] = []
    for command in servers:
        from autogpt.agent.mcp_client import approved_tools

        tools += approved_tools(command, confirm=_confirm if asks else None)
    return Agent(
        _priced(model, price) if is_remote else model,
        tools=tools,
        root=root,
        yes=yes,
        limits=limits,
        approve=_approve if asks else None,
        ask=_ask if asks else None,
        escalate=None if escalate is None else _priced(escalate, price),
        journal=journal,
        trace=trace,
        show=None if quiet else _event,
        embed=installed_embedder(),
        web=web,
    )


def _priced(address: str, price: str | None) -> object:
    from autogpt.agent.endpoint import EndpointModel

    try:
        read, written = (float(one) for one in (price or "0,0").split(","))
    except ValueError as error:
        raise UsageError(f"--price is {price!r}, expected two numbers, as in 0.15,0.60.") from error
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"--escalate is {address!r}, expected an address.")
    return EndpointModel(address, price_in=read, price_out=written)


def _limits(given: Sequence[str], begun: Mapping[str, Any] | None) -> Limits:
    from autogpt.agent.policy import Limits
    from autogpt.core.units import parse_bytes, parse_duration

    values: dict[str, float | None] = dict(begun or {})
    for item in given:
        name, _, text = item.partition("=")
        try:
            if name in ("wall", "cpu", "wall_s", "cpu_s"):
                values[f"{name.removesuffix('_s')}_s"] = parse_duration(text)
            elif name in ("disk", "disk_bytes"):
                values["disk_bytes"] = parse_bytes(text)
            elif name in ("steps", "tokens"):
                values[name] = int(text)
            elif name == "money":
                values[name] = float(text)
            else:
                raise ValueError(name)
        except ValueError as error:
            raise UsageError(
                f"--limit is {item!r}.", hint="Limits: steps, tokens, wall, money, cpu, disk."
            ) from error
    return Limits(**values)  # type: ignore[arg-type]  # whole numbers are kept whole above


def _as_begun(
    run: str, journal: Path | None, model: str | None, yes: list[str] | None
) -> tuple[Path, str | None, list[str], Mapping[str, Any]]:
    """Return folder, model, permissions and limits that a run was begun with."""
    from autogpt.agent.agent import journal_path
    from autogpt.agent.journal import Journal

    book = Journal(journal or journal_path())
    settings = book.row(run).settings
    book.close()
    same = model or settings.get("model")
    allowed = [*(yes or settings.get("yes", ()))]
    return Path(str(settings["root"])), same, allowed, dict(settings.get("limits", {}))


def _said(happened: str | None) -> bool | None:
    if happened not in (None, "yes", "no"):
        raise UsageError(f"--happened is {happened!r}, expected yes or no.")
    return None if happened is None else happened == "yes"


def _approve(call: Call, reason: str) -> bool:
    print(f"\n{reason}:", file=sys.stderr)
    for name, value in call.arguments.items():
        print(f"  {name} = {value!r:.400}", file=sys.stderr)
    return typer.confirm(f"Allow {call.tool} once, exactly so?", err=True)


def _confirm(question: str) -> bool:
    return typer.confirm(question, err=True)


def _ask(question: str, options: Sequence[str]) -> str | None:
    print(f"\n{question}", file=sys.stderr)
    for number, option in enumerate(options, 1):
        print(f"  {number}. {option:.120}", file=sys.stderr)
    said = typer.prompt("Number (Enter: let the model decide)", default="", err=True)
    return options[int(said) - 1] if said.isdigit() and 0 < int(said) <= len(options) else None


def _event(event: Event) -> None:
    if event.kind == "end":
        return
    mark = _MARKS.get(event.kind, event.kind)
    if event.kind == "check":
        mark = "  ok " if event.values["passed"] else "  NO "
    text = event.text.replace("\n", " | ")
    print(f"{mark:5} {text:.200}", file=sys.stderr, flush=True)


def _show(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(outcome.to_dict(), ensure_ascii=False))
        return
    print(outcome.answer)
    usage = outcome.usage
    money = f", cost {usage.money:.4f}" if usage.money else ""
    print(
        f"{outcome.state.replace('_', ' ')}  ({usage.steps} steps, {usage.tokens} tokens, "
        f"{usage.wall_s:.1f} s{money}; run {outcome.run})",
        file=sys.stderr,
    )
