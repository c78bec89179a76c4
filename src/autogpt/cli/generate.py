"""The verb ``generate``: continue a text, or every text of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from autogpt.cli.inputs import Row, read_prompts, read_standard_input, standard_output
from autogpt.cli.offer import require
from autogpt.cli.options import (
    Beams,
    Choices,
    DryAllowedLength,
    DryBase,
    DryBreaker,
    DryMultiplier,
    FrequencyPenalty,
    Grammar,
    Json,
    JsonSchema,
    LengthPenalty,
    LogitBias,
    MaxTokens,
    MinP,
    PresencePenalty,
    Regex,
    RepetitionPenalty,
    Seed,
    Stop,
    StopLoops,
    Temperature,
    TopK,
    TopP,
)
from autogpt.core.errors import UsageError
from autogpt.core.files import explain_os_errors

if TYPE_CHECKING:
    from autogpt.inference.engine import Overflow
    from autogpt.inference.params import SamplingParams
    from autogpt.inference.settings import ManySettings
    from autogpt.llm import LLM
    from autogpt.models.quantized import Quantization

__all__ = ["generate"]

_BATCH_ROWS = 16  # written together; more gains little on a CPU, and lines would come late


def generate(  # noqa: PLR0913 - each flag is spelled out for the user
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a name.")
    ],
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help='Text to continue. "" begins a new text; - reads standard input, without its '
            "last line break.",
        ),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="In place of PROMPT: continue every prompt of a file (.txt one a line, .jsonl, "
            ".json, .csv, .tsv, .parquet, each also .gz or .zst; - reads standard input) and print "
            "one JSON line each, in the same order. Blank lines and rows are passed over.",
        ),
    ] = None,
    text_field: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The field of --input that holds the prompt; otherwise found, as in 'text'.",
        ),
    ] = None,
    on_error: Annotated[
        str | None,
        typer.Option(
            metavar="fail|skip",
            help="At a broken row of --input: say which and stop before anything is written "
            "(fail, the default), or go on without it (skip).",
        ),
    ] = None,
    max_tokens: MaxTokens = 256,
    stop: Stop = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    logit_bias: LogitBias = None,
    beams: Beams = None,
    length_penalty: LengthPenalty = None,
    repetition_penalty: RepetitionPenalty = None,
    presence_penalty: PresencePenalty = None,
    frequency_penalty: FrequencyPenalty = None,
    dry_multiplier: DryMultiplier = None,
    dry_base: DryBase = None,
    dry_allowed_length: DryAllowedLength = None,
    dry_breaker: DryBreaker = None,
    stop_loops: StopLoops = None,
    json_schema: JsonSchema = None,
    regex: Regex = None,
    choices: Choices = None,
    grammar: Grammar = None,
    seed: Seed = None,
    n: Annotated[
        int,
        typer.Option(metavar="N", help="How many completions of each prompt."),
    ] = 1,
    logprobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="With --json or --input: report the log probability of each token, and of the N "
            "likeliest in its place.",
        ),
    ] = None,
    overflow: Annotated[
        str,
        typer.Option(
            metavar="truncate|refuse",
            help="A prompt longer than the model's context: read its end and warn (truncate, the "
            "default), or end with an error (refuse).",
        ),
    ] = "truncate",
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="int8|int4",
            help="Round the weights to 8 or 4 bits: less memory, several times as fast.",
        ),
    ] = None,
    draft: Annotated[
        str | None,
        typer.Option(
            metavar="lookup|MODEL",
            help="Guess tokens ahead and check several at once: the same text, sooner where the "
            "guesses are right. lookup guesses repetitions, good where a text quotes its prompt; "
            "a MODEL is a small one with the same tokenizer.",
        ),
    ] = None,
    json_: Json = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Continue a text, or every text of a file.

    The new text is printed as it is written, without the prompt.

    \b
    autogpt generate runs/mine "Once upon a time" --seed 1
    autogpt generate runs/mine "Q: Why?" --stop "Q:" --max-tokens 64 --json
    autogpt generate runs/mine "Is it late?" --choices yes,no
    autogpt generate runs/mine --input prompts.txt --temperature 0 > texts.jsonl
    """  # noqa: D301 - \b keeps typer from joining the lines
    _check_usage(prompt, input_, text_field=text_field, on_error=on_error)
    from autogpt.inference.settings import check_settings

    if logprobs is not None and not (json_ or input_):
        raise UsageError("--logprobs is shown in JSON only.", hint="Add --json.")
    too_long = _read_overflow(overflow)
    settings: ManySettings = {
        "max_tokens": max_tokens,
        "stop": stop,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "logit_bias": _read_bias(logit_bias),
        "beams": beams,
        "length_penalty": length_penalty,
        "repetition_penalty": repetition_penalty,
        "presence_penalty": presence_penalty,
        "frequency_penalty": frequency_penalty,
        "dry_multiplier": dry_multiplier,
        "dry_base": dry_base,
        "dry_allowed_length": dry_allowed_length,
        "dry_breakers": dry_breaker,
        "stop_loops": stop_loops,
        "json_schema": _read_schema(json_schema),
        "regex": regex,
        "choices": _read_choices(choices),
        "grammar": None if grammar is None else _read_rules(grammar),
        "seed": seed,
        "n": n,
        "logprobs": logprobs,
    }
    from autogpt.models.quantized import check_quantization

    if quantize is not None:
        check_quantization(quantize)
    # What is wrong with settings or prompts is said before a large model is loaded.
    check_settings(settings)
    if input_ is not None:
        prompts = list(read_prompts(input_, text_field, on_error or "fail"))
    else:
        prompts = [("", read_standard_input() if prompt == "-" else prompt or "")]
    from autogpt.llm import load

    require(model)
    llm = load(model, quantize=cast("Quantization | None", quantize), draft=draft)
    params = llm.sampling(**settings)
    with standard_output():
        if input_ is not None:
            _print_lines(llm, prompts, params, too_long)
        elif json_ or n > 1:
            _print_completions(llm, prompts[0][1], params, too_long, as_json=json_)
        else:
            _stream(llm, prompts[0][1], params, too_long)


def _read_overflow(value: str) -> Overflow:
    if value not in ("truncate", "refuse"):
        raise UsageError(f"--overflow is {value!r}, expected 'truncate' or 'refuse'.")
    return cast("Overflow", value)


def _read_bias(items: list[str] | None) -> dict[int, float] | None:
    if items is None:
        return None
    bias = {}
    for item in items:
        token_id, _, value = item.partition("=")
        try:
            bias[int(token_id)] = float(value)
        except ValueError as error:
            raise UsageError(
                f"--logit-bias is {item!r}, expected a token's id and a number.",
                hint="Write it like 42=-100.",
            ) from error
    return bias


def _read_schema(value: str | None) -> str | None:
    """Return the text of a schema that is given in place, or as a file."""
    if value is None or value.lstrip()[:1] in ("{", "[") or value.strip() in ("true", "false"):
        return value
    return _read_rules(value)


def _read_rules(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"The file {name!r} does not exist.")
    with explain_os_errors(path):
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError(f"The file {name!r} is not UTF-8.") from error


def _read_choices(value: str | None) -> list[str] | None:
    if value is None:
        return None
    if not value.lstrip().startswith("["):
        return [choice.strip() for choice in value.split(",")]
    try:
        listed: list[str] = json.loads(value)
    except json.JSONDecodeError as error:
        raise UsageError(f"--choices is {value!r}, which is no list in JSON.") from error
    return listed


def _check_usage(
    prompt: str | None, input_: str | None, *, text_field: str | None, on_error: str | None
) -> None:
    if prompt is not None and input_ is not None:
        raise UsageError("PROMPT and --input were both given.", hint="Give one of them.")
    if input_ is not None:
        return
    for flag, value in (("--text-field", text_field), ("--on-error", on_error)):
        if value is not None:
            raise UsageError(
                f"{flag} is for the rows of --input.", hint="Give --input, or no flag."
            )
    if prompt is None:
        raise UsageError(
            "There is no prompt.", hint='Give a PROMPT ("" begins a new text), or --input FILE.'
        )


def _print_lines(llm: LLM, prompts: list[Row], params: SamplingParams, overflow: Overflow) -> None:
    """Print one JSON line per completion of all prompts, batch by batch."""
    size = max(1, _BATCH_ROWS // params.n)
    for start in range(0, len(prompts), size):
        batch = prompts[start : start + size]
        rows = llm.complete([text for _, text in batch], params, overflow=overflow)
        for (source, text), completions in zip(batch, rows, strict=True):
            for index, completion in enumerate(completions):
                facts = {"source": source, "prompt": text, "index": index}
                print(json.dumps(facts | completion.to_dict(), ensure_ascii=False), flush=True)


def _print_completions(
    llm: LLM, prompt: str, params: SamplingParams, overflow: Overflow, *, as_json: bool
) -> None:
    for index, completion in enumerate(llm.complete([prompt], params, overflow=overflow)[0]):
        line = json.dumps({"index": index} | completion.to_dict(), ensure_ascii=False)
        print(line if as_json else completion.text + "\n", flush=True)


def _stream(llm: LLM, prompt: str, params: SamplingParams, overflow: Overflow) -> None:
    try:
        for chunk in llm.run([prompt], params, overflow=overflow):
            print(chunk.text, end="", flush=True)
    finally:  # also on Ctrl-C: the shell's next line begins on a line of its own
        print(flush=True)
