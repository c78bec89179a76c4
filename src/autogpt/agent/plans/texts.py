"""Questions to files of text: which file mentions something, how often, and what one says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from autogpt.agent.checks import Check, Quote, Same, outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Chosen, Goal, Plan, Template, Use
from autogpt.agent.plans.writing import save
from autogpt.agent.tools.files import stem, terms
from autogpt.agent.tools.folder import Folder

__all__ = ["COUNTS", "MENTIONS", "QUOTES"]

Json = Any
_TEXT = (".txt", ".md", ".rst", ".log", ".py", ".toml", ".yaml", ".yml", ".html", ".ini", ".tex")
_SOUGHT = (
    re.compile(
        r"\b(?:which|what|find|list|show|name|in which|how many)\b.*?\b(?:files?|notes?|"
        r"documents?|"
        r"texts?|letters?|e?mails?|pages?|reports?|logs?|memos?|chapters?)\b.*?\b(?:that\s+)?"
        r"(?:mentions?|mentioning|contains?|containing|talks? about|says?|refers? to|is about|"
        r"are about|about|has|have|with)\s+(?:the (?:word|phrase|name|term)\s+|any of\s+)?(.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:哪|什么)[^，。？?]*?(?:提到|提及|包含|含有|讲到|谈到|说到|出现|写到)(?:了|过)?(.+)"
    ),
    re.compile(
        r"\b(?:in\s+)?(?:which|what)\s+(?:file|note|document|text|letter|report)s?\s+"
        r"(?:does|do|is|are)\s+(?:the (?:word|phrase|name|term)\s+)?(.+?)\s+"
        r"(?:occur|appear|mentioned|found|stand|come up)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:does|do) (?:a|an|any|one of (?:the|my))\s+"
        r"(?:file|note|document|text|letter|report)s?\s+"
        r"(?:mention|contain|talk about|speak of|say)\s+(.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bis there (?:a|an|any)\s+(?:file|note|document|text|letter|report)\s+"
        r"(?:on|about|for|with|that mentions)\s+(.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:找出|列出|查找)[^，。？?]*?(?:提到|提及|包含|含有|出现)(?:了|过)?(.+?)的(?:文件|"
        r"笔记|文档)"
    ),
)
_OFTEN = (
    re.compile(r"\bhow many\s+(\w+)\s+lines\b", re.IGNORECASE),
    re.compile(
        r"\bhow (?:often|many times)\b.*?\b(?:does|do|is|has|did|was)\s+(?:the (?:word|phrase|"
        r"name|term)\s+)?"
        r"(.+?)\s+(?:occur|appear|mentioned|come up|used|found|occurred|appeared)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bhow (?:often|many times)\s+(?:the (?:word|phrase|name|term)\s+)?"
        r"(.+?)\s+(?:occurs?|appears?|is mentioned|is used|comes up)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:count|number of)\b.*?\b(?:times|occurrences|mentions|appearances)\b.*?(?:of\s+)?"
        r"(?:the (?:word|phrase|name|term)\s+)?(.+?)(?:\s+(?:appears?|occurs?|is "
        r"mentioned))?\s+in\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:how many|count the|number of)\s+lines\b.*?\b(?:contain|containing|with|mention|"
        r"mentioning|have)\s+(?:the (?:word|phrase)\s+)?(.+?)(?:\s+(?:are|in|does|do)\b|[?.]|$)",
        re.IGNORECASE,
    ),
    re.compile(r"(.+?)(?:这个词|一词|这两个字|二字|两个字)?在.+?(?:中|里|文件)?(?:一共|总共|"
               r"共)?(?:出现|提到)(?:了|过)?(?:多少|几)次"),
    re.compile(r"(?:中|里)(?:一共|总共|共)?(?:出现|提到)(?:了|过)?(?:多少|几)次(?:词语?)?(.+)"),
    re.compile(r"(?:多少|几)行(?:中|里)?(?:包含|含有|提到|有)(.+)"),
)  # fmt: skip
_MEASURES = (
    ("lines", r"\blines?\b|行"),
    ("words", r"\bwords?\b|单词|词数"),
    ("characters", r"\bcharacters?\b|\bletters\b|字符|字数|多少(?:个)?字"),
)
_ENDS = re.compile(
    r"[\s?？。.!！,，]*$|[\s,，]*(?:\b(?:and|then)\b\s+(?:write|save|store|put)|并?(?:写入|保存|"
    r"写到)).*$",
    re.IGNORECASE,
)


def _sought(patterns: tuple[re.Pattern[str], ...], goal: Goal) -> str | None:
    """Return the words that a goal looks for: in quotes, or after the verb."""
    for pattern in patterns:
        match = pattern.search(goal.text)
        if match:
            marked = words.quoted(match[1]) or words.quoted(goal.text)
            if marked:
                return marked[0]
            return _cleaned(match[1])
    return None


def _cleaned(text: str) -> str:
    text = re.split(r"[?？。！]|[.!]\s", text)[0]
    text = re.sub(r"\s+in\s+(?:the\s+)?(?:file\s+)?[\w./\-]+\.\w{2,5}.*$", "", text)
    text = re.sub(r"\s*(?:和它|的文件|的笔记|的文档)$", "", _ENDS.sub("", text))
    text = re.sub(
        r"^(?:(?:the|a|an|any|our|my|their)\s+|关于|单词|词语|一个)", "", text.strip(), flags=re.I
    )
    return _ENDS.sub("", text).strip(" \t\"'“”‘’「」")


def _mentions_fit(goal: Goal) -> float:
    return 0.95 if goal.files and _sought(_SOUGHT, goal) and not _times(goal) else 0.0


def _times(goal: Goal) -> bool:
    return bool(
        re.search(r"\b(?:how often|how many times|times|occurrences|lines)\b|几次|"
                  r"多少次|行包含",
                  goal.text, re.I)
    )  # fmt: skip


def _mentions(goal: Goal) -> Plan:
    sought = _sought(_SOUGHT, goal)
    assert sought is not None  # that is why it fits
    text, result = sought, None
    for text in _spellings(sought):
        result = yield Use("find_text", {"text": text})
        if not result.ok:
            raise GaveUpError(str(result.value))
        if result.value["files"]:
            break
    assert result is not None
    scope = _scope(goal)
    found = sorted(path for path in result.value["files"] if path in scope)
    how_many = bool(re.search(r"\bhow many\b|多少|几个", goal.text, re.IGNORECASE))
    claimed: Json = len(found) if how_many else found
    nothing = "没有文件提到它。" if goal.chinese else "No file mentions it."
    listed = ("、" if goal.chinese else ", ").join(found) or nothing
    answer = str(len(found)) if how_many else listed
    # That something is not there says little, where other words may say it.
    grounded = (text == sought or text.lower() in goal.text.lower()) and bool(found)
    slot = Chosen("text", text, grounded=grounded)
    checks: list[Check] = [
        Same(
            what=f"files with {text!r}",
            claimed=claimed,
            again=_files_with(text, scope, count=how_many),
        )
    ]
    for path in outputs(goal.text):
        answer = yield from save(goal, path, answer, ["file"], [[one] for one in found])
    return Answer(
        text=answer,
        checks=checks,
        slots=[slot],
        covers=[sought, *_below(goal), *_MENTIONING],
        meets={"names", "number" if how_many else "truth"},
    )


# Words for files and for what they say.
_MENTIONING = (
    "note", "document", "letter", "mail", "email", "page", "report", "log", "memo", "chapter",
    "mention", "mentioning", "mentioned", "talk about", "refer to", "about", "word", "phrase",
    "term",
    "say", "speak of", "occur", "appear", "found", "笔记", "文档", "邮件", "报告", "日志", "备忘",
    "信", "提到",
    "提及", "包含", "含有", "讲到", "谈到", "说到", "出现", "写到", "一篇", "篇", "份", "过",
    "关于", "文件夹", "文件",
)  # fmt: skip


def _below(goal: Goal) -> list[str]:
    """Return the folders that a goal names."""
    return [one for one in _folders(list(goal.files)) if one in goal.text]


def _spellings(text: str) -> list[str]:
    """Return a text and what else it may be written as: without its plural."""
    found = [text]
    if text.isascii() and text.endswith("s") and not text.endswith("ss"):
        found.append(text[:-1])
    elif text.isascii() and text[-1:].isalpha():
        found.append(text + "s")
    return found


def _scope(goal: Goal) -> list[str]:
    """Return the files that can be meant: of "notes" those that are called so, and no tables."""
    files = [path for path in goal.files if _is_text(path) and path not in outputs(goal.text)]
    for pattern, name in _KINDS:
        if re.search(pattern, goal.text, re.IGNORECASE):
            texts = [path for path in files if path.endswith(_TEXT)]
            return [path for path in texts if re.search(name, path, re.IGNORECASE)] or texts
    below = [
        folder
        for folder in _folders(files)
        if re.search(rf"\b{re.escape(folder)}/?(?![\w/.])", goal.text)
    ]
    return [path for path in files if path.startswith(tuple(f"{one}/" for one in below))] or files


_KINDS = (
    (r"\bnotes?\b|笔记", "note|笔记"),
    (r"\bletters?\b|信", "letter|信"),
    (r"\be?mails?\b|邮件", "mail|邮件"),
    (r"\breports?\b|报告", "report|报告"),
    (r"\bmemos?\b|备忘", "memo|备忘"),
    (r"\blogs?\b|日志", "log|日志"),
    (r"\bdocuments?\b|文档", "doc|文档"),
)


def _folders(files: list[str]) -> list[str]:
    return sorted({path.rsplit("/", 1)[0] for path in files if "/" in path})


def _files_with(text: str, scope: list[str], *, count: bool) -> Callable[[Folder], Json]:
    """Return what looks through the files without the tool's index."""

    def look(folder: Folder) -> Json:
        found = sorted(path for path in scope if _occurrences(folder, path, text))
        return len(found) if count else found

    return look


def _is_text(path: str) -> bool:
    return path.lower().endswith((*_TEXT, ".csv", ".tsv", ".json", ".jsonl", ".xml", ".cfg"))


def _occurrences(folder: Folder, path: str, text: str, *, lines: bool = False) -> int:
    """Count a text in a file, letter by letter: an own way beside the tool's regular expression."""
    wanted, total = text.lower(), 0
    for line in folder.text(path).splitlines():
        own, at, here = line.lower(), 0, 0
        while (place := own.find(wanted, at)) >= 0:
            end = place + len(wanted)
            before, after = own[place - 1 : place], own[end : end + 1]
            inside = (_is_latin(wanted[0]) and _is_word(before)) or (
                _is_latin(wanted[-1]) and _is_word(after)
            )
            here += not inside
            at = place + 1 if inside else end
        total += min(here, 1) if lines else here
    return total


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _is_word(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_")


def _counts_fit(goal: Goal) -> float:
    if not goal.files:
        return 0.0
    if _sought(_OFTEN, goal):
        return 0.97
    text = words.without(goal.text, goal.files)
    asks = re.search(
        r"\bhow (?:many|long)\b|\bcount\b|\bnumber of\b|多少|几行|统计", text, re.IGNORECASE
    )
    measured = any(re.search(pattern, text, re.IGNORECASE) for _, pattern in _MEASURES)
    plain = [path for path in _named_files(goal) if path.endswith(_TEXT)]
    return 0.9 if asks and measured and plain else 0.0


def _named_files(goal: Goal) -> list[str]:
    wanted = words.without(goal.text, outputs(goal.text))
    whole = [path for path in goal.files if path in wanted or path.rsplit("/", 1)[-1] in wanted]
    return whole or [path for path in goal.files if _is_called(path, wanted)]


def _is_called(path: str, text: str) -> bool:
    """Whether a text names a file without its suffix, as in "the contract"."""
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return len(stem) > 1 and words.find_name(stem, text) is not None


def _counts(goal: Goal) -> Plan:
    sought = _sought(_OFTEN, goal)
    named = _named_files(goal)
    if sought is None:
        return (yield from _measure(goal, named))
    lines = bool(re.search(r"\blines\b|行", words.without(goal.text, goal.files), re.IGNORECASE))
    sought = sought.strip()
    for path in named:
        sought = sought.replace(path, "").strip(" 在中里文件")
    below = named[0] if named else ""
    result = yield Use("find_text", {"text": sought, "below": below})
    if not result.ok:
        raise GaveUpError(str(result.value))
    count = result.value["lines" if lines else "times"]
    grounded = bool(named) or not re.search(r"[\w\-]+\.\w{2,5}\b", goal.text, re.ASCII)
    # Words that are nowhere may be more of the goal than what was looked for, unless marked as it.
    grounded = grounded and (count > 0 or sought in words.quoted(goal.text))

    def again(folder: Folder) -> int:
        paths = named[:1] or [path for path in folder.files() if _is_text(path)]
        return sum(_occurrences(folder, path, sought, lines=lines) for path in paths)

    checks: list[Check] = [Same(what=f"count of {sought!r}", claimed=count, again=again)]
    answer = str(count)
    for path in outputs(goal.text):
        answer = yield from save(goal, path, answer, ["count"], [[count]])
        checks.append(Same(what=f"what is in {path}", claimed=True, again=_holds(path, str(count))))
    slots = [Chosen("text", sought, grounded=grounded)]
    return Answer(
        text=answer,
        checks=checks,
        slots=slots,
        covers=[sought, *named, *_stems(goal.files), *_COUNTING, *_below(goal)],
        meets={"number", "sum"},
    )


def _holds(path: str, text: str) -> Callable[[Folder], bool]:
    return lambda folder: text in folder.text(path)


def _measure(goal: Goal, named: list[str]) -> Plan:
    text = words.without(goal.text, goal.files)
    options = [name for name, pattern in _MEASURES if re.search(pattern, text, re.IGNORECASE)]
    path = yield Choose("Which file?", list(goal.files), named[:1], "file")
    what = yield Choose("What is counted?", [name for name, _ in _MEASURES], options[:1], "measure")
    result = yield Use("count_text", {"path": path.option})
    if not result.ok:
        raise GaveUpError(str(result.value))
    count = result.value[what.option]

    def again(folder: Folder) -> int:
        content = folder.text(path.option)
        if what.option == "characters":
            return sum(1 for _ in content)
        if what.option == "words":
            return len(re.findall(r"\S+", content))
        return content.count("\n") + (not content.endswith("\n") and bool(content))

    answer = str(count)
    checks: list[Check] = [Same(what=f"{what.option} of {path.option}", claimed=count, again=again)]
    for target in outputs(goal.text):
        answer = yield from save(goal, target, answer, [what.option], [[count]])
        checks.append(
            Same(what=f"what is in {target}", claimed=True, again=_holds(target, str(count)))
        )
    return Answer(
        text=answer,
        checks=checks,
        slots=[path, what],
        covers=[path.option, *_stems(goal.files), *_COUNTING],
        meets={"number", "sum"},
    )


# Words for what is counted in a text.
_COUNTING = (
    "word", "phrase", "term", "often", "time", "occur", "appear", "mention", "mentioned",
    "contain",
    "containing", "occurrence", "appearance", "letter", "character", "used", "found", "come up",
    "line", "text", "这个词", "一词", "词语", "词", "字符", "字数", "字", "出现过", "出现",
    "提到过", "提到",
    "次", "单词", "包含", "含有", "过",
)  # fmt: skip


def _stems(paths: Sequence[str]) -> list[str]:
    return [path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in paths]


def _is_sentence(hit: dict[str, Json]) -> bool:
    """Whether a line of a text says something: no heading, no line of one or two words."""
    line = hit["text"].strip()
    says = len(line.split()) > 2 or len(re.findall(r"[\u3400-\u9fff]", line)) > 5
    return says and hit["path"].endswith(_TEXT) and not line.startswith("#")


_SAYS = re.compile(
    r"\b(?:what|when|where|who|how|which|why|does|is|are|according to|quote|say|says|find|look "
    r"up|tell)\b"
    r"|什么|谁|哪|何时|怎|多少|多久|几|吗|根据|引用|查",
    re.IGNORECASE,
)


def _quotes_fit(goal: Goal) -> float:
    texts = [path for path in goal.files if path.endswith(_TEXT)]
    if not texts or not _SAYS.search(goal.text):
        return 0.0
    named = [path for path in _named_files(goal) if path in texts]
    return 0.7 if named else 0.5


def _quotes(goal: Goal) -> Plan:
    """Answer with the line that says it, as it stands in the file."""
    named = [path for path in _named_files(goal) if path.endswith(_TEXT)]
    asked = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    result = yield Use("search_files", {"query": asked, "below": named[0] if named else ""})
    hits = [hit for hit in result.value if _is_sentence(hit)] if result.ok else []
    if not hits:
        raise GaveUpError(
            "没有找到提到这个问题的句子。"
            if goal.chinese
            else "No line that speaks of it was found."
        )
    wanted = set(terms(asked))
    shares = [len(wanted & set(terms(hit["text"]))) / max(1, len(wanted)) for hit in hits[:5]]
    options = [hit["text"].strip() for hit in hits[:5]]
    clear = shares[0] >= 0.5 and all(share < shares[0] for share in shares[1:])
    chosen = yield Choose(
        f"Which line answers the question: {goal.text}",
        options,
        options[:1] if clear else (),
        "line",
    )
    hit = hits[options.index(chosen.option)]
    answer = f"{chosen.option} ({hit['path']}:{hit['line']})"
    for path in outputs(goal.text):
        answer = yield from save(goal, path, chosen.option, ["quote"], [[chosen.option]])
    return Answer(
        text=answer,
        checks=[Quote(quote=chosen.option, path=hit["path"])],
        slots=[chosen],
        covers=[*_said_in(goal.text, chosen.option), hit["path"], *_stems([hit["path"]]), *_SAYING],
        meets=_quote_meets(chosen.option),
    )


_SAYING = (
    *("according to", "about", "quote", "mention", "written", "state", "rule", "note", "document"),
    *("text", "规定", "里说", "文中", "关于", "写"),
)


def _said_in(goal: str, quote: str) -> list[str]:
    """Return the words of a goal that stand in the line that answers it, in any ending.

    Of Chinese each run of two characters or more that is there.
    """
    own = {stem(word.lower()) for word in re.findall(r"[A-Za-z]+|\d+(?:\.\d+)?", quote)}
    found = [
        one for one in re.findall(r"[A-Za-z]+|\d+(?:\.\d+)?", goal) if stem(one.lower()) in own
    ]
    han = re.findall(r"[\u3400-\u9fff]+", goal)
    for run in han:
        start = 0
        while start < len(run):
            length = next(
                (n for n in range(len(run) - start, 1, -1) if run[start : start + n] in quote), 0
            )
            if length:
                found.append(run[start : start + length])
            start += max(1, length)
    return found


def _quote_meets(quote: str) -> set[str]:
    """Return the asks that a sentence can answer: by what kinds of words it has."""
    number = re.search(r"\d|[一二三四五六七八九十百千两]|\b(?:one|two|three|four|five|six|seven|"
                       r"eight|nine|"
                       r"ten|half|no|none)\b", quote, re.IGNORECASE)  # fmt: skip
    name = re.search(r"(?<=[a-z,;:] )[A-Z]\w+|[\u3400-\u9fff]", quote)
    found = {"when", "number", "many"} if number else set()
    return found | ({"names", "where", "many"} if name else set())


MENTIONS = Template(
    name="mentions",
    about="Find which files mention something.",
    fits=_mentions_fit,
    plan=_mentions,
    needs=("find_text", "write_file"),
)
COUNTS = Template(
    name="counts",
    about="Count lines, words, characters, or how often something occurs.",
    fits=_counts_fit,
    plan=_counts,
    needs=("find_text", "count_text", "write_file"),
)
QUOTES = Template(
    name="quotes",
    about="Answer from a text with the line that says it.",
    fits=_quotes_fit,
    plan=_quotes,
    needs=("search_files", "write_file"),
)
