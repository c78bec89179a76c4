"""The words that goals are made of, English and Chinese: operations, comparisons, names of things.

Everything here looks at text and decides nothing of the world. A name counts as named when all its
words stand together in the text, whatever their case, ending, and the marks between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from autogpt.agent.tools.files import stem

__all__ = [
    "Comparison",
    "comparisons",
    "counted",
    "find_name",
    "is_chinese",
    "named",
    "operation",
    "operations",
    "periods",
    "quoted",
    "small_number",
    "without",
]

_HAN = re.compile("[\u3400-\u9fff]")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[A-Za-z]+(?=[A-Z][a-z])|[A-Za-z]+|\d+(?:\.\d+)?")

# Asks for one of several; "what is the highest" asks for the height.
_ASKS = r"\b(?:which|who|what(?!\s+(?:is|was|are|were)\b))"
# The first that occurs decides; longer ones come first.
_OPERATIONS: tuple[tuple[str, str], ...] = (
    ("distinct", r"how many (?:different|distinct|unique)|number of (?:different|distinct|unique)|"
                 r"count (?:the )?(?:different|distinct|unique)|"
                 r"多少(?:种|个)?不同|几种|多少种|有几个不同"),
    ("argmax", _ASKS + r"\b[^?]*\b(?:highest|largest|biggest|greatest|most|maximum|"
               r"longest|oldest|best|top)\b|"
               r"(?:哪|谁)[^？?]*(?:最高|最大|最多|最贵|最长|最重|最好|最年长)|"
               r"(?:最高|最大|最多|最贵|最长|最重|最好|最年长)的?[^？?]{0,4}(?:哪|谁|叫什么)"),
    ("argmin", _ASKS + r"\b[^?]*\b(?:lowest|smallest|least|minimum|fewest|cheapest|"
               r"shortest|youngest|worst)\b|"
               r"(?:哪|谁)[^？?]*(?:最低|最小|最少|最便宜|最短|最轻|最年轻)|"
               r"(?:最低|最小|最少|最便宜|最短|最轻|最年轻)的?[^？?]{0,4}(?:哪|谁|叫什么)"),
    ("median", r"\bmedian\b|中位数"),
    ("mean", r"\b(?:average|mean)\b|平均"),
    ("max", r"\b(?:highest|largest|biggest|greatest|maximum|max|most expensive|longest|oldest)\b|"
            r"最高|最大|最贵|最长|最多"),
    ("min", r"\b(?:lowest|smallest|minimum|min|cheapest|least|shortest|youngest)\b|"
            r"最低|最小|最便宜|最短|最少"),
    ("sum", r"\b(?:total|sum|add up|altogether|overall)\b|"
            r"总(?:和|额|数|计|共|量)?|合计|求和|加起来"),
    ("count", r"\b(?:how many|number of|count)\b|"
              r"多少(?:个|条|行|人|次|笔|名|位|项|件|本|台|家|只|张)|"
              r"几(?:个|条|行|人|次|笔|名|位|项|件)|数量|行数|计数|统计"),
)  # fmt: skip
_PER = re.compile(
    r"\b(?:by|per|for each|for every|in each|of each|each)\s+(?:of\s+the\s+)?"
    r"|(?:每个?|各个?|按照?)",
    re.IGNORECASE,
)
_COMPARE: tuple[tuple[str, str], ...] = (
    (">=", r"at least|no less than|not less than|or more|>=|≥|"
           r"至少|不少于|不低于|大于等于|大于或等于"),
    ("<=", r"at most|no more than|not more than|up to|<=|≤|"
           r"至多|最多|不超过|不高于|小于等于|小于或等于"),
    (">", r"more than|greater than|larger than|higher than|over|above|exceed(?:s|ing)?|"
          r"older than|>|"
          r"大于|超过|高于|多于"),
    ("<", r"less than|fewer than|lower than|smaller than|under|below|younger than|<|"
          r"小于|低于|少于|不到"),
)  # fmt: skip
_SMALL = {
    one: number
    for number, one in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
_SMALL_HAN = {one: number for number, one in enumerate("零一二三四五六七八九十")} | {"两": 2}
_SPELLED = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten)\b|"
    r"[零一二两三四五六七八九十](?![\u3400-\u9fff]?[十百千万])"
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_PERIOD = re.compile(
    r"(?:\b(?P<how>before|after|since|until|till|from|in|on|during|earlier than|later than)\s+|"
    r"(?:早于|晚于|自|在)?)"
    r"(?:(?:(?P<day_name>\d{1,2})\s+)?(?P<month_name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|"
    r"apr(?:il)?|may|"
    r"june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|"
    r"dec(?:ember)?)\s+(?:of\s+)?)?"
    r"(?P<year>(?:19|20)\d\d)(?![\d.])(?:(?:-|年)(?P<month>\d{1,2})(?:(?:-|"
    r"月)(?P<day>\d{1,2})日?)?|年)?月?"
    r"(?P<after>以前|之前|以后|之后|起|前|后)?",
    re.IGNORECASE,
)
_NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?"


_BETWEEN = re.compile(
    rf"\bbetween\s+({_NUMBER})\s+and\s+({_NUMBER})|({_NUMBER})\s*(?:到|至|"
    rf"-)\s*({_NUMBER})(?:之间|岁)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A number that something is compared with.

    Attributes:
        operator: As in SQL.
        value: The number.
        start: Where it begins in the text.
        end: Where it ends.
    """

    operator: str
    value: float
    start: int
    end: int


def is_chinese(text: str) -> bool:
    """Whether a text is in Chinese, file names aside."""
    plain = re.sub(r"[\w\-./]+\.\w{2,7}", "", text, flags=re.ASCII)
    return 3 * len(_HAN.findall(plain)) >= max(1, len(re.findall("[A-Za-z]", plain)))


def operation(text: str) -> str | None:
    """Return what is to be worked out of a table, None if the text names nothing."""
    for name, pattern in _OPERATIONS:
        if re.search(pattern, text, re.IGNORECASE):
            return name
    return None


def comparisons(text: str) -> list[Comparison]:
    """Return the comparisons with numbers in a text."""
    found: list[Comparison] = []
    for match in _BETWEEN.finditer(text):
        low, high = (_value(one) for one in filter(None, match.groups()))
        middle = (match.start() + match.end()) // 2
        found += [
            Comparison(operator=">=", value=low, start=match.start(), end=middle),
            Comparison(operator="<=", value=high, start=middle, end=match.end()),
        ]
    for operator, words in _COMPARE:
        for match in re.finditer(rf"(?:{words})\s*({_NUMBER}|{_SPELLED})", text, re.IGNORECASE):
            if all(match.start() >= one.end or match.end() <= one.start for one in found):
                value = _value(match[1])
                found.append(
                    Comparison(operator=operator, value=value, start=match.start(), end=match.end())
                )
    return sorted(found, key=lambda one: one.start)


def small_number(text: str) -> int | None:
    """Return a number that is written in digits or as a word up to ten."""
    if text.isdigit():
        return int(text)
    spelled = _SMALL.get(text.lower())
    return spelled if spelled is not None else _SMALL_HAN.get(text)


def _value(text: str) -> float:
    small = small_number(text)
    return float(text.replace(",", "")) if small is None else float(small)


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Days that a text speaks of.

    Attributes:
        text: As it stands there.
        bounds: Operators and days, as in ``(">=", "2025-06-01")``; all of them hold.
    """

    text: str
    bounds: tuple[tuple[str, str], ...]


def periods(text: str) -> list[Period]:
    """Return the years, months and days that a text compares with, or asks for."""
    found = []
    for match in _PERIOD.finditer(text):
        how = (match["how"] or match["after"] or "in").lower()
        year = int(match["year"])
        name = (match["month_name"] or "")[:3].lower()
        month = _MONTHS.index(name) + 1 if name else int(match["month"] or 0)
        day = int(match["day"] or match["day_name"] or 0)
        begin = f"{year:04d}-{month or 1:02d}-{day or 1:02d}"
        if day:
            end = (date(year, month, day) + timedelta(days=1)).isoformat()
        elif month:
            end = f"{year + month // 12:04d}-{month % 12 + 1:02d}-01"
        else:
            end = f"{year + 1:04d}-01-01"
        if how in ("before", "earlier than", "早于", "以前", "之前", "前"):
            bounds: tuple[tuple[str, str], ...] = (("<", begin),)
        elif how in ("after", "later than", "晚于", "以后", "之后", "后"):
            bounds = ((">=", end),)
        elif how in ("since", "from", "自", "起"):
            bounds = ((">=", begin),)
        elif how in ("until", "till"):
            bounds = (("<", end),)
        else:
            bounds = ((">=", begin), ("<", end))
        found.append(Period(text=match[0].strip(), bounds=bounds))
    return found


def counted(text: str) -> str:
    """Return the words that follow "how many" and "number of", as far as the noun may reach."""
    match = re.search(
        r"\b(?:how many|number of|count (?:the|of|all))\s+((?:\w+[\s?]*){1,3})"
        r"|(?:多少|几)(?:个|条|行|人|次|笔|名|位|项|件|本|台|家|只|张)?([\u3400-\u9fff]{0,6})",
        text,
        re.IGNORECASE,
    )
    return "" if match is None else (match[1] or match[2] or "")


def operations(text: str) -> list[str]:
    """Return all operations that a text names."""
    return [name for name, pattern in _OPERATIONS if re.search(pattern, text, re.IGNORECASE)]


def per(text: str, names: Sequence[str]) -> str | None:
    """Return the name after "by", "per", "for each", "每个", "按"."""
    for match in _PER.finditer(text):
        rest = text[match.end() :]
        for name in sorted(names, key=len, reverse=True):
            place = find_name(name, rest)
            if place is not None and place[0] <= 1:
                return name
        short = [name for name in names if rest and _HAN.match(rest) and name[0] == rest[0]]
        if len(short) == 1 and match[0] in ("每", "每个", "各", "各个"):  # "各班" of 班级
            return short[0]
    return None


def named(names: Iterable[str], text: str) -> list[str]:
    """Return the names that a text names, in the order they stand in it.

    A part of a longer name that is named does not count.
    """
    found = [(place, name) for name in names if (place := find_name(name, text)) is not None]
    kept = [
        (place, name)
        for place, name in found
        if not any(
            other != place and other[0] <= place[0] and place[1] <= other[1] for other, _ in found
        )
    ]
    return [name for _, name in sorted(kept)]


def find_name(name: str, text: str) -> tuple[int, int] | None:
    """Return where a name stands in a text, None if it does not."""
    wanted = [stem(token.lower()) for token in _TOKEN.findall(name)]
    if not wanted:
        return None
    tokens = [(stem(match[0].lower()), match.span()) for match in _TOKEN.finditer(text)]
    for index in range(len(tokens) - len(wanted) + 1):
        some = tokens[index : index + len(wanted)]
        if [token for token, _ in some] == wanted:
            return some[0][1][0], some[-1][1][1]
    return None


def quoted(text: str) -> list[str]:
    """Return what stands in quotation marks."""
    pattern = r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|‘([^’]+)’|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`"
    return [next(filter(None, groups)) for groups in re.findall(pattern, text)]


def without(text: str, parts: Iterable[str]) -> str:
    """Return a text without some parts of it."""
    for part in parts:
        text = text.replace(part, " ")
    return text
