"""Attempts to take a model over: jailbreaks by a user, instructions inside a document.

A linear classifier over hashed n-grams and rules for the plainest wordings in fourteen languages,
both applied to the text and to its decoded views (``views``). What a user writes is scored in
windows of 1,200 characters (category ``jailbreak``); what nobody wrote for the model, sentence by
sentence (``injection``). They know wordings, not intent: who asks politely and plausibly gets
through. Rates, and what gets through: docs/safety.md.

Sources: Shen et al. 2024, "Do Anything Now" (in-the-wild jailbreaks); Greshake et al. 2023, "Not
what you've signed up for" (indirect injection).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autogpt.safety.classifier import load_classifier
from autogpt.safety.normalize import Normalized, normalize
from autogpt.safety.prefilter import Prefiltered
from autogpt.safety.sentences import pieces
from autogpt.safety.spans import Span
from autogpt.safety.views import views

__all__ = ["RULES", "score_injection", "score_texts"]

_WINDOW = 1200
_SENTENCE = 300
_RULE_SCORE = 0.98
_SLIGHT = 0.01  # a score that no policy asks about
_FEW_CHARS = 24  # of a text; what fewer say is weak evidence


def _rule(prefixes: str, pattern: str, required: str = "") -> Prefiltered:
    """Return a rule; literals are parted by "|" and in lower case.

    Texts come with look-alikes folded, so must the rules' letters be; syntax is ASCII and stays.
    """
    prefixes, pattern, required = (normalize(each).text for each in (prefixes, pattern, required))
    return Prefiltered(
        re.compile(pattern),
        prefixes=tuple(prefixes.split("|")),
        required=tuple(required.split("|")) if required else (),
    )


RULES: tuple[Prefiltered, ...] = (
    _rule(
        "ignor|disregard|forget|override|bypass|neglect|overlook|drop|discard|skip|stop following"
        "|do not follow|don't follow|dont follow|pay no attention to",
        r"(?i)(?<!never )(?<!not )(?<!n't )"
        r"\b(?:ignor(?:e|ing)|disregard|forget|override|bypass|neglect|overlook|drop|discard|skip"
        r"|stop following|do not follow|don'?t follow|pay no attention to)\b\W+(?:\w+\W+){0,5}?"
        r"(?:previous|prior|above|preceding|earlier|foregoing|original|initial|system|existing"
        r"|(?:you|i|they)(?:'ve| have| were| had)?(?: been)? (?:given|told)|your|safety|content)"
        r"\W+(?:\w+\W+){0,3}?"
        r"(?:instruction|prompt|directive|guideline|rule|command|polic(?:y|ies)|restriction|context"
        r"|programming|training)s?\b",
        "instruction|prompt|directive|guideline|rule|command|polic|restriction|context"
        "|programming|training",
    ),
    _rule(
        "reveal|print|show|repeat|output|display|leak|tell me|give me|expose|dump|share",
        r"(?i)\b(?:reveal|print|show|repeat|output|display|leak|tell me|give me|expose|dump|share)"
        r"\b\W+(?:\w+\W+){0,4}?(?:your|the|hidden)\W+(?:\w+\W+){0,2}?"
        r"(?:system|initial|hidden|original|secret|developer)\W+(?:prompt|instruction|message)s?\b",
        "prompt|instruction|message",
    ),
    _rule("do anything now", r"(?i)\bdo anything now\b"),
    _rule("dan mode", r"(?i)\bDAN mode\b"),
    _rule("jailbr", r"(?i)\bjailbr(?:eak|oken)\b.{0,30}\bmode\b", "mode"),
    _rule(
        "developer mode|god mode|sudo mode|unrestricted mode|unfiltered mode",
        r"(?i)\b(?:developer|god|sudo|unrestricted|unfiltered) mode"
        r" (?:is )?(?:now )?(?:enabled|activated|on(?!\s+\w))\b",
    ),
    _rule(
        "enter|activate|enable|switch to",
        r"(?i)\b(?:enter|activate|enable|switch to)\W+(?:\w+\W+){0,2}?"
        r"(?:developer|god|dan|unrestricted|unfiltered) mode\b(?!\W+(?:on|in|for|of)\b)",
        "developer mode|god mode|dan mode|unrestricted mode|unfiltered mode",
    ),
    _rule(
        "you are",
        r"(?i)\byou are (?:now )?(?:\w+\W+){0,6}?"
        r"(?:free of|without|no longer bound by|not bound by)"
        r"\W+(?:\w+\W+){0,3}?(?:restriction|limit|rule|filter|guideline|ethic|polic)\w*",
        "free of|without|bound by",
    ),
    _rule(
        "<",
        r"(?i)<\|?(?:im_start|system|start_header_id)\|?>\W*system",
        "system",
    ),
    _rule("[inst]|[/inst]|<<sys>>|<</sys>>", r"(?i)\[/?INST\]|<</?SYS>>"),
    _rule(
        "忽略|无视|忽视|忘记|忘掉|不要理会|不用管|别管|抛弃|放弃|跳过|覆盖",
        "(?:忽略|无视|忽视|忘记|忘掉|不要理会|不用管|别管|抛弃|放弃|跳过|覆盖)[^。！？\n]{0,12}"
        "(?:之前|以上|上面|前面|先前|此前|所有|全部|原有|系统|一切|你的|收到)[^。！？\n]{0,10}"
        "(?:指令|指示|提示|规则|命令|要求|设定|限制|说明|内容|约束)",
        "指令|指示|提示|规则|命令|要求|设定|限制|说明|内容|约束",
    ),
    _rule(
        "输出|显示|告诉我|泄露|透露|打印|重复|公开",
        "(?:输出|显示|告诉我|泄露|透露|打印|重复|公开)[^。！？\n]{0,8}"
        "(?:系统提示|系统指令|初始指令|隐藏指令|提示词)",
        "系统提示|系统指令|初始指令|隐藏指令|提示词",
    ),
    _rule("越狱模式|无限制模式|上帝模式", "(?:越狱|无限制|上帝)模式"),
    _rule(  # not a phone's
        "你|您|进入|启用|激活|切换到",
        "(?:[你您][^。！？\n]{0,8}|(?:进入|启用|激活|切换到)(?:了)?)开发者模式(?![^。！\n]{0,8}[？?])",
        "开发者模式",
    ),
    _rule(
        "没有|不受",
        "(?:没有|不受)(?:任何)?(?:道德|伦理|限制|规则|约束)[^。！？\n]{0,6}"
        "(?:的)?(?:AI|人工智能|助手|模型|机器人)",
        "道德|伦理|限制|规则|约束",
    ),
    _rule("忽略", "忽略[^。！？\n]{0,8}(?:指令|提示)", "指令|提示"),
    _rule("無視", "無視[^。！？\n]{0,10}(?:指令|指示|規則)", "指令|指示|規則"),
    # ja, ko
    _rule(
        "以前|これまで|上記|前|全て|すべて",
        "(?:以前|これまで|上記|前|全て|すべて)の?[^。\n]{0,8}"
        "(?:指示|命令|ルール|プロンプト)[^。\n]{0,6}(?:無視|忘れ)",
        "無視|忘れ",
    ),
    _rule(
        "이전|위|모든|앞선",
        "(?:이전|위의?|모든|앞선)[^.\n]{0,12}(?:지시|명령|지침|규칙|프롬프트)[^.\n]{0,8}(?:무시|잊)",
        "무시|잊",
    ),
    # es, pt, it, fr, de, nl, pl, tr, ru, ar, hi, vi, id
    _rule(
        "ignora|olvida|esquec|desconsidere|dimentica|oublie|ignorez|ignores|ne tiens pas compte"
        "|ignorier|vergiss|vergessen|missachte|negeer|vergeet|zignoruj|zapomnij|abaikan|lupakan"
        "|bo qua|quen",
        r"(?i)\b(?:ignora|olvida|esqueca|esquece|desconsidere|dimentica|oublie[zs]?|ignorez|ignores|"
        r"ne tiens pas compte|ignorier\w*|vergiss|vergessen|missachte\w*|negeer|vergeet|zignoruj|"
        r"zapomnij|abaikan|lupakan|bo qua|quen)\b[^.!?\n]{0,40}\b"
        r"(?:instru\w+|indicacion\w*|ordenes|reglas|regras|istruzion\w*|regole|consignes|regles|"
        r"anweisung\w*|befehle|regeln|vorgaben|instructies|regels|opdrachten|instrukcj\w*|"
        r"polecen\w*|instruksi|perintah|huong dan|chi dan|lenh)\b",
        "instru|indicacion|ordenes|reglas|regras|istruzion|regole|consignes|regles|anweisung"
        "|befehle|regeln|vorgaben|regels|opdrachten|polecen|perintah|huong dan|chi dan|lenh",
    ),
    _rule(
        "ignore",
        r"(?i)\bignore\b[^.!?\n]{0,24}"
        r"\b(?:instructions? (?:prec|ant)|instrucoes|consignes|regles)\w*",
        "instruction|instrucoes|consignes|regles",
    ),
    _rule(
        "talimat|kural",
        r"(?i)\b(?:talimat|kural)\w*[^.!?\n]{0,30}\b(?:yok say|unut|gormezden gel)\w*",
        "yok say|unut|gormezden gel",
    ),
    _rule(
        "игнорируй|забудь|проигнорируй",
        "(?i)(?:игнорируй|игнорируйте|забудь|забудьте|проигнорируй)"
        "[^.!?\n]{0,40}(?:инструкци|указани|правил|команд)",
        "инструкци|указани|правил|команд",
    ),
    _rule(
        "تجاهل|انس",
        "(?:تجاهل|انس)[^.!?\n]{0,40}(?:التعليمات|الأوامر|القواعد)",
        "التعليمات|الأوامر|القواعد",
    ),
    _rule(
        "निर्देश|आदेश|नियम",
        "(?:निर्देश|आदेश|नियम)[^।\n]{0,30}(?:अनदेखा|नज़रअंदाज|भूल)",
    ),
)
"""The plainest wordings, each by itself."""


def score_texts(texts: Sequence[str]) -> list[float]:
    """Return the score of each normalized text, without its views."""
    if not texts:
        return []
    classifier = load_classifier("injection")
    found: list[float] = classifier.probabilities(texts)[:, 0].tolist()
    # Learned from long texts, it is as sure of two words ("You are") as of a page.
    scores = [
        score * min(1.0, len(text) / _FEW_CHARS) for score, text in zip(found, texts, strict=True)
    ]
    if not _has_rule("\n".join(texts)):  # nearly always, and much faster than one by one
        return scores
    return [
        max(score, _RULE_SCORE) if _has_rule(text) else score
        for text, score in zip(texts, scores, strict=True)
    ]


def _has_rule(text: str) -> bool:
    lower = text.lower()
    return any(rule.is_in(text, lower) for rule in RULES)


def score_injection(read: Normalized, *, by_sentence: bool) -> Iterator[Span]:
    """Yield parts of a text with their scores: the highest, and all that are not next to nothing.

    Args:
        read: The text.
        by_sentence: Whether the text is a document or a tool's result: then sentences are scored,
            else windows.
    """
    category = "injection" if by_sentence else "jailbreak"
    chars = _SENTENCE if by_sentence else _WINDOW
    parts = pieces(read.text, chars=chars, joined=not by_sentence, within=read.sentences)
    places = [(begin, end, read.text[begin:end]) for begin, end in parts]
    places += [
        (view.start, view.end, view.text[begin:end])
        for view in views(read.text, original=read.original)
        for begin, end in pieces(view.text, chars=_WINDOW)
    ]
    texts = list(dict.fromkeys(text for _, _, text in places))
    scores = dict(zip(texts, score_texts(texts), strict=True))
    highest = max(scores.values(), default=0.0)
    for begin, end, text in places:
        if scores[text] < min(_SLIGHT, highest):
            continue
        yield read.span(category, begin, end, score=scores[text])
