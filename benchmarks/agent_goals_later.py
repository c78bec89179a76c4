"""Goals in varied words over other files, written by somebody who had not read the plans.

``third(folder)`` makes the files of a small library, a weather record and a school, and returns 20
goals, ten of them in Chinese. Many ask for two things at once: an answer is right only if it has
both. Three (``_NOTHING``) cannot be reached with what is there, so that every answer is wrong, and
whoever calls one verified is caught. What is right is worked out here with Python's own means.
"""

from __future__ import annotations

import csv
import random
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from agent_goals import Case, Row, _holds, _only, _rows, _says, _write

__all__ = ["third"]


def _both(*rights: Any) -> Any:  # noqa: ANN401 - functions
    """Every one of these holds."""
    return lambda folder, answer: all(right(folder, answer) for right in rights)


def _in_order(*wanted: str) -> Any:  # noqa: ANN401 - a function
    """The answer names these, in this order."""

    def right(_folder: Path, answer: str) -> bool:
        places = [answer.find(one) for one in wanted]
        return -1 not in places and places == sorted(places)

    return right


def _text(name: str, wanted: str) -> Any:  # noqa: ANN401 - a function
    """A file holds exactly this, but for blank ends of lines."""

    def right(folder: Path, _answer: str) -> bool:
        path = folder / name
        if not path.is_file():
            return False
        return [one.rstrip() for one in path.read_text("utf-8").strip().splitlines()] == [
            one.rstrip() for one in wanted.strip().splitlines()
        ]

    return right


def _nothing(_folder: Path, _answer: str) -> bool:
    """No answer is right: what is asked is not in the files."""
    return False


def _column(name: str, values: list[str]) -> Any:  # noqa: ANN401 - a function
    """The rows of a file begin with these cells, whatever else they hold."""

    def right(folder: Path, _answer: str) -> bool:
        path = folder / name
        if not path.is_file():
            return False
        rows = list(csv.reader(path.read_text("utf-8").splitlines()))
        return [row[0] for row in rows if row][-len(values) :] == values

    return right


def third(folder: Path) -> list[Case]:
    """Make the files and return 20 goals."""
    loans, members, weather, marks, stock = _library(folder)
    crime = [r["days"] for r in loans if r["genre"] == "Crime"]
    branches: dict[str, int] = defaultdict(int)
    for row in members:
        branches[row["branch"]] += 1
    busiest = max(branches, key=lambda one: branches[one])
    fines: dict[str, float] = defaultdict(float)
    for row in loans:
        fines[row["genre"]] += row["fine"]
    rain: dict[str, float] = defaultdict(float)
    for row in weather:
        rain[row["station"]] += row["rain_mm"]
    wetter = max(("Harbor", "Summit"), key=lambda one: rain[one])
    old = [r for r in members if r["joined"] < "2020"]
    fined = sum(r["fine"] > 0 for r in loans) / len(loans)
    second = [r for r in marks if r["班级"] == "二班"]
    best = max(second, key=lambda r: r["数学"])
    ranked = sorted(marks, key=lambda r: -(r["语文"] + r["数学"] + r["英语"]))
    pupils = [r["姓名"] for r in marks]
    low = [r["品名"] for r in stock if r["数量"] < 20]
    english: dict[str, list[int]] = defaultdict(list)
    for row in marks:
        english[row["班级"]].append(row["英语"])
    means = {one: statistics.mean(values) for one, values in english.items()}
    top = max(means, key=lambda one: means[one])
    poor = [r for r in marks if r["语文"] < 60]

    def one_branch(_folder: Path, answer: str) -> bool:
        return _only(busiest, of=list(branches))(_folder, answer)

    def best_class(_folder: Path, answer: str) -> bool:
        # All are named with their means; the best one must be told apart by words of its own.
        return _says(*means.values())(_folder, answer) and answer.count(top) >= 2

    asked: list[tuple[str, Any]] = [
        (
            "From loans.csv, find out how many days on average a Crime title stays out.",
            _says(statistics.mean(crime)),
        ),
        (
            "Which branch has the most members, and how many does it have?",
            _both(one_branch, _says(branches[busiest])),
        ),
        (
            "Pick every member who joined before 2020 and save them as veterans.csv",
            _rows("veterans.csv", old),
        ),
        ("Copy policy.md to policy-backup.md", _text("policy-backup.md", _WORDS["policy.md"])),
        (
            "Did Harbor or Summit get more rain in total according to weather.csv?",
            _only(wetter, of=["Harbor", "Summit"]),
        ),
        (
            "What percentage of the loans in loans.csv had a fine above zero?",
            lambda _folder, answer: _holds(answer, 100 * fined) or _holds(answer, fined),
        ),
        (
            "Rank the genres in loans.csv by the sum of their fines, highest first.",
            _in_order(*sorted(fines, key=lambda one: -fines[one])),
        ),
        (
            "How long may a guest borrow a tablet according to policy.md, and what does it cost "
            "to lose one?",
            _says("two days", "80 euros"),
        ),
        (
            "Replace 'Mr. Finch' with 'Ms. Finch' in minutes/january.md",
            _text(
                "minutes/january.md", _WORDS["minutes/january.md"].replace("Mr. Finch", "Ms. Finch")
            ),
        ),
        ("What were the fines of the members who paid by card?", _nothing),
        (
            "成绩.csv里二班的数学最高分是多少？是谁考的？",
            _both(_says(best["数学"]), _only(best["姓名"], of=pupils)),
        ),
        (
            "把成绩.csv按语文、数学、英语三科总分从高到低排，前三名是谁？",
            _only(*(r["姓名"] for r in ranked[:3]), of=pupils),
        ),
        ("库存.csv里哪些品名的数量不到20？", _only(*low, of=[r["品名"] for r in stock])),
        (
            "库存.csv里全部货品值多少钱？每种是数量乘以进价。",
            _says(sum(r["数量"] * r["进价"] for r in stock)),
        ),
        ("把语文低于60分的学生存成补考.csv", _rows("补考.csv", poor)),
        ("服务条款.txt里说退款要几天到账？运费由谁承担？", _says("七个工作日", "买家")),
        ("日记文件夹里一共提到过几次“奶奶”？", _says(4)),
        ("各班的英语平均分分别是多少？哪个班最高？", best_class),
        (
            "把清单.txt里的行按顺序排好，写到清单_排序.txt",
            _text("清单_排序.txt", "\n".join(sorted(_WORDS["清单.txt"].split()))),
        ),
        ("计算3600除以48再加17，把结果写入答案.txt，并且告诉我上个月的结果。", _nothing),
    ]
    return [Case(text=goal, right=right, kind="third") for goal, right in asked]


def _library(folder: Path) -> tuple[list[Row], ...]:
    draw = random.Random(11)
    genres = ["Crime", "Travel", "History", "Poetry"]
    names = ["Ruth Amsel", "Igor Brandt", "Lin Dao", "Peter Falk", "Zoe Gray", "Hal Ivers"]
    loans = [
        {
            "loan": n,
            "member": draw.choice(names),
            "title": f"Volume {draw.randint(1, 40)}",
            "genre": draw.choice(genres),
            "days": draw.randint(2, 45),
            "fine": draw.choice([0, 0, 0, 1.5, 2.25, 4]),
        }
        for n in range(1, 91)
    ]
    members = [
        {
            "member": name,
            "branch": branch,
            "joined": joined,
        }
        for name, branch, joined in zip(
            names,
            ["Hill", "Dock", "Hill", "Mill", "Hill", "Dock"],
            ["2016-03-02", "2021-07-19", "2019-11-30", "2020-01-05", "2023-04-21", "2018-08-08"],
            strict=True,
        )
    ]
    weather = [
        {
            "day": f"2025-06-{day:02d}",
            "station": station,
            "rain_mm": round(draw.random() * 12, 1),
            "high_c": draw.randint(14, 31),
        }
        for day in range(1, 31)
        for station in ("Harbor", "Summit", "Plain")
    ]
    marks = [
        {
            "学号": 100 + n,
            "姓名": name,
            "班级": ["一班", "二班", "三班"][n % 3],
            "语文": draw.randint(48, 98),
            "数学": 55 + 7 * n % 44,
            "英语": draw.randint(50, 99),
        }
        for n, name in enumerate(
            ["孙悦", "钱程", "郑爽", "冯刚", "蒋雪", "沈括", "韩梅", "朱立", "秦岚", "许诺", "何苗"]
        )
    ]
    stock = [
        {"货号": f"K{n}", "品名": name, "数量": count, "进价": price, "供应商": maker}
        for n, (name, count, price, maker) in enumerate(
            [
                ("铅笔", 240, 1.2, "晨光"),
                ("订书机", 14, 18.5, "得力"),
                ("白板", 6, 130, "得力"),
                ("胶带", 75, 3.4, "晨光"),
                ("剪刀", 19, 9, "张小泉"),
            ]
        )
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in {
        "loans.csv": loans,
        "members.csv": members,
        "weather.csv": weather,
        "成绩.csv": marks,
        "库存.csv": stock,
    }.items():
        _write(folder / name, rows)
    for name, text in _WORDS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return loans, members, weather, marks, stock


_WORDS = {
    "policy.md": (
        "# Lending policy\n\n## Books\n\nMembers keep books for four weeks.\n\n"
        "## Tablets\n\nA guest may borrow a tablet for two days. "
        "Losing a tablet costs 80 euros.\n\n"
        "## Opening hours\n\nThe library is open from 9 to 18 on weekdays.\n"
    ),
    "minutes/january.md": (
        "# Minutes of 14 January\n\nMr. Finch opened the meeting.\n"
        "The roof is leaking; Mr. Finch asks for two offers.\n"
    ),
    "minutes/february.md": "# Minutes of 11 February\n\nThe roof is mended. It cost 2,350 euros.\n",
    "服务条款.txt": (
        "服务条款\n\n一、退款：收到退货后七个工作日内到账。\n二、运费：退货的运费由买家承担。\n"
        "三、保修：产品保修一年。\n"
    ),
    "日记/一.txt": "今天和奶奶去公园。奶奶喜欢看花。\n",
    "日记/二.txt": "下雨了，在家看书。\n",
    "日记/三.txt": "奶奶做了饺子。爷爷和奶奶都很高兴。\n",
    "清单.txt": "d灯泡\na电池\nc胶水\nb螺丝\n",
}
