"""The agent's suite: 60 goals over files, tables and tasks (20 in Chinese), with checks in code.

What is right is worked out here with Python's own means, not by the agent. ``goals(folder)`` makes
the files and returns the goals; a goal's ``right`` is told folder and answer.
"""

from __future__ import annotations

import csv
import json
import random
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A goal, and whether an answer reaches it."""

    text: str
    right: Callable[[Path, str], bool]
    kind: str


def goals(folder: Path, shared: Path | None = None) -> list[Case]:
    """Make the files below ``folder`` and return the goals; those that train need ``shared``."""
    made = _files(folder)
    cases = [*_english(made), *_chinese(made)]
    if shared is not None and (shared / "classification").is_dir():
        _labeled(folder, shared / "classification")
        cases += _tasks()
    return cases


def fresh(folder: Path) -> list[Case]:
    """Make the files and return 20 goals that were written after the plans.

    At first 11 of them were verified and right and 2 falsely verified; the flaws that they showed
    were then mended, so they count as development too.
    """
    made = _files(folder)
    sales, staff = made["sales.csv"], made["employees.csv"]
    workers, orders = made["员工.csv"], made["订单.csv"]
    log = [one["line"] for one in made["log"]]
    most: dict[str, int] = defaultdict(int)
    for row in sales:
        most[row["region"]] += row["units"]
    best: dict[str, int] = defaultdict(int)
    for row in staff:
        best[row["city"]] = max(best[row["city"]], row["salary"])
    counts: dict[str, int] = defaultdict(int)
    for row in orders:
        counts[row["产品"]] += row["数量"]
    names = [row["name"] for row in staff]
    goods = ["Pump", "Valve", "Boiler", "Gauge", "Pipe"]
    asked: list[tuple[str, Callable[[Path, str], bool]]] = [
        ("Add up the units column of sales.csv", _says(sum(r["units"] for r in sales))),
        ("Could you tell me what the cheapest product in sales.csv is?", _only("Pipe", of=goods)),
        ("Number of rows in employees.csv?", _says(len(staff))),
        ("Who earns the least?", _only("Eva Stone", of=names)),
        ("What's the mean unit_price for Boiler orders?", _says(940)),
        ("I need the maximum salary per city, from employees.csv.", _says(*best, *best.values())),
        (
            "Put the Support staff from employees.csv into support.csv",
            _rows("support.csv", [r for r in staff if r["department"] == "Support"]),
        ),
        (
            "Which region sold the most units?",
            _only(max(most, key=lambda r: most[r]), of=list(most)),
        ),
        ("Is there a note on Lyon?", _says("notes/travel.txt")),
        ("In which file does the phrase 'two bags of soil' occur?", _says("notes/garden.txt")),
        ("What is the liability limited to in contract.md?", _says("5,000 euros")),
        ("How many ERROR lines are there in app.log?", _says(sum("ERROR" in one for one in log))),
        ("Compute the square root of 1764.", _says(42)),
        (
            "How many people over 40 work in Sales?",
            _says(sum(r["age"] > 40 and r["department"] == "Sales" for r in staff)),
        ),
        (
            "请问员工.csv里工资最低的是谁？",
            _only(min(workers, key=lambda r: r["工资"])["姓名"], of=[r["姓名"] for r in workers]),
        ),
        ("订单.csv里华南的订单有几个？", _says(sum(r["地区"] == "华南" for r in orders))),
        ("统计一下每个产品的总数量，数据在订单.csv。", _says(*counts, *counts.values())),
        ("合同的付款期限是多久？", _says("三十天")),
        ("365乘以24等于多少？", _says(8760)),
        ("笔记里哪一篇写到了火车？", _says("笔记/旅行.txt")),
    ]
    return [Case(text=goal, right=right, kind="fresh") for goal, right in asked]


def unseen(folder: Path) -> list[Case]:
    """Make the files and return 20 goals that nothing was ever changed for.

    They say what to expect of goals that nobody foresaw: of the first run, 9 were verified and
    right, 1 falsely verified. What that one showed has been mended since.
    """
    made = _files(folder)
    sales, staff, stock = made["sales.csv"], made["employees.csv"], made["inventory.jsonl"]
    workers, orders = made["员工.csv"], made["订单.csv"]
    log = [one["line"] for one in made["log"]]
    names = [row["name"] for row in staff]
    goods = [row["product"] for row in stock]
    units: dict[str, int] = defaultdict(int)
    for row in sales:
        units[row["product"]] += row["units"]
    regions: dict[str, int] = defaultdict(int)
    for row in orders:
        regions[row["地区"]] += row["金额"]
    richest = max(regions, key=lambda one: regions[one])
    notes = list(_TEXTS)
    asked: list[tuple[str, Callable[[Path, str], bool]]] = [
        (
            "Sum the amounts for the East region from sales.csv",
            _says(sum(r["amount"] for r in sales if r["region"] == "East")),
        ),
        ("How old is Mia Lund?", _says(39)),
        ("Which department has the highest average salary?", _says("Engineering")),
        ("Count the employees living in Oslo", _says(sum(r["city"] == "Oslo" for r in staff))),
        ("What products are in inventory.jsonl?", _only(*goods, of=goods)),
        (
            "How many units were sold of each product according to sales.csv?",
            _says(*units, *units.values()),
        ),
        ("Give me the youngest employee's name", _only("Eva Stone", of=names)),
        (
            "Export the employees older than 45 to seniors.csv",
            _rows("seniors.csv", [r for r in staff if r["age"] > 45]),
        ),
        (
            "How much stock of Gauge do we have?",
            _says(next(r["stock"] for r in stock if r["product"] == "Gauge")),
        ),
        ("Who is mentioned in notes/travel.txt?", _says("Ann Berg")),
        ("At what time does the train to Lyon leave?", _says("7:12")),
        ("Does any note talk about beans?", _says("notes/garden.txt")),
        ("How many characters does notes/ideas.txt have?", _says(len(_TEXTS["notes/ideas.txt"]))),
        (
            "Which lines of app.log mention the lost connection? Just tell me how many.",
            _says(sum("lost connection" in one for one in log)),
        ),
        ("Divide 9876 by 12", _says(823)),
        ("员工.csv里行政部有几个人？", _says(sum(r["部门"] == "行政部" for r in workers))),
        ("哪个地区的订单金额最多？", _only(richest, of=list(regions))),
        (
            "年龄最大的员工叫什么名字？",
            _only(max(workers, key=lambda r: r["年龄"])["姓名"], of=[r["姓名"] for r in workers]),
        ),
        (
            "把订单.csv里华北地区的订单存到华北.csv",
            _rows("华北.csv", [r for r in orders if r["地区"] == "华北"]),
        ),
        ("哪份笔记里说要给李强打电话？", _only("笔记/周一.txt", of=notes)),
    ]
    return [Case(text=goal, right=right, kind="unseen") for goal, right in asked]


# -- files ----------------------------------------------------------------------------------------


def _files(folder: Path) -> dict[str, list[Row]]:
    draw = random.Random(7)
    regions, products = (
        ["North", "South", "East", "West"],
        ["Pump", "Valve", "Boiler", "Gauge", "Pipe"],
    )
    prices = dict(zip(products, [120.5, 18.75, 940.0, 33.2, 7.9], strict=True))
    sales = []
    for number in range(1, 181):
        product, units = draw.choice(products), draw.randint(1, 9)
        sales.append(
            {
                "order_id": 1000 + number,
                "date": f"2025-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
                "region": draw.choice(regions),
                "product": product,
                "units": units,
                "unit_price": prices[product],
                "amount": round(units * prices[product], 2),
            }
        )
    names = [
        "Ada Berg",
        "Tom Hale",
        "Ines Roy",
        "Karl Voss",
        "Mia Lund",
        "Leo Park",
        "Eva Stone",
        "Jon Frey",
        "Sara Kim",
        "Paul Otis",
        "Nina Wolf",
        "Omar Diaz",
    ]
    ages = [34, 51, 28, 45, 39, 62, 25, 31, 47, 58, 36, 29]
    salaries = [71000, 54500, 48200, 83000, 62750, 91200, 39900, 57300, 66100, 74800, 52000, 60000]
    departments = ["Engineering", "Sales", "Support"]
    cities = ["Oslo", "Turin", "Lyon", "Oslo"]
    employees = [
        {
            "name": name,
            "department": departments[i % 3],
            "age": ages[i],
            "salary": salaries[i],
            "city": cities[i % 4],
        }
        for i, name in enumerate(names)
    ]
    inventory = [
        {"product": one, "stock": 17 + 31 * i % 90, "shelf": f"A{i}"}
        for i, one in enumerate(products)
    ]
    staff = [
        {
            "姓名": name,
            "部门": ["技术部", "销售部", "行政部"][i % 3],
            "年龄": 24 + 3 * i % 31,
            "工资": 6000 + 1370 * i % 9000,
        }
        for i, name in enumerate(
            ["王芳", "李强", "张伟", "刘洋", "陈静", "杨帆", "赵敏", "黄磊", "周杰", "吴霞"]
        )
    ]
    goods = ["水泵", "阀门", "锅炉", "管道"]
    cost = dict(zip(goods, [320, 45, 2600, 12], strict=True))
    orders = []
    for number in range(1, 61):
        good, count = draw.choice(goods), draw.randint(1, 8)
        orders.append(
            {
                "编号": number,
                "地区": draw.choice(["华北", "华东", "华南"]),
                "产品": good,
                "数量": count,
                "单价": cost[good],
                "金额": count * cost[good],
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"sales.csv": sales, "employees.csv": employees, "员工.csv": staff, "订单.csv": orders}
    for name, rows in tables.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    lines = "".join(json.dumps(one) + "\n" for one in inventory)
    (folder / "inventory.jsonl").write_text(lines)
    for name, text in _TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    log = [
        draw.choice(
            [
                "INFO started",
                "ERROR timeout while reading",
                "WARNING disk nearly full",
                "INFO done",
                "ERROR lost connection after timeout",
            ]
        )
        for _ in range(120)
    ]
    (folder / "app.log").write_text("\n".join(log) + "\n")
    journal = [
        draw.choice(["启动成功", "错误：连接超时", "警告：磁盘已满", "错误：读取失败"])
        for _ in range(50)
    ]
    (folder / "日志.txt").write_text("\n".join(journal) + "\n", "utf-8")
    return {
        **tables,
        "inventory.jsonl": inventory,
        "log": [{"line": one} for one in log],
        "journal": [{"line": one} for one in journal],
    }


_TEXTS = {
    "notes/monday.txt": "Met Ann about the budget.\nThe boiler in the basement was repaired.\n",
    "notes/garden.txt": "Plant the beans in May. The fence needs paint.\nBuy two bags of soil.\n",
    "notes/health.txt": (
        "Dentist appointment on 14 March at 9:30.\nTake the blue pills with food.\n"
    ),
    "notes/travel.txt": "Train to Lyon leaves at 7:12. Hotel is booked under Ann Berg.\n",
    "notes/ideas.txt": "A clock that runs backwards. Project Falcon could use it.\n",
    "contract.md": (
        "# Contract\n\n## Termination\n\n"
        "Either party may end this contract with 60 days written notice of termination.\n\n"
        "## Payment\n\nThe payment is due within 21 days of the invoice.\n\n"
        "## Contact\n\nThe contact person for invoices is Rosa Delgado.\n\n"
        "## Liability\n\nLiability is limited to "
        "5,000 euros per case.\n"
    ),
    "reports/spring.md": "Project Falcon is on time.\nCosts are 4% under plan.\n",
    "笔记/周一.txt": "地下室的锅炉已经修好。\n给李强打电话。\n",
    "笔记/购物.txt": "买牛奶和鸡蛋。\n项目猎鹰的资料要打印。\n",
    "笔记/旅行.txt": "去上海的火车早上八点出发。\n",
    "合同.txt": (
        "合同\n\n一、付款：收到发票后三十天内付款。\n"
        "二、违约金：逾期每日按合同金额的千分之一支付违约金。\n三、期限：本合同有效期两年。\n"
    ),
}


def _labeled(folder: Path, shared: Path) -> None:
    """Put real labeled texts beside: card questions of 12 kinds, film reviews."""
    rows = list(csv.DictReader((shared / "banking77.train.csv").open(encoding="utf-8")))
    kinds = sorted({row["category"] for row in rows})[:12]
    some = [row for row in rows if row["category"] in kinds]
    random.Random(1).shuffle(some)
    _write(
        folder / "tickets-labeled.csv", [{"text": r["text"], "team": r["category"]} for r in some]
    )
    fresh = list(csv.DictReader((shared / "banking77.test.csv").open(encoding="utf-8")))
    asked = [row for row in fresh if row["category"] in kinds]
    random.Random(2).shuffle(asked)
    _write(
        folder / "tickets.csv", [{"id": i, "text": r["text"]} for i, r in enumerate(asked[:120])]
    )
    (folder / ".truth.json").write_text(json.dumps([r["category"] for r in asked[:120]]))
    teams = "".join(f"- {kind}\n" for kind in kinds)
    (folder / "teams.md").write_text(f"# Teams\n\n{teams}")
    films = list(csv.DictReader((shared / "sentence-polarity.csv").open(encoding="utf-8")))
    random.Random(3).shuffle(films)
    _write(folder / "reviews.csv", [{"text": r["text"], "label": r["label"]} for r in films[:3000]])
    labels = [r["label"] for r in films[:3000]]
    random.Random(4).shuffle(labels)
    shuffled = [
        {"text": r["text"], "label": one} for r, one in zip(films[:3000], labels, strict=True)
    ]
    _write(folder / "shuffled.csv", shuffled)


def _write(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# -- goals ----------------------------------------------------------------------------------------


def _says(*wanted: object) -> Callable[[Path, str], bool]:
    """The answer holds each number or word as a whole."""

    def right(_folder: Path, answer: str) -> bool:
        return all(_holds(answer, one) for one in wanted)

    return right


def _holds(answer: str, wanted: object) -> bool:
    if isinstance(wanted, str):
        return wanted in answer
    numbers = [float(one.replace(",", "")) for one in re.findall(r"-?\d[\d,]*(?:\.\d+)?", answer)]
    return any(abs(one - float(wanted)) <= 5e-6 * max(1, abs(float(wanted))) for one in numbers)  # type: ignore[arg-type]


def _only(*wanted: str, of: list[str]) -> Callable[[Path, str], bool]:
    """The answer names these and no others."""
    return lambda _folder, answer: {one for one in of if one in answer} == set(wanted)


def _rows(name: str, wanted: list[Row]) -> Callable[[Path, str], bool]:
    """A file was written that holds these rows."""

    def right(folder: Path, _answer: str) -> bool:
        path = folder / name
        if not path.is_file():
            return False
        text = path.read_text("utf-8")
        if name.endswith(".csv"):
            found = list(csv.DictReader(text.splitlines()))
        elif name.endswith(".jsonl"):
            found = [json.loads(line) for line in text.splitlines()]
        else:
            value = json.loads(text)
            found = value if isinstance(value, list) else [value]
        return [_norm(one.values()) for one in found] == [_norm(one.values()) for one in wanted]

    return right


def _norm(values: Any) -> list[object]:  # noqa: ANN401 - cells
    found: list[object] = []
    for value in values:
        try:
            found.append(round(float(value), 4))
        except (TypeError, ValueError):
            found.append(str(value))
    return found


def _english(made: dict[str, list[Row]]) -> list[Case]:
    sales, staff, stock = made["sales.csv"], made["employees.csv"], made["inventory.jsonl"]
    log = [one["line"] for one in made["log"]]
    by_region: dict[str, float] = defaultdict(float)
    for row in sales:
        by_region[row["region"]] += row["amount"]
    by_department: dict[str, list[int]] = defaultdict(list)
    for row in staff:
        by_department[row["department"]].append(row["salary"])
    cities = Counter(row["city"] for row in staff)
    notes = [name for name in _TEXTS if name.startswith("notes/")]
    richest = max(staff, key=lambda row: row["salary"])["name"]
    names = [row["name"] for row in staff]
    table = [
        ("What is the total amount in sales.csv?", _says(sum(r["amount"] for r in sales))),
        (
            "How many orders in sales.csv come from the North region?",
            _says(sum(r["region"] == "North" for r in sales)),
        ),
        (
            "What is the average salary in the Engineering department in employees.csv?",
            _says(statistics.mean(by_department["Engineering"])),
        ),
        ("Which employee has the highest salary?", _only(richest, of=names)),
        ("Who is the oldest employee in employees.csv?", _only("Leo Park", of=names)),
        (
            "How many different products are in sales.csv?",
            _says(len({r["product"] for r in sales})),
        ),
        (
            "Give me the total amount by region from sales.csv.",
            _says(*by_region, *by_region.values()),
        ),
        (
            "What is the median age in employees.csv?",
            _says(statistics.median(r["age"] for r in staff)),
        ),
        (
            "How many employees earn more than 60000?",
            _says(sum(r["salary"] > 60000 for r in staff)),
        ),
        ("What is the lowest unit price in sales.csv?", _says(7.9)),
        (
            "How many units of Pump were sold in the South?",
            _says(
                sum(r["units"] for r in sales if r["product"] == "Pump" and r["region"] == "South")
            ),
        ),
        ("What is the salary of Ada Berg?", _says(71000)),
        ("Which city does Tom Hale live in?", _only("Turin", of=["Oslo", "Turin", "Lyon"])),
        (
            "Average salary per department in employees.csv.",
            _says(*by_department, *(statistics.mean(one) for one in by_department.values())),
        ),
        (
            "Save all orders from sales.csv with an amount over 900 to big.csv",
            _rows("big.csv", [r for r in sales if r["amount"] > 900]),
        ),
        ("Convert inventory.jsonl to inventory.csv", _rows("inventory.csv", stock)),
        (
            "Write the number of employees per city to cities.json",
            _rows("cities.json", [{"city": city, "n": cities[city]} for city in sorted(cities)]),
        ),
        (
            "What is the largest amount in the West region in sales.csv?",
            _says(max(r["amount"] for r in sales if r["region"] == "West")),
        ),
        (
            "Which product has the lowest stock in inventory.jsonl?",
            _only(
                min(stock, key=lambda r: r["stock"])["product"], of=[r["product"] for r in stock]
            ),
        ),
        (
            "List the names of the employees in the Sales department of employees.csv.",
            _only(*(r["name"] for r in staff if r["department"] == "Sales"), of=names),
        ),
    ]
    text = [
        ("Which note mentions the boiler?", _only("notes/monday.txt", of=notes)),
        (
            'Which files mention "Project Falcon"?',
            _only("notes/ideas.txt", "reports/spring.md", of=list(_TEXTS)),
        ),
        ("How many lines does app.log have?", _says(len(log))),
        (
            "How many times does the word ERROR occur in app.log?",
            _says(sum("ERROR" in one for one in log)),
        ),
        ("How many lines in app.log contain WARNING?", _says(sum("WARNING" in one for one in log))),
        ("What does contract.md say about termination?", _says("60 days written notice")),
        ("When is the payment due according to contract.md?", _says("21 days")),
        ("Who is the contact person for invoices in contract.md?", _says("Rosa Delgado")),
        ("How many notes mention Ann?", _says(2)),
        ("How many words are in notes/garden.txt?", _says(len(_TEXTS["notes/garden.txt"].split()))),
        (
            'Count how often "timeout" appears in app.log and write the number to timeouts.txt',
            lambda folder, _a: (
                (folder / "timeouts.txt").is_file()
                and (folder / "timeouts.txt").read_text().strip()
                == str(sum("timeout" in one for one in log))
            ),
        ),
        ("Find the note about the dentist appointment.", _says("notes/health.txt")),
    ]
    sums = [
        ("What is 15% of 2480?", _says(372)),
        ("What is (1250 + 375) * 12?", _says(19500)),
        ("How much is 7 to the power of 5?", _says(16807)),
        (
            "Compute 1234.5 / 3 and save the result to result.txt",
            lambda folder, _a: (
                (folder / "result.txt").is_file()
                and (folder / "result.txt").read_text().strip() == "411.5"
            ),
        ),
    ]
    return [
        *(Case(text=goal, right=right, kind="table") for goal, right in table),
        *(Case(text=goal, right=right, kind="text") for goal, right in text),
        *(Case(text=goal, right=right, kind="arithmetic") for goal, right in sums),
    ]


def _chinese(made: dict[str, list[Row]]) -> list[Case]:
    staff, orders = made["员工.csv"], made["订单.csv"]
    journal = [one["line"] for one in made["journal"]]
    by_region: dict[str, int] = defaultdict(int)
    for row in orders:
        by_region[row["地区"]] += row["金额"]
    tech = [row["工资"] for row in staff if row["部门"] == "技术部"]
    names = [row["姓名"] for row in staff]
    parts = Counter(row["部门"] for row in staff)
    table = [
        ("员工.csv里一共有多少人？", _says(len(staff))),
        ("订单.csv的总金额是多少？", _says(sum(r["金额"] for r in orders))),
        ("员工.csv中技术部的平均工资是多少？", _says(statistics.mean(tech))),
        ("员工.csv里谁的工资最高？", _only(max(staff, key=lambda r: r["工资"])["姓名"], of=names)),
        ("订单.csv中有多少种不同的产品？", _says(len({r["产品"] for r in orders}))),
        ("按地区统计订单.csv的金额合计。", _says(*by_region, *by_region.values())),
        ("员工.csv中年龄大于30岁的有多少人？", _says(sum(r["年龄"] > 30 for r in staff))),
        (
            "把订单.csv中金额超过500的订单保存到大单.csv。",
            _rows("大单.csv", [r for r in orders if r["金额"] > 500]),
        ),
        ("把员工.csv转换成员工.jsonl。", _rows("员工.jsonl", staff)),
        ("王芳的工资是多少？", _says(next(r["工资"] for r in staff if r["姓名"] == "王芳"))),
        ("订单.csv里最贵的产品是哪个？", _only("锅炉", of=["水泵", "阀门", "锅炉", "管道"])),
        (
            "员工.csv里每个部门有多少人？把结果写入部门人数.csv。",
            _rows("部门人数.csv", [{"a": one, "b": parts[one]} for one in sorted(parts)]),
        ),
        (
            "华东地区一共订了多少个阀门？",
            _says(sum(r["数量"] for r in orders if r["地区"] == "华东" and r["产品"] == "阀门")),
        ),
    ]
    text = [
        ("哪个笔记提到了锅炉？", _only("笔记/周一.txt", of=list(_TEXTS))),
        ("哪些文件提到“项目猎鹰”？", _only("笔记/购物.txt", of=list(_TEXTS))),
        ("合同.txt里关于违约金是怎么说的？", _says("千分之一")),
        ("合同.txt有多少行？", _says(len(_TEXTS["合同.txt"].splitlines()))),
        ("“错误”在日志.txt里出现了多少次？", _says(sum("错误" in one for one in journal))),
    ]
    sums = [("计算 (128 + 72) × 15。", _says(3000)), ("2480的15%是多少？", _says(372))]
    return [
        *(Case(text=goal, right=right, kind="table zh") for goal, right in table),
        *(Case(text=goal, right=right, kind="text zh") for goal, right in text),
        *(Case(text=goal, right=right, kind="arithmetic zh") for goal, right in sums),
    ]


def _tasks() -> list[Case]:
    def sorted_well(folder: Path, _answer: str) -> bool:
        path = folder / "sorted.csv"
        if not path.is_file():
            return False
        truth = json.loads((folder / ".truth.json").read_text())
        found = [row["label"] for row in csv.DictReader(path.open(encoding="utf-8"))]
        return (
            len(found) == len(truth)
            and statistics.mean(one == other for one, other in zip(found, truth, strict=True))
            >= 0.8
        )

    def made(folder: Path, answer: str) -> bool:
        return any((folder / "models").glob("specialist-*/README.md")) and "held-out" in answer

    return [
        Case(
            text="Train a classifier on tickets-labeled.csv in 2 minutes", right=made, kind="task"
        ),
        Case(
            text="Sort tickets.csv into the teams in teams.md and write it to sorted.csv, "
            "in 2 minutes",
            right=sorted_well,
            kind="task",
        ),
        Case(
            text="Train a model on tickets-labeled.csv with at least 80% accuracy in 2 minutes",
            right=made,
            kind="task",
        ),
        Case(
            text="用tickets-labeled.csv训练一个分类器，准确率至少80%，时间2分钟",
            right=made,
            kind="task",
        ),
    ]
