"""What ``generate`` prints: texts as they are written, lines of JSON, agreement, confidence.

Not here: the flags (``cli.generate``), what other verbs print (``cli.inputs``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from autogpt.cli.inputs import Row
from autogpt.core.errors import RefusedError

if TYPE_CHECKING:
    from autogpt.core.messages import Completion
    from autogpt.inference.engine import Overflow
    from autogpt.inference.params import SamplingParams
    from autogpt.llm import LLM
    from autogpt.safety.confidence import SentenceConfidence

__all__ = [
    "print_agreement",
    "print_as_written",
    "print_completions",
    "print_lines",
    "print_shaded",
]

_BATCH_ROWS = 16  # written together; more gains little on a CPU, and lines would come late


def print_lines(llm: LLM, prompts: list[Row], params: SamplingParams, overflow: Overflow) -> None:
    """Print one JSON line per completion of all prompts, batch by batch."""
    size = max(1, _BATCH_ROWS // params.n)
    for start in range(0, len(prompts), size):
        batch = prompts[start : start + size]
        rows = llm.complete([text for _, text in batch], params, overflow=overflow)
        for (source, text), completions in zip(batch, rows, strict=True):
            for index, completion in enumerate(completions):
                facts = {"source": source, "prompt": text, "index": index}
                print(json.dumps(facts | completion.to_dict(), ensure_ascii=False), flush=True)


def print_completions(
    llm: LLM,
    prompt: str,
    params: SamplingParams,
    overflow: Overflow,
    *,
    as_json: bool,
    confidence: bool,
) -> list[Completion]:
    """Print all completions of a prompt, as lines of JSON or as texts; return them."""
    completions = llm.complete([prompt], params, overflow=overflow)[0]
    for index, completion in enumerate(completions):
        fields = {"index": index} | completion.to_dict()
        if confidence:
            fields["sentences"] = [each.to_dict() for each in _confidences(completion)]
        line = json.dumps(fields, ensure_ascii=False)
        print(line if as_json else completion.text + "\n", flush=True)
    _end_refused([completion.refusal for completion in completions])
    return completions


def print_agreement(
    llm: LLM, prompt: str, params: SamplingParams, overflow: Overflow, *, as_json: bool
) -> None:
    """Print the completion that agrees best with the others, and how far."""
    from autogpt.safety.consistency import agree

    completions = llm.complete([prompt], params, overflow=overflow)[0]
    _end_refused([completion.refusal for completion in completions])
    found = agree([completion.text for completion in completions])
    chosen = completions[found.index]
    if as_json:
        texts = [completion.text for completion in completions]
        fields = chosen.to_dict() | {"agreement": found.agreement, "texts": texts}
        print(json.dumps(fields, ensure_ascii=False), flush=True)
        return
    print(chosen.text, flush=True)
    print(f"autogpt: {len(completions)} answers, agreement {found.agreement:.0%}.", file=sys.stderr)


def print_shaded(llm: LLM, prompt: str, params: SamplingParams, overflow: Overflow) -> None:
    """Print each sentence the paler the less sure the model was of it; or its confidence."""
    from rich.console import Console
    from rich.text import Text

    completion = llm.complete([prompt], params, overflow=overflow)[0][0]
    shaded = Text(completion.text)
    found = _confidences(completion)
    for each in found:
        level = min(5, int(each.confidence * 6))
        shaded.stylize(f"color({240 + 3 * level})" if level < 5 else "bold", each.start, each.end)
    console = Console(highlight=False, soft_wrap=True)
    console.print(shaded)
    if not console.is_terminal:
        for each in found:
            part = completion.text[each.start : each.end].replace("\n", " ")
            print(f"{each.confidence:.2f}\t{part}")
    _end_refused([completion.refusal])


def _confidences(completion: Completion) -> list[SentenceConfidence]:
    from autogpt.safety.confidence import sentence_confidences

    return sentence_confidences(completion.text, completion.logprobs or ())


def _end_refused(refusals: Sequence[str | None]) -> None:
    """End with the exit code of a refusal if all texts were stopped."""
    if all(refusals):
        print(f"autogpt: {refusals[0]}", file=sys.stderr)
        raise typer.Exit(RefusedError.exit_code)


def print_as_written(llm: LLM, prompt: str, params: SamplingParams, overflow: Overflow) -> None:
    """Print a text piece by piece.

    Raises:
        RefusedError: If a safety rail stopped it.
    """
    refusal = None
    try:
        for chunk in llm.run([prompt], params, overflow=overflow):
            print(chunk.text, end="", flush=True)
            refusal = chunk.refusal
    finally:  # also on Ctrl-C: the shell's next line begins on a line of its own
        print(flush=True)
    if refusal is not None:
        raise RefusedError(refusal, hint="What is above passed; --policy chooses other rules.")
