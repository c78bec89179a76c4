"""Sentences in which somebody speaks of harming themselves, or urges another to.

Patterns, not a model: there is no data for one here. They look for the first person ("I want to
die"), so that novels' titles, news and prevention are left alone, and they miss what is said
otherwise. The answer is help (``answers``), whatever the reason for the words was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autogpt.safety.normalize import Normalized, normalize
from autogpt.safety.prefilter import Prefiltered
from autogpt.safety.spans import Span

__all__ = ["PATTERNS", "find_self_harm"]

_OWN = re.compile(
    r"""(?ix)
    \b(?:i|i'm|im|i\ am|i've|i'll|me)\b[^.!?\n]{0,60}?\b(?:
        (?:kill|hang|drown|shoot|poison|harm|hurt|cut|starve)(?:ing)?\ my\s?self
        | (?:end|take|ending|taking)\ (?:my\ (?:own\ )?life|it\ all)
        | suicid(?:e|al) | overdos(?:e|ing)
        | (?:want|wish|going|ready|plan(?:ning)?|like|rather)\ to
          \ (?:die|be\ dead|disappear\ forever)
        | wish\ i\ (?:was|were)\ (?:dead|never\ born)
        | (?:don'?t|do\ not)\ want\ to\ (?:live|be\ alive|wake\ up)\b
        | (?:no|any)\ reason\ to\ (?:live|go\ on) | better\ off\ (?:dead|without\ me)
    )
    | \b(?:how|ways?|method|painless\w*)\b[^.!?\n]{0,40}\b(?:
        kill(?:ing)?\ my\s?self | commit(?:ting)?\ suicide | end(?:ing)?\ my\ (?:own\ )?life
        | hang(?:ing)?\ my\s?self | overdose\ on )
    | \bkms\b
    """
)
# Texts come with look-alikes folded, so must the letters of patterns be.
_OWN_OTHER = re.compile(
    normalize(
        r"我(?:真的|好|很|已经|只|就|也|都|现在|有时|经常|总)*(?:不)?(?:想|要|准备|打算|决定|宁愿)(?:要|去)?"
        r"(?:自杀|死(?!机|记|磕|忠|心|党)|去死|轻生|自残|割腕|跳楼|上吊|了结|离开这个世界"
        r"|结束(?:自己|我)?的?生命)"
        r"|(?:我|自己)[^。!?\n]{0,12}"
        r"(?:不想活|活不下去|想不开|没有活下去|想自杀|想轻生|想割腕|想跳楼|想自残)"
        r"|(?:不想活了|活着没(?:有)?(?:意思|意义)|活着真累)"
        r"|(?:怎么|如何|怎样|哪种)[^。!?\n]{0,8}(?:自杀|无痛(?:苦)?死|割腕)"
        r"|(?i:\bich\b[^.!?\n]{0,40}\b(?:sterben|umbringen|nicht mehr leben|tot sein)\b)"
        r"|(?i:\bje\b[^.!?\n]{0,40}\b(?:mourir|me suicider|me tuer|en finir|plus vivre)\b)"
        r"|(?i:\bquiero\b[^.!?\n]{0,24}\b(?:morir|morirme|suicidarme|matarme)\b)"
        r"|(?i:\bquero\b[^.!?\n]{0,24}\b(?:morrer|me matar|me suicidar)\b)"
        r"|(?i:\bvoglio\b[^.!?\n]{0,24}\b(?:morire|uccidermi|suicidarmi|farla finita)\b)"
        r"|死にたい|自殺したい|消えてしまいたい|죽고 ?싶|자살하고 ?싶"
        r"|хочу умереть|покончить с собой"
        r"|我想自殺|我不想活|我想結束"
    ).text
)

_URGED = re.compile(
    r"(?i)\b(?:go|just|please|should|must|to)\b[^.!?\n]{0,16}"
    r"\b(?:kill|hang|hurt|cut) your\s?sel(?:f|ves)\b"
    r"|\bkill yourself\b|\bkys\b|\byou should (?:die|just die|end it)\b|\bdrink bleach\b"
    r"|你(?:快|就|还|怎么还|为什么)*(?:不|该|应该|可以)?(?:去死|自杀吧|去自杀|去跳楼)"
)


# What each match holds: much faster to look for than to try the patterns.
_HARMS = ("kill", "hang", "drown", "shoot", "poison", "harm", "hurt", "cut", "starve")
_ENDS = ("end", "ending", "take", "taking")
_OWN_LITERALS = (
    *(f"{verb}{ing} my" for verb in _HARMS for ing in ("", "ing")),
    *(f"{verb} {what}" for verb in _ENDS for what in ("my life", "my own life", "it all")),
    *("suicid", "overdos", "to die", "to be dead", "to disappear forever", "wish i was"),
    *("wish i were", "want to live", "want to be alive", "want to wake up", "reason to live"),
    *("reason to go on", "better off dead", "better off without me", "kms"),
)
_OWN_OTHER_LITERALS = tuple(
    normalize(
        "想死|要死|备死|算死|定死|愿死|去死|自杀|轻生|自残|割腕|跳楼|上吊|了结|离开这个世界|生命"
        "|不想活|活不下去|活下去|想不开|活着没|活着真累|无痛|自殺|想結束"
        "|sterben|umbringen|nicht mehr leben|tot sein|mourir|me suicider|me tuer|en finir"
        "|plus vivre|morir|suicidarme|matarme|morrer|me matar|me suicidar|uccidermi|suicidarmi"
        "|farla finita|死にたい|消えてしまいたい|죽고|자살하고|хочу умереть|покончить с собой"
    ).text.split("|")
)
_URGED_LITERALS = (
    *("kill your", "hang your", "hurt your", "cut your", "kys", "you should ", "drink bleach"),
    *("去死", "自杀吧", "去自杀", "去跳楼"),
)
PATTERNS: tuple[tuple[str, Prefiltered], ...] = (
    ("self_harm", Prefiltered(_OWN, required=_OWN_LITERALS)),
    ("self_harm", Prefiltered(_OWN_OTHER, required=_OWN_OTHER_LITERALS)),
    ("encouragement", Prefiltered(_URGED, required=_URGED_LITERALS)),
)
"""The category of each pattern."""


def find_self_harm(read: Normalized) -> Iterator[Span]:
    """Yield ``self_harm`` where someone speaks of it, ``encouragement`` where it is urged."""
    for category, pattern in PATTERNS:
        for match in pattern.finditer(read.text, read.lower):
            yield read.span(category, *match.span())
