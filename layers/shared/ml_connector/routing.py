"""Who hears about what. A route is data; this is all the logic there is (design 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from ml_connector.connections import Connection
from ml_connector.events import Event
from ml_connector.records import Record


def destinations_for(connection: Connection, event: Event, record: Record) -> tuple[str, ...]:
    """The destinations of the routes taken, each once and in file order."""
    taken = routes_taken(connection, event, record)
    return tuple(dict.fromkeys(name for index in taken for name in connection.routes[index]["to"]))


def routes_taken(connection: Connection, event: Event, record: Record) -> tuple[int, ...]:
    """Places in the file, from 0, of every matching route (`all`) or of the first (`first`).

    None for a module that the connection does not carry (any more): its old address may still be called.
    """
    if event.module not in connection.modules:
        return ()
    taken = [index for index, route in enumerate(connection.routes) if matches(route, event.name, record)]
    return tuple(taken[:1] if connection.routing == "first" else taken)


def matches(route: Mapping[str, Any], event_name: str, record: Record) -> bool:
    """True if the event is one of the route's and every condition holds. A missing amount meets no amount rule."""
    if not any(fnmatchcase(event_name, pattern) for pattern in route["events"]):
        return False
    return all(_holds(name, wanted, record) for name, wanted in route.get("when", {}).items())


def _holds(condition: str, wanted: Any, record: Record) -> bool:
    match condition:
        case "min_amount":
            return record.amount is not None and record.amount >= Decimal(wanted)
        case "max_amount":
            return record.amount is not None and record.amount <= Decimal(wanted)
        case "currency":
            return record.currency in wanted
        case "status":
            return record.status.casefold() in wanted
        case "party":
            return any(_like(record.party.casefold(), pattern) for pattern in wanted)
        case "custom":
            return all(record.custom.get(name) in values for name, values in wanted.items())
    raise AssertionError(f"unknown condition {condition}: the configuration's model should have refused it")


def _like(text: str, pattern: str) -> bool:
    """True if equal; `*` stands for anything, and nothing else is special: companies are called `A [B]`."""
    return fnmatchcase(text, re.sub(r"[?[]", r"[\g<0>]", pattern))
