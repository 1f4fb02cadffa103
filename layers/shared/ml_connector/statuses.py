"""Changes of status as events of their own: `invoice.paid` is an update that brought the invoice into "paid".

Zoho's webhooks do not say what changed, so a record's status is compared with that of its newest version known. That
costs a read and a write per event, and is done only for connections that have a route which asks for it.
"""

from __future__ import annotations

from dataclasses import replace

from ml_connector.connections import Connection
from ml_connector.events import DELETED, Event
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.ports import Known
from ml_connector.records import Record
from ml_connector.routing import hears


def asked(connection: Connection, module: str) -> bool:
    """True if a route names a status of the module."""
    return any(names(connection, module, status) for status in MODULES[module].statuses)


def names(connection: Connection, module: str, status: str) -> bool:
    """True if a route names this status: a pattern that takes all that happens to the module needs none."""
    return status in MODULES[module].statuses and any(
        hears([pattern], [f"{module}.{status}"])
        and not all(hears([pattern], [f"{module}.{action}"]) for action in ACTIONS)
        for route in connection.routes
        for pattern in route["events"]
    )


def came_into(event: Event, record: Record) -> Event:
    """The event as one of its record's status, if that is one that routes can name."""
    status = record.status.casefold()
    return replace(event, status=status) if status in MODULES[event.module].statuses else event


def derive(connection: Connection, event: Event, record: Record, known: Known) -> Event:
    """The event, with the status that this version brought if a route of the connection asks for one.

    Nothing known counts as changed, and so does a version that comes late with another status than the newest: it is
    told twice rather than not at all. Whoever queues the event lets `learn` follow.
    """
    if event.action == DELETED or not asked(connection, event.module):
        return event
    seen = known.seen(event.record_key)
    return event if seen and seen[1] == record.status else came_into(event, record)


def learn(connection: Connection, event: Event, record: Record, known: Known) -> None:
    """Remembers the status for the next event; after queueing, so that a crash in between loses nothing."""
    if event.action != DELETED and record.status and asked(connection, event.module):
        known.learn(event.record_key, event.version, record.status)
