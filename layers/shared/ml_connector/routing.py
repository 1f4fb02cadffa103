"""Who hears about what. A route is data; this is all the logic there is (design 6)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from ml_connector.connections import Connection
from ml_connector.events import Event
from ml_connector.records import Record


def destinations_for(connection: Connection, event: Event, record: Record) -> tuple[str, ...]:
    """The destinations of every matching route (`all`), or of the first (`first`), each once and in file order."""
    chosen: dict[str, None] = {}
    for route in connection.routes:
        if matches(route, event.name, record):
            chosen.update(dict.fromkeys(route["to"]))
            if connection.routing == "first":
                break
    return tuple(chosen)


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
            return any(fnmatchcase(record.party.casefold(), pattern) for pattern in wanted)
        case "custom":
            return all(record.custom.get(name) in values for name, values in wanted.items())
    raise AssertionError(f"unknown condition {condition}: the configuration's model should have refused it")
