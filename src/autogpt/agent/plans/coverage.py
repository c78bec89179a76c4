"""Whether what was checked is all that was asked: every word of a goal is accounted for, or named.

A plan says which words of the goal it used (columns, values, conditions, what it looked for) and
which *asks* its answer meets (names, a number, the highest, an order). What then is left of the
goal beside words without meaning of their own ("the", "please", "的") was not understood, and an
answer that leaves something out is not verified, however right the rest is. So the lists here are
lists of what may be *passed over*: a word that they lack costs a "verified", never a truth.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from autogpt.agent.checks import Checked, Scene
from autogpt.agent.demands import outputs
from autogpt.agent.plans import words
from autogpt.agent.tools.files import stem

__all__ = ["ASKS", "Covered", "asked_twice", "asks", "uncovered"]

ASKS: tuple[tuple[str, str], ...] = (
    ("share", r"\b(?:percent(?:age)?|share|fraction|proportion|ratio)(?: of)?\b|[%％]|"
              r"百分之几|百分比|百分之多少|占比|比例|几成"),
    ("order", r"\b(?:rank(?:ed|ing)?|sort(?:ed)?|order(?:ed)? by|in (?:\w+ )?order|ascending|"
          r"descending|"
              r"(?:highest|lowest|largest|smallest|biggest|oldest|youngest|best|most|least)"
              r"(?: (?:first|to (?:the )?\w+))|top|bottom|first|last|leading)\b|"
              r"排(?:名|序|列|好|一下|个)?|从[高大多低小少]到[高大多低小少]|升序|降序|顺序|"
              r"由[高大多低小少]到[高大多低小少]|倒数"),
    ("distinct", r"\b(?:different|distinct|unique)\b|不同|几种|多少种|几类|多少类"),
    ("median", r"\bmedian\b|中位数"),
    ("mean", r"\b(?:average|mean|on average)\b|平均(?:值|数)?|均值"),
    ("max", r"\b(?:highest|largest|biggest|greatest|maximum|max|most|longest|oldest|best|priciest|"
            r"heaviest|latest|tallest)\b|最[高大多贵长重好]|最年长|最大值|最晚"),
    ("min", r"\b(?:lowest|smallest|minimum|min|cheapest|least|fewest|shortest|youngest|worst|"
            r"lightest|earliest)\b|最[低小少短轻]|最便宜|最年轻|最小值|最早"),
    ("sum", r"\b(?:totals?|sum|add up|altogether|overall|combined|in all)\b|"
            r"总(?:和|额|数|计|共|量|分)?|合计|求和|加起来|一共|全部"),
    ("number", r"\bhow (?:many|much|often|long|old|far|high|big|tall)\b|\b(?:number|count|"
           r"amount) of\b|"
               r"\bcount\b|多少|几|个数|人数|行数|条数|次数|数量|统计"),
    ("names", r"\b(?:which|who|whom|whose|list|names?)\b|哪[些个位家种]?|谁|列出|名单|姓名|"
              r"叫什么|名字|名称"),
    ("when", r"\b(?:when|what time|what date|what day)\b|什么时候|何时|几点|哪天|哪一天|多久|"
             r"日期|时间"),
    ("where", r"\b(?:where)\b|哪里|哪儿|何处|什么地方|在哪"),
    ("why", r"\b(?:why|reasons?|explain|because|suggest|recommend|compare|analy[sz]e)\b|"
            r"为什么|为何|原因|解释|建议|分析|比较"),
    ("truth", r"(?:^|[.?!,;] )(?:and )?(?:is|are|does|do|did|was|were|has|have|can|"
              r"will)\b(?! (?:you|me)\b)|"
              r"是否|是不是|有没有|吗"),
    ("per", r"\b(?:by|per|for each|for every|in each|of each|in every|each|every)\b|每|各|按照?|"
        r"分别"),
    ("save", r"\b(?:write|save|store|export|put|convert|turn|output|create|make|copy)\b|"
             r"写入|写到|写进|保存|存(?:到|为|成|入|进|在)?|导出|输出|转换|转[为成存]|另存|生成"),
    ("confidence", r"\bhow (?:sure|certain|confident) (?:you are|are you|it is)\b|把握|多确定"),
)  # fmt: skip
"""Kind of what is asked for -> the words that ask for it."""

# Words that add nothing to what is asked. Negations, comparisons, "or", numbers are not among them.
_ENGLISH = """
a an the of in on at to for from with and as is are was were be been being am do does did has
have had can could would should may might will shall i you me my we us our your it its they them
their he she his her this that these those there here what how please tell give show find get
compute calculate work out determine figure see say says know want need let look up down
according into if then so also just all any some answer question result value file table csv tsv
json jsonl data dataset column row record entry folder hello hi thanks thank pick take use using
live lives living belong come came sold sell buy bought placed earn earned contain made make got
sheet document number it's what's who's there's which's s re ve ll d m ok now kind bring
"""
_PLAIN = frozenset(map(stem, _ENGLISH.split()))
_CHINESE = """
请问 请 帮我 帮忙 告诉 我们 我 你 您 把 将 的 了 是 在 有 和 与 及 中 里面 里
其中 内 表格 表 文件夹 文件 数据表 数据 记录 查找 查询 查 显示 找出 找到 找 给出 给
算出 计算 算 一下 出 什么 结果 答案 并且 并 然后 再 那么 那 这个 这 那些 等于 属于
值 列 年 呢 啊 想 知道 要 需要 能 可以 从 对 根据 以及 筛选 挑出 提取 得出 共 为
到 成 所有 都 会 也 该 个 条 行 笔 位 项 件 家 只 张 人 名 次 元 块 钱 岁 分
来自 里边 有关 关于 做 用 订了 订 卖了 卖出 卖 买了 买 住在 住 挣 赚 拿 考的 考
得 被 上 下 它 其 他 她 就 说 规定 怎么 怎样 如何 一个
"""
_PLAIN_HAN = sorted(_CHINESE.split(), key=len, reverse=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """All that a goal asks for is in what was checked.

    Attributes:
        goal: The words, or those of one part of them.
        covers: Parts of them that the plan accounts for.
        meets: Kinds of asks that its answer meets; ``many``: also several of one kind.
        left: Why nothing is looked for, where it is somebody else's to say what counts.
    """

    goal: str
    covers: tuple[str, ...]
    meets: frozenset[str]
    left: str = ""

    def run(self, scene: Scene) -> Checked:  # noqa: ARG002 - as of Check
        """Look for what is not accounted for."""
        name = "every part of the goal was checked"
        if self.left:
            return Checked(name=name, passed=True, detail=self.left, speaks=False)
        left = uncovered(self.goal, self.covers, self.meets)
        detail = f"Not checked: {'; '.join(left)}." if left else "nothing is left over"
        return Checked(name=name, passed=not left, detail=detail, speaks=False)


def uncovered(goal: str, covers: Iterable[str], meets: Collection[str]) -> list[str]:
    """Return what a goal asks for beside what is covered and met, in its own words."""
    targets = outputs(goal)
    text = goal
    for part in sorted({one for one in [*covers, *targets] if one}, key=len, reverse=True):
        text = _blank(text, part)
    found = []
    met = {*meets, *(["save"] if targets else [])}
    twice = [] if "many" in met else asked_twice(text)
    found += [f"a second {kind} ({words_})" for kind, words_ in twice]
    for kind, pattern in ASKS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            if kind not in met and match[0].strip():
                found.append(f"{_TOLD.get(kind, kind)} ({match[0].strip()})")
        text = re.sub(pattern, " , ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=\w)['’](?:s|re|ve|ll|d|m)\b", " ", text)
    for part in _PLAIN_HAN:
        text = text.replace(part, " ")
    for token in re.findall(r"[\u3400-\u9fff]+|[A-Za-z]+(?:['’]t\b)?|\d+(?:\.\d+)?", text):
        if not (token.isascii() and stem(token.lower()) in _PLAIN):
            found.append(token)
    return list(dict.fromkeys(found))


_TOLD = {
    "number": "a number",
    "truth": "yes or no",
    "save": "a file to be written",
    "why": "a reason or a judgement",
    "when": "a time",
    "where": "a place",
}
# Of these, a goal that asks twice asks for two things.
_ONCE = (
    "number",
    "names",
    "max",
    "min",
    "mean",
    "median",
    "sum",
    "share",
    "truth",
    "when",
    "where",
)


def asked_twice(text: str) -> list[tuple[str, str]]:
    """Return the kinds that are asked for in two clauses or more, with the words."""
    found = []
    parts = [one for one in re.split(r"[?？。；;，,]|\band\b|以及|和|并且", text) if one.strip()]
    for kind, pattern in ASKS:
        if kind in _ONCE:
            asked = [match[0] for one in parts if (match := re.search(pattern, one, re.IGNORECASE))]
            if len(asked) > 1:
                found.append((kind, asked[1].strip()))
    return found


def asks(text: str) -> set[str]:
    """Return the kinds of what a text asks for."""
    return {kind for kind, pattern in ASKS if re.search(pattern, text, re.IGNORECASE)}


def _blank(text: str, part: str) -> str:
    """Return a text without a part: as it stands there, else as a name in any case or number."""
    if not part.isascii() or not part[:1].isalnum() or not part[-1:].isalnum():
        return text.replace(part, " , ")
    text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])", " , ", text)
    place = words.find_name(part, text)
    while place is not None:
        text = text[: place[0]] + " , " + text[place[1] :]
        place = words.find_name(part, text)
    return text
