"""A Modelfile beside a GGUF file, with which Ollama runs it: FROM, TEMPLATE, PARAMETER.

Ollama's templates are Go's, a model's are jinja; no program translates one to the other. But a
chat template that writes each message between fixed words can be read off what it writes: it is
rendered with marks in place of messages, and what stands around the marks is the template. The
result is compared with the model's own on further conversations; where they differ, no TEMPLATE is
written, and Ollama falls back to the one in the file.

Source: Ollama's documentation of Modelfiles and templates (2025); Go's ``text/template``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.messages import TemplateMessage
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.chat import render

__all__ = ["go_template", "modelfile"]

_MARK = "\u0001message\u0001"
_Written = Callable[[Sequence[tuple[str, str]]], str]
"""What the model's own template makes of messages, each a role and its content."""

_TRIALS: tuple[tuple[str, ...], ...] = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)
_PARAMETERS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def modelfile(file_name: str, tokenizer: Tokenizer, generation: Mapping[str, Any]) -> str:
    """Return the text of a Modelfile.

    Args:
        file_name: Of the GGUF file, in the same folder.
        tokenizer: Knows the chat template and what ends a message.
        generation: Of ``generation_config.json``: how to sample.
    """
    lines = [f"FROM ./{file_name}"]
    template = go_template(tokenizer)
    if template is not None:
        lines += [f'TEMPLATE """{template}"""']
    if tokenizer.roles.chat_template is not None:
        lines += [f'PARAMETER stop "{tokenizer.roles.eos}"']
    lines += [
        f"PARAMETER {theirs} {generation[ours]}"
        for ours, theirs in _PARAMETERS.items()
        if generation.get(ours) is not None
    ]
    return "\n".join(lines) + "\n"


def go_template(tokenizer: Tokenizer) -> str | None:
    """Return the chat template in Go's words; None if there is none, or it is not that plain."""
    roles = tokenizer.roles
    if roles.chat_template is None:
        return None
    # What begins a text is added by llama.cpp where the file asks for it.
    tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": ""}

    def written(turns: Sequence[tuple[str, str]]) -> str:
        messages: list[TemplateMessage] = [
            {"role": role, "content": content} for role, content in turns
        ]
        return render(messages, template=roles.chat_template or "", tokens=tokens)

    try:
        frames, end = _frames(written)
        agreed = all(_agrees(written, frames, end, trial) for trial in _TRIALS)
    except (CheckpointError, UsageError, ValueError):
        return None
    if not agreed or any(
        '"""' in part or "{{" in part for frame in frames.values() for part in frame
    ):
        return None
    branches = "".join(
        f'{{{{ {"if" if place == 0 else "else if"} eq .Role "{role}" }}}}'
        f"{before}{{{{ .Content }}}}{after}"
        for place, (role, (before, after)) in enumerate(frames.items())
    )
    return f"{{{{- range .Messages }}}}{branches}{{{{ end }}}}{{{{ end }}}}{end}"


def _frames(written: _Written) -> tuple[dict[str, tuple[str, str]], str]:
    """Return what stands before and after a message of each role, and what begins an answer.

    Raises:
        ValueError: If a mark is missing or twice: the template changes messages.
    """

    def parts(*turns: tuple[str, str]) -> list[str]:
        found = written(turns).split(_MARK)
        if len(found) != len(turns) + 1:
            raise ValueError("a message was changed")
        return found

    # user, user: between the marks stand the end of a message and the beginning of the next one
    one, two = parts(("user", _MARK)), parts(("user", _MARK), ("assistant", _MARK))
    system = parts(("system", _MARK), ("user", _MARK))
    start = one[0]
    middle = system[1]
    if not middle.endswith(start):
        raise ValueError("a message after another begins otherwise")
    after_system = middle[: len(middle) - len(start)]
    after_user, after_answer = _split_answer(one[1], two[1], two[2], after_system)
    end = one[1][len(after_user) :]
    frames = {
        "system": (system[0], after_system),
        "user": (start, after_user),
        "assistant": (two[1][len(after_user) :], after_answer),
    }
    return frames, end


def _split_answer(tail: str, between: str, last: str, after_system: str) -> tuple[str, str]:
    """Return what ends a user's message and an assistant's.

    ``tail`` is the end of a user's message and the beginning of an answer, ``between`` the same
    before an answer that is there; so the end is what ``after_system`` shares with both.
    """
    after_user = after_system if tail.startswith(after_system) else ""
    if not after_user or not between.startswith(after_user):
        raise ValueError("messages do not end alike")
    answer = tail[len(after_user) :]
    after_answer = last[: len(last) - len(answer)] if answer and last.endswith(answer) else last
    return after_user, after_answer


def _agrees(
    written: _Written,
    frames: Mapping[str, tuple[str, str]],
    end: str,
    roles: Sequence[str],
) -> bool:
    turns = [(role, f"{role} {place} 你好") for place, role in enumerate(roles)]
    built = "".join(f"{frames[role][0]}{content}{frames[role][1]}" for role, content in turns)
    return built + end == written(turns)
