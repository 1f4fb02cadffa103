"""What the webhooks missed: pages each module since the cursor and enqueues what no delivery has seen (6.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, Throttled, Undeliverable
from ml_connector.events import Delivery, Event
from ml_connector.modules import MODULES
from ml_connector.ports import Books, Clock, Deliveries, Memory, Queue
from ml_connector.records import BadRecord, read, timestamp
from ml_connector.routing import destinations_for

OVERLAP = timedelta(minutes=10)
"""How far behind its cursor a run looks again: Zoho's lists may lag."""
SETTLING = timedelta(minutes=2)
"""Changes younger than this are left to their webhook."""

_NOT_ALWAYS_LISTED = {"currency": "currency_code", "custom": "custom_fields"}
"""Conditions of routes and the field that they look at, where Zoho's lists may lack it."""


class Cursors(Protocol):
    def get(self, connection: str, module: str) -> str | None: ...

    def set(self, connection: str, module: str, read_until: str) -> None: ...


@dataclass(slots=True)
class Found:
    """What a run saw. `failed` names modules that could not be read, with the reason; their cursor stays."""

    rows: int = 0
    missing: int = 0
    enqueued: int = 0
    unusable: int = 0
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconcile:
    books: Books
    cursors: Cursors
    deliveries: Deliveries
    queue: Queue
    clock: Clock

    def run(self, connection: Connection, correlation_id: str, time_left: Callable[[], bool]) -> Found:
        """One pass over the connection's modules; each stops early, with its cursor where it was, without time."""
        found = Found()
        until = self.clock() - SETTLING
        for module in connection.modules:
            if not time_left():
                break
            since = datetime.fromisoformat(self.cursors.get(connection.name, module) or connection.applied_at)
            try:
                done = self._module(connection, module, since - OVERLAP, until, correlation_id, found, time_left)
            except Throttled:
                break  # the next run goes on from the cursor
            except (ConnectorError, BadRecord) as error:
                found.failed[module] = str(error)
                continue
            if done:
                self.cursors.set(connection.name, module, _stamp(until))
        return found

    def _module(
        self,
        connection: Connection,
        module: str,
        since: datetime,
        until: datetime,
        correlation_id: str,
        found: Found,
        time_left: Callable[[], bool],
    ) -> bool:
        for row in self.books.changed_since(connection, module, _stamp(since)):
            if not time_left():
                return False
            found.rows += 1
            modified = timestamp(row.get("last_modified_time") or row.get("created_time"))
            if modified > _stamp(until):
                continue
            try:
                self._row(connection, module, row, correlation_id, found)
            except NeedsAttention:
                raise
            except (BadRecord, Undeliverable):
                found.unusable += 1  # one record's fault must not hold up the others
        return True

    def _row(
        self, connection: Connection, module: str, row: Mapping[str, Any], correlation_id: str, found: Found
    ) -> None:
        identity = str(row.get(MODULES[module].id_field, ""))
        memories = self.deliveries.of_record(f"{connection.name}#{module}#{identity}")
        if not self._missing(_as_listed(connection, row), module, row, memories, correlation_id):
            return
        payload = self.books.fetch(connection, module, identity)
        if missing := self._missing(connection, module, payload, memories, correlation_id):
            self.queue.send(missing)
            found.missing += 1
            found.enqueued += len(missing)

    def _missing(
        self,
        connection: Connection,
        module: str,
        payload: Mapping[str, Any],
        memories: Mapping[str, Memory],
        correlation_id: str,
    ) -> list[Delivery]:
        """Deliveries to the destinations that should have this version and know nothing of it."""
        record = read(module, payload)
        young = record.created_at >= connection.applied_at
        happened = ["created"] if young else []
        if not young or record.modified_at > record.created_at:
            happened.append("updated")
        missing: dict[str, Delivery] = {}
        for action in happened:
            event = Event(
                connection=connection.name,
                module=module,
                record_id=record.id,
                action=action,
                version=record.version,
                origin="reconcile",
                received_at=_stamp(self.clock()),
                correlation_id=correlation_id,
                payload=payload,
            )
            for name in destinations_for(connection, event, record):
                memory = memories.get(name)
                # Who has a row has had its beginning: only a change can be missing there.
                if memory is None or (action == "updated" and not _knows(memory, record.modified_at)):
                    missing.setdefault(name, Delivery(event, name))
        return list(missing.values())


def _as_listed(connection: Connection, row: Mapping[str, Any]) -> Connection:
    """Its routes as far as a list row can decide: a condition on what the row lacks counts as met (6.4)."""
    unsaid = {condition for condition, field in _NOT_ALWAYS_LISTED.items() if field not in row}
    if not unsaid:
        return connection
    routes = []
    for route in connection.routes:
        when = route.get("when", {})
        routes.append({**route, "when": {name: when[name] for name in when if name not in unsaid}})
    return replace(connection, routes=tuple(routes), routing="all")


def _knows(memory: Memory, modified: str) -> bool:
    """True if this version was applied, or is being tried, or is parked for a person."""
    return any(
        version is not None and version.at >= modified for version in (memory.version, memory.pending, memory.doubt)
    )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
