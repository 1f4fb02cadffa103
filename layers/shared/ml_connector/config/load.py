"""Reads a connection file. A bad one fails with the line, the key and the way out."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml_connector.config.model import ConnectionFile, Strict
from ml_connector.destinations import KINDS
from ml_connector.errors import ConfigError

MAX_BYTES = 256 * 1024

_KEYS = sorted({field.alias or name for model in Strict.__subclasses__() for name, field in model.model_fields.items()})

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_.-]+))\s*=""")
_A_TABLE = "must be a table: [name] and its keys below, or { key = value }"
_WORDS = {
    "missing": "is missing",
    "tuple_type": 'must be a list: ["…"], or [[…]] for a list of tables',
    "string_type": 'must be a text in "quotes"',
    "too_short": "must not be empty",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(
        ("float_type", "float_parsing", "decimal_type", "decimal_parsing", "finite_number"), "must be a number"
    ),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _A_TABLE),
}
_LIMITS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}
# The model's patterns in words; a test compares the two.
PATTERNS = {
    r"^[a-z][a-z0-9-]{1,39}$": "must be 2 to 40 small letters, digits and hyphens, a letter first, such as acme-eu",
    r"^\d{4,20}$": "must be 4 to 20 digits",
    r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$": (
        "must be a GUID such as 6f1d2c3b-0000-4000-a000-0000000000aa"
    ),
    (
        r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[^@\s/?#]{1,64}@[a-zA-Z0-9.-]{1,190})$"
    ): "must be a user's object id in Entra ID, or the address that the user signs in with",
    r"^19:[^/?#\s]+@thread\.(tacv2|skype)$": (
        "must be a channel id such as 19:…@thread.tacv2; it stands, encoded, in what Teams gives as link to the channel"
    ),
    r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?$": "must be a locale such as en, de-AT or zh-Hant-TW",
    r"^[a-z0-9][a-z0-9-]{0,62}$": "must be the account's name alone, such as acme of acme.monday.com",
    r"^([01]\d|2[0-3]):[0-5]\d$": "must be a time of the day such as 07:00",
    r"^[A-Z]{3}$": "must be a currency code such as EUR",
    r"^[a-z0-9_]{1,64}$": "must be a column id of monday: small letters, digits and _",
    r"^[A-Za-z0-9_]{1,64}$": "must be a group's id, such as topics: letters, digits and _",
    r"^(\*|([a-z_]+\.)?[A-Za-z][A-Za-z _-]*)$": "must be a module, a status, a module.status or *",
    r"^[A-Z]{2}$": "must be a country's two letters, such as US",
}
_CREDENTIAL = re.compile(r"secret|token|passw|credential|authorization|(^|_)(api)?key$")
_ADDRESS = re.compile(r"(^|_)(url|uri|webhook|address)$")
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
        connection = str(data.get("connection", "CONNECTION"))
        faults = [_fault(name, lines, connection, fault) for fault in _causes(error.errors())]
        raise ConfigError("\n".join(faults)) from error


def warnings(file: ConnectionFile) -> list[str]:
    """What is allowed, and probably not meant to stay so."""
    if not file.destinations:
        return ["there is no destination yet: events are taken in, and go nowhere"]
    return [f"destination {name!r} is used by no route: nothing is sent there" for name in unused(file)]


def unused(file: ConnectionFile) -> list[str]:
    """Destinations that no route leads to, nor what people do on a board."""
    led_to = {name for route in file.routes for name in route.to}
    led_to |= {getattr(each, "feedback", None) or "" for each in file.destinations.values()}
    return [name for name in file.destinations if name not in led_to]


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


def _fault(name: str, lines: dict[tuple[str, ...], int], connection: str, fault: Any) -> str:
    inner = getattr(fault.get("ctx", {}).get("error"), "path", ())
    parts = (*fault["loc"], *inner)
    if parts[:1] == ("destinations",):
        # A union's member stands in pydantic's path ("destinations", "board", "monday", …) but not in the file.
        parts = parts[:2] + parts[3:]
    if fault["type"].startswith("union_tag"):
        parts = (*parts, "type")
    path = tuple(str(part) for part in parts if part != "[key]")
    known = next(path[:length] for length in range(len(path), -1, -1) if not length or path[:length] in lines)
    # People count from 1.
    shown = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in parts if part != "[key]")
    return f"{name}:{lines.get(known, 1)}: {shown or 'file'}: {_message(fault, path, connection)}"


def _message(fault: Any, path: tuple[str, ...], connection: str) -> str:
    """What is wrong in words of people; never the value, which may be a secret in a wrong place."""
    context: dict[str, Any] = fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            return _unknown_key(path, connection)
        case "literal_error":
            return _choice(context["expected"], fault["input"])
        case "union_tag_invalid":
            return _choice(context["expected_tags"], context["tag"])
        case "union_tag_not_found":
            return f"is missing: {', '.join(KINDS)}"
        case "string_pattern_mismatch":
            return PATTERNS[context["pattern"]]
        case kind if kind in _LIMITS:
            limit, word = _LIMITS[kind]
            return f"must be {word} {context[limit]:g}"
    return _WORDS.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")


def _choice(expected: str, given: object) -> str:
    choices = re.findall(r"'([^']+)'", expected)
    near = difflib.get_close_matches(str(given).lower(), choices, n=1)
    words = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    return f"must be {words}" + (f"; did you mean {near[0]!r}?" if near else "")


def _unknown_key(path: tuple[str, ...], connection: str) -> str:
    key = path[-1].lower()
    if _CREDENTIAL.search(key):
        vendor = path[0] if path[0] in ("zoho", "microsoft") else "VENDOR"
        return f"credentials never stand here; use `mlc credentials set {connection} {vendor}`"
    if _ADDRESS.search(key):
        return f"no such key; a workflow's address is a secret: `mlc credentials set {connection} workflows`"
    near = difflib.get_close_matches(path[-1], _KEYS, n=1)
    return "no such key" + (f"; did you mean {near[0]!r}?" if near else "")


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
