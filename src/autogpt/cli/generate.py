"""The verb ``generate``: continue a text, or every text of a file; its flags and what they ask for.

Not here: what is printed (``cli.generated``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from autogpt.cli.generated import (
    print_agreement,
    print_as_written,
    print_completions,
    print_lines,
    print_shaded,
)
from autogpt.cli.inputs import read_prompts, read_standard_input, standard_output
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
    Policy,
    PresencePenalty,
    Regex,
    RepetitionPenalty,
    Seed,
    Stop,
    StopLoops,
    Temperature,
    TopK,
    TopP,
    Watermark,
    WatermarkKey,
    read_key,
    say_policy,
)
from autogpt.core.errors import UsageError
from autogpt.core.files import explain_os_errors

if TYPE_CHECKING:
    from autogpt.inference.engine import Overflow
    from autogpt.inference.settings import ManySettings
    from autogpt.models.quantized import Quantization

__all__ = ["generate"]


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
    consistency: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel="Reliability",
            help="Write N answers and print the one that agrees best with the others, and how far.",
        ),
    ] = None,
    confidence: Annotated[  # noqa: FBT002 - a command line flag
        bool,
        typer.Option(
            "--confidence",
            rich_help_panel="Reliability",
            help="Show how sure the model was of each sentence: shaded in a terminal, as "
            "sentences in JSON.",
        ),
    ] = False,
    watermark: Watermark = None,
    watermark_key: WatermarkKey = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel="Provenance",
            help="Write a signed record of the text there: model, settings, seed, hashes; autogpt "
            "verify FILE checks it.",
        ),
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel="Provenance",
            help="The key that signs --record; made if it is not there.",
        ),
    ] = None,
    policy: Policy = "default",
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

    _check_reliability(consistency, n, input_)
    _check_record(record, signing_key, single=n == 1 and not (consistency or input_))
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
        "n": n if consistency is None else consistency,
        "logprobs": 0 if confidence and logprobs is None else logprobs,
        "watermark": watermark,
        "watermark_key": read_key(watermark, watermark_key) or None,
    }
    from autogpt.models.quantized import check_quantization

    if quantize is not None:
        check_quantization(quantize)
    # What is wrong with settings or prompts is said before a large model is loaded.
    check_settings(settings)
    say_policy(policy)
    if input_ is not None:
        prompts = list(read_prompts(input_, text_field, on_error or "fail"))
    else:
        prompts = [("", read_standard_input() if prompt == "-" else prompt or "")]
    from autogpt.llm import load

    require(model)
    llm = load(
        model,
        quantize=cast("Quantization | None", quantize),
        draft=draft,
        policy=None if policy == "off" else policy,
    )
    if hasattr(llm, "labels"):  # a head, or what looks and listens; an encoder says so itself
        raise UsageError("The model does not write.", hint="Name an assistant.")
    params = llm.sampling(**settings)
    with standard_output():
        if input_ is not None:
            print_lines(llm, prompts, params, too_long)
        elif consistency is not None:
            print_agreement(llm, prompts[0][1], params, too_long, as_json=json_)
        elif json_ or n > 1 or record is not None:
            completions = print_completions(
                llm, prompts[0][1], params, too_long, as_json=json_, confidence=confidence
            )
            if record is not None and signing_key is not None:
                from autogpt.llm.provenance import write_record

                write_record(
                    record,
                    completions[0],
                    model=model,
                    prompt=prompts[0][1],
                    params=params,
                    key=signing_key,
                )
        elif confidence:
            print_shaded(llm, prompts[0][1], params, too_long)
        else:
            print_as_written(llm, prompts[0][1], params, too_long)


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


def _check_record(record: Path | None, key: Path | None, *, single: bool) -> None:
    if (record is None) != (key is None):
        raise UsageError("--record and --signing-key go together.", hint="Give both.")
    if record is not None and not single:
        raise UsageError("--record is of the one text that answers a PROMPT.")


def _check_reliability(consistency: int | None, n: int, input_: str | None) -> None:
    if consistency is None:
        return
    if consistency < 2:
        raise UsageError(f"--consistency is {consistency}, expected 2 or more answers.")
    if n != 1 or input_ is not None:
        raise UsageError("--consistency writes the answers to one PROMPT, without --n.")
