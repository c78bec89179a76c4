"""What a goal's words demand, as checks: files to be written, metrics to be reached.

And the checks that a user writes on the command line.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from autogpt.agent.checks import Check, Command, FileParses, Metric, Quote, Schema
from autogpt.agent.tools.folder import Folder
from autogpt.core.errors import UsageError

__all__ = ["REACHED", "demanded", "outputs", "parse_check"]

_SUFFIX = r"(?:csv|tsv|jsonl|json|txt|md|parquet|html|toml|xml|yaml|yml)(?![\w])"
_PATH = rf"[\w\-./\u3400-\u9fff]*[\w\-\u3400-\u9fff]\.{_SUFFIX}"
_WRITTEN = re.compile(
    rf"\b(?:write|save|store|export|put|convert|turn|output|create|make|copy|sort|split|transcribe"
    rf"|translate)\b"
    rf"(?:[^.\n]|\.(?=\w))*?\b(?:to|into|as|called|named|file)\s+[`'\"]?({_PATH})"
    rf"|(?:写入|写到|写进|保存到|保存为|保存成|保存至|保存在|存为|存成|存到|存入|存进|导出到|导出为|导出成|输出到|转换为|转换成|转换到"
    rf"|转为|转成|转存为|另存为|复制成|复制到|复制为|拷贝到|拷贝成|备份到|备份为|转写成|转写到|听写成|翻译成|翻译到|译成|生成)(?:一个)?(?:新的?)?(?:文件)?(?:名为)?\s*[`'\"“《]?({_PATH})",
    re.IGNORECASE | re.ASCII,
)
_WRITTEN_IN = re.compile(
    rf"\b(?:write|save|store|put)\b[^\n]*{_SUFFIX}[^\n]*\bin\s+[`'\"]?({_PATH})",
    re.IGNORECASE | re.ASCII,
)
REACHED = re.compile(
    r"(?:at least|>=|above|over|minimum of|不低于|至少|达到|超过)"
    r"\s*(\d+(?:\.\d+)?)\s*(%|percent|％)?"
    r"\s*(?:的)?(accuracy|macro[- ]?f1|准确率|正确率)"
    r"|(accuracy|macro[- ]?f1|准确率|正确率)[^.。\n]{0,20}?"
    r"(?:at least|>=|above|over|不低于|至少|达到|超过)\s*(\d+(?:\.\d+)?)\s*(%|percent|％)?",
    re.IGNORECASE,
)


def outputs(goal: str) -> list[str]:
    """Return the files that a goal wants written, in the order it names them."""
    found = [one or other for one, other in _WRITTEN.findall(goal)]
    found = found or _WRITTEN_IN.findall(goal)  # "save the rows of a.csv in b.csv"
    return list(dict.fromkeys(path.removeprefix("./") for path in found))


def demanded(goal: str, folder: Folder) -> list[Check]:
    """Return what a goal's words demand: files that it wants written, metrics that it names."""
    checks: list[Check] = [
        FileParses(path=path, was=folder.sha256(path) or "", speaks=False) for path in outputs(goal)
    ]
    for match in REACHED.finditer(goal):
        number, percent = match[1] or match[5], match[2] or match[6]
        value = float(number)
        share = value / 100 if percent or value > 1 else value
        spelled = (match[3] or match[4]).lower()
        name = "macro_f1" if "f1" in spelled else "accuracy"
        checks.append(Metric(name=name, at_least=share))
    return checks


def parse_check(text: str) -> Check:
    """Return the check that a user wrote on the command line.

    ``file:out.json``, ``command:python test.py``, ``metric:accuracy>=0.8``,
    ``schema:out.json=schema.json`` (one in place begins with ``{``), ``quote:notes.txt=words``.

    Raises:
        UsageError: If it is none of these.
    """
    kind, _, rest = text.partition(":")
    first, _, second = rest.partition("=")
    if kind == "file" and rest:
        return FileParses(path=rest)
    if kind == "command" and rest:
        return Command(command=rest)
    if kind == "metric" and ">=" in rest:
        name, _, value = rest.partition(">=")
        try:
            return Metric(name=name.strip(), at_least=float(value))
        except ValueError as error:
            raise UsageError(f"{value!r} in --check {text!r} is not a number.") from error
    if kind == "schema" and second:
        try:
            source = second if second.startswith("{") else Path(second).read_text("utf-8")
            return Schema(path=first, schema=json.loads(source))
        except (OSError, ValueError) as error:
            raise UsageError(f"The schema in --check {text!r} cannot be read: {error}.") from error
    if kind == "quote" and second:
        return Quote(path=first, quote=second)
    raise UsageError(
        f"--check is {text!r}.",
        hint="Write file:PATH, command:CMD, metric:NAME>=X, schema:PATH=SCHEMA or quote:PATH=TEXT.",
    )
