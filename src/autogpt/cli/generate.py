"""The verb ``generate``: continue a text."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from autogpt.cli.options import Json, Seed

__all__ = ["generate"]


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


def _bytes(value: object) -> object:
    return list(value) if isinstance(value, bytes) else str(value)
