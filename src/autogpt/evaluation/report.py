"""The report of a run: one HTML file that needs nothing else.

Pictures are embedded, there is no script and no request to anywhere (the page's own content
security policy forbids both), it follows the reader's light or dark setting, fits a phone, and
prints. Every text of the user is shown as text: escaped, control characters made visible.

The facts come in as plain values; this file decides only how to say them.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from autogpt.core.files import write_text
from autogpt.core.units import format_bytes, format_count, format_duration
from autogpt.evaluation.curves import Measurement, Shape, Theme, draw_curves
from autogpt.models.card_facts import ModelFacts

__all__ = [
    "Command",
    "Decision",
    "Outcome",
    "Picture",
    "RunReport",
    "draw_pictures",
    "page_style",
    "page_template",
    "render_report",
    "visible",
    "write_report",
]

_EXAMPLE_CHARS = 300
_KNOWN = 0.02  # nats a token, below which nothing is left to learn of examples held out
_JOINERS = "\u200c\u200d\u00ad"  # part of Persian and Indic words, of emoji, and of hyphenation


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command worth typing next, and what it does in a few words."""

    command: str
    purpose: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Something that was chosen for the user, and why, as in the attention form after probing."""

    setting: str
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A figure of the plan beside what happened; ``expected`` is its range where it has one."""

    name: str
    planned: str
    expected: str
    happened: str
    kept: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """All that the report says.

    Attributes:
        facts: What the model card says too.
        measurements: The run's record, for the curves.
        settings: The recipe as nested mappings, everything that was decided.
        phases_s: Seconds of each phase in order, as in ``{"read": 0.4, "train": 118.0}``.
        outcomes: The plan against what happened, if there was one.
        decisions: Choices made for the user, with reasons.
        next_commands: What to try now.
        provenance: Versions and machine, name to value.
        flops_per_s: Model FLOPs a second over the training loop, where known.
        matmul_flops_per_s: What the machine was measured to do, where known.
    """

    facts: ModelFacts
    measurements: Sequence[Measurement]
    settings: Mapping[str, object]
    phases_s: Mapping[str, float]
    outcomes: tuple[Outcome, ...] = ()
    decisions: tuple[Decision, ...] = ()
    next_commands: tuple[Command, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    flops_per_s: float | None = None
    matmul_flops_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Phase:
    name: str
    seconds: str
    percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The curves for one kind of page: a PNG, and the CSS media query of those pages."""

    png: bytes
    media: str

    @property
    def address(self) -> str:
        """The picture itself as an address."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def write_report(path: Path, report: RunReport) -> None:
    """Write the report as one HTML file, atomically.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    write_text(path, render_report(report))


def render_report(report: RunReport, *, pictures: Sequence[Picture] | None = None) -> str:
    """Return the report as HTML.

    Args:
        report: What to say.
        pictures: From ``draw_pictures``; None draws them from the report's measurements.
    """
    return page_template("report.html.j2").render(
        style=page_style(),
        report=report,
        facts=report.facts,
        corpus=report.facts.corpus,
        tokenizer=report.facts.tokenizer,
        shape=report.facts.architecture,
        training=report.facts.training,
        result=report.facts.result,
        meaning=list(_meaning(report)),
        pictures=draw_pictures(report.measurements) if pictures is None else pictures,
        phases=_phases(report),
        settings=_groups(report.settings),
        energy=_energy(report.facts.training.energy_kwh),
        utilization=_utilization(report),
        passes=report.facts.training.tokens / max(report.facts.corpus.train_tokens, 1),
    )


def draw_pictures(measurements: Sequence[Measurement]) -> list[Picture]:
    """Return the curves for dark and narrow pages, and last the one for any other page."""
    variants: tuple[tuple[Theme, Shape, str], ...] = (
        ("dark", "narrow", "screen and (max-width: 640px) and (prefers-color-scheme: dark)"),
        ("light", "narrow", "screen and (max-width: 640px)"),
        ("dark", "wide", "screen and (prefers-color-scheme: dark)"),
        ("light", "wide", "all"),
    )
    return [
        Picture(png=draw_curves(measurements, theme=theme, shape=shape), media=media)
        for theme, shape, media in variants
    ]


def visible(text: object) -> str:
    """Return ``text`` with characters that HTML cannot hold, or that hide, made visible."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(f"[U+{ord(c):04X}]" if _is_hidden(c) else c for c in shown)


def _is_hidden(character: str) -> bool:
    """Tell controls, surrogates and unassigned code points, and what changes the order of text."""
    kind = unicodedata.category(character)
    if character in _JOINERS or character in "\n\t":
        return False
    return kind in ("Cc", "Cf", "Cs", "Cn")


def _brief(text: str) -> str:
    """Return the beginning of an example."""
    return text if len(text) <= _EXAMPLE_CHARS else text[:_EXAMPLE_CHARS].rstrip() + " …"


@cache
def page_style() -> Markup:
    """Return the style sheet that all our pages share."""
    return Markup(files("autogpt.evaluation").joinpath("style.css").read_text(encoding="utf-8"))


@cache
def page_template(name: str) -> Template:
    """Return a page of this package: every text is escaped, and what is hidden in it is shown."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.finalize = lambda value: (
        visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    )
    environment.filters |= {
        "size": format_bytes,
        "count": format_count,
        "duration": format_duration,
        "brief": _brief,
    }
    source = files("autogpt.evaluation").joinpath(name).read_text(encoding="utf-8")
    return environment.from_string(source)


def _meaning(report: RunReport) -> Iterator[str]:
    """Yield, in whole sentences, what the figures mean."""
    result = report.facts.result
    bits = result.bits_per_byte
    if bits is None:  # the loss is not one of the next token
        yield from _course(report.measurements)
        return
    yield (
        f"On text it never saw, the model is as unsure of the next token as if it chose among "
        f"{_choices(math.exp(min(result.loss, 50.0)))} equally likely ones, out of "
        f"{report.facts.tokenizer.vocab_size:,}."
    )
    if bits > 0:
        yield _against_compressors(bits, result.compressors)
    yield from _course(report.measurements)


def _choices(perplexity: float) -> str:
    return f"{perplexity:.1f}" if perplexity < 100 else f"{perplexity:,.0f}"


def _against_compressors(bits: float, compressors: Mapping[str, float]) -> str:
    sentence = f"It would compress that text {8 / bits:.1f} times"
    known = [f"{name} {8 / other:.1f}" for name, other in compressors.items() if other > 0]
    if not known:
        return sentence + "."
    sentence += f"; {' and '.join(known)}, having seen nothing before."
    if bits >= min(compressors.values()):
        sentence += " A model that does no better has learned little yet."
    return sentence


def _course(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield what the validation points say: still falling, flat, or rising again."""
    losses = {
        m.tokens: m.loss for m in measurements if m.kind == "validation" and m.loss is not None
    }
    points = list(losses.items())
    if len(points) < 2:
        return
    last_tokens, last = points[-1]
    best_tokens, best = min(points, key=lambda point: point[1])
    if last > best * 1.01:
        yield (
            f"The validation loss was lowest, {best:.3f}, after {format_count(best_tokens)} tokens "
            f"and rose to {last:.3f} since: the model has begun to learn the training text by "
            "heart. More text, a smaller model or a shorter run would do better."
        )
        return
    if last < _KNOWN:
        yield (
            f"The validation loss is almost 0 ({last:.3f}): examples like these are known. How it "
            "does on others, as other voices or pictures from elsewhere, only such can say."
        )
        return
    before_tokens, before = points[-2]
    fall = 1 - last / max(before, 1e-9)
    if fall > 0.01:
        yield (
            f"The validation loss was still falling at the end (by {fall:.1%} over the last "
            f"{format_count(last_tokens - before_tokens)} tokens): a longer run would "
            "likely improve it."
        )
    else:
        yield "The validation loss was hardly moving at the end: a longer run alone brings little."


def _phases(report: RunReport) -> list[_Phase]:
    """Return the phases with their shares, and what of the whole none of them explains."""
    phases = dict(report.phases_s)
    rest = report.facts.training.wall_s - sum(phases.values())
    if rest > 0.01 * report.facts.training.wall_s and rest >= 0.1:
        phases["everything else"] = rest
    longest = max(phases.values(), default=0.0) or 1.0
    return [
        _Phase(name, format_duration(seconds), round(100 * seconds / longest, 1))
        for name, seconds in phases.items()
    ]


def _groups(settings: Mapping[str, object]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the settings as tables: a group's dotted name, then its own names and values."""
    own: list[tuple[str, str]] = []
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            for inner, rows in _groups(value):
                groups.append((f"{name}.{inner}" if inner else name, rows))
        else:
            own.append((name, _setting(value)))
    return ([("", own)] if own else []) + groups


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(_setting(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _energy(kwh: float | None) -> str:
    """Return ``0.42 Wh``, ``38 Wh`` or ``1.2 kWh``; nothing if there is no figure."""
    if kwh is None:
        return ""
    return f"{kwh:.2f} kWh" if kwh >= 1 else f"{kwh * 1000:.2g} Wh"


def _utilization(report: RunReport) -> str:
    """Return the share of the machine's matmul rate that training used, in words."""
    if not report.flops_per_s:
        return ""
    rate = f"{report.flops_per_s / 1e9:,.0f} GFLOP/s"
    if not report.matmul_flops_per_s:
        return rate
    return (
        f"{rate}, {report.flops_per_s / report.matmul_flops_per_s:.0%} of this machine's measured "
        f"{report.matmul_flops_per_s / 1e9:,.0f}"
    )
