"""Routing: is the right one of all functions of BFCL among the best, are unrelated ones declined.

Run by ``agent.py routing``. What can be chosen in ``agent/router.py`` was chosen on the half of the
questions that ``chosen`` says; the other half is held out, and its figures stand beside.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autogpt.agent.router import Embed, Router, embedded, forms_of, installed_embedder
from autogpt.agent.tools.base import Tool

Asked = tuple[str, Tool]
_TIMED = 20  # questions


def routing(args: argparse.Namespace) -> dict[str, Any]:
    """Find the right function among all of BFCL's single-function files, and decline others."""
    asked, tools = _read(args.data)
    model = None if args.no_embeddings else installed_embedder()
    embed = None if model is None else _kept(model, asked, tools)
    router = Router(tools, embed=embed)
    right, declined, kept = [], [], []
    for text, wanted in asked:
        # The same function is there in several versions; its name is what is looked for.
        names = [one.tool.name for one in router.rank(text, 5)]
        right.append((names[0] == wanted.name, wanted.name in names))
        draw = random.Random(text)
        some = draw.sample([one for one in tools if one.name != wanted.name], 5)
        declined.append(not any(one.fits for one in Router(some, embed=embed).rank(text)))
        found = Router([*some[:4], wanted], embed=embed).rank(text)
        kept.append(any(one.fits and one.tool is wanted for one in found))
    halves = [_chosen(text) for text, _ in asked]
    return {
        "functions": len(tools),
        "names": len({one.name for one in tools}),
        "embeddings": model is not None,
        **{
            label: {
                "questions": sum(among := [half in which for half in halves]),
                "recall_at_1": _share((one for one, _ in right), among),
                "recall_at_5": _share((one for _, one in right), among),
                "declined": _share(declined, among),
                "suitable_tool_kept": _share(kept, among),
            }
            for label, which in (
                ("all", (True, False)),
                ("chosen_on", (True,)),
                ("held_out", (False,)),
            )
        },
        **_times(router, model, [text for text, _ in asked[:_TIMED]]),
    }


def _chosen(text: str) -> bool:
    """Whether a question is of the half on which settings were chosen."""
    return hashlib.sha256(text.encode()).digest()[0] % 2 == 0


def _share(found: Any, among: Sequence[bool]) -> float:  # noqa: ANN401 - an iterable
    return round(
        statistics.mean(one for one, wanted in zip(found, among, strict=True) if wanted), 4
    )


def _read(data: Path) -> tuple[list[Asked], list[Tool]]:
    asked, tools = [], {}
    for path in sorted(data.glob("BFCL_v4_*.json")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            function = row["function"][0]
            parameters = json.dumps(function["parameters"])[:400]
            version = f"{function['name']} {len(function['description'])} {parameters}"
            tools[version] = Tool(
                name=function["name"],
                description=function["description"],
                schema=function["parameters"],
                run=print,
            )
            asked.append((row["question"][0][-1]["content"], version))
    return [(text, tools[version]) for text, version in asked], list(tools.values())


def _kept(model: Embed, asked: Sequence[Asked], tools: Sequence[Tool]) -> Embed:
    """Return the sentence model with what it says of all texts here worked out once."""
    texts = {form for text, _ in asked for form in forms_of(text)}
    texts.update(text for one in tools for text in embedded(one))
    ordered = sorted(texts, key=len)  # of like length at once, so that little is padding
    vectors: dict[str, Sequence[float]] = {}
    for first in range(0, len(ordered), 16):
        some = ordered[first : first + 16]
        vectors.update(zip(some, model(some), strict=True))
    return lambda wanted: [vectors[text] for text in wanted]


def _times(router: Router, model: Embed | None, texts: Sequence[str]) -> dict[str, float]:
    """Return the milliseconds of ranking, and of embedding a request before it."""
    found = {"rank_ms": _median_ms(lambda text: router.rank(text), texts)}
    if model is not None:
        found["embed_ms"] = _median_ms(lambda text: model([text]), texts)
    return found


def _median_ms(run: Any, texts: Sequence[str]) -> float:  # noqa: ANN401 - a function
    times = []
    for text in texts:
        begin = time.perf_counter()
        run(text)
        times.append(time.perf_counter() - begin)
    return round(1000 * statistics.median(times), 2)
