"""The card of a record: one Adaptive Card 1.5 that every transport can carry (contracts: microsoft-teams 5).

Every fact stands in a FactSet; the table of line items is an addition, because phones may not draw it. Texts are
escaped for the card's markdown; dates and money are formatted here, since Teams formats neither.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

from ml_connector.connections import Connection
from ml_connector.events import Event
from ml_connector.modules import MODULES
from ml_connector.money import shown
from ml_connector.records import Record
from ml_connector.regions import web_link

MAX_BYTES = 26_000
"""Of the card as JSON: below the 28 KB that a Workflows message may have, its envelope included."""
MAX_LINES = 10
MAX_TEXT = 200
MAX_SUMMARY = 400

_COLOURS = {
    "attention": {"overdue", "void", "voided", "declined", "rejected", "cancelled"},
    "good": {"paid", "accepted", "billed", "closed", "approved", "success"},
    "warning": {"draft", "partially_paid", "pending_approval", "unpaid"},
}
# Zoho's words for payment modes (contracts: zoho-books 6.5); others are people's own and are shown as they are.
_MODES = {
    "banktransfer": "Bank transfer",
    "bankremittance": "Bank remittance",
    "creditcard": "Credit card",
    "autotransaction": "Automatic transaction",
}
_MARKDOWN = re.compile(r"([\\`*_\[\]()#~>|])")
_FUNCTION = re.compile(r"\{(?=\{)")
_LIST_START = re.compile(r"^(\d*)([-+.])(?=\s)")


def card(event: Event, record: Record, connection: Connection) -> dict[str, Any]:
    """The card, at most MAX_BYTES: line items fold into "and 37 more" as far as needed."""
    for lines in (MAX_LINES, 5, 0):
        content = _card(event, record, connection, lines)
        if len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES:
            break
    return content


def summary(event: Event, record: Record) -> str:
    """One line for notifications: plain text."""
    parts = (_headline(event, record), record.party, _amount(record), _status(record))
    return _cut(" · ".join(part for part in parts if part), MAX_SUMMARY)


def _card(event: Event, record: Record, connection: Connection, lines: int) -> dict[str, Any]:
    body: list[dict[str, Any]] = [_header(event, record), _facts(record)]
    if record.lines and lines:
        body.append(_table(record, lines))
    folded = len(record.lines) - lines
    if folded > 0:
        body.append(_small(f"and {folded} more line{'s' * (folded > 1)}" if lines else f"{folded} lines"))
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": summary(event, record),
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [
            {
                "type": "Action.OpenUrl",
                "title": "Open in Zoho Books",
                "url": web_link(connection.region, connection.organization_id, MODULES[record.module].route, record.id),
            }
        ],
    }


def _header(event: Event, record: Record) -> dict[str, Any]:
    style = next((style for style, words in _COLOURS.items() if record.status.casefold() in words), "accent")
    left = [
        {
            "type": "TextBlock",
            "text": escape(_headline(event, record)),
            "weight": "bolder",
            "size": "medium",
            "wrap": True,
        },
        {"type": "TextBlock", "text": escape(record.party) or "—", "wrap": True, "spacing": "none"},
    ]
    right = [
        {
            "type": "TextBlock",
            "text": escape(_amount(record)) or "—",
            "weight": "bolder",
            "size": "large",
            "horizontalAlignment": "right",
        },
        {
            "type": "TextBlock",
            "text": escape(_status(record)) or "—",
            "weight": "bolder",
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


def _facts(record: Record) -> dict[str, Any]:
    base = record.base_amount if record.exchange_rate not in (None, 1) else None
    facts = [
        ("Date", _day(record.date)),
        ("Due", _day(record.due)),
        ("Balance due", "" if record.mode else shown(record.balance, record.currency)),
        (
            "In base currency",
            f"{base:,.2f} at {record.exchange_rate:f}" if base is not None and record.exchange_rate else "",
        ),
        ("Paid by", _MODES.get(record.mode, record.mode[:1].upper() + record.mode[1:])),
        ("Settles", ", ".join(f"{each.number} ({shown(each.amount, record.currency)})" for each in record.applied)),
        ("Reference", record.reference),
        ("Zoho id", record.id),
    ]
    return {
        "type": "FactSet",
        "facts": [{"title": title, "value": escape(value)} for title, value in facts if value],
    }


def _table(record: Record, lines: int) -> dict[str, Any]:
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
                            "text": escape(text) or "—",
                            "wrap": True,
                            "horizontalAlignment": "left" if index == 0 else "right",
                            **weight,
                        }
                    ],
                }
                for index, text in enumerate(cells)
            ],
        }

    return {
        "type": "Table",
        "showGridLines": False,
        "columns": [{"width": 4}, {"width": 1}, {"width": 2}],
        "rows": [
            row(["Item", "Qty", "Amount"], heading=True),
            *(
                row(
                    [
                        line.name,
                        "" if line.quantity is None else f"{line.quantity.normalize():f}",
                        shown(line.total, record.currency),
                    ]
                )
                for line in record.lines[:lines]
            ),
        ],
    }


def _small(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": escape(text), "isSubtle": True, "size": "small", "spacing": "small"}


def _headline(event: Event, record: Record) -> str:
    """`New invoice INV-000412`, later `Invoice INV-000412`."""
    return f"New {record.title[0].lower()}{record.title[1:]}" if event.action == "created" else record.title


def _amount(record: Record) -> str:
    return shown(record.amount, record.currency)


def _status(record: Record) -> str:
    return record.status.replace("_", " ").capitalize()


def _day(day: date | None) -> str:
    return f"{day.day} {day:%b %Y}" if day else ""


def escape(text: str) -> str:
    """Text that shows as it is: cut to MAX_TEXT, markdown characters with a backslash (5.3)."""
    return _LIST_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", _cut(text, MAX_TEXT)))


def _cut(text: str, length: int) -> str:
    # `{{DATE(…)}}` is a function in Adaptive Cards; two braces from outside must not make one (5.3).
    text = " ".join(_FUNCTION.sub("{ ", text).split())
    return text if len(text) <= length else text[: length - 1] + "…"
