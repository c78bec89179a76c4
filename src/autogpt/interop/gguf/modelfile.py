"""A Modelfile beside a GGUF file, with which Ollama runs it: FROM, TEMPLATE, PARAMETER.

Ollama's templates are Go's, a model's are jinja; no program translates one to the other. But a
chat template that writes each message between fixed words can be read off what it writes: it is
rendered with marks in place of messages, and what stands around the marks is the template. The
result is compared with the model's own on further conversations; where they differ, no TEMPLATE is
written, and Ollama falls back to the one in the file.

Source: Ollama's documentation of Modelfiles and templates (2025); Go's ``text/template``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.messages import TemplateMessage
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.chat import render

__all__ = ["go_template", "modelfile"]

_MARK = "\u0001message\u0001"


class _Written(Protocol):
    def __call__(self, turns: Sequence[tuple[str, str]], *, answer: bool) -> str:
        """Return what the model's own template makes of messages, each a role and its content.

        Args:
            turns: The messages.
            answer: Whether the beginning of an answer follows.
        """


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


@dataclass(frozen=True, slots=True)
class _Frames:
    """The fixed words of a chat template.

    Attributes:
        around: Before and after a message of each role.
        default: What comes first where there is no system message.
        answer: The beginning of an answer.
    """

    around: Mapping[str, tuple[str, str]]
    default: str
    answer: str

    def write(self, turns: Sequence[tuple[str, str]]) -> str:
        """Return a conversation, up to where an answer begins."""
        written = "" if turns[0][0] == "system" else self.default
        for role, content in turns:
            before, after = self.around[role]
            written += f"{before}{content}{after}"
        return written + self.answer

    def in_go(self) -> str | None:
        """Return the template in Go's words; None if one of the words cannot stand in it."""
        words = [
            self.default,
            self.answer,
            *(word for pair in self.around.values() for word in pair),
        ]
        if any('"""' in word or "{{" in word for word in words):
            return None
        branches = "".join(
            f'{{{{ {"if" if place == 0 else "else if"} eq .Role "{role}" }}}}'
            f"{before}{{{{ .Content }}}}{after}"
            for place, (role, (before, after)) in enumerate(self.around.items())
        )
        first = '{{- if ne (index .Messages 0).Role "system" }}'
        default = f"{first}{self.default}{{{{ end }}}}" if self.default else ""
        loop = f"{{{{- range .Messages }}}}{branches}{{{{ end }}}}{{{{ end }}}}"
        return f"{default}{loop.replace('{{- ', '{{ ', 1) if default else loop}{self.answer}"


def go_template(tokenizer: Tokenizer) -> str | None:
    """Return the chat template in Go's words; None if there is none, or it is not that plain."""
    roles = tokenizer.roles
    template = roles.chat_template
    if template is None:
        return None
    # What begins a text is added by llama.cpp where the file asks for it.
    tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": ""}

    def written(turns: Sequence[tuple[str, str]], *, answer: bool) -> str:
        messages: list[TemplateMessage] = [
            {"role": role, "content": content} for role, content in turns
        ]
        return render(messages, template=template, add_generation_prompt=answer, tokens=tokens)

    try:
        frames = _frames(written)
        for trial in _TRIALS:
            turns = [(role, f"{role} {place} 你好") for place, role in enumerate(trial)]
            if frames.write(turns) != written(turns, answer=True):
                return None
    except (CheckpointError, UsageError, ValueError):
        return None
    return frames.in_go()


def _frames(written: _Written) -> _Frames:
    """Read off what stands before and after a message of each role.

    Raises:
        ValueError: If a template changes messages, or writes them in no fixed words.
    """

    def between(*roles: str) -> list[str]:
        found = written([(role, _MARK) for role in roles], answer=False).split(_MARK)
        if len(found) != len(roles) + 1:
            raise ValueError("a message was changed")
        return found

    _, middle, again, after_user = between("user", "assistant", "user")
    begin, own_end = between("user")
    *_, after_answer = between("user", "assistant")
    system, then, _ = between("system", "user")
    if own_end != after_user:
        raise ValueError("a message ends in several ways")
    user = _rest(again, after_answer)
    if not begin.endswith(user) or not then.endswith(user):
        raise ValueError("a user's message begins in several ways")
    asked = written([("user", _MARK)], answer=True)
    return _Frames(
        around={
            "system": (system, then[: len(then) - len(user)]),
            "user": (user, after_user),
            "assistant": (_rest(middle, after_user), after_answer),
        },
        default=begin[: len(begin) - len(user)],
        answer=_rest(asked, f"{begin}{_MARK}{after_user}"),
    )


def _rest(text: str, start: str) -> str:
    if not text.startswith(start):
        raise ValueError(f"{text!r} does not begin with {start!r}")
    return text[len(start) :]
