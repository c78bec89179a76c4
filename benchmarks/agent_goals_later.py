"""Goals in varied words over other files, written by somebody who had not read the plans.

``third(folder)`` makes the files of a small library, a weather record and a school, and returns 20
goals, ten of them in Chinese. Many ask for two things at once: an answer is right only if it has
both. Two (``_nothing``) cannot be reached with what is there, so that every answer is wrong, and
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

__all__ = ["fourth", "third"]


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


def fourth(folder: Path) -> list[Case]:
    """Make the files of a hotel, a clinic and an airline, and return 20 more goals.

    They were written after what ``third`` showed was mended, and nothing was changed for them
    before their first run.
    """
    rooms, visits, staff, flights, members = _hotel(folder)
    nights: dict[str, int] = defaultdict(int)
    for row in rooms:
        nights[row["guest_country"]] += row["nights"]
    suites = [r for r in rooms if r["room_type"] == "Suite"]
    doctors: dict[str, int] = defaultdict(int)
    for row in visits:
        doctors[row["doctor"]] += 1
    long_waits = [r for r in visits if r["wait_min"] > 45]
    late = [r for r in flights if r["延误分钟"] > 60]
    delay: dict[str, list[int]] = defaultdict(list)
    for row in flights:
        delay[row["航空公司"]].append(row["延误分钟"])
    worst = max(delay, key=lambda one: statistics.mean(delay[one]))
    gold = [r for r in members if r["等级"] == "金卡"]
    richest = sorted(members, key=lambda r: -r["积分"])[:2]
    names = [r["姓名"] for r in members]
    countries = list(nights)
    asked: list[tuple[str, Any]] = [
        (
            "How many nights did guests from Norway stay in bookings.csv?",
            _says(nights["Norway"]),
        ),
        (
            "What is the average price_per_night of a Suite, and which booking was the dearest?",
            _both(
                _says(statistics.mean(r["price_per_night"] for r in suites)),
                _says(max(rooms, key=lambda r: r["price_per_night"])["booking"]),
            ),
        ),
        (
            "Top 3 countries by total nights, please (bookings.csv).",
            _in_order(*sorted(countries, key=lambda one: -nights[one])[:3]),
        ),
        (
            "Number of bookings that are not from Chile",
            _says(sum(r["guest_country"] != "Chile" for r in rooms)),
        ),
        (
            "How many bookings came from Chile or Kenya?",
            _says(sum(r["guest_country"] in ("Chile", "Kenya") for r in rooms)),
        ),
        (
            "Which doctor in visits.csv had the most visits?",
            _only(max(doctors, key=lambda one: doctors[one]), of=list(doctors)),
        ),
        (
            "Save the visits with wait_min greater than 45 to waits.jsonl",
            _rows("waits.jsonl", long_waits),
        ),
        (
            "What share of the visits were on 2025-09-02?",
            lambda _folder, answer: (
                _holds(answer, 100 * sum(r["day"] == "2025-09-02" for r in visits) / len(visits))
                or _holds(answer, sum(r["day"] == "2025-09-02" for r in visits) / len(visits))
            ),
        ),
        (
            "Until what time is breakfast served, and where is the pool? See house.md",
            _says("10:30", "fourth floor"),
        ),
        (
            "Change 'Room 12' to 'Room 14' in notes/frontdesk.txt and tell me why it was changed.",
            _nothing,
        ),
        ("航班.csv里延误超过60分钟的航班有多少个？", _says(len(late))),
        ("哪家航空公司的平均延误分钟最高？", _only(worst, of=list(delay))),
        ("会员.csv里积分最多的两位是谁？", _both(_only(*(r["姓名"] for r in richest), of=names))),
        ("把会员.csv里的金卡会员另存为金卡.csv", _rows("金卡.csv", gold)),
        (
            "不是金卡的会员有几位？",
            _says(sum(r["等级"] != "金卡" for r in members)),
        ),
        (
            "每个航空公司各有多少个航班？延误分钟总和又是多少？",
            _both(
                _says(*(len(one) for one in delay.values())),
                _says(*(sum(one) for one in delay.values())),
            ),
        ),
        ("退改说明.txt里，起飞前一天退票收多少手续费？", _says("百分之二十")),
        ("行程文件夹里哪个文件提到了“签证”？", _only("行程/护照.txt", of=list(_HOTEL_WORDS))),
        ("把公告.txt复制成公告备份.txt", _text("公告备份.txt", _HOTEL_WORDS["公告.txt"])),
        ("(45+27)×8减去76等于多少？", _says(500)),
    ]
    assert staff
    return [Case(text=goal, right=right, kind="fourth") for goal, right in asked]


def _hotel(folder: Path) -> tuple[list[Row], ...]:
    draw = random.Random(23)
    countries = ["Norway", "Chile", "Kenya", "Japan", "Italy"]
    rooms = [
        {
            "booking": f"B{100 + n}",
            "guest_country": draw.choice(countries),
            "room_type": draw.choice(["Single", "Double", "Suite"]),
            "nights": draw.randint(1, 9),
            "price_per_night": draw.randint(60, 400),
        }
        for n in range(70)
    ]
    visits = [
        {
            "visit": n,
            "day": f"2025-09-{draw.randint(1, 6):02d}",
            "doctor": draw.choice(["Dr. Ames", "Dr. Boll", "Dr. Cruz"]),
            "wait_min": draw.randint(2, 70),
        }
        for n in range(1, 81)
    ]
    staff = [
        {"person": one, "role": role, "hours": draw.randint(10, 42)}
        for one, role in [("Gil", "Porter"), ("Hana", "Cook"), ("Ivo", "Porter"), ("Jo", "Clerk")]
    ]
    flights = [
        {
            "航班号": f"{draw.choice(['CA', 'MU', 'CZ'])}{1000 + n}",
            "航空公司": draw.choice(["国航", "东航", "南航"]),
            "目的地": draw.choice(["成都", "昆明", "青岛"]),
            "延误分钟": draw.randint(0, 120),
        }
        for n in range(48)
    ]
    members = [
        {"姓名": name, "等级": level, "积分": draw.randint(100, 9900)}
        for name, level in zip(
            ["白露", "丁一", "范冰", "高远", "江河", "林夏", "马骏"],
            ["金卡", "银卡", "普通", "金卡", "银卡", "普通", "普通"],
            strict=True,
        )
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in {
        "bookings.csv": rooms,
        "visits.csv": visits,
        "staff.csv": staff,
        "航班.csv": flights,
        "会员.csv": members,
    }.items():
        _write(folder / name, rows)
    for name, text in _HOTEL_WORDS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return rooms, visits, staff, flights, members


_HOTEL_WORDS = {
    "house.md": (
        "# House\n\nBreakfast is served from 7:00 to 10:30 on the ground floor.\n\n"
        "The pool is on the fourth floor.\n\nCheckout is at noon.\n"
    ),
    "notes/frontdesk.txt": "Room 12 asked for a late checkout.\nThe guest of Room 12 lost a key.\n",
    "退改说明.txt": (
        "退改说明\n\n起飞前七天退票不收手续费。\n起飞前一天退票收取票价百分之二十的手续费。\n"
        "起飞后不能退票。\n"
    ),
    "行程/护照.txt": "护照和签证要提前一个月办。\n",
    "行程/酒店.txt": "酒店在海边，离机场二十公里。\n",
    "公告.txt": "各位旅客：\n三号登机口今天关闭。\n请到五号登机口。\n",
}
