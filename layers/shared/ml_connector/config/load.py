"""Reads a connection file. A bad one fails with the line, the key and the way out."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ml_connector.config.model import Column, Conditions, ConnectionFile, Microsoft, Monday, Retry, Route, Teams, Zoho
from ml_connector.errors import ConfigError

MAX_BYTES = 256 * 1024

_MODELS: tuple[type[BaseModel], ...] = (
    ConnectionFile, Zoho, Microsoft, Teams, Monday, Column, Route, Conditions, Retry,
)  # fmt: skip
_KEYS = sorted({field.alias or name for model in _MODELS for name, field in model.model_fields.items()})

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_.-]+))\s*=""")
_WORDS = {
    "missing": "is missing",
    "tuple_type": 'must be a list: ["…"], or [[…]] for a list of tables',
    "string_type": 'must be a text in "quotes"',
}
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_WAY_OUT = 'texts stand in "quotes", lists in [brackets], each key once and on a line of its own'


def load(path: Path) -> ConnectionFile:
    """Raises ConfigError with one line per fault: `file:line: key: what is wrong`."""
    try:
        text = path.read_bytes()[: MAX_BYTES + 1]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES // 1024} KiB, which no connection file needs to be")
    return parse(text, str(path))


def parse(content: bytes, name: str) -> ConnectionFile:
    try:
        text = content.decode("utf-8-sig")
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(name, text, str(error))) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not TOML: a number is too long, or brackets are nested too deeply") from error
    try:
        return ConnectionFile.model_validate(data)
    except ValidationError as error:
        lines = _lines(text)
        raise ConfigError("\n".join(_fault(name, lines, fault) for fault in _causes(error.errors()))) from error


def _syntax(name: str, text: str, message: str) -> str:
    """tomllib's message with the place in front, the key if the line has one, and the usual way out."""
    match = _PLACE.search(message)
    if match is None:
        return f"{name}: not TOML: {message}"
    line = int(match[1])
    written = text.splitlines()[line - 1] if line <= text.count("\n") + 1 else ""
    key = _KEY.match(written)
    where = f"{name}:{line}: {key[0].rstrip(' =').strip()}" if key else f"{name}:{line}"
    return f"{where}: not TOML: {message[: match.start()]} (column {match[2]}); {_WAY_OUT}"


def _causes(faults: list[Any]) -> list[Any]:
    """Without the faults that only follow from others: a list is not too short, its elements are wrong."""

    def follows(fault: Any) -> bool:
        depth = len(fault["loc"])
        return fault["type"] == "too_short" and any(
            other["loc"][:depth] == fault["loc"] and len(other["loc"]) > depth for other in faults
        )

    return [fault for fault in faults if not follows(fault)]


def _fault(name: str, lines: dict[tuple[str, ...], int], fault: Any) -> str:
    inner = getattr(fault.get("ctx", {}).get("error"), "path", ())
    path = tuple(str(part) for part in (*fault["loc"], *inner))
    if path[:1] == ("destinations",):
        # A union's member stands in pydantic's path ("destinations", "board", "monday", …) but not in the file.
        path = path[:2] + path[3:]
    known = next(path[:length] for length in range(len(path), -1, -1) if not length or path[:length] in lines)
    message = _WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _KEYS, n=1)
        message = "no such key" + (f"; did you mean {near[0]!r}?" if near else "")
    return f"{name}:{lines.get(known, 1)}: {'.'.join(path) or 'file'}: {message}"


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Where each table and key stands: `("destinations", "board", "board_id")` → line number."""
    found: dict[tuple[str, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            table = tuple(part.strip().strip("\"'") for part in match[2].split("."))
            if match[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            elif table[:1] in counts:
                # A table below the newest element of an array, such as [routes.when].
                table = (table[0], str(counts[table[:1]]), *table[1:])
            found.setdefault(table, number)
        elif match := _KEY.match(line):
            dotted = match[3].split(".") if match[3] else [match[1] or match[2]]
            found.setdefault((*table, *dotted), number)
    return found
