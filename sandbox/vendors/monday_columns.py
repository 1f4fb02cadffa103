"""monday column values: what may be written, how it is kept, how it reads back. contracts: monday 4.

`write` takes the JSON form, `simple` the plain string, `imported` a cell of a CSV file (3.2; its forms are not
published, so those of the plain string are taken). Kept form: text, long_text and numbers as str; status as the label
id; dropdown as a list of label ids; the other types as their JSON object. An empty cell is not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any

from sandbox.vendors.monday_state import SUBITEMS, MondayColumn, MondayItem
from sandbox.vendors.world import iso

# Colour names in monday's order; the id of a label is the number of its colour (contracts: monday 4).
_NAMES = [
    "working_orange",
    "done_green",
    "stuck_red",
    "dark_blue",
    "purple",
    "explosive",
    "grass_green",
    "bright_blue",
    "saladish",
    "egg_yolk",
    "blackish",
    "dark_red",
    "sofia_pink",
    "lipstick",
    "dark_purple",
    "bright_green",
    "chili_blue",
    "american_gray",
    "brown",
    "dark_orange",
    "sunset",
    "bubble",
    "peach",
    "berry",
    "winter",
    "river",
    "navy",
    "aquamarine",
    "indigo",
    "dark_indigo",
    "pecan",
    "lavender",
    "royal",
    "steel",
    "orchid",
    "lilac",
    "tan",
    "sky",
    "coffee",
    "teal",
]
COLOURS = dict(zip(_NAMES, [*range(20), *range(101, 111), *range(151, 161)], strict=True))

READ_ONLY = ("creation_log", "last_updated", "item_id", "formula", "mirror", "auto_number", SUBITEMS, "button")
NOT_SEARCHABLE = (
    *READ_ONLY,
    "board_relation",
    "color_picker",
    "file",
    "location",
    "rating",
    "tags",
    "time_tracking",
    "vote",
)
_NO_SIMPLE = ("timeline", "board_relation", "checkbox")
IMPORTED = (
    "board_relation", "date", "dropdown", "email", "link", "long_text", "numbers", "people", "phone", "status", "text",
    "timeline",
)  # fmt: skip
MATCHED = ("email", "phone", "text", "name", "numbers", "link", "date", "long_text", "status")
_EMPTY: Any = None


@dataclass(frozen=True)
class Around:
    """What a value may refer to: users by id, and the board of an item ("" when there is no such item)."""

    users: frozenset[str] = frozenset()
    board_of: Callable[[str], str] = lambda _: ""


class BadValue(Exception):
    """A value that the column refuses; `code` is monday's."""

    def __init__(self, column: MondayColumn, why: str, code: str = "ColumnValueException") -> None:
        super().__init__(f"{why} (column {column.id}, type {column.type})")
        self.code = code
        self.column_id = column.id


def write(column: MondayColumn, value: Any, *, create_labels: bool = False, around: Around | None = None) -> Any:
    """The kept form of a value inside a `column_values` object; None clears. Raises BadValue."""
    around = around or Around()
    if column.type in READ_ONLY:
        raise BadValue(column, "the column is read only", "CorrectedValueException")
    if value is None:
        return _EMPTY
    if column.type not in _WRITERS:
        raise BadValue(column, "the stand-in does not know this column type")
    if isinstance(value, str) and column.type not in ("text", "numbers"):
        return _EMPTY if value == "" else simple(column, value, create_labels=create_labels, around=around)
    if column.type == "numbers" and value == "":
        return "0"  # contracts: monday 0, fact 5
    return _WRITERS[column.type](column, value, create_labels, around)


def simple(column: MondayColumn, text: str, *, create_labels: bool = False, around: Around | None = None) -> Any:
    """The kept form of a plain string, as `change_simple_column_value` takes it. Raises BadValue."""
    if column.type in _NO_SIMPLE or column.type in READ_ONLY:
        raise BadValue(column, "a simple string is not supported", "CorrectedValueException")
    if text == "":
        return _EMPTY
    if column.type not in _WRITERS:
        raise BadValue(column, "the stand-in does not know this column type")
    return _WRITERS[column.type](column, _from_simple(column, text), create_labels, around or Around())


def imported(column: MondayColumn, text: str, around: Around) -> Any:
    """The kept form of a CSV cell, of the types that an import takes (3.2). Raises BadValue."""
    if column.type not in IMPORTED:
        raise BadValue(column, "this column type cannot be imported")
    if column.type == "timeline":
        start, _, end = text.partition(" - ")
        return _timeline(column, {"from": start, "to": end}, False, around)
    if column.type == "board_relation":
        return _relation(column, {"item_ids": [one.strip() for one in text.split(",")]}, False, around)
    return simple(column, text, around=around)


def _from_simple(column: MondayColumn, text: str) -> Any:
    first, _, rest = text.partition(" ")
    match column.type:
        case "long_text":
            return {"text": text}
        case "status":
            # A label made of digits is read as an index (contracts: monday 4).
            return {"index": int(text)} if text.isdigit() else {"label": text}
        case "dropdown":
            parts = [part.strip() for part in text.split(",")]
            digits = all(part.isdigit() for part in parts)
            return {"ids": [int(part) for part in parts]} if digits else {"labels": parts}
        case "date":
            return {"date": first, "time": rest} if rest else {"date": first}
        case "link":
            if not rest:
                raise BadValue(column, "a link needs a text")
            return {"url": first, "text": rest}
        case "email":
            return {"email": first, "text": rest or first}
        case "phone":
            return {"phone": first, "countryShortName": rest}
        case "people":
            return {"personsAndTeams": [{"id": part, "kind": "person"} for part in text.split(",")]}
    return text


def _object(column: MondayColumn, value: Any, required: set[str], optional: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    if not isinstance(value, dict):
        raise BadValue(column, "the value must be an object")
    if not required <= set(value) or set(value) - required - set(optional):
        raise BadValue(column, f"the value takes {', '.join(sorted(required | set(optional)))}")
    return value


def _text(column: MondayColumn, value: Any, *_: Any) -> Any:
    if not isinstance(value, str):
        raise BadValue(column, "the value must be a string")
    return value or _EMPTY


def _long_text(column: MondayColumn, value: Any, *_: Any) -> Any:
    text = _object(column, value, {"text"})["text"]
    if not isinstance(text, str) or len(text) > 2000:
        raise BadValue(column, "text must be a string of at most 2000 characters")
    return text or _EMPTY


def _numbers(column: MondayColumn, value: Any, *_: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"-?(\d+(\.\d*)?|\.\d+)", value, re.ASCII):
        raise BadValue(column, "a number is a string with a point as decimal mark and nothing else")
    return value


def _labels(column: MondayColumn) -> list[dict[str, Any]]:
    labels: list[dict[str, Any]] = column.settings.setdefault("labels", [])
    return labels


def _status(column: MondayColumn, value: Any, create: bool, _: Around) -> Any:
    if value == {}:
        return _EMPTY
    if not isinstance(value, dict) or set(value) not in ({"label"}, {"index"}):
        raise BadValue(column, "a status takes either label or index")
    wanted = value.get("label", value.get("index"))
    if "label" in value and isinstance(wanted, str) and wanted.isdigit():
        value = {"index": int(wanted)}
    for label in _labels(column):
        if ("label" in value and label["label"] == wanted) or str(label["id"]) == str(value.get("index")):
            if label.get("is_deactivated"):
                break
            return label["id"]
    if "label" not in value or not create or not isinstance(wanted, str) or not wanted:
        known = ", ".join(str(label["label"]) for label in _labels(column))
        raise BadValue(column, f"this status label does not exist: {wanted}; possible labels: {known}")
    if len(wanted) > 30 or len(_labels(column)) >= 40:
        raise BadValue(column, "a status has at most 40 labels of 30 characters")
    used = {label["id"] for label in _labels(column)}
    colour, number = next((name, number) for name, number in COLOURS.items() if number not in used and number != 5)
    _labels(column).append(status_label(wanted, colour, len(_labels(column))))
    return number


def status_label(text: str, colour: str, index: int, *, done: bool = False) -> dict[str, Any]:
    """A status label as the column settings show it."""
    return {
        "id": COLOURS[colour],
        "index": index,
        "label": text,
        "color": colour,
        "is_done": done,
        "is_deactivated": False,
    }


def _dropdown(column: MondayColumn, value: Any, create: bool, _: Around) -> Any:
    if (
        not isinstance(value, dict)
        or set(value) not in ({"labels"}, {"ids"})
        or not isinstance(next(iter(value.values())), list)
    ):
        raise BadValue(column, "a dropdown takes either a list of labels or a list of ids")
    ids: list[int] = []
    for wanted in next(iter(value.values())):
        key = "label" if "labels" in value else "id"
        own = [one for one in _labels(column) if wanted == one[key] and not one.get("is_deactivated")]
        if not own and create and "labels" in value and isinstance(wanted, str) and wanted:
            own = [{"id": max((one["id"] for one in _labels(column)), default=0) + 1, "label": wanted}]
            _labels(column).extend(own)
        if not own:
            known = ", ".join(f"{one['id']}: {one['label']}" for one in _labels(column))
            raise BadValue(column, f"the dropdown label does not exist: {wanted}; possible labels: {{{known}}}")
        ids.append(own[0]["id"])
    most = column.settings.get("label_limit_count") if column.settings.get("limit_select") else None
    if most is not None and len(ids) > most:
        raise BadValue(column, f"at most {most} labels may be chosen")
    return ids or _EMPTY


def _date(column: MondayColumn, value: Any, *_: Any) -> Any:
    given = _object(column, value, {"date"}, {"time", "icon"})
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given["date"], re.ASCII):
            raise ValueError
        date.fromisoformat(given["date"])
        if given.get("time"):
            time.fromisoformat(given["time"])
            if not re.fullmatch(r"\d{2}:\d{2}:\d{2}", given["time"], re.ASCII):
                raise ValueError
    except (TypeError, ValueError):
        raise BadValue(column, "a date is YYYY-MM-DD, a time HH:MM:SS") from None
    return {"date": given["date"], "time": given.get("time") or ""}


def _timeline(column: MondayColumn, value: Any, *_: Any) -> Any:
    if value == {}:
        return _EMPTY
    given = _object(column, value, {"from", "to"})
    try:
        if date.fromisoformat(given["from"]) > date.fromisoformat(given["to"]):
            raise ValueError
    except (TypeError, ValueError):
        raise BadValue(column, "a timeline goes from a date to a later date") from None
    return given


def _link(column: MondayColumn, value: Any, *_: Any) -> Any:
    given = _object(column, value, {"url", "text"})
    if not all(isinstance(part, str) for part in given.values()) or not re.match(r"[a-z][a-z0-9+.-]*:", given["url"]):
        raise BadValue(column, "a link takes a url with its scheme and a text")
    return given


def _email(column: MondayColumn, value: Any, *_: Any) -> Any:
    if value == {}:
        return _EMPTY
    given = _object(column, value, {"email", "text"})
    if not all(isinstance(part, str) for part in given.values()) or not re.fullmatch(r"\S+@\S+\.\S+", given["email"]):
        raise BadValue(column, "an email takes an address and a text")
    return given


def _phone(column: MondayColumn, value: Any, *_: Any) -> Any:
    given = _object(column, value, {"phone", "countryShortName"})
    fits = re.fullmatch(r"\+?\d{6,15}", str(given["phone"])) and re.fullmatch(
        "[A-Z]{2}", str(given["countryShortName"])
    )
    if not fits:
        raise BadValue(column, "a phone takes digits and an ISO-2 country in capitals")
    return given


def _people(column: MondayColumn, value: Any, _: bool, around: Around) -> Any:
    people = _object(column, value, {"personsAndTeams"})["personsAndTeams"]
    if not isinstance(people, list):
        raise BadValue(column, "personsAndTeams must be a list")
    for one in people:
        _object(column, one, {"id", "kind"})
        if not str(one["id"]).isdigit() or one["kind"] not in ("person", "team"):
            raise BadValue(column, "people are user ids, not e-mails")
        if one["kind"] == "person" and str(one["id"]) not in around.users:
            raise BadValue(column, f"user {one['id']} does not see this board", "InvalidUserIdException")
    return {"personsAndTeams": people} if people else _EMPTY


def _checkbox(column: MondayColumn, value: Any, *_: Any) -> Any:
    checked = _object(column, value, {"checked"})["checked"]
    if checked not in ("true", "false"):
        raise BadValue(column, 'checked is "true"')
    return {"checked": "true"} if checked == "true" else _EMPTY


def _relation(column: MondayColumn, value: Any, _: bool, around: Around) -> Any:
    ids = _object(column, value, {"item_ids"})["item_ids"]
    if not isinstance(ids, list) or not all(str(one).isdigit() for one in ids):
        raise BadValue(column, "item_ids must be a list of item ids")
    connected = [str(one) for one in column.settings.get("boardIds", ())]
    if any(around.board_of(str(one)) not in connected for one in ids):
        raise BadValue(column, "the boards are not connected, or there is no such item")
    return [str(one) for one in ids] or _EMPTY


_WRITERS: dict[str, Callable[[MondayColumn, Any, bool, Around], Any]] = {
    "text": _text,
    "long_text": _long_text,
    "numbers": _numbers,
    "status": _status,
    "dropdown": _dropdown,
    "date": _date,
    "timeline": _timeline,
    "link": _link,
    "email": _email,
    "phone": _phone,
    "people": _people,
    "checkbox": _checkbox,
    "board_relation": _relation,
}

# --- reading ----------------------------------------------------------------------------------------------------

_TYPES = {
    "text": "TextValue",
    "long_text": "LongTextValue",
    "numbers": "NumbersValue",
    "status": "StatusValue",
    "dropdown": "DropdownValue",
    "date": "DateValue",
    "timeline": "TimelineValue",
    "link": "LinkValue",
    "email": "EmailValue",
    "phone": "PhoneValue",
    "people": "PeopleValue",
    "checkbox": "CheckboxValue",
    "board_relation": "BoardRelationValue",
    "creation_log": "CreationLogValue",
    "last_updated": "LastUpdatedValue",
    "item_id": "ItemIdValue",
    "formula": "FormulaValue",
    "mirror": "MirrorValue",
    SUBITEMS: "SubtasksValue",
}
_NULL_TEXT = ("status", "dropdown", "board_relation", "mirror", SUBITEMS)


def readable(column: MondayColumn) -> bool:
    """Whether the stand-in can show the column's cells."""
    return column.type in _TYPES


def view(column: MondayColumn, kept: Any, item: MondayItem | None = None) -> dict[str, Any]:
    """The fields of one cell for GraphQL: `text` of an empty cell is "", of some types null. What a column computes
    needs the item."""
    cell: dict[str, Any] = {
        "__typename": _TYPES[column.type],
        "id": column.id,
        "type": column.type,
        "is_leaf": True,
        "text": None if column.type in _NULL_TEXT else "",
        "value": None,
    }
    if item is not None:
        cell |= _computed(column, item)
    if column.type == "board_relation":
        return cell | {"linked_item_ids": kept or [], "display_value": ", ".join(kept or []), "linked_items": []}
    if column.type == "dropdown":
        cell["values"] = []
    if column.type == "people":
        cell["persons_and_teams"] = []
    if column.type == "checkbox":
        cell["checked"] = False
    if kept is None:
        return cell
    value: Any = kept
    match column.type:
        case "text":
            cell["text"] = kept
        case "long_text":
            cell["text"] = kept
            value = {"text": kept}
        case "numbers":
            unit = column.settings.get("unit") or {}
            cell |= {"number": float(kept), "text": number_text(kept, unit.get("precision", -1))}
            cell |= {"symbol": unit.get("symbol"), "direction": unit.get("direction")}
        case "status":
            label = next((one for one in _labels(column) if one["id"] == kept), None)
            if label is None:
                return cell
            cell |= {"label": label["label"], "text": label["label"], "index": kept, "is_done": label.get("is_done")}
            value = {"index": kept}
        case "dropdown":
            labels = [one for wanted in kept for one in _labels(column) if one["id"] == wanted]
            cell |= {"values": labels, "text": ", ".join(one["label"] for one in labels)}
            value = {"ids": kept}
        case "date":
            shown = f"{kept['date']} {kept['time'][:5]}".strip()
            cell |= {"date": kept["date"], "time": kept["time"], "text": shown}
        case "timeline":
            cell |= {"from": kept["from"], "to": kept["to"], "text": f"{kept['from']} - {kept['to']}"}
        case "link":
            shown = f"{kept['text']} - {kept['url']}" if kept["text"] else kept["url"]
            cell |= {"url": kept["url"], "url_text": kept["text"], "text": shown}
        case "email":
            cell |= {"email": kept["email"], "label": kept["text"], "text": kept["text"]}
        case "phone":
            cell |= {"phone": kept["phone"], "country_short_name": kept["countryShortName"], "text": kept["phone"]}
        case "people":
            people = kept["personsAndTeams"]
            cell |= {"persons_and_teams": people, "text": ", ".join(str(one["id"]) for one in people)}
        case "checkbox":
            cell |= {"checked": True, "text": "v"}
    cell["value"] = json.dumps(value, ensure_ascii=False)
    return cell


def _computed(column: MondayColumn, item: MondayItem) -> dict[str, Any]:
    """What read-only columns show. Formulas and mirrors show nothing here."""
    match column.type:
        case "creation_log":
            return {"created_at": iso(item.at), "creator_id": item.creator_id, "text": iso(item.at)}
        case "last_updated":
            return {"updated_at": iso(item.updated_at), "text": iso(item.updated_at)}
        case "item_id":
            return {"item_id": item.id, "text": item.id}
        case "formula" | "mirror":
            return {"display_value": "", "mirrored_items": []}
    return {}


def number_text(kept: str, precision: int) -> str:
    """A number as the board shows it: by the column's precision, or as short as it goes."""
    number = Decimal(kept)
    if precision >= 0:
        return f"{number:.{precision}f}"
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def search_text(column: MondayColumn, kept: Any) -> str:
    """What `items_page_by_column_values` compares: links and emails by their label (contracts: monday 3.1)."""
    if column.type in ("text", "long_text"):
        return kept or ""
    cell = view(column, kept)
    if column.type == "link":
        return str(cell.get("url_text") or "")
    if column.type == "date":
        return str(cell.get("date") or "")
    return str(cell["text"] or "")


# --- in webhooks ------------------------------------------------------------------------------------------------

_OLD_NAMES = {
    "status": "color",
    "people": "multiple-person",
    "numbers": "numeric",
    "long_text": "long-text",
    "checkbox": "boolean",
    "timeline": "timerange",
    "board_relation": "board-relation",
}


def old_type(column: MondayColumn) -> str:
    """The type as webhooks name it (contracts: monday 7.5)."""
    return _OLD_NAMES.get(column.type, column.type)


def event_value(column: MondayColumn, kept: Any) -> Any:
    """A value as webhooks tell it; None when the cell is empty. Forms other than a status' are from captures."""
    if kept is None:
        return None
    match column.type:
        case "status":
            label = next((one for one in _labels(column) if one["id"] == kept), None)
            if label is None:
                return None
            style = {"color": label["color"], "class_name": label["color"].replace("_", "-")}
            shown = {"index": kept, "text": label["label"], "style": style, "is_done": bool(label.get("is_done"))}
            return {"label": shown, "post_id": None}
        case "dropdown":
            chosen = [one for wanted in kept for one in _labels(column) if one["id"] == wanted]
            return {"chosenValues": [{"id": one["id"], "name": one["label"]} for one in chosen]}
        case "numbers":
            return {"value": float(kept), "unit": column.settings.get("unit")}
        case "text":
            return {"value": kept}
        case "long_text":
            return {"text": kept}
        case "date":
            return {"date": kept["date"], "icon": None, "time": kept["time"] or None}
        case "board_relation":
            return {"linkedPulseIds": [{"linkedPulseId": int(one)} for one in kept]}
    return kept
