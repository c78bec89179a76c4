"""Function calling on BFCL v4's own questions, judged by bfcl-eval's own AST checker.

    pip download --no-deps bfcl-eval && python -m zipfile -e bfcl_eval-*.whl BFCL
    python benchmarks/agent_bfcl.py --checker BFCL --data ../shared/data/agent

Only the checker is taken from the package, from its unpacked wheel: its other dependencies pin
numpy 1.26 and bring faiss, sentence-transformers and a dozen clients of services. The one module
that the checker imports for its table of models (whose names want underscores for dots) is
replaced by a table with our model in it; nothing of the judgement is.

No question of BFCL is ever learned from, nor shown as an example; what a model may learn from is
made by ``agent_synthetic.py``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import types
from collections import Counter
from pathlib import Path
from typing import Any

from agent_languages import source_schema

from autogpt.agent.calls import call_messages, call_schema, read_call, tightened
from autogpt.agent.models import AgentModel, LocalModel
from autogpt.agent.tools.base import Tool, misfit
from autogpt.llm import load

NAME = "autogpt"
CATEGORIES = ("live_simple", "simple_java", "simple_javascript")
LANGUAGES = {"live_simple": "python", "simple_java": "java", "simple_javascript": "javascript"}


def checker(folder: Path) -> Any:  # noqa: ANN401 - of a package
    """Return bfcl-eval's ``ast_checker`` and its enum of languages."""
    sys.path.insert(0, str(folder))
    table = types.ModuleType("bfcl_eval.constants.model_config")
    table.MODEL_CONFIG_MAPPING = {NAME: types.SimpleNamespace(underscore_to_dot=False)}  # type: ignore[attr-defined]
    sys.modules[table.__name__] = table
    from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # type: ignore[import-not-found]

    return ast_checker, Language


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def questions(data: Path, category: str) -> list[tuple[dict[str, Any], Any]]:
    """Return questions with their answers."""
    asked = _rows(data / f"BFCL_v4_{category}.json")
    answers = {
        row["id"]: row["ground_truth"]
        for row in _rows(data / "answers" / f"BFCL_v4_{category}.json")
    }
    return [(row, answers[row["id"]]) for row in asked]


def tool_of(function: dict[str, Any], language: str) -> Tool:
    """Return a described function as a tool; of Java and JavaScript every value is its source."""
    schema = function["parameters"]
    if language != "python":
        schema = source_schema(schema, language)
    return Tool(
        name=function["name"], description=function["description"], schema=schema, run=print
    )


def request_of(row: dict[str, Any]) -> str:
    """Return what the user says in the first turn, and the system's words before it."""
    return "\n".join(message["content"] for message in row["question"][0])


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927)."""
    z, p = 1.959964, right / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def run(model: AgentModel, category: str, args: argparse.Namespace) -> dict[str, Any]:
    """Ask all questions of a category."""
    judge, languages = checker(args.checker)
    language = LANGUAGES[category]
    rows = questions(args.data, category)[:: args.stride][args.skip :][: args.limit]
    right = valid = 0
    errors: Counter[str] = Counter()
    log = []
    begin = time.perf_counter()
    for row, truth in rows:
        tool = tool_of(row["function"][0], language)
        asked = request_of(row)
        reply = model.fill(
            call_messages(asked, [tool], examples=not args.bare),
            call_schema([tool], words_of=asked if args.words else None),
            max_tokens=args.max_tokens,
        )
        try:
            call = read_call(reply.text, [tool])
            fits = call is not None and not misfit(dict(call.arguments), tightened(tool.schema))
        except ValueError:
            call, fits = None, False
        valid += fits
        arguments = dict(call.arguments) if call else {}
        verdict = judge(
            row["function"],
            [{tool.name: arguments}],
            truth,
            languages[language.upper()],
            category,
            NAME,
        )
        right += verdict["valid"]
        if not verdict["valid"]:
            errors[verdict["error_type"]] += 1
        log.append(
            {
                "id": row["id"],
                "right": verdict["valid"],
                "confidence": reply.confidence,
                "call": arguments,
                "error": verdict.get("error"),
                "truth": truth,
                "asked": asked,
            }
        )
    low, high = wilson(right, len(rows))
    print(f"{category}: {right} of {len(rows)}", file=sys.stderr, flush=True)
    if args.out:
        path = args.out / f"{category}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in log))
    return {
        "category": category,
        "questions": len(rows),
        "valid": valid / len(rows),
        "right": right / len(rows),
        "low": low,
        "high": high,
        "errors": dict(errors.most_common(6)),
        "seconds_each": (time.perf_counter() - begin) / len(rows),
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checker", type=Path, required=True, help="bfcl-eval's wheel, unpacked")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/agent"))
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--category", action="append", choices=CATEGORIES)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--skip", type=int, default=0, help="so many questions, of those")
    parser.add_argument(
        "--words", action="store_true", help="free text in arguments is words of the question"
    )
    parser.add_argument(
        "--bare", action="store_true", help="show no examples, as a model needs that was taught"
    )
    parser.add_argument("--stride", type=int, default=1, help="every so many questions")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--quantize", choices=("int8", "int4"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    # The rails belong to whoever uses a model; here it is the model that is measured.
    model = LocalModel(
        lambda: load(args.model, quantize=args.quantize, policy=None), name=args.model
    )
    for category in args.category or CATEGORIES:
        print(json.dumps(run(model, category, args)), flush=True)


if __name__ == "__main__":
    main()
