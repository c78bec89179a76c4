"""The command ``autogpt``: reads what the user says, shows what came back; no logic.

Rules for every verb: ``--json`` prints one JSON object to standard output and nothing else;
progress goes to standard error; exit 0 done, 1 failed, 2 wrong usage, 3 refused, 130 interrupted.
Everything heavy is imported inside the verb that needs it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from autogpt.core.config import merge, parse_settings, read_toml
from autogpt.core.errors import AutoGPTError, UsageError

__all__ = ["main"]

app = typer.Typer(
    name="autogpt",
    help="From your own text and a budget to a model that writes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result, on one machine.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting: training.clip=0.5.")]


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/quickstart"),
    budget: Annotated[str | None, typer.Option(help="Wall time, as in 90s or 2m.")] = None,
    settings: Set = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Train on the bundled text, generate, show what is next."""
    from autogpt import recipe

    given = merge(
        parse_settings(settings or []), {"training": {"budget": budget}} if budget else {}
    )
    result = recipe.quickstart(out=_fresh(out), settings=given, say=_say)
    if json_:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
        return
    for sample in result.samples:
        print(f"\n--- {sample.prompt.strip()}\n{sample.continuation.strip()}")
    print(
        f"\nvalidation: {result.val_bits_per_byte:.3f} bits per byte"
        f"\nreport:     {result.run}/report.html"
        f'\nnext:       autogpt generate {result.run} "ROMEO:"'
        f'\n            autogpt generate {result.run} "子曰：" --temperature 0.5'
        "\n            autogpt train my.txt --budget 10m --out runs/mine"
    )


@app.command()
def train(  # noqa: PLR0913 - each flag is spelled out for the user
    sources: Annotated[list[str], typer.Argument(help="Files, folders, globs, - or hf:NAME.")],
    out: Annotated[Path, typer.Option(help="The run folder.")],
    budget: Annotated[str | None, typer.Option(help="Wall time, as in 90s, 10m, 3h.")] = None,
    preset: Annotated[str | None, typer.Option(help="auto, tiny, small or medium.")] = None,
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="A TOML recipe.")] = None,
    settings: Set = None,
    text_field: Annotated[str | None, typer.Option(help="The field that holds the text.")] = None,
    on_error: Annotated[str | None, typer.Option(help="fail or skip, at a broken row.")] = None,
    seed: Seed = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Train a model from nothing on your text, within a budget."""
    flags = {
        "training": {"budget": budget},
        "model": {"preset": preset},
        "read": {"text_field": text_field, "on_error": on_error},
    }
    kept = {
        room: {key: value for key, value in values.items() if value is not None}
        for room, values in flags.items()
    }
    given = merge(
        read_toml(recipe_file) if recipe_file else {},
        parse_settings(settings or []),
        kept,
        {} if seed is None else {"seed": seed},
    )
    from autogpt import recipe

    result = recipe.train(sources, out=out, settings=given, say=_say)
    if json_:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        print(f"{result.val_bits_per_byte:.4f} bits per byte; see {result.run}/report.html")
    if not result.completed:
        raise typer.Exit(130)


@app.command()
def generate(  # noqa: PLR0913 - each flag is spelled out for the user
    model: Annotated[str, typer.Argument(help="A run or model folder.")],
    prompt: Annotated[str, typer.Argument(help="Text to continue; - reads standard input.")],
    max_tokens: Annotated[int, typer.Option(help="Most tokens to write.")] = 256,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Most likely tokens to choose from.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Probability to choose from.")] = None,
    min_p: Annotated[float | None, typer.Option(help="Least relative probability.")] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="Above 1 repeats less.")] = None,
    seed: Seed = None,
    stop: Annotated[list[str] | None, typer.Option(help="Ends before this; repeatable.")] = None,
    n: Annotated[int, typer.Option(help="How many completions.")] = 1,
    logprobs: Annotated[int | None, typer.Option(help="Alternatives to report.")] = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Continue a text."""
    from dataclasses import asdict

    from autogpt.llm import load

    llm = load(model)
    text = sys.stdin.read() if prompt == "-" else prompt
    params = llm.sampling(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
        n=n,
        stop=tuple(stop or ()),
        logprobs=logprobs,
    )
    if json_ or n > 1:
        for completion in llm.complete([text], params)[0]:
            line = json.dumps(asdict(completion), ensure_ascii=False, default=_bytes)
            print(line if json_ else completion.text + "\n")
        return
    for chunk in llm.run([text], params):
        print(chunk.text, end="", flush=True)
    print()


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
    try:
        code = app(standalone_mode=False)
    except AutoGPTError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except typer.TyperException as error:
        message = error.format_message()  # empty where typer has printed the help instead
        return _fail(UsageError(message, hint="See autogpt --help.")) if message else 2
    return code if isinstance(code, int) else 0


def _fail(error: AutoGPTError) -> int:
    if "--json" in sys.argv:
        print(json.dumps({"error": error.to_dict()}, ensure_ascii=False))
    print(f"autogpt: {error}", file=sys.stderr)
    return error.exit_code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _bytes(value: object) -> object:
    return list(value) if isinstance(value, bytes) else str(value)


def _fresh(folder: Path) -> Path:
    """Return ``folder``, or the first of folder-2, folder-3, ... that holds no run yet."""
    number, fresh = 1, folder
    while (fresh / "metrics.jsonl").exists():
        number += 1
        fresh = folder.with_name(f"{folder.name}-{number}")
    return fresh
