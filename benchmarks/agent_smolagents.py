"""Our suite of goals with smolagents in place of our agent, and the same model behind both.

    python -m venv /tmp/smol && /tmp/smol/bin/pip install smolagents openai
    autogpt serve smollm2-135m-instruct --policy off --no-studio &
    /tmp/smol/bin/python benchmarks/agent_smolagents.py > smolagents.json

Runs in an environment of its own, where this project is not: the model is asked over the server's
API, for an agent that writes calls (``ToolCallingAgent``) and for one that writes Python
(``CodeAgent``). Both get tools like ours over a folder: list, read, write, search, SQL, arithmetic.
A goal counts as right when the same check in code says so that judges our agent.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import operator
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import smolagents  # type: ignore[import-not-found]
from agent_goals import Case, goals

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


def tools_over(  # noqa: C901 - one tool after another
    folder: Path, used: Counter[str]
) -> list[Any]:
    """Return tools over a folder, which count their calls."""

    def inside(path: str) -> Path:
        place = (folder / path).resolve()
        if not place.is_relative_to(folder.resolve()):
            raise ValueError(f"{path!r} is outside of the folder")
        return place

    @smolagents.tool  # type: ignore[untyped-decorator]
    def list_files() -> str:
        """List the files of the folder."""
        used["list_files"] += 1
        return "\n".join(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

    @smolagents.tool  # type: ignore[untyped-decorator]
    def read_file(path: str) -> str:
        """Read a text file.

        Args:
            path: The file.
        """
        used["read_file"] += 1
        return inside(path).read_text(encoding="utf-8")[:4000]

    @smolagents.tool  # type: ignore[untyped-decorator]
    def write_file(path: str, text: str) -> str:
        """Write a text into a file.

        Args:
            path: The file.
            text: What to write.
        """
        used["write_file"] += 1
        inside(path).write_text(text, encoding="utf-8")
        return f"Written to {path}."

    @smolagents.tool  # type: ignore[untyped-decorator]
    def find_text(text: str) -> str:
        """Find the lines of all files that contain a text.

        Args:
            text: What to look for.
        """
        used["find_text"] += 1
        found = [
            f"{path.relative_to(folder)}: {line}"
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
            if text.lower() in line.lower()
        ]
        return "\n".join(found[:50])

    @smolagents.tool  # type: ignore[untyped-decorator]
    def query_table(path: str, sql: str) -> str:
        """Ask a table something in SQL; the table is called t.

        Args:
            path: The table, .csv or .jsonl.
            sql: As in SELECT count(*) FROM t.
        """
        used["query_table"] += 1
        text = inside(path).read_text(encoding="utf-8")
        rows = (
            [json.loads(line) for line in text.splitlines() if line]
            if path.endswith(".jsonl")
            else list(csv.DictReader(text.splitlines()))
        )
        base = sqlite3.connect(":memory:")
        names = list(rows[0])
        columns = ", ".join(f'"{name}" NUMERIC' for name in names)
        base.execute(f"CREATE TABLE t ({columns})")
        marks = ", ".join("?" * len(names))
        base.executemany(f"INSERT INTO t VALUES ({marks})", [list(row.values()) for row in rows])
        return json.dumps(base.execute(sql).fetchall()[:50], ensure_ascii=False)

    @smolagents.tool  # type: ignore[untyped-decorator]
    def calculate(expression: str) -> str:
        """Work out an arithmetic expression.

        Args:
            expression: As in 2 * (3 + 4).
        """
        used["calculate"] += 1

        def value(node: ast.AST) -> float:
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                return node.value
            if isinstance(node, ast.BinOp):
                return float(_OPERATORS[type(node.op)](value(node.left), value(node.right)))
            if isinstance(node, ast.UnaryOp):
                return float(_OPERATORS[type(node.op)](value(node.operand)))
            raise ValueError(f"{expression!r} is no arithmetic")

        return str(value(ast.parse(expression, mode="eval").body))

    return [list_files, read_file, write_file, find_text, query_table, calculate]


def run(kind: str, case: Case, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Let an agent reach one goal."""
    used: Counter[str] = Counter()
    model = smolagents.OpenAIModel(
        model_id=args.model,
        api_base=args.address,
        api_key="none",
        temperature=0.0,
        max_tokens=args.max_tokens,
    )
    make = getattr(smolagents, kind)
    agent = make(
        tools=tools_over(folder, used), model=model, max_steps=args.steps, verbosity_level=0
    )
    begin = time.perf_counter()
    try:
        answer = str(agent.run(case.text))
        problem = ""
    except Exception as error:  # noqa: BLE001 - whatever ends it, the goal is not reached
        answer, problem = "", f"{type(error).__name__}: {error}"[:200]
    try:
        right = bool(case.right(folder, answer))
    except Exception:  # noqa: BLE001 - a file that is not there
        right = False
    return {
        "goal": case.text,
        "right": right,
        "calls": sum(used.values()),
        "answer": answer[:200],
        "problem": problem,
        "seconds": round(time.perf_counter() - begin, 2),
    }


def main() -> None:
    """Run the suite with both kinds of agents."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--every", type=int, default=1, help="Only every so many goals.")
    parser.add_argument("--kinds", nargs="*", default=["ToolCallingAgent", "CodeAgent"])
    args = parser.parse_args()
    base = Path(tempfile.mkdtemp())
    count = len(goals(base / "count"))
    for kind in args.kinds:
        log = []
        for number in range(0, count, args.every):
            folder = base / f"{kind}-{number}"
            case = goals(folder)[number]
            log.append(run(kind, case, folder, args))
            print(json.dumps(log[-1], ensure_ascii=False), file=sys.stderr, flush=True)
        print(
            json.dumps(
                {
                    "agent": f"smolagents {smolagents.__version__} {kind}",
                    "model": args.model,
                    "goals": len(log),
                    "right": sum(one["right"] for one in log),
                    "goals_with_a_call": sum(one["calls"] > 0 for one in log),
                    "calls": sum(one["calls"] for one in log),
                    "seconds_median": statistics.median(one["seconds"] for one in log),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
