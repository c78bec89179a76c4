"""What it costs to keep a text to a constraint: microseconds a token, by part.

Run: ``python benchmarks/structure.py``. Documents that match a schema, a pattern or a choice, with
English and Chinese from the bundled texts in their strings, are written token by token, as a model
would that always wants the right one. Measured for each token: the mask (``Guide.allowed``), the
check that the text could still end in time (``Guide.fits``), and taking it (``Guide.push``), in
time of the processor, so that it does not matter who else is at work. Then
the same documents with just as many tokens as they need, where every step is a tight one; and
``choose`` for a batch of rows with and without a constraint. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

import autogpt.data
from autogpt.inference import constraint
from autogpt.inference.constraint import Constraint
from autogpt.inference.grammar import Grammar, GrammarCompiler
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import RowSampler, choose
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

QUICKSTART_TEXT = Path(autogpt.data.__file__).parent / "quickstart"
CONTACT: dict[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "年齡": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["urgent", "billing", "家", "其他"]}},
        "address": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "postcode": {"type": "string", "pattern": "^[0-9]{5}$"},
            },
            "required": ["city", "postcode"],
            "additionalProperties": False,
        },
        "notes": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
    "required": ["name", "年齡", "address", "notes"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A constraint, and a function that makes texts that match it."""

    name: str
    constraint: Constraint
    write: Callable[[random.Random], str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=40, help="texts for each constraint")
    parser.add_argument("--vocab-sizes", type=int, nargs="+", default=[8192, 32768])
    parser.add_argument("--rows", type=int, default=8, help="rows that choose together")
    arguments = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in sorted(QUICKSTART_TEXT.glob("*.txt"))]
    facts = {
        "llguidance": version("llguidance"),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "documents": arguments.documents,
        "vocabularies": [
            measure(make_tokenizer(texts, size), texts, arguments.documents, arguments.rows)
            for size in arguments.vocab_sizes
        ],
    }
    print(json.dumps(facts, indent=2))


def make_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    """Return a tokenizer of the bundled texts."""
    settings = TokenizerConfig(kind="bpe", vocab_size=vocab_size)
    return train(texts, settings, corpus_bytes=sum(len(text.encode()) for text in texts))


def make_cases(texts: list[str]) -> list[Case]:
    """Return the constraints, whose strings hold pieces of the texts."""
    lines = [line.strip() for text in texts for line in text.splitlines() if len(line) > 30]

    def contact(chance: random.Random) -> str:
        value = {
            "name": chance.choice(lines)[:30],
            "年齡": chance.randrange(150),
            "tags": chance.sample(["urgent", "billing", "家", "其他"], chance.randrange(4)),
            "address": {
                "city": chance.choice(lines)[:12],
                "postcode": f"{chance.randrange(100_000):05}",
            },
            "notes": [chance.choice(lines) for _ in range(chance.randrange(1, 4))],
        }
        return json.dumps(value, ensure_ascii=False)

    def anything(chance: random.Random) -> str:
        value = {line[:9]: [line, 1.5, None] for line in chance.sample(lines, 3)}
        return json.dumps(value, ensure_ascii=False)

    def ticket(chance: random.Random) -> str:
        return f"TICKET-{chance.randrange(10_000):04}: {chance.choice(lines)[:60]}."

    labels = [line[:24] for line in lines[:200]]
    return [
        Case("schema", constraint.json_schema(CONTACT), contact),
        Case("any JSON object", constraint.json_schema({"type": "object"}), anything),
        Case("regex", constraint.regex(r"TICKET-[0-9]{4}: [^\n]{1,80}\."), ticket),
        Case("200 choices", constraint.choices(labels), lambda chance: chance.choice(labels)),
    ]


def measure(tokenizer: Tokenizer, texts: list[str], documents: int, rows: int) -> dict[str, object]:
    """Return the figures for one vocabulary."""
    ends = frozenset([tokenizer.eos_id, tokenizer.pad_id])
    compiler = GrammarCompiler(tokenizer, ends, tokenizer.vocab_size)
    begin = time.perf_counter()
    compiler.compile(constraint.choices(["a"]))
    facts: dict[str, object] = {
        "vocab_size": tokenizer.vocab_size,
        "first_compile_ms": round(1e3 * (time.perf_counter() - begin), 2),
    }
    for case in make_cases(texts):
        begin = time.perf_counter()
        grammar = compiler.compile(case.constraint)
        compiled = time.perf_counter()
        compiler.compile(case.constraint)
        again = time.perf_counter()
        chance = random.Random(0)
        written = [tokenizer.encode(case.write(chance)) for _ in range(documents)]
        facts[case.name] = {
            "compile_ms": round(1e3 * (compiled - begin), 2),
            "compile_again_us": round(1e6 * (again - compiled), 1),
            "tokens": sum(map(len, written)),
            "roomy": walk(grammar, written, spare=10_000),
            "tight": walk(grammar, written, spare=0),
        }
    grammar = compiler.compile(constraint.json_schema(CONTACT))
    facts["choose"] = compare_choices(tokenizer, grammar, rows)
    return facts


def walk(grammar: Grammar, written: list[list[int]], *, spare: int) -> dict[str, object]:
    """Write the documents, each with ``spare`` more tokens than it needs."""
    spent: dict[str, list[float]] = {"mask": [], "fits": [], "push": [], "all": []}
    for token_ids in written:
        guide = grammar.begin(max(len(token_ids), len(grammar.shortest)) + spare)
        for token_id in token_ids:
            times = [time.thread_time()]
            allowed = guide.allowed()
            times.append(time.thread_time())
            fits = guide.fits(token_id)
            times.append(time.thread_time())
            if not (allowed[token_id] and fits):
                if not allowed[token_id]:
                    raise AssertionError("a document does not match its own constraint")
                break  # without spare tokens a known end may be longer than the document's
            guide.push(token_id)
            times.append(time.thread_time())
            for part, begin, end in zip(spent, times, times[1:], strict=False):
                spent[part].append(end - begin)
            spent["all"].append(times[-1] - times[0])
    return {part: quantiles(seconds) for part, seconds in spent.items()}


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Return microseconds: median, 99th percentile, largest, mean."""
    ordered = sorted(1e6 * value for value in seconds)
    return {
        "p50_us": round(ordered[len(ordered) // 2], 1),
        "p99_us": round(ordered[int(len(ordered) * 0.99)], 1),
        "max_us": round(ordered[-1], 1),
        "mean_us": round(statistics.fmean(ordered), 1),
    }


def compare_choices(tokenizer: Tokenizer, grammar: Grammar, rows: int) -> dict[str, object]:
    """Return the time of a step of ``choose`` and ``push``, free and constrained, in turns."""
    logits = torch.randn(64, rows, tokenizer.vocab_size, generator=torch.Generator().manual_seed(0))
    kinds = {"free": None, "constrained": grammar}
    spent: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(3):
        for name, rule in kinds.items():
            params = SamplingParams(seed=turn, temperature=1.0, max_tokens=64, constraint=rule)
            samplers = [RowSampler(params, tokenizer.vocab_size, [1], row) for row in range(rows)]
            for step in logits:
                begin = time.perf_counter()
                choices = choose(step, samplers)
                for sampler, choice in zip(samplers, choices, strict=True):
                    sampler.push(choice.token_id)
                spent[name].append(time.perf_counter() - begin)
                if any(
                    choice.token_id in (tokenizer.eos_id, tokenizer.pad_id) for choice in choices
                ):
                    break
    return {"rows": rows, **{name: quantiles(seconds) for name, seconds in spent.items()}}


if __name__ == "__main__":
    main()
