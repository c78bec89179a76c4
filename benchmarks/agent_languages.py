"""Functions of Java and JavaScript as tools: every value is text, its source, of a form to keep to.

The forms are those of the languages' specifications (JLS 21, section 3.10; ECMA-262, section 12.9),
for the types that descriptions of functions name. What may also be held by a variable may be one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["source_schema"]

_NAME = r"[A-Za-z_$][\w$.]*(\([^()]*\))?"
_WHOLE = r"-?\d+"
_FRACTION = r"-?\d+(\.\d+)?"
_TEXT = r'"[^"\\]*"'
_ITEM = rf"({_TEXT}|{_FRACTION}|{_NAME})"
_ITEMS = rf"({_ITEM}(, {_ITEM})*)?"
_PUT = rf"put\({_TEXT}, {_ITEM}\);"
_JS_TEXT = r"'[^'\\]*'"
_JS_ITEM = rf"({_JS_TEXT}|{_FRACTION}|{_NAME})"
_JS_LIST = rf"\[({_JS_ITEM}(, {_JS_ITEM})*)?\]"
_PAIR = rf"'[^'\\]+': ({_JS_ITEM}|{_JS_LIST})"

_FORMS: dict[str, dict[str, dict[str, Any]]] = {
    "java": {
        **{kind: {"pattern": _WHOLE} for kind in ("integer", "short", "byte")},
        "long": {"pattern": rf"{_WHOLE}L"},
        "float": {"pattern": rf"{_FRACTION}f"},
        "double": {"pattern": _FRACTION},
        "boolean": {"enum": ["true", "false"]},
        "Array": {"pattern": rf"new [A-Za-z]+\[\]\{{{_ITEMS}\}}|{_NAME}"},
        "ArrayList": {"pattern": rf"new ArrayList<>\(Arrays\.asList\({_ITEMS}\)\)|{_NAME}"},
        "HashMap": {"pattern": rf"new HashMap<String, Object>\(\) \{{\{{ ({_PUT} )*\}}\}}|{_NAME}"},
    },
    "javascript": {
        "integer": {"pattern": _WHOLE},
        "float": {"pattern": _FRACTION},
        "Bigint": {"pattern": rf"{_WHOLE}n"},
        "Boolean": {"enum": ["true", "false"]},
        "array": {"pattern": rf"{_JS_LIST}|{_NAME}"},
        "dict": {"pattern": rf"\{{({_PAIR}(, {_PAIR})*)?\}}|{_NAME}"},
    },
}


def source_schema(schema: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return a function's schema with values as source in place of JSON.

    Args:
        schema: Of the arguments, with the types of the language.
        language: "java" or "javascript".
    """
    forms = _FORMS[language]
    return {
        **schema,
        "properties": {
            name: {
                "type": "string",
                "description": f"{one.get('description', '')} ({language} {one['type']} as text)",
                **_anchored(forms.get(one["type"], {})),
            }
            for name, one in schema["properties"].items()
        },
    }


def _anchored(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return a form whose pattern is that of the whole value: one of JSON schema is of any part."""
    return {**form, "pattern": f"^({form['pattern']})$"} if "pattern" in form else dict(form)
