"""Who hears about what. A route is data; this is all the logic there is (design 6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from ml_connector.connections import Connection
from ml_connector.events import DELETED, Event
from ml_connector.modules import EVENTS, MODULES
from ml_connector.records import Record, same_status


class Check(NamedTuple):
    """One rule of a route, held against an event: what it wants, what is there, and whether that will do."""

    name: str
    """A condition's, or `events`."""
    wanted: Any
    found: Any
    """None or "" if there is nothing."""
    said: bool
    """False if the payload cannot tell: then it counts as met."""
    met: bool


class _Condition(NamedTuple):
    """What a condition looks at, and when that meets what the file wants."""

    of: Callable[[Record], Any]
    meets: Callable[[Any, Any], bool]
    said: Callable[[Record], object]
    """Whether the record's payload says it at all."""


def _at_least(amount: Decimal | None, wanted: Any) -> bool:
    return amount is not None and amount >= Decimal(wanted)


def _at_most(amount: Decimal | None, wanted: Any) -> bool:
    return amount is not None and amount <= Decimal(wanted)


def _is_status(status: str, wanted: Any) -> bool:
    return same_status(status).casefold() in {same_status(word).casefold() for word in wanted}


def _is_like(text: str, patterns: Any) -> bool:
    folded = text.casefold()
    return any(_like(pattern)(folded) for pattern in patterns)


def _has_all(custom: Mapping[str, str], wanted: Any) -> bool:
    return all(name in custom and _is_like(custom[name], values) for name, values in wanted.items())


@lru_cache(maxsize=1024)
def _like(pattern: str) -> Callable[[str], object]:
    """Takes a folded text: `*` stands for anything, and nothing else is special: companies are called `A [B]`."""
    return re.compile(translate(re.sub(r"[?[]", r"[\g<0>]", pattern.casefold()))).match


_amount, _base, _currency, _party = (attrgetter(name) for name in ("amount", "base_amount", "currency", "party"))
_CONDITIONS: Mapping[str, _Condition] = {
    "min_amount": _Condition(_amount, _at_least, lambda record: record.amount is not None),
    "max_amount": _Condition(_amount, _at_most, lambda record: record.amount is not None),
    "min_base_amount": _Condition(_base, _at_least, lambda record: record.base_amount is not None),
    "max_base_amount": _Condition(_base, _at_most, lambda record: record.base_amount is not None),
    "currency": _Condition(_currency, lambda code, wanted: code in wanted, _currency),
    "status": _Condition(attrgetter("status"), _is_status, lambda record: record.status not in ("", DELETED)),
    "party": _Condition(_party, _is_like, _party),
    "office": _Condition(
        attrgetter("office"), _is_like, lambda record: "location_name" in record.raw or "branch_name" in record.raw
    ),
    "custom": _Condition(
        attrgetter("custom"),
        _has_all,
        lambda record: "custom_fields" in record.raw or "custom_field_hash" in record.raw,
    ),
}


def destinations_for(
    connection: Connection, event: Event, record: Record, unsaid: Container[str] = ()
) -> tuple[str, ...]:
    """The destinations of the routes taken, each once and in file order."""
    taken = routes_taken(connection, event, record, unsaid)
    return tuple(dict.fromkeys(name for index in taken for name in connection.routes[index]["to"]))


def routes_taken(connection: Connection, event: Event, record: Record, unsaid: Container[str] = ()) -> tuple[int, ...]:
    """Places in the file, from 0, of every matching route (`all`) or of the first (`first`).

    Conditions in `unsaid` count as met. A route taken for that may turn out not to match: with `first`, those after
    it are taken too, up to one that surely matches. None for a module that the connection does not carry (any more):
    its old address may still be called.
    """
    if event.module not in connection.modules:
        return ()
    taken = []
    for index, route in enumerate(connection.routes):
        if matches(route, event, record, unsaid):
            taken.append(index)
            if connection.routing == "first" and not (unsaid and not matches(route, event, record)):
                break
    return tuple(taken)


def matches(route: Mapping[str, Any], event: Event, record: Record, unsaid: Container[str] = ()) -> bool:
    """True if the event is one of the route's and every condition holds. A missing amount meets no amount rule."""
    for *_, met in _checks(route, event, record, unsaid):  # noqa: SIM110 - ingest's way: all() would cost as much again
        if not met:
            return False
    return True


def explain(route: Mapping[str, Any], event: Event, record: Record, unsaid: Container[str] = ()) -> tuple[Check, ...]:
    """Every rule of the route, the events first: why it matches, or does not."""
    return tuple(Check(*each) for each in _checks(route, event, record, unsaid))


def hears(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """True if one of a route's patterns takes one of the events' names, whatever its conditions."""
    names = tuple(names)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _checks(
    route: Mapping[str, Any], event: Event, record: Record, unsaid: Container[str]
) -> Iterator[tuple[str, Any, Any, bool, bool]]:
    """The values of a Check for every rule, one by one: who only asks whether all are met stops at the first miss."""
    names, patterns = _names(event, unsaid), route["events"]
    yield "events", patterns, names, True, hears(patterns, names)
    for name, wanted in route.get("when", {}).items():
        if name not in _CONDITIONS:
            raise AssertionError(f"unknown condition {name}: the configuration's model should have refused it")
        of, meets, _ = _CONDITIONS[name]
        found, said = of(record), name not in unsaid
        yield name, wanted, found, said, not said or meets(found, wanted)


def unsaid_by(record: Record, routes: Iterable[Mapping[str, Any]] | None = None) -> frozenset[str]:
    """Conditions that the record's payload cannot decide, because it lacks what they look at.

    With `routes` only what these look at; the status always, because their events may be named by it.
    """
    asked = _CONDITIONS if routes is None else {"status", *(name for route in routes for name in route.get("when", ()))}
    return frozenset([name for name in asked if not _CONDITIONS[name].said(record)])


def _names(event: Event, unsaid: Container[str]) -> tuple[str, ...]:
    """What the event is called; of an unknown status all that it may be."""
    if event.action == DELETED or "status" not in unsaid:
        return event.names
    return (event.name, *(f"{event.module}.{status}" for status in MODULES[event.module].statuses))


def reachable(connection: Connection, module: str) -> tuple[str, ...]:
    """Destinations that a route could send records of the module to, whatever its conditions."""
    if module not in connection.modules:
        return ()
    names = [event for event in EVENTS if event.partition(".")[0] == module]
    return tuple(
        dict.fromkeys(name for route in connection.routes if hears(route["events"], names) for name in route["to"])
    )
