"""An inspection in a terminal.

Shares are drawn in shades of block characters, so that they are read without color too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from autogpt.core.units import format_bytes, format_count
from autogpt.evaluation.inspection.inspection import Inspection, TokenView
from autogpt.evaluation.inspection.wording import WORDS, Language

__all__ = ["show", "shown_token"]

_SHADES = " ░▒▓█"
_MOST_TOKENS = 40  # rows of a table; the page shows all
_WIDEST_MAP = 48  # columns of an attention map
_PAIRS = 8
_SURPRISES = ((2.0, "green"), (5.0, "yellow"), (9.0, "dark_orange"))

_Words = Callable[..., str]


def show(found: Inspection, console: Console, *, language: Language) -> None:
    """Print an inspection, section after section."""

    def say(key: str, **values: object) -> str:
        return WORDS[language][key].format(**values)

    model = found.model
    console.print(Text(say("title"), style="bold"), Text(model.name, style="bold"))
    console.print(
        say(
            "facts",
            parameters=format_count(model.parameters),
            layers=model.layers,
            heads=model.heads,
            key_value_heads=model.key_value_heads,
            width=model.head_dim,
            vocabulary=f"{model.vocab_size:,}",
        )
    )
    sections = (
        ("tokens", _show_tokens),
        ("attention", _show_attention),
        ("worked", _show_worked),
        ("positions", _show_positions),
        ("lens", _show_lens),
        ("next", _show_next),
        ("loss", _show_loss),
        ("cache", _show_cache),
    )
    for name, section in sections:
        console.print()
        console.print(Text(say(name), style="bold"))
        section(found, console, say)
    console.print()
    seconds = f"{found.wall_s:.2f}"
    console.print(Text(say("made", seconds=seconds, dtype=model.dtype), style="dim"))


def shown_token(text: str) -> str:
    """Return a token's text so that spaces and line breaks are seen."""
    shown = text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥").replace("\r", "␍")
    return "".join(char if char.isprintable() else f"<{ord(char):X}>" for char in shown)


def _table(*columns: str, right: Sequence[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place in right else "left")
    return table


def _show_tokens(found: Inspection, console: Console, say: _Words) -> None:
    console.print(_colored(found.tokens))
    table = _table(
        *(say(key) for key in ("place", "token", "id", "bytes")),
        *(say(key) for key in ("surprise_bits", "rank", "expected")),
        right=(0, 2, 4, 5),
    )
    first = max(0, min(found.focus - _MOST_TOKENS + 1, len(found.tokens) - _MOST_TOKENS))
    for place, token in enumerate(found.tokens[first : first + _MOST_TOKENS], first):
        head = (
            str(place),
            Text(shown_token(token.text), style="reverse" if place == found.focus else ""),
            str(token.token_id),
            token.data.hex(" "),
        )
        expected = token.expected
        if expected is None:
            table.add_row(*head, "", "", Text(say("first_token"), style="dim"))
            continue
        guesses = ", ".join(
            f"{shown_token(found.spelled(one.token_id))} {one.probability:.0%}"
            for one in expected.top[:3]
        )
        surprise = Text(f"{expected.surprise_bits:.2f}", style=_color(expected.surprise_bits))
        table.add_row(*head, surprise, str(expected.rank + 1), escape(guesses))
    console.print(table)
    left = len(found.tokens) - _MOST_TOKENS
    if left > 0:
        console.print(f"... {say('rest', count=left)}", style="dim")


def _colored(tokens: Sequence[TokenView]) -> Text:
    text = Text()
    for token in tokens[: 8 * _MOST_TOKENS]:
        bits = None if token.expected is None else token.expected.surprise_bits
        shown = shown_token(token.text).replace("␣", " ")
        text.append(shown, style="dim" if bits is None else _color(bits))
        text.append("·", style="dim")
    return text


def _color(bits: float) -> str:
    return next((color for limit, color in _SURPRISES if bits < limit), "red")


def _show_attention(found: Inspection, console: Console, say: _Words) -> None:
    worked = found.worked
    where = f"{say('layer')} {worked.layer}, {say('head')} {worked.head}"
    console.print(Text(where, style="dim"))
    count = min(len(found.tokens), _WIDEST_MAP)
    first = max(0, min(found.focus - count + 1, len(found.tokens) - count))
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True, max_width=14)
    table.add_column(no_wrap=True)
    for place in range(first, first + count):
        shades = [" "] * count
        for key, weight in found.attention.row(worked.layer, worked.head, place):
            if first <= key < first + count:
                shades[key - first] = _SHADES[math.ceil(min(weight, 1.0) * 4 - 0.25)]
        name = Text(shown_token(found.tokens[place].text))
        name.stylize("reverse" if place == found.focus else "dim")
        table.add_row(name, "".join(shades))
    console.print(table)
    console.print(_looks(found, say, worked.head, where))
    console.print(_looks(found, say, None, f"{say('layer')} {worked.layer}, {say('all_heads')}"))


def _looks(found: Inspection, say: _Words, head: int | None, where: str) -> Text:
    rows = found.attention.row(found.worked.layer, head, found.focus)
    parts = [f"{shown_token(found.tokens[key].text)} {weight:.1%}" for key, weight in rows[:6]]
    name = shown_token(found.tokens[found.focus].text)
    return Text(f"{where}: {name} {say('looks_at')} {', '.join(parts)}")


def _show_worked(found: Inspection, console: Console, say: _Words) -> None:
    worked = found.worked
    console.print(
        Text(
            say(
                "worked_about",
                token=shown_token(found.tokens[worked.token].text),
                place=worked.token,
                layer=worked.layer,
                head=worked.head,
                width=worked.width,
            )
        )
    )
    console.print(f"q = {_vector(worked.query)}", highlight=False)
    largest = f"{worked.largest_score:.2f}"
    table = _table(
        *(say(key) for key in ("token", "products", "dot", "score")),
        say("exponential", largest=largest),
        *(say(key) for key in ("share", "value")),
        right=(2, 3, 4, 5),
    )
    for key in worked.keys:
        table.add_row(
            Text(f"{key.token} {shown_token(found.tokens[key.token].text)}"),
            " + ".join(f"{number:.2f}" for number in key.products[:3]) + " + …",
            f"{key.product:.3f}",
            f"{key.score:.3f}",
            f"{key.exponential:.4f}",
            f"{key.weight:.4f}",
            _vector(key.value),
        )
    more = worked.seen - len(worked.keys)
    if more:
        table.add_row(Text(say("rest", count=more), style="dim"), *[""] * 4, f"{worked.rest:.4f}")
    table.add_row(say("sum"), *[""] * 3, f"{worked.sum_of_exponentials:.4f}", "1", style="dim")
    console.print(table)
    console.print(f"{say('output')}: {_vector(worked.output)}", highlight=False)
    console.print(f"{say('model_output')}: {_vector(worked.model_output)}", highlight=False)
    console.print(
        f"{say('difference', width=worked.width)}: {worked.difference:.1e}", highlight=False
    )


def _vector(numbers: Sequence[float]) -> str:
    return f"({', '.join(f'{number:.3f}' for number in numbers)}, …)"


def _show_positions(found: Inspection, console: Console, say: _Words) -> None:
    positions = found.positions
    console.print(Text(say(f"{positions.kind}_about", place=positions.position)))
    if positions.vector:
        console.print(_vector(positions.vector[:_PAIRS]), highlight=False)
    for rotary in positions.rotary:
        table = _table(
            *(say(key) for key in ("pair", "turn", "wavelength", "angle")), "cos", "sin",
            right=range(6),
        )  # fmt: skip
        count = len(rotary.angles)
        step = max(1, count // _PAIRS)
        for pair in range(0, count, step):
            table.add_row(
                str(pair),
                f"{rotary.radians_per_token[pair]:.3g}",
                f"{rotary.wavelengths[pair]:,.4g}",
                f"{rotary.angles[pair]:.4g}",
                f"{rotary.cos[pair]:.4f}",
                f"{rotary.sin[pair]:.4f}",
            )
        console.print(table)


def _show_lens(found: Inspection, console: Console, say: _Words) -> None:
    lens = next((one for one in found.lens if one.token == found.focus), found.lens[-1])
    token = shown_token(found.tokens[lens.token].text)
    console.print(Text(say("lens_about", token=token, place=lens.token)))
    table = _table(say("layer"), *["1", "2", "3", "4", "5"], say("entropy"), right=(0, 6))
    for number, layer in enumerate(lens.layers):
        cells = [
            Text(f"{shown_token(found.spelled(one.token_id))} {one.probability:.0%}")
            for one in layer.top
        ]
        table.add_row(str(number), *cells, f"{layer.entropy_bits:.1f}")
    console.print(table)


def _show_next(found: Inspection, console: Console, say: _Words) -> None:
    stages = found.next.stages
    names = [
        say(stage.name) if stage.value is None else say(stage.name, value=f"{stage.value:g}")
        for stage in stages
    ]
    table = _table(say("token"), say("logit"), *names, right=range(1, 2 + len(names)))
    for place, token_id in enumerate(found.next.token_ids):
        table.add_row(
            Text(shown_token(found.spelled(token_id))),
            f"{found.next.logits[place]:.2f}",
            *(_share(stage.probabilities[place]) for stage in stages),
        )
    table.add_row(say("left"), "", *(f"{stage.left:,}" for stage in stages), style="dim")
    entropies = (f"{stage.entropy_bits:.2f}" for stage in stages)
    table.add_row(say("entropy"), "", *entropies, style="dim")
    console.print(table)


def _share(probability: float) -> str:
    return f"{probability:.1%}" if probability > 0 else "—"


def _show_loss(found: Inspection, console: Console, say: _Words) -> None:
    console.print(Text(say("loss_about")))
    losses, mean = found.losses, found.loss
    if mean is None:
        console.print(say("loss_none"))
        return
    terms = " + ".join(f"{loss:.2f}" for loss in losses[:8]) + (" + …" if len(losses) > 8 else "")
    bits = found.bits_per_byte
    console.print(
        say(
            "loss_sum",
            terms=terms,
            count=len(losses),
            mean=f"{mean:.4f}",
            perplexity=f"{math.exp(min(mean, 700.0)):,.2f}",
            bits="—" if bits is None else f"{bits:.4f}",
        ),
        highlight=False,
    )


def _show_cache(found: Inspection, console: Console, say: _Words) -> None:
    cache, model = found.cache, found.model
    console.print(
        say(
            "cache_about",
            layers=model.layers,
            key_value_heads=model.key_value_heads,
            width=model.head_dim,
            bytes=cache.bytes_per_number,
            per_token=format_bytes(cache.bytes_per_token),
        ),
        highlight=False,
    )
    table = _table("", "", right=(1,))
    table.show_header = False
    table.add_row(say("cache_text"), format_bytes(cache.text_bytes))
    context = say("cache_context", context=f"{model.context:,}")
    table.add_row(context, format_bytes(cache.context_bytes))
    table.add_row(say("cache_unshared"), format_bytes(cache.without_sharing_bytes))
    console.print(table)
