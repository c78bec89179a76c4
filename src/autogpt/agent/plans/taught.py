"""What a model that was taught a task makes of one file: its words, its translation, its label.

None of these is ever verified: no code knows whether a sound was heard right. What code does know
is told: which numbers and addresses a translation lost, how sure a label is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Goal, Plan, Template, Use
from autogpt.agent.plans.serving import models_named, models_of
from autogpt.agent.plans.texts import named_files
from autogpt.agent.plans.writing import said, save
from autogpt.data.pictures import PICTURES
from autogpt.data.sounds import SOUNDS
from autogpt.tasks.language import NAMES

__all__ = ["RECOGNIZE", "TRANSCRIBE", "TRANSLATE"]

_HEARD = re.compile(
    r"\b(?:transcribe|transcript|write (?:down|out) what)\b"
    r"|\bwhat (?:is|was|does|do)\b[^.?]*\bsa(?:id|y)\b"
    r"|转写|听写|转成文字|转为文字|听录|说了什么|讲了什么",
    re.IGNORECASE,
)
_SEEN = re.compile(
    r"\b(?:recogni[sz]e|identify|which (?:digit|label|kind))\b"
    r"|\bwhat (?:is|does)\b[^.?]*\b(?:show|in|on)\b"
    r"|识别|辨认|认出|是什么|画的",
    re.IGNORECASE,
)
_TRANSLATED = re.compile(r"\btranslat(?:e|ion)\b|翻译|译成|译为", re.IGNORECASE)
_TEXTS = (".txt", ".md", ".rst")
_MOST_LINES = 100_000
_LISTENER = "whisper-base"
_ENGLISH = """
transcribe transcript write down out said recording sound audio spoken with into text model using
recognize recognise identify picture image photo shown label translate translation language
"""
_CHINESE = """
转写成 转写 听写 转成文字 转为文字 录音 语音 音频 模型 识别 辨认 认出 图片 照片 图像
翻译成 翻译为 翻译 译成 译为 译文 成 文字
"""
_SAID = (*_ENGLISH.split(), *_CHINESE.split())


def _one_of(goal: Goal, suffixes: Sequence[str]) -> list[str]:
    """Return the files of a kind that a goal names."""
    return [path for path in named_files(goal) if path.lower().endswith(tuple(suffixes))]


def _languages(goal: Goal) -> dict[str, str]:
    """Return the words of a goal that name a language, and the code of each."""
    found = {}
    for code, (english, chinese) in NAMES.items():
        for name in (english, chinese, chinese.replace("语", "文")):
            at = words.find_name(name, goal.text) if name.isascii() else goal.text.find(name)
            if at is not None and at != -1:
                found[name] = code
    return found


def _model(goal: Goal) -> Choose:
    return Choose("Which model?", models_of(goal), models_named(goal), "model")


def _hear(goal: Goal) -> Plan:
    sounds = _one_of(goal, SOUNDS)
    path = yield Choose(
        "Which sound?", goal.of(*SOUNDS), sounds if len(sounds) == 1 else (), "sound"
    )
    named = models_named(goal)
    model = named[0] if len(named) == 1 else _LISTENER
    result = yield Use("transcribe_file", {"path": path.option, "model": model})
    if not result.ok:
        raise GaveUpError(str(result.value))
    answer = str(result.value["text"])
    for target in outputs(goal.text):
        answer = yield from save(goal, target, answer, ["text"], [[answer]])
    note = (
        f"（{model} 听写，没有人对照过录音。）"
        if goal.chinese
        else f"(Heard by {model}; nobody held it against the sound.)"
    )
    return Answer(
        text=f"{answer}\n{note}", slots=[path], covers=[path.option, model, *_names(path.option)]
    )


def _see(goal: Goal) -> Plan:
    seen = [*PICTURES, *SOUNDS]
    named = _one_of(goal, seen)
    path = yield Choose("Which file?", goal.of(*seen), named if len(named) == 1 else (), "file")
    model = yield _model(goal)
    result = yield Use("recognize_file", {"path": path.option, "model": model.option})
    if not result.ok:
        raise GaveUpError(str(result.value))
    label = str(result.value["label"])
    sure = float(result.value["probabilities"][label])
    answer = f"{label} ({sure:.0%})"
    for target in outputs(goal.text):
        rows = [[path.option, label, round(sure, 4)]]
        answer = yield from save(goal, target, answer, ["file", "label", "probability"], rows)
    return Answer(
        text=answer,
        slots=[path, model],
        covers=[path.option, model.option, *_names(path.option)],
        meets=["confidence", "names"],
        confidence=sure,
    )


def _translate(goal: Goal) -> Plan:
    named = _one_of(goal, _TEXTS)
    path = yield Choose("Which text?", goal.of(*_TEXTS), named if len(named) == 1 else (), "text")
    spoken = _languages(goal)
    codes = list(dict.fromkeys(spoken.values()))
    to = yield Choose("Into which language?", codes, codes if len(codes) == 1 else (), "language")
    model = yield _model(goal)
    asked = {"to": to.option, "model": model.option}
    targets = outputs(goal.text)
    if targets:
        aim = {"path": path.option, "out": targets[0], **asked}
        result = yield Use("translate_file", aim)
    else:
        read = yield Use("read_file", {"path": path.option, "lines": _MOST_LINES})
        if not read.ok:
            raise GaveUpError(str(read.value))
        result = yield Use("translate_text", {"text": str(read.value["text"]), **asked})
    if not result.ok:
        raise GaveUpError(str(result.value))
    answer = str(result.value.get("text") or said(targets[0], chinese=goal.chinese))
    return Answer(
        text=f"{answer}\n{_lost(goal, result.value['lost'], result.value['doubtful'])}",
        slots=[path, to, model],
        covers=[path.option, model.option, *spoken, *_names(path.option)],
    )


def _lost(goal: Goal, lost: Sequence[str], doubtful: Sequence[str]) -> str:
    """Return what is known of a translation that no reader has seen."""
    if goal.chinese:
        told = (
            f"（译文里缺：{'、'.join(lost)}。）"
            if lost
            else "（数字和网址都保留了；译文没有人校对。）"
        )
        return f"{told}\n（存疑的句子：{len(doubtful)}。）" if doubtful else told
    told = (
        f"(Not in the translation: {', '.join(lost)}.)"
        if lost
        else "(Numbers and addresses were kept; nobody read the rest.)"
    )
    return f"{told}\n(Doubtful sentences: {len(doubtful)}.)" if doubtful else told


def _names(path: str) -> list[str]:
    name = path.rsplit("/", 1)[-1]
    return [*_SAID, name, name.rsplit(".", 1)[0]]


def _has_model(goal: Goal) -> bool:
    return len(models_named(goal)) == 1


TRANSCRIBE = Template(
    name="transcribe",
    about="Write down what is said in a sound.",
    fits=lambda goal: 0.9 if _HEARD.search(goal.text) and _one_of(goal, SOUNDS) else 0.0,
    plan=_hear,
    needs=("transcribe_file", "write_file"),
)
RECOGNIZE = Template(
    name="recognize",
    about="Say what a picture or a sound is, with a model that was taught to.",
    fits=lambda goal: (
        0.88
        if _SEEN.search(goal.text) and _one_of(goal, [*PICTURES, *SOUNDS]) and _has_model(goal)
        else 0.0
    ),
    plan=_see,
    needs=("recognize_file", "write_file"),
)
TRANSLATE = Template(
    name="translate",
    about="Translate a text with a model that was taught to.",
    fits=lambda goal: (
        0.9
        if _TRANSLATED.search(goal.text)
        and _one_of(goal, _TEXTS)
        and _languages(goal)
        and _has_model(goal)
        else 0.0
    ),
    plan=_translate,
    needs=("read_file", "translate_text", "translate_file"),
)
