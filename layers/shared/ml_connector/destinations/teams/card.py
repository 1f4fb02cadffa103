"""The card of a record: one Adaptive Card 1.5 that every transport can carry (contracts: microsoft-teams 5).

Every fact stands in a FactSet; the table of line items is an addition, because phones may not draw it. Texts are
escaped for the card's markdown; dates and money are formatted here, since Teams formats neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date as Date  # noqa: N812 - as in records.py
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from ml_connector.changes import changes, recalled
from ml_connector.connections import Connection
from ml_connector.destinations.teams.words import SHOWN, TITLE, Words
from ml_connector.events import DELETED, Event
from ml_connector.formats import Formats
from ml_connector.modules import MODULES
from ml_connector.ports import Memory
from ml_connector.records import Record
from ml_connector.regions import web_link

MAX_BYTES = 26_000
"""Of the card as JSON: below the 28 KB that a Workflows message may have, its envelope included."""
MAX_LINES = 10
MAX_TEXT = 200
MAX_SUMMARY = 400
MAX_APPLIED = 5

_COLOURS = {
    "attention": {"overdue", "void", "declined", "rejected", "cancelled", "expired", DELETED},
    "good": {"paid", "accepted", "billed", "closed", "approved", "success", "invoiced", "reimbursed"},
    "warning": {"draft", "partially_paid", "pending_approval", "unpaid", "partially_invoiced", "unbilled"},
}
_NOTHING_DUE = (_COLOURS["attention"] | _COLOURS["good"] | {"draft", "pending_approval"}) - {"overdue", "approved"}
"""Statuses of what is settled, given up, or not in force yet: its due date tells nobody to hurry."""
_MARKDOWN = re.compile(r"([\\`*_\[\]()#~>|])")
_FUNCTION = re.compile(r"\{(?=\{)")
_LIST_START = re.compile(r"^(\d*)([-+.])(?=\s)")
# What turns the direction of the text after it (but for our own isolates), and controls that nothing shows.
_HIDDEN = dict.fromkeys(
    [*range(0x202A, 0x202F), 0x2066, 0x2067, *range(9), *range(0x0E, 0x1C), *range(0x7F, 0x85), *range(0x86, 0xA0)]
)
_ISOLATE, _END = "\u2068", "\u2069"
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"


class Around(NamedTuple):
    """What a card tells besides the record."""

    look: Mapping[str, Any] = MappingProxyType({})
    """The destination's `card` settings: fields, labels, title, lines (config/model.py)."""
    today: Date | None = None
    """In the connection's time zone. None: how far away a due date is stays unsaid."""
    memory: Memory = Memory()
    """What the card showed before."""
    monday: str = ""
    """The link of the record's item, or of its board."""


def card(event: Event, record: Record, connection: Connection, around: Around | None = None) -> dict[str, Any]:
    """The card, at most MAX_BYTES: line items fold into "and 37 more" as far as needed, then texts are cut shorter."""
    around = around or Around()
    if event.action == DELETED:
        record = recalled(around.memory, record)
    for lines, length in ((around.look.get("lines", MAX_LINES), MAX_TEXT), (5, MAX_TEXT), (0, MAX_TEXT), (0, 80)):
        content = _Drawing(event, record, connection, around, lines, length).card()
        if len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES:
            break
    return content


def summary(
    event: Event, record: Record, connection: Connection | None = None, look: Mapping[str, Any] | None = None
) -> str:
    """One line for notifications: plain text."""
    formats = connection.formats if connection else Formats()
    words = Words((look or {}).get("labels", {}))
    amount = formats.amount(record.amount, record.currency)
    parts = (_headline(event, record, words), record.party, amount, words.status(record.status))
    return cut(" · ".join(_apart(cut(part, MAX_TEXT)) for part in parts if part), MAX_SUMMARY)


class _Drawing:
    """One try at a card: with so many line items, and texts of such a length."""

    def __init__(
        self, event: Event, record: Record, connection: Connection, around: Around, lines: int, length: int
    ) -> None:
        self.event = event
        self.record = record
        self.connection = connection
        self.formats = connection.formats
        self.around = around
        self.look = around.look
        self.words = Words(around.look.get("labels", {}))
        self.lines = lines
        self.length = length
        shape = MODULES[record.module]
        self.link = web_link(connection.region, connection.organization_id, shape.route, record.id)

    def card(self) -> dict[str, Any]:
        body = [self._header(), *self._changes(), self._facts(), *self._line_items()]
        if self._away():
            today = self._aside(self.formats.day(self.around.today))
            body.append(self._small(self.words.phrase("as_of", date=today)))
        return {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.5",
            "fallbackText": summary(self.event, self.record, self.connection, self.look),
            "msteams": {"width": "Full"},
            **({"rtl": True} if self.formats.rtl else {}),
            "body": body,
            # Of a deleted record there is nothing to open any more.
            **({} if self.event.action == DELETED else {"actions": self._actions()}),
        }

    def _actions(self) -> list[dict[str, Any]]:
        links = {"open": self.link, "open_monday": self.around.monday}
        return [
            {"type": "Action.OpenUrl", "title": cut(self.words.phrase(name), MAX_TEXT), "url": url}
            for name, url in links.items()
            if url
        ]

    # --- parts -----------------------------------------------------------------------------------------------

    def _header(self) -> dict[str, Any]:
        record = self.record
        style = next((style for style, words in _COLOURS.items() if record.status.casefold() in words), "accent")
        strong = {"type": "TextBlock", "weight": "bolder", "wrap": True}
        left = [
            {**strong, "text": self._text(self._title()), "size": "medium"},
            {"type": "TextBlock", "text": self._text(record.party) or "—", "wrap": True, "spacing": "none"},
        ]
        right = [
            {
                **strong,
                "text": self._text(self._amount()) or "—",
                # The title beside it needs some room.
                "size": "large" if len(self._amount()) <= 20 else "default",
                "horizontalAlignment": "right",
            },
            {
                **strong,
                "text": self._text(self.words.status(record.status)) or "—",
                "color": style,
                "horizontalAlignment": "right",
                "spacing": "none",
            },
        ]
        return {
            "type": "Container",
            # By this a post whose answer was lost is found again in the channel.
            "id": f"zoho-{record.module}-{record.id}",
            "style": style,
            "bleed": True,
            "items": [
                {
                    "type": "ColumnSet",
                    "columns": [
                        {"type": "Column", "width": "stretch", "items": left},
                        {"type": "Column", "width": "auto", "items": right},
                    ],
                }
            ],
        }

    def _changes(self) -> list[dict[str, Any]]:
        """What is other than the card said before."""
        if self.event.action == DELETED:
            return []
        found = changes(self.around.memory, self.record)
        arrow = "←" if self.formats.rtl else "→"
        facts = []
        for name, (before, after) in found.items():
            title = self.words.phrase("lines") if name == "lines" else self.words.field(name, self.record)
            currency = self.around.memory.currency or self.record.currency
            old, new = self._plain(name, before, currency), self._plain(name, after, self.record.currency)
            value = self._text(self.words.phrase("other")) if name == "lines" else f"{old} {arrow} {new}"
            facts.append({"title": self._text(title), "value": value})
        if not facts:
            return []
        heading = {"type": "TextBlock", "text": self._text(self.words.phrase("changed")), "weight": "bolder"}
        return [{"type": "Container", "style": "emphasis", "items": [heading, _fact_set(facts)]}]

    def _plain(self, name: str, text: str, currency: str) -> str:
        """One of two texts side by side."""
        text = said(name, text, currency, self.formats, self.words)
        return self._aside(escape(text, min(self.length, 80)) or "—")

    def _facts(self) -> dict[str, Any]:
        names = self.look.get("fields", SHOWN)
        if "id" not in names:
            names = (*names, "id")
        base = self.connection.zoho.get("base_currency", "")
        facts = [(self.words.field(name, self.record, base), self._fact(name)) for name in names]
        return _fact_set([{"title": self._text(title), "value": self._text(value)} for title, value in facts if value])

    def _fact(self, name: str) -> str:
        record, formats = self.record, self.formats
        match name:
            case "date":
                return formats.day(record.date)
            case "due":
                away = self._away()
                return f"{self._aside(formats.day(record.due))} · {away}" if away else formats.day(record.due)
            case "amount":
                return self._amount()
            case "balance":
                # A payment's balance is what is left of it unapplied: not something due.
                return "" if record.mode else formats.amount(record.balance, record.currency)
            case "base":
                return self._base()
            case "mode":
                return self.words.mode(record.mode)
            case "applied":
                return self._applied()
            case "status":
                return self.words.status(record.status)
        if name.startswith("custom."):
            return record.custom.get(name.partition(".")[2], "")
        return str(getattr(record, name))

    def _base(self) -> str:
        base, rate = self.record.base_amount, self.record.exchange_rate
        currency = self.connection.zoho.get("base_currency", "")
        if base is None or rate in (None, 0, 1) or currency == self.record.currency:
            return ""
        amount = self._aside(self.formats.amount(base, currency))
        return self.words.phrase("rate", amount=amount, rate=self.formats.number(rate))

    def _applied(self) -> str:
        applied = self.record.applied
        settled = [
            self._aside(f"{each.number} ({self.formats.amount(each.amount, self.record.currency)})".removesuffix(" ()"))
            for each in applied[:MAX_APPLIED]
        ]
        return ", ".join([*settled, *([f"+ {len(applied) - MAX_APPLIED}"] if len(applied) > MAX_APPLIED else [])])

    def _away(self) -> str:
        """`in 12 days`, of what is still open."""
        record, today = self.record, self.around.today
        open_ = record.status.casefold() not in _NOTHING_DUE and record.balance != 0
        if record.due is None or today is None or not open_ or "due" not in self.look.get("fields", SHOWN):
            return ""
        return self.formats.away((record.due - today).days, owed=MODULES[record.module].due_label == "Due")

    def _line_items(self) -> list[dict[str, Any]]:
        found = len(self.record.lines)
        table = [self._table()] if found and self.lines else []
        if found <= self.lines:
            return table
        text = self.words.more(found - self.lines) if self.lines else self.words.phrase("folded", count=found)
        return [*table, self._small(text, link=self.link)]

    def _table(self) -> dict[str, Any]:
        def row(cells: list[str], *, heading: bool = False) -> dict[str, Any]:
            weight = {"weight": "bolder"} if heading else {}
            return {
                "type": "TableRow",
                "cells": [
                    {
                        "type": "TableCell",
                        "items": [
                            {
                                "type": "TextBlock",
                                "text": self._text(text) or "—",
                                "wrap": True,
                                "horizontalAlignment": "left" if index == 0 else "right",
                                **weight,
                            }
                        ],
                    }
                    for index, text in enumerate(cells)
                ],
            }

        formats, words = self.formats, self.words
        rows = [
            row(
                [
                    line.name,
                    "" if line.quantity is None else formats.number(Decimal(f"{line.quantity.normalize():f}")),
                    formats.amount(line.total, self.record.currency),
                ]
            )
            for line in self.record.lines[: self.lines]
        ]
        headings = [words.phrase("item"), words.phrase("quantity"), words.field("amount", self.record)]
        return {
            "type": "Table",
            "fallback": "drop",
            "showGridLines": False,
            # A number wider than its cell is broken between its digits: 12,500.75 fits on a card of 340 pixels.
            "columns": [{"width": 3}, {"width": 2}, {"width": 3}],
            "rows": [row(headings, heading=True), *rows],
        }

    def _small(self, text: str, link: str = "") -> dict[str, Any]:
        shown = self._text(text)
        shown = f"[{shown}]({link})" if link else shown
        return {"type": "TextBlock", "text": shown, "isSubtle": True, "size": "small", "spacing": "small", "wrap": True}

    # --- words -----------------------------------------------------------------------------------------------

    def _title(self) -> str:
        values = {
            "headline": _headline(self.event, self.record, self.words),
            "label": self.words.module(self.record),
            "number": self.record.name,
            "party": self.record.party,
            "amount": self._amount(),
            "status": self.words.status(self.record.status),
            "event": self.event.names[-1],
        }
        template: str = self.look.get("title", TITLE)
        return template.format(**{name: _apart(value) for name, value in values.items()})

    def _amount(self) -> str:
        return self.formats.amount(self.record.amount, self.record.currency)

    def _aside(self, text: str) -> str:
        return aside(text, self.formats)

    def _text(self, text: str) -> str:
        return escape(text, self.length)


def said(name: str, text: str, currency: str, formats: Formats, words: Words) -> str:
    """A fact as changes.py tells it, in the words of people: plain text."""
    match name:
        case "amount" | "balance" if text:
            return formats.amount(Decimal(text), currency)
        case "date" | "due" if text:
            return formats.day(Date.fromisoformat(text))
        case "status":
            return words.status(text)
        case "mode":
            return words.mode(text)
    return text


def aside(text: str, formats: Formats) -> str:
    """A text beside others: where lines run from right to left, each keeps its own order."""
    return f"{_ISOLATE}{_whole(text)}{_END}" if formats.rtl and text else _apart(text)


def _fact_set(facts: list[dict[str, str]]) -> dict[str, Any]:
    return {"type": "FactSet", "facts": facts}


def _headline(event: Event, record: Record, words: Words) -> str:
    """`New invoice INV-000412`, later `Invoice INV-000412`, or `Invoice paid: INV-000412` if that is what happened."""
    if event.action == "created":
        return words.phrase("created", label=words.module(record, within=True), number=record.name)
    happened = DELETED if event.action == DELETED else event.status
    if not happened:
        return f"{words.module(record)} {record.name}"
    status = words.status(happened, within=True)
    return words.phrase("became", label=words.module(record), status=status, number=record.name)


def escape(text: str, length: int = MAX_TEXT) -> str:
    """Text that shows as it is: cut to `length`, markdown characters with a backslash (5.3)."""
    return _apart(_LIST_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", cut(text, length))))


def cut(text: str, length: int) -> str:
    """One line of at most `length` characters, as plain text."""
    # `{{DATE(…)}}` is a function in Adaptive Cards; two braces from outside must not make one (5.3).
    text = _whole(" ".join(_FUNCTION.sub("{ ", text.translate(_HIDDEN)).split()))
    keep = length - 1
    while len(text) > length:
        text = _whole(text[:keep] + "…")
        keep -= 1
    return text


def _apart(text: str) -> str:
    """Text from right to left keeps to itself: the amount that follows an Arabic name stays where it is."""
    # Compiled when a text first needs it: a cold start does not.
    turned = not text.isascii() and re.search(_RIGHT_TO_LEFT, text)
    return f"{_ISOLATE}{_whole(text)}{_END}" if turned else text


def _whole(text: str) -> str:
    """Isolates are ended, and only those that were begun."""
    if _ISOLATE not in text and _END not in text:
        return text
    depth, kept = 0, []
    for character in text:
        depth += (character == _ISOLATE) - (character == _END)
        if depth < 0:
            depth = 0
        else:
            kept.append(character)
    return "".join(kept) + _END * depth
