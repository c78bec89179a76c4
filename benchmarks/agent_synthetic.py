"""Function calls that nobody asked for, made up to learn calling from: chats for ``finetune``.

    python benchmarks/agent_synthetic.py --calls 8000 > calls.jsonl
    autogpt finetune smollm2-135m-instruct calls.jsonl --task chat --method lora --out runs/caller
    python benchmarks/agent_bfcl.py --checker BFCL --model runs/caller --bare

A call is put together of a function out of ``agent_synthetic.toml``, or of a verb and a thing, and
of arguments, each of which knows how it is described, what it may be, and how people say it. Half
are of Java and JavaScript, whose values are written as source. Nothing of BFCL is in it: neither
its functions nor its questions were taken as a pattern, and no name of its functions occurs (a test
looks where the files are).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_languages import source_schema

from autogpt.agent.calls import call_messages
from autogpt.agent.tools.base import Tool

WORDS: dict[str, Any] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
BARE_SHARE = 0.8  # of the chats show no examples: a trained model does without, at half the tokens


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a function that is made up.

    Attributes:
        name: Its name.
        schema: JSON schema, with a description.
        value: What it is in the call.
        said: How the question says that, to be put behind the intent.
    """

    name: str
    schema: dict[str, Any]
    value: Any
    said: str


@dataclass(slots=True)
class Made:
    """A function, a question and the call that answers it."""

    tool: Tool
    question: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def chat(self, *, bare: bool) -> dict[str, Any]:
        """Return it as messages."""
        asked = call_messages(self.question, [self.tool], examples=not bare)
        turns = [one.to_dict() for one in asked]
        answer = json.dumps({"name": self.tool.name, "arguments": self.arguments})
        return {"messages": [*turns, {"role": "assistant", "content": answer}]}


Maker = Callable[[random.Random], Argument]


def spaced(name: str) -> str:
    """Return a name in words: ``maxItems`` and ``max_items`` are "max items"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()


def camel(words: str) -> str:
    """Return words as one name: "max items" is ``maxItems``."""
    first, *rest = words.split()
    return first + "".join(word.capitalize() for word in rest)


def listed(items: Sequence[str], dice: random.Random) -> str:
    """Return items as people list them."""
    if len(items) == 1:
        return items[0]
    last = dice.choice([" and ", ", and ", ", "])
    return ", ".join(items[:-1]) + last + items[-1]


def number_said(number: int, dice: random.Random) -> str:
    """Return a whole number in digits or, if it is small, now and then in a word."""
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number] if 0 < number <= 10 and dice.random() < 0.4 else str(number)


# --- arguments of functions that take JSON -------------------------------------------------------


def place(dice: random.Random) -> Argument:
    """A city, with its state or country where the description wants one."""
    name = dice.choice(["location", "city", "place", "destination", "origin", "venue_city", "area"])
    own = dice.choice(WORDS["places"])
    city, region, short = own
    form = dice.choice(["city", "short", "short", "region"])
    if form == "city" or not short:
        value = city if form == "city" else f"{city}, {region}"
        about = dice.choice(["The name of the city", "City to use", "The city in question"])
        if form != "city":
            about = "The city and country, such as 'Lisbon, Portugal'"
        said = city
    else:
        value = f"{city}, {short if form == 'short' else region}"
        example = "Boise, ID" if form == "short" else "Boise, Idaho"
        about = dice.choice(
            [
                f"The city and state, in the format of 'City, State' (e.g., '{example}')",
                f"Where, in the format City, State (as in {example})",
            ]
        )
        said = dice.choice([city, f"{city}, {short}", f"{city}, {region}", f"{city} {short}"])
    return Argument(
        name,
        {"type": "string", "description": about},
        value,
        dice.choice([f"in {said}", f"for {said}", f"near {said}", f"in {said.lower()}"]),
    )


def date(dice: random.Random) -> Argument:
    """A day, in the form that the description wants."""
    year, month, day = dice.randint(2019, 2027), dice.randint(1, 12), dice.randint(1, 28)
    month_name = WORDS["months"][month - 1]
    form, example = dice.choice(
        [
            (f"{year}-{month:02}-{day:02}", "YYYY-MM-DD"),
            (f"{year}-{month:02}-{day:02}", "YYYY-MM-DD"),
            (f"{month:02}/{day:02}/{year}", "MM/DD/YYYY"),
            (f"{day:02}-{month:02}-{year}", "DD-MM-YYYY"),
            (f"{day:02}/{month:02}/{year}", "DD/MM/YYYY"),
        ]
    )
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day, "th")
    said = dice.choice(
        [
            f"{month_name} {day}, {year}",
            f"{month_name} {day}{ending} {year}",
            f"{day} {month_name} {year}",
            f"the {day}{ending} of {month_name} {year}",
            form,
            f"{year}-{month:02}-{day:02}",
        ]
    )
    name = dice.choice(["date", "start_date", "day", "departure_date", "due_date", "check_in"])
    schema = {
        "type": "string",
        "description": dice.choice(
            [
                f"The {spaced(name)}, in the format {example}",
                f"The {spaced(name)} ({example}).",
                f"Which day, as {example}",
            ]
        ),
    }
    return Argument(name, schema, form, dice.choice([f"on {said}", f"for {said}", f"on {said}"]))


def time_of_day(dice: random.Random) -> Argument:
    """A time, of 24 hours or of 12 as the description wants."""
    hour, minute = dice.randint(0, 23), dice.choice([0, 0, 15, 30, 45])
    half = "AM" if hour < 12 else "PM"
    clock = (hour + 11) % 12 + 1
    twelve, plain = f"{clock}:{minute:02} {half}", f"{hour:02}:{minute:02}"
    value, about = dice.choice(
        [(plain, "in 24-hour HH:MM format"), (twelve, "such as '9:30 AM'"), (plain, "HH:MM")]
    )
    said = dice.choice(
        [plain, twelve, f"{clock} {half.lower()}" if not minute else twelve.lower(), twelve]
    )
    name = dice.choice(["time", "start_time", "pickup_time", "alarm_time", "departure_time"])
    schema = {"type": "string", "description": f"The {spaced(name)}, {about}"}
    return Argument(name, schema, value, f"at {said}")


def whole(dice: random.Random) -> Argument:
    """A count."""
    name, phrases = dice.choice(
        [
            ("quantity", ["{} of them", "quantity {}", "{} pieces"]),
            ("guests", ["for {} people", "for {} guests", "{} guests"]),
            ("max_results", ["at most {} results", "show me {} results", "limit it to {}"]),
            ("limit", ["no more than {}", "the first {}", "limit {}"]),
            ("duration", ["for {} minutes", "lasting {} minutes"]),
            ("days", ["for {} days", "over {} days", "for the next {} days"]),
            ("page", ["page {}", "on page {}"]),
            ("nights", ["for {} nights", "staying {} nights"]),
            ("age", ["age {}", "who is {} years old"]),
            ("retries", ["with {} retries", "retry {} times"]),
            ("year", ["from {}", "of the year {}"]),
            ("width", ["{} pixels wide", "with a width of {}"]),
            ("port", ["on port {}", "port {}"]),
        ]
    )
    number = dice.choice([dice.randint(1, 10), dice.randint(1, 10), dice.randint(11, 5000)])
    if name == "year":
        number = dice.randint(1950, 2027)
    schema = {
        "type": "integer",
        "description": dice.choice(["The {}", "{} to use", "How much the {} is"]).format(
            spaced(name)
        ),
    }
    return Argument(name, schema, number, dice.choice(phrases).format(number_said(number, dice)))


def identifier(dice: random.Random) -> Argument:
    """A number or a key that names something."""
    thing = dice.choice(WORDS["things"])[0].replace(" ", "_")
    name = dice.choice([f"{thing}_id", f"{thing}_number", "id", "reference"])
    if dice.random() < 0.5:
        value: Any = dice.randint(10, 99999)
        kind = "integer"
    else:
        value = dice.choice(["{}-{}", "{}{}", "{}_{}"]).format(
            dice.choice(["ORD", "TK", "INV", "usr", "A", "XK", "pl", "REF"]), dice.randint(10, 9999)
        )
        kind = "string"
    said = dice.choice(["with ID {}", "number {}", "with the id {}", "{}", "ID: {}", "'{}'"])
    schema = {
        "type": kind,
        "description": dice.choice(
            [f"The unique identifier of the {spaced(thing)}", f"Which {spaced(thing)}", "The ID"]
        ),
    }
    return Argument(name, schema, value, said.format(value))


def person(dice: random.Random) -> Argument:
    """A name."""
    first, last = dice.choice(WORDS["first_names"]), dice.choice(WORDS["last_names"])
    name = dice.choice(["name", "customer_name", "recipient", "author", "assignee", "full_name"])
    value = f"{first} {last}" if dice.random() < 0.8 else first
    said = dice.choice([f"for {value}", f"named {value}", f"under the name {value}", f"by {value}"])
    if name == "recipient":
        said = f"to {value}"
    return Argument(name, {"type": "string", "description": f"The {spaced(name)}"}, value, said)


def address(dice: random.Random) -> Argument:
    """An e-mail address, a link, a file or a telephone: to be copied."""
    first, last = (
        dice.choice(WORDS["first_names"]).lower(),
        dice.choice(WORDS["last_names"]).lower(),
    )
    word = dice.choice(WORDS["nouns"]).replace(" ", dice.choice(["-", "_"]))
    ending = dice.choice(["csv", "pdf", "txt", "json", "png", "py", "log", "docx"])
    name, value, about = dice.choice(
        [
            ("email", f"{first}.{last}@example.{dice.choice(['com', 'org'])}", "E-mail address"),
            ("url", f"https://{word}.example.com/{dice.choice(WORDS['nouns'])[:5]}", "The link"),
            ("file_path", f"/{dice.choice(['home', 'data', 'tmp'])}/{word}.{ending}", "The path"),
            ("filename", f"{word}.{ending}", "Name of the file"),
            ("phone", f"555-{dice.randint(100, 999)}-{dice.randint(1000, 9999)}", "Phone number"),
        ]
    )
    said = dice.choice(["{}", "at {}", "'{}'", "using {}", f"{spaced(name)} {{}}"]).format(value)
    return Argument(name, {"type": "string", "description": about}, value, said)


def words(dice: random.Random) -> Argument:
    """Free text, said word for word."""
    text = dice.choice(WORDS["phrases"])
    name, phrases = dice.choice(
        [
            ("message", ["saying '{}'", 'with the message "{}"', "that says: {}"]),
            ("query", ["about {}", "for '{}'", "on {}"]),
            ("title", ["titled '{}'", 'called "{}"', "with the title {}"]),
            ("note", ["with a note: {}", "and note '{}'", 'with the note "{}"']),
            ("reason", ["because {}", "with the reason '{}'"]),
            ("subject", ["with the subject '{}'", "subject: {}"]),
            ("keyword", ["that mention {}", "with the keyword '{}'"]),
            ("item", ["of {}", "'{}'"]),
        ]
    )
    schema = {"type": "string", "description": f"The {spaced(name)}"}
    return Argument(name, schema, text, dice.choice(phrases).format(text))


def choice(dice: random.Random) -> Argument:
    """One of a few, spelled as the schema does and said as people do."""
    own = dice.choice(WORDS["choices"])
    options = list(own["options"])
    style = dice.choice([str, str, str.upper, str.capitalize])
    at = dice.randrange(len(options))
    value = style(options[at])
    spoken = own["said"][at] if "said" in own else [options[at].replace("_", " ")]
    dice.shuffle(options)
    schema = {
        "type": "string",
        "description": own["about"],
        "enum": [style(one) for one in options],
    }
    return Argument(own["name"], schema, value, own["as"].format(dice.choice(spoken)))


def switch(dice: random.Random) -> Argument:
    """True or false."""
    own = dice.choice(WORDS["switches"])
    value = dice.random() < 0.65
    said = dice.choice(own["yes"] if value else own["no"])
    return Argument(own["name"], {"type": "boolean", "description": own["about"]}, value, said)


def amount(dice: random.Random) -> Argument:
    """A number with a fraction."""
    name, phrases = dice.choice(
        [
            ("amount", ["of {} dollars", "${}", "for {} euros", "amounting to {}"]),
            ("price", ["at a price of {}", "for ${}", "costing {}"]),
            ("max_price", ["under ${}", "for at most {}", "no more than ${}"]),
            ("temperature", ["at {} degrees", "to {} degrees"]),
            ("weight", ["weighing {} kg", "with a weight of {}"]),
            ("radius", ["within {} km", "in a radius of {}"]),
            ("rate", ["at a rate of {}", "with a rate of {}"]),
            ("latitude", ["at latitude {}"]),
            ("threshold", ["with a threshold of {}", "threshold {}"]),
        ]
    )
    value = dice.choice(
        [
            round(dice.uniform(0.1, 99), 2),
            round(dice.uniform(1, 500), 1),
            float(dice.randint(1, 900)),
        ]
    )
    shown = str(int(value)) if value == int(value) else str(value)
    value = int(value) if value == int(value) else value
    schema = {
        "type": dice.choice(["float", "float", "number"]),
        "description": f"The {spaced(name)}",
    }
    return Argument(name, schema, value, dice.choice(phrases).format(shown))


def several(dice: random.Random) -> Argument:
    """A list of words or of numbers."""
    if dice.random() < 0.3:
        numbers = [dice.randint(1, 400) for _ in range(dice.randint(2, 5))]
        schema = {
            "type": "array",
            "items": {"type": "integer"},
            "description": dice.choice(["The numbers", "A list of values", "The scores"]),
        }
        said = dice.choice(["of {}", "for the numbers {}", "with the values {}", "[{}]"])
        shown = ", ".join(map(str, numbers)) if "[" in said else listed([*map(str, numbers)], dice)
        name = dice.choice(["numbers", "values", "scores", "data"])
        return Argument(name, schema, numbers, said.format(shown))
    name = dice.choice(["tags", "ingredients", "items", "names", "topics", "attendees"])
    pool = WORDS["first_names"] if name in ("names", "attendees") else WORDS["nouns"]
    found = dice.sample(pool, dice.randint(1, 4))
    schema = {
        "type": "array",
        "items": {"type": "string"},
        "description": dice.choice([f"The {name}", f"List of {name}"]),
    }
    said = dice.choice(["with {}", f"{name}: {{}}", f"with the {name} {{}}", "including {}"])
    return Argument(name, schema, found, said.format(listed(found, dice)))


def code(dice: random.Random) -> Argument:
    """A currency or a language by its code, said by its name."""
    kind, table = dice.choice([("currency", WORDS["currencies"]), ("language", WORDS["languages"])])
    said, value = dice.choice(table)
    name = dice.choice([kind, f"target_{kind}", f"{kind}_code"])
    about = "3-letter currency code" if kind == "currency" else "Language code, such as 'en'"
    return Argument(
        name,
        {"type": "string", "description": about},
        value,
        dice.choice([f"in {said}", f"to {said}", f"into {said}"]),
    )


MAKERS: dict[str, Maker] = {
    "place": place, "date": date, "time": time_of_day, "whole": whole, "id": identifier,
    "person": person, "address": address, "words": words, "choice": choice, "switch": switch,
    "amount": amount, "several": several, "code": code,
}  # fmt: skip
_USUAL = (*MAKERS, "whole", "words", "choice", "choice", "choice", "switch", "several")
_DEFAULTS: dict[str, Sequence[Any]] = {
    "integer": (1, 5, 10), "float": (0.5, 1.0), "number": (0.5, 1.0), "boolean": (False, True),
    "string": ("", "none", "any", None), "array": ([], None), "object": (None,),
}  # fmt: skip


def nested(dice: random.Random) -> Argument:
    """An object of two to four arguments, some of which may be left out."""
    own = _different([dice.choice(_USUAL) for _ in range(dice.randint(2, 4))], dice)
    said = [one for one in own if dice.random() < 0.75] or own[:1]
    schema = {
        "type": dice.choice(["dict", "object"]),
        "description": dice.choice(["What is wanted", "The details", "The settings", "Filters"]),
        "properties": {one.name: one.schema for one in own},
        "required": [one.name for one in said if dice.random() < 0.6],
    }
    name = dice.choice(["options", "details", "filters", "settings", "body", "data"])
    return Argument(
        name,
        schema,
        {one.name: one.value for one in own if one in said},
        dice.choice([", ", " "]).join(one.said for one in said),
    )


def _different(kinds: Sequence[str], dice: random.Random) -> list[Argument]:
    """Return an argument of each kind, those left out whose name would be there twice."""
    found: dict[str, Argument] = {}
    for kind in kinds:
        one = nested(dice) if kind == "nested" else MAKERS[kind](dice)
        found.setdefault(one.name, one)
    return list(found.values())


def in_json(dice: random.Random) -> Made:
    """Return a call of a function that takes JSON."""
    if dice.random() < 0.5:
        own = dice.choice(WORDS["functions"])
        name, about = dice.choice(own["names"]), dice.choice(own["about"])
        intent = dice.choice(own["intents"])
        needed, more = list(own["needs"]), list(own.get("may", []))
    else:
        verb, told, intents = dice.choice(WORDS["verbs"])
        thing, things = dice.choice(WORDS["things"])
        style = dice.choice(["{}_{}", "{}_{}", "{1}.{0}", "{1}_api.{0}"])
        name = style.format(verb, thing.replace(" ", "_"))
        name = camel(name.replace("_", " ")) if dice.random() < 0.25 and "." not in name else name
        about = f"{told.format(dice.choice([f'a {thing}', things, f'the {thing}']))}."
        intent = dice.choice(intents).format(
            dice.choice([f"the {thing}", f"my {thing}", f"a {thing}"])
        )
        needed = [dice.choice(_USUAL) for _ in range(dice.randint(1, 3))]
        more = []
    more += [dice.choice(_USUAL) for _ in range(dice.choice([0, 0, 1, 2, 3]))]
    if dice.random() < 0.08:
        needed = [*needed[:1], "nested"]
    every = _different([*needed, *more], dice)
    required, optional = every[: len(needed)], every[len(needed) :]
    told_too = [one for one in optional if dice.random() < 0.35]
    said = [*required, *told_too]
    properties = {one.name: dict(one.schema) for one in required}
    for one in optional:
        default = dice.choice(_DEFAULTS.get(one.schema["type"], (None,)))
        schema = dict(one.schema)
        if "enum" in schema:
            default = dice.choice(schema["enum"])
        if dice.random() < 0.8:
            schema["default"] = default
            if dice.random() < 0.5:
                schema["description"] += f". Default is {default}"
        properties[one.name] = schema
    tool = Tool(
        name=name,
        description=about,
        schema={
            "type": "object",
            "properties": properties,
            "required": [one.name for one in required],
        },
        run=print,
    )
    arguments = {one.name: one.value for one in [*required, *optional] if one in said}
    return Made(tool, _question(intent, said, dice), arguments)


def _question(intent: str, said: Sequence[Argument], dice: random.Random) -> str:
    parts = [one.said for one in said]
    if dice.random() < 0.4:
        dice.shuffle(parts)
    joint = dice.choice([" ", " ", ", "])
    question = f"{intent} {joint.join(parts)}"
    if dice.random() < 0.25:
        question = f"{dice.choice(WORDS['before'])} {question[:1].lower()}{question[1:]}"
    ending = dice.choice(["", ".", "?", " please", ", please.", "?"])
    question += ending
    return question.lower() if dice.random() < 0.05 and question.isascii() else question


# --- arguments of Java and JavaScript, whose values are source -----------------------------------


def _name_of_thing(dice: random.Random) -> str:
    return camel(f"{dice.choice(WORDS['nouns'])} {dice.choice(WORDS['suffixes'])}")


def _variable(dice: random.Random, language: str) -> tuple[str, str, str]:
    value = _name_of_thing(dice)
    kind = "any" if language == "java" or dice.random() < 0.8 else "String"
    quote = dice.choice(["`{}`", "`{}`", "'{}'", "{}"])
    return kind, value, quote.format(value)


def _text(dice: random.Random, _language: str) -> tuple[str, str, str]:
    value = dice.choice(
        [
            dice.choice(WORDS["phrases"]),
            _name_of_thing(dice),
            f"/{dice.choice(WORDS['nouns'])}/{dice.choice(WORDS['nouns'])}".replace(" ", "-"),
            f"{dice.choice(WORDS['nouns'])}.{dice.choice(['xml', 'yml', 'json', 'html', 'js'])}",
            f"{dice.choice(WORDS['nouns']).upper().replace(' ', '_')}_{dice.randint(1, 99)}",
        ]
    )
    return "String", value, dice.choice(["'{}'", "'{}'", "`{}`", '"{}"']).format(value)


def _number(dice: random.Random, language: str) -> tuple[str, str, str]:
    number = dice.choice([dice.randint(0, 10), dice.randint(11, 9999)])
    if language == "java":
        kind = dice.choice(["integer", "integer", "integer", "long", "double", "float"])
        value = {"long": f"{number}L", "double": f"{number}.5", "float": f"{number}.5f"}.get(
            kind, str(number)
        )
        said = f"{number}.5" if kind in ("double", "float") else str(number)
    else:
        kind = dice.choice(["integer", "float", "float"])
        value = said = f"{number}.5" if kind == "float" and dice.random() < 0.3 else str(number)
    return kind, value, said


def _flag(dice: random.Random, language: str) -> tuple[str, str, str]:
    value = dice.choice(["true", "true", "false"])
    said = value
    if dice.random() < 0.4:
        said = f"{'enabled' if value == 'true' else 'disabled'}"
    return ("boolean" if language == "java" else "Boolean"), value, said


def _collection(dice: random.Random, language: str) -> tuple[str, str, str]:
    text = dice.random() < 0.6
    count = dice.randint(2, 4)
    plain = (
        [dice.choice(WORDS["nouns"]).replace(" ", "_") for _ in range(count)]
        if text
        else [str(dice.randint(1, 99)) for _ in range(count)]
    )
    if dice.random() < 0.2:  # one that a variable holds
        value = _name_of_thing(dice)
        kind = dice.choice(["Array", "ArrayList"]) if language == "java" else "array"
        return kind, value, f"`{value}`"
    if language == "java":
        quoted = ", ".join(f'"{one}"' for one in plain) if text else ", ".join(plain)
        if dice.random() < 0.5:
            kind, value = "Array", f"new {'String' if text else 'int'}[]{{{quoted}}}"
        else:
            kind, value = "ArrayList", f"new ArrayList<>(Arrays.asList({quoted}))"
    else:
        kind = "array"
        value = "[" + ", ".join(f"'{one}'" if text else one for one in plain) + "]"
    said = listed([f"'{one}'" if text else one for one in plain], dice)
    return kind, value, said if dice.random() < 0.7 else "[" + ", ".join(plain) + "]"


def _mapping(dice: random.Random, language: str) -> tuple[str, str, str]:
    keys = [camel(dice.choice(WORDS["nouns"])) for _ in range(dice.randint(1, 3))]
    pairs = {key: dice.choice(["true", dice.randint(1, 900), "text"]) for key in keys}
    pairs = {
        key: dice.choice(WORDS["nouns"]).replace(" ", "_") if value == "text" else value
        for key, value in pairs.items()
    }

    def quoted(value: object, quote: str) -> str:
        bare = isinstance(value, int) or value == "true"
        return str(value) if bare else f"{quote}{value}{quote}"

    if language == "java":
        puts = " ".join(f'put("{key}", {quoted(value, chr(34))});' for key, value in pairs.items())
        kind, value = "HashMap", f"new HashMap<String, Object>() {{{{ {puts} }}}}"
    else:
        body = ", ".join(f"'{key}': {quoted(value, chr(39))}" for key, value in pairs.items())
        kind, value = "dict", f"{{{body}}}"
    how = dice.choice(["'{}' as '{}'", "{} set to {}", "'{}' is '{}'", "{} {}"])
    return kind, value, listed([how.format(key, one) for key, one in pairs.items()], dice)


_SOURCES = (_variable,) * 7 + (_text,) * 6 + (_number,) * 5 + (_flag,) * 2 + (
    _collection, _collection, _mapping, _mapping)  # fmt: skip


def in_source(dice: random.Random, language: str) -> Made:
    """Return a call of a function of Java or JavaScript."""
    verb, told, intents = dice.choice(WORDS["code_verbs"])
    noun = dice.choice(WORDS["nouns"])
    subject = f"{dice.choice(WORDS['nouns'])} {dice.choice(WORDS['suffixes'])}"
    method = camel(f"{verb} {noun}")
    owner = camel(subject)[:1].upper() + camel(subject)[1:]
    name = f"{owner}.{method}" if language == "java" or dice.random() < 0.3 else method
    properties: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    parts, required = [], []
    for _ in range(dice.choice([1, 2, 2, 3, 3, 4])):
        maker = dice.choice(_SOURCES)
        suffix = dice.choice(WORDS["suffixes"] if maker is _variable else WORDS["parameters"])
        words_of_it = f"{dice.choice(WORDS['nouns'])} {suffix}" if dice.random() < 0.5 else suffix
        argument = camel(words_of_it)
        kind, value, said = maker(dice, language)
        if argument in properties:
            continue
        about = (
            f"{dice.choice(['The', 'The', 'Which'])} {words_of_it} {dice.choice(WORDS['uses'])}."
        )
        properties[argument] = {"type": kind, "description": about}
        if dice.random() < 0.12 and arguments:  # optional, and not said
            properties[argument]["description"] += " Optional."
            continue
        arguments[argument] = value
        required.append(argument)
        form = dice.choice(["with {0} {1}", "the {0} {1}", "using {1} as the {0}", "{0} {1}"])
        parts.append(form.format(words_of_it, said))
    intent = dice.choice(intents).format(f"the {noun}")
    question = f"{dice.choice(WORDS['code_before'])} {intent} {listed(parts, dice)}?"
    schema = source_schema(
        {"type": "object", "properties": properties, "required": required}, language
    )
    about = f"{told.format(f'the {noun}')} {dice.choice(WORDS['uses'])}."
    tool = Tool(name=name, description=about, schema=schema, run=print)
    return Made(tool, question, arguments)


def calls(count: int, seed: int = 0) -> list[Made]:
    """Return calls, half of JSON, the others of Java and JavaScript; the same for the same seed."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        draw = dice.random()
        language = "java" if draw < 0.25 else "javascript" if draw < 0.4 else ""
        found.append(in_source(dice, language) if language else in_json(dice))
    return found


def main() -> None:
    """Print chats."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bare", type=float, default=BARE_SHARE, help="share without examples")
    args = parser.parse_args()
    dice = random.Random(args.seed + 1)
    for made in calls(args.calls, args.seed):
        bare = dice.random() < args.bare
        sys.stdout.write(json.dumps(made.chat(bare=bare), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
