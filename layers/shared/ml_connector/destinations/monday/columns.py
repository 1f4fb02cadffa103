"""Columns: what a record says, and how each column type wants it written (contracts: monday 3.3, 4).

A column is `{from, type, labels, currency, country}` of the configuration (config/model.py): `from` is JMESPath into
`facts`, the rest says how its value is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import jmespath
from jmespath.exceptions import JMESPathError

from ml_connector.board_items import Label, cut, external_id, label_of, labels_of
from ml_connector.connections import Connection
from ml_connector.errors import Undeliverable
from ml_connector.formats import Formats
from ml_connector.modules import MODULES, PAYMENTS
from ml_connector.records import Line, Record, as_mapping, unapplied
from ml_connector.regions import web_link

COVERED = frozenset({
    "module", "id", "number", "party", "date", "due", "currency", "amount", "balance", "status", "reference", "mode",
    "applied", "custom", "label", "title", "external_id", "link", "lines_text", "amount_text", "balance_text",
    "payment_status", "organization", "connection",
})  # fmt: skip
"""What of `facts` cannot change without the record's fingerprint (records.py): what a payment has left not without
what it is applied to."""
NAME_LENGTH = 255
LONG_TEXT = 2000
TEXT = 2000
_PLAIN_PATH = re.compile(r"\w+(\.\w+)*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)


def payment_status(record: Record) -> str:
    """`paid`, `partially_paid` or `unpaid`, by what is still due; a payment's own; "" where nothing is owed."""
    if record.balance is None and MODULES[record.module].settles:
        return record.status
    if record.balance is None or record.amount is None or record.status in ("", "draft", "void", "deleted"):
        return ""
    if record.balance == 0:
        return "paid"
    return "unpaid" if record.balance == record.amount else "partially_paid"


def facts(record: Record, connection: Connection) -> dict[str, Any]:
    """What a mapping may look at: the record (records.as_mapping) and what we add to it."""
    amount, lines = (
        connection.formats.amount,
        "\n".join(_line(each, record, connection.formats) for each in record.lines),
    )
    balance = unapplied(record) if record.module in PAYMENTS else record.balance
    return {
        **as_mapping(record),
        "balance": None if balance is None else str(balance),
        "external_id": external_id(connection, record.module, record.id),
        "link": web_link(connection.region, connection.organization_id, MODULES[record.module].route, record.id),
        "lines_text": lines,
        "amount_text": amount(record.amount, record.currency),
        "balance_text": amount(balance, record.currency),
        "payment_status": payment_status(record),
        "organization": connection.organization_id,
        "connection": connection.name,
    }


def _line(line: Line, record: Record, formats: Formats) -> str:
    """`2 × Crate: 1,284.50 EUR`, as far as it is known."""
    quantity = "" if line.quantity is None else formats.number(Decimal(f"{line.quantity.normalize():f}"))
    about = f"{quantity} × {line.name}" if quantity else line.name
    total = formats.amount(line.total, record.currency)
    return f"{about}: {total}" if total else about


class Columns:
    """The mapping of one board, compiled."""

    def __init__(self, columns: Mapping[str, Mapping[str, Any]]) -> None:
        self._columns = [_Column.of(name, each) for name, each in columns.items()]
        self.ids = [each.id for each in self._columns]

    def values(self, source: Mapping[str, Any], title: str, currency: str) -> dict[str, Any]:
        """Column ids to what is written there. `currency` is that of the source's amounts.

        Raises Undeliverable, with the column's name, for a mapping that does not fit the record.
        """
        found: dict[str, Any] = {}
        for each in self._columns:
            try:
                found[each.id] = each.encoded(source, title, currency)
            except (ArithmeticError, JMESPathError, ValueError) as error:
                why = f" ({error})" if type(error) is ValueError else ""
                raise Undeliverable(
                    f"column {each.id}: the record holds no {each.type} there{why}; map it differently"
                ) from error
        return found

    def only(self, path: str) -> Columns:
        """Those that show this alone."""
        some = Columns({})
        some._columns = [each for each in self._columns if each.path.expression == path]
        some.ids = [each.id for each in some._columns]
        return some

    def within(self, covered: Iterable[str]) -> bool:
        """True if all are plain paths to what is covered; whatever else a path may reach is unknown."""
        return all(
            _PLAIN_PATH.fullmatch(each.path.expression) and each.path.expression.partition(".")[0] in covered
            for each in self._columns
        )

    def same(self, column: str, text: str | None, value: Any) -> bool:
        """True if a cell that is read as `text` surely shows `value` already (3.1, 4)."""
        kind = next(each.type for each in self._columns if each.id == column)
        return _same(kind, text or "", value)


class _Column(NamedTuple):
    id: str
    type: str
    path: Any
    labels: Mapping[str, Label]
    currency: str
    country: str

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> _Column:
        labels = labels_of(settings)
        path = jmespath.compile(settings["from"])
        return cls(name, settings["type"], path, labels, settings.get("currency", ""), settings.get("country", ""))

    def encoded(self, source: Mapping[str, Any], title: str, currency: str) -> Any:
        if self.currency and self.currency != currency:
            return None
        return encode(self.type, self.path.search(source), self.labels, title, self.country)


def encode(kind: str, value: Any, labels: Mapping[str, Label], title: str, country: str = "") -> Any:
    """A value as its column type wants it written; None clears every type, where "" would store 0 (4).

    What a phone, an e-mail or a people column cannot hold leaves it empty: a record is not stopped for that. Raises
    ValueError or ArithmeticError for what is no amount, or a label that monday would take for another one.
    """
    if value is None or value == "" or value == []:
        return None
    if kind == "timeline":
        return _timeline(value if isinstance(value, list) else [value])
    if kind in ("dropdown", "people"):
        return _several(kind, value if isinstance(value, list) else [value], labels)
    text = str(value)
    match kind:
        case "text":
            return cut(text, TEXT, "")
        case "long_text":
            return {"text": cut(text, LONG_TEXT)}
        case "numbers":
            number = Decimal(text)
            if not number.is_finite():
                raise ValueError(f"{text} is no amount")
            return format(number, "f")
        case "status":
            return _status(label_of(text, labels))
        case "date":
            return _date(text)
        case "link":
            return {"url": text if _SCHEME.match(text) else f"https://{text}", "text": cut(title, NAME_LENGTH)}
        case "email":
            return {"email": text, "text": text} if _EMAIL.fullmatch(text) else None
        case "phone":
            return _phone(text, country)
        case "checkbox":
            # Only the tick can be written; without it the cell is empty.
            return {"checked": "true"} if text.lower() in ("true", "1", "yes") else None
    raise AssertionError(f"unknown column type {kind}: the configuration's model should have refused it")


def _status(label: Label) -> dict[str, Label]:
    if isinstance(label, int):
        return {"index": label}  # called index, but it is the label's id (0, fact 7)
    _spoken(label)
    return {"label": label}


def _spoken(label: str) -> None:
    if label.isdigit():
        raise ValueError(f"monday takes the label {label} for a label's id: map it to its id as a number")


def _several(kind: str, values: list[Any], labels: Mapping[str, Label]) -> Any:
    words = [str(each) for each in values if each not in (None, "")]
    if kind == "people":
        ids = [labels.get(word, labels.get("*")) for word in words]
        people = [_person(str(each)) for each in dict.fromkeys(ids) if each not in (None, "")]
        return {"personsAndTeams": people} if people else None
    # A word is written as it is unless the file has others: a currency is not "Eur".
    chosen = [label_of(word, labels) if labels else word for word in words]
    ids = [each for each in chosen if isinstance(each, int)]
    if ids and len(ids) == len(chosen):
        return {"ids": ids}
    if ids:
        raise ValueError("labels are either all ids or all texts")
    for each in chosen:
        _spoken(str(each))
    return {"labels": chosen} if chosen else None


def _person(identity: str) -> dict[str, Any]:
    """`123` is a person, `team:123` a team."""
    kind, _, number = identity.rpartition(":")
    return {"id": int(number), "kind": kind or "person"}


def _date(text: str) -> dict[str, str]:
    """A day, or a UTC moment as day and time: monday keeps times in UTC."""
    return {"date": text[:10], "time": text[11:19]} if "T" in text else {"date": text[:10]}


def _timeline(values: list[Any]) -> dict[str, str] | None:
    """From the first to the last of the days that there are."""
    days = sorted(str(each)[:10] for each in values if each)
    return {"from": days[0], "to": days[-1]} if days else None


def _phone(text: str, country: str) -> dict[str, str] | None:
    number = ("+" if text.lstrip().startswith("+") else "") + re.sub(r"\D", "", text)
    fits = country and 6 <= len(number.lstrip("+")) <= 15
    return {"phone": number, "countryShortName": country} if fits else None


def _same(kind: str, text: str, value: Any) -> bool:
    if value is None:
        return not text
    match kind:
        case "text":
            return bool(text == value)
        case "long_text":
            return bool(text == value["text"])
        case "numbers":
            try:
                return Decimal(text) == Decimal(value)
            except ArithmeticError:
                return False
        case "date":
            return bool(text == f"{value['date']} {value.get('time', '')[:5]}".strip())
        case "status":
            return text != "" and text == value.get("label")
        case "dropdown":
            return text != "" and text == ", ".join(str(each) for each in value.get("labels", ()))
    return False
