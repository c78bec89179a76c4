"""Texts that a pattern matches, at random: each way through it comes up soon."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]  # the standard library's own

SOME = "aZz50 _,.-\n中é"
_CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w", "NOT_DIGIT": r"\D"}
_CATEGORIES |= {"NOT_SPACE": r"\S", "NOT_WORD": r"\W"}
_Parts = list[tuple[object, object]]


def some_match(pattern: re.Pattern[str], chance: random.Random) -> str:
    """Return a text that the pattern matches, but for what it asks of its surroundings."""
    return _written(_parsed(pattern), chance)


@lru_cache(maxsize=1)
def _parsed(pattern: re.Pattern[str]) -> _Parts:
    return list(_parser.parse(pattern.pattern, pattern.flags))


def _written(parts: _Parts, chance: random.Random) -> str:
    return "".join(_one(str(kind), value, chance) for kind, value in parts)


def _one(kind: str, value: object, chance: random.Random) -> str:
    match kind, value:
        case "LITERAL", int(code):
            return chr(code)
        case "IN", list(allowed):
            own = SOME + "".join(map(chr, _codes(allowed)))
            return chance.choice([each for each in own if _holds(allowed, each)])
        case "BRANCH", (_, branches):
            return _written(chance.choice(branches), chance)
        case "SUBPATTERN", (_, _, _, parts):
            return _written(parts, chance)
        case (("MAX_REPEAT" | "MIN_REPEAT"), (int(least), most, parts)):
            often = chance.randint(least, min(int(most), least + 3))
            return "".join(_written(parts, chance) for _ in range(often))
        case (("ANY" | "NOT_LITERAL" | "GROUPREF"), _):
            return chance.choice(SOME)
        case (("AT" | "ASSERT" | "ASSERT_NOT"), _):
            return ""
    raise NotImplementedError(kind)


def _codes(allowed: _Parts) -> list[int]:
    codes: list[int] = []
    for kind, value in allowed:
        if str(kind) in ("LITERAL", "RANGE"):
            codes += value if isinstance(value, tuple) else [value]
    return codes


def _holds(allowed: _Parts, each: str) -> bool:
    found = False
    for kind, value in allowed:
        match str(kind), value:
            case "LITERAL", code:
                found |= ord(each) == code
            case "RANGE", (first, last):
                found |= first <= ord(each) <= last
            case "CATEGORY", name:
                found |= bool(re.match(_CATEGORIES[str(name).removeprefix("CATEGORY_")], each))
    return found != (str(allowed[0][0]) == "NEGATE")
