"""A monday destination as TOML, to be pasted into a connection file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlc.output import printable


def destination(name: str, settings: Mapping[str, Any], remarks: Iterable[str] = ()) -> str:
    """`[destinations.NAME]` with plain values first, then a table for each that is one; remarks as comments."""
    lines = [f"[destinations.{name}]"]
    tables = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            tables.append((key, value))
        else:
            lines.append(f"{key} = {_value(value)}")
    for key, table in tables:
        lines += ["", f"[destinations.{name}.{key}]"]
        lines += [f"{_key(each)} = {_value(value)}" for each, value in table.items()]
    # Titles of columns are people's: none may begin a line of its own.
    return "\n".join([*lines, *(f"# {printable(' '.join(remark.split()))}" for remark in remarks)]) + "\n"


def _value(value: Any) -> str:
    match value:
        case bool() | int():
            return json.dumps(value)
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
    return text_of(str(value))


def text_of(text: str) -> str:
    """A JSON text is a TOML text, as long as no half of a surrogate pair is in it; names on boards hold none."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if key and all(sign.isascii() and (sign.isalnum() or sign in "-_") for sign in key) else _value(key)
