"""The verb ``inspect``: look inside a model while it reads a text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autogpt.cli.inputs import read_standard_input
from autogpt.cli.offer import require
from autogpt.cli.options import (
    Json,
    MinP,
    Temperature,
    TopK,
    TopP,
    Watermark,
    WatermarkKey,
    read_key,
)
from autogpt.core.errors import UsageError

if TYPE_CHECKING:
    from autogpt.inference.params import SamplingParams
    from autogpt.llm import LLM

__all__ = ["inspect"]

_CLOSE = "What to look at closely"


def inspect(  # noqa: PLR0913 - each flag is spelled out for the user
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a name.")
    ],
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What it reads; - reads standard input.")
    ],
    chat: Annotated[  # noqa: FBT002 - a command line flag
        bool,
        typer.Option("--chat", help="TEXT is a message, in the model's chat template."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE.html", help="Write a page to look at, one file that needs nothing else."
        ),
    ] = None,
    tour: Annotated[
        Path | None,
        typer.Option(
            metavar="TOUR.md",
            help="Write a guided tour: how this sentence becomes the next word, in its numbers.",
        ),
    ] = None,
    token: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=_CLOSE, help="Its place; -1 is the last.")
    ] = -1,
    layer: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_CLOSE,
            help="Whose attention is worked through; default where the token looks most decidedly.",
        ),
    ] = None,
    head: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=_CLOSE, help="Likewise.")
    ] = None,
    kept: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_CLOSE,
            help="Attention weights to keep of each token in each head, the largest; default as "
            "many as a page holds, all of a short text.",
        ),
    ] = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    watermark: Watermark = None,
    watermark_key: WatermarkKey = None,
    lang: Annotated[
        Literal["en", "zh"] | None,
        typer.Option(help="Of what is shown; default as the system's. The page has both."),
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="To compute in; auto is what the weights are stored as."),
    ] = "float32",
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Look inside a model: tokens, attention, positions, and what would come next.

    All numbers are those of the forward pass itself. With --watermark: whether TEXT carries the
    mark of that key, as MODEL would have put it there.

    \b
    autogpt inspect runs/mine "To be, or not to be"
    autogpt inspect smollm2-135m-instruct "The capital of France is" --out inside.html
    autogpt inspect runs/mine "学而时习之" --token 3 --layer 2 --head 1 --lang zh
    autogpt inspect runs/mine - --watermark synthid --watermark-key key.txt < text.txt
    """  # noqa: D301 - \b keeps typer from joining the lines
    from autogpt.evaluation.inspection.inspection import Focus
    from autogpt.evaluation.inspection.page import write_page
    from autogpt.evaluation.inspection.tour import write_tour
    from autogpt.evaluation.inspection.view import show
    from autogpt.evaluation.inspection.wording import preferred_language

    if head is not None and layer is None:
        raise UsageError("--head says which head, but not of which layer.", hint="Add --layer.")
    given = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    params = _params({name: value for name, value in given.items() if value is not None})
    read = read_standard_input() if text == "-" else text
    if not read:
        raise UsageError("There is no text to read.", hint="Give a TEXT, or - and standard input.")
    from autogpt.core.messages import user
    from autogpt.llm import LLM, load

    key = read_key(watermark, watermark_key)
    require(model)
    llm = load(model, dtype=dtype, policy=None)
    if not isinstance(llm, LLM):
        raise UsageError(
            f"{model!r} does not write, and only models that write can be looked into.",
            hint="Name a model that generate takes.",
        )
    if watermark is not None:
        _find_watermark(llm, read, watermark, key, as_json=json_)
        return
    focus = Focus(token=token, layer=layer, head=head, kept=kept)
    found = llm.inspect([user(read)] if chat else read, focus=focus, params=params, name=model)
    language = lang or preferred_language()
    if out is not None:
        write_page(out, found, language=language)
    if tour is not None:
        write_tour(tour, found, language=language)
    written = {name: str(path) for name, path in (("page", out), ("tour", tour)) if path}
    if json_:
        print(json.dumps({**found.to_dict(), **written}, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(highlight=False)
    show(found, console, language=language)
    for path in written.values():
        console.print(f"look: {path}", markup=False)


def _params(given: dict[str, float]) -> SamplingParams | None:
    """Return the settings of the choice; None, which shows them all, if none was given."""
    from autogpt.inference.params import SamplingParams

    return SamplingParams(**given) if given else None  # type: ignore[arg-type] # checked there


def _find_watermark(llm: LLM, text: str, method: str, key: str, *, as_json: bool) -> None:
    """Say whether a text is marked."""
    found = llm.find_watermark(text, method=method, key=key)
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    says = "carries" if found.is_marked else "does not show"
    print(
        f"The text {says} the mark {method} of this key: p = {found.p_value:.2g} over "
        f"{found.places} places."
    )
