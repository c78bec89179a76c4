"""One run of the agent for the studio: the verb ``agent`` with files in place of a terminal.

``python -m autogpt.studio.goals agent GOAL --model MODEL [--yes TOOL] [--file PATH]`` runs in the
folder of its job::

    desk/            what the agent may see: copies of the files, and what it writes
    events.jsonl     what happens, a line each
    question.json    what it waits for somebody to answer: a call to allow, or a choice
    answer.json      the answer, with the number of its question

What nobody answers in an hour is not allowed. The outcome is printed as ``autogpt agent --json``
prints it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autogpt.agent.agent import Agent
from autogpt.agent.tools.base import Call
from autogpt.agent.trace import Event
from autogpt.core.errors import AutoGPTError
from autogpt.core.files import write_json

__all__ = ["ANSWER", "DESK", "EVENTS", "QUESTION", "main"]

DESK, EVENTS = "desk", "events.jsonl"
QUESTION, ANSWER = "question.json", "answer.json"
_PATIENCE_S = 3600.0
_LOOK_EVERY_S = 0.2
_MOST_CHARS = 4000


class _Room:
    """The folder of a job, and who may be asked through it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def show(self, event: Event) -> None:
        """Write an event down."""
        self._note({"at": time.time(), **event.to_dict()})

    def approve(self, call: Call, reason: str) -> bool:
        """Ask whether a call may run, exactly so."""
        asked = {"kind": "approve", "reason": reason, **call.to_dict()}
        return bool(self._ask(asked).get("allow"))

    def choose(self, question: str, options: Sequence[str]) -> str | None:
        """Ask which option is meant."""
        chosen = self._ask({"kind": "choose", "reason": question, "options": list(options)})
        number = chosen.get("option")
        return options[number] if isinstance(number, int) and number < len(options) else None

    def _ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        self._number += 1
        question_path, answer_path = self._folder / QUESTION, self._folder / ANSWER
        answer_path.unlink(missing_ok=True)
        write_json(question_path, {"number": self._number, **question})
        end = time.monotonic() + _PATIENCE_S
        answer: dict[str, Any] = {}
        while not answer and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)
            if answer_path.is_file():
                found = json.loads(answer_path.read_text(encoding="utf-8"))
                answer = found if found.get("number") == self._number else {}
        question_path.unlink(missing_ok=True)
        self._note({"at": time.time(), "kind": "answer", "text": "", **answer})
        return answer

    def _note(self, event: Mapping[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=False, default=lambda value: str(value)[:_MOST_CHARS])
        with (self._folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def main(arguments: Sequence[str]) -> int:
    """Reach a goal and print what became of it; return the exit code of the verb."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("goal")
    parser.add_argument("--model", required=True)
    parser.add_argument("--yes", action="append", default=[])
    parser.add_argument("--file", action="append", default=[], type=Path)
    given = parser.parse_args(arguments)
    desk = Path(DESK)
    desk.mkdir(exist_ok=True)
    for file in given.file:
        shutil.copyfile(file, desk / file.name)
    room = _Room(Path())
    try:
        agent = Agent(
            given.model,
            root=desk,
            yes=given.yes,
            approve=room.approve,
            ask=room.choose,
            show=room.show,
            journal=Path("journal.sqlite"),
        )
        outcome = agent.run(given.goal)
    except AutoGPTError as error:
        print(json.dumps({"error": error.to_dict()}, ensure_ascii=False))  # noqa: T201 - the result
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    print(json.dumps(outcome.to_dict(), ensure_ascii=False))  # noqa: T201 - the result
    return 1 if outcome.state in ("failed", "out_of_budget") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
