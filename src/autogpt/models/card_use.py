"""The part of a model card that says how the model is used: each task has its verb."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Literal

__all__ = ["Medium", "Usage", "usage_of"]

Medium = Literal["picture", "sound", ""]
"""What a model looks at or listens to; "" if it reads text."""

_HUB_TEXT = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
inputs = tokenizer({prompt}, return_tensors="pt")
output = model.generate(**inputs, max_new_tokens=100, do_sample=True)
print(tokenizer.decode(output[0], skip_special_tokens=True))"""
_HUB_HEAD = """\
from transformers import pipeline

answer = pipeline({pipeline}, model=".")  # this folder
print(answer({prompt}))"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """How a model is used.

    Attributes:
        pipeline: What Hugging Face calls such a task.
        library: The library that opens the folder, as the hub names it.
        command: In a terminal.
        python: With this package.
        other: In Python without it; "" where other libraries do not open the folder.
    """

    pipeline: str
    library: str
    command: str
    python: str
    other: str = ""


def usage_of(
    task: str, reference: str, *, prompt: str, medium: Medium = "", alone: bool = True
) -> Usage:
    """Return how a model is used.

    Args:
        task: What it was fine-tuned for; "" if it continues text.
        reference: What the user types to use it, as in ``runs/plays``.
        prompt: A text of its kind.
        medium: What it looks at or listens to, if it does.
        alone: Whether other libraries open its folder.
    """
    file = "picture.png" if medium == "picture" else "sound.wav"
    pipelines = {
        "classify": "text-classification",
        "tag": "token-classification",
        "summarize": "summarization",
        "translate": "translation",
        "recognize": "image-classification" if medium == "picture" else "audio-classification",
        "transcribe": "image-to-text" if medium == "picture" else "automatic-speech-recognition",
    }
    calls = {
        "classify": ("classify", f"predict({_literal(prompt)})"),
        "tag": ("tag", f"tag({_literal(prompt)}).entities"),
        "summarize": ("summarize", f"summarize({_literal(prompt)}).text"),
        "translate": ("translate --to zh", f'translate({_literal(prompt)}, to="zh").text'),
        "chat": ("chat", f"chat().say({_literal(prompt)})"),
        "recognize": ("recognize", f"predict({_literal(file)})"),
        "transcribe": ("transcribe", f"transcribe({_literal(file)}).text"),
    }
    pipeline = pipelines.get(task, "text-generation")
    given = file if medium else prompt
    if task in calls:
        verb, call = calls[task]
        command = f"autogpt {verb} --model {shlex.quote(reference)} {shlex.quote(given)}"
    else:
        call = f"generate({_literal(prompt)}, max_tokens=100, seed=0).text"
        command = f"autogpt generate {shlex.quote(reference)} {shlex.quote(prompt)}"
    name = "gpt" if pipeline == "text-generation" else "model"
    python = f"import autogpt\n\n{name} = autogpt.load({_literal(reference)})\nprint({name}.{call})"
    if medium or not alone:
        return Usage(pipeline=pipeline, library="autogpt", command=command, python=python)
    form = _HUB_HEAD if task in ("classify", "tag") else _HUB_TEXT
    other = form.format(prompt=_literal(prompt), pipeline=_literal(pipeline))
    return Usage(
        pipeline=pipeline, library="transformers", command=command, python=python, other=other
    )


def _literal(text: str) -> str:
    """Return ``text`` as a Python literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)
