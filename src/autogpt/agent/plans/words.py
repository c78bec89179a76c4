"""The words that goals are made of, English and Chinese: operations, comparisons, names of things.

Everything here looks at text and decides nothing of the world. A name counts as named when all its
words stand together in the text, whatever their case, ending, and the marks between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autogpt.agent.tools.files import stem

__all__ = [
    "Comparison",
    "comparisons",
    "counted",
    "find_name",
    "is_chinese",
    "leftover",
    "named",
    "operation",
    "operations",
    "quoted",
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
_NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?"


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
    for operator, words in _COMPARE:
        for match in re.finditer(rf"(?:{words})\s*({_NUMBER})", text, re.IGNORECASE):
            if all(match.start() >= one.end or match.end() <= one.start for one in found):
                value = float(match[1].replace(",", ""))
                found.append(
                    Comparison(operator=operator, value=value, start=match.start(), end=match.end())
                )
    return sorted(found, key=lambda one: one.start)


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


# Words that every question may have, whatever it is about.
_ENGLISH = """
according living
people person persons staff members hello thanks put is
a an the of in on at to for from by per each every and or is are was were be been do does did
has have had with what which who whom whose when where how many much please tell me give show
list find get compute calculate work out determine return say name names number total sum
average mean median maximum minimum max min highest lowest largest smallest biggest greatest
most least fewest count counts altogether overall different distinct unique row rows record
records entry entries line lines column columns table tables file files data dataset csv tsv
json jsonl parquet sheet value values all any there this that these those it its them as into
write save store export put convert copy create make turn new called named answer result results
only just than more less over under above below between i we you my our us your can could would
want need know s up add so exactly if then also order ordered expensive cheap cheapest cost
costs old oldest young youngest top best worst not no one ones thing things item items belong
come comes came live lives lived sold sell sells earn earns earned works worked made makes got
gets placed bought buy buys contain contains containing having using use look print report
folder
"""
_CHINESE = """
叫 叫做 叫什么 存 存到
请问 人员 职员 员工 一篇 写到 写到了
请 帮我 帮忙 告诉 我们 我 你 您 把 将 的 了 是 在 有 和 与 及 中 里 里面 其中 内 表格 表 文件
数据 数据表 记录 行 条 个 笔 名 人 次 位 项 件 本 种 台 家 只 张 一共 总共 共 共有 总和 总额
总数 总计 总量 总 合计 求和 求 计算 算出 算 统计 一下 出 多少 几 什么 哪 哪个 哪些 哪位 哪一个
哪家 哪种 谁 为 每个 每 各个 各 按照 按 分别 平均 平均值 均值 最高 最低 最大 最小 最多 最少 最贵
最便宜 最长 最短 最大值 最小值 中位数 数量 不同 列出 找出 给出 给 查找 查 查询 显示 所有 全部
写入 写到 写进 保存 到 保存到 存 存为 导出 导出到 转换 转换成 转换为 转成 转为 成 结果 答案 并
然后 再 那 这 这个 那些 等于 大于 小于 超过 低于 高于 至少 不少于 不超过 属于 值 列 年 吗 呢 啊
想 知道 要 需要 能 可以 从 对 根据 以及 筛选 挑出 提取 订 订了 卖 卖了 卖出 买 买了 住 住在 挣
赚 拿 格式 新 文本 名称 名字 加起来 岁 元 块 钱 来自 都 第一 一 新的 一个 的话 之
"""
_HARMLESS = frozenset(map(stem, _ENGLISH.split()))
_HARMLESS_HAN = sorted(_CHINESE.split(), key=len, reverse=True)


def leftover(text: str, explained: Iterable[str]) -> list[str]:
    """Return the words of a text that nothing explains.

    Neither what was found in it, nor words that every question has. A question that holds one was
    perhaps not understood.

    Args:
        text: The text.
        explained: Names that stand in it for something: columns, values, files.
    """
    for part in sorted(set(explained), key=len, reverse=True):
        place = find_name(part, text)
        while place is not None:
            text = text[: place[0]] + " , " + text[place[1] :]
            place = find_name(part, text)
    for part in _HARMLESS_HAN:
        text = text.replace(part, " ")
    found = []
    for token in re.findall(r"[\u3400-\u9fff]+|[A-Za-z]+|\d+(?:\.\d+)?", text):
        if token.isascii() and stem(token.lower()) in _HARMLESS:
            continue
        found.append(token)
    return found


def without(text: str, parts: Iterable[str]) -> str:
    """Return a text without some parts of it."""
    for part in parts:
        text = text.replace(part, " ")
    return text
