"""What the webhooks missed: pages each module since the cursor and enqueues what no delivery has seen (6.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError
from ml_connector.events import Delivery, Event
from ml_connector.modules import MODULES
from ml_connector.ports import Books, Clock, Deliveries, Memory, Queue
from ml_connector.records import BadRecord, read, timestamp
from ml_connector.routing import destinations_for

OVERLAP = timedelta(minutes=10)
"""How far behind its cursor a run looks again: Zoho's lists may lag."""
SETTLING = timedelta(minutes=2)
"""Changes younger than this are left to their webhook."""


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
            since = datetime.fromisoformat(self.cursors.get(connection.name, module) or connection.applied_at)
            try:
                done = self._module(connection, module, since - OVERLAP, until, correlation_id, found, time_left)
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
            self._row(connection, module, row, modified, correlation_id, found)
        return True

    def _row(
        self,
        connection: Connection,
        module: str,
        row: Mapping[str, Any],
        modified: str,
        correlation_id: str,
        found: Found,
    ) -> None:
        identity = str(row.get(MODULES[module].id_field, ""))
        memories = self.deliveries.of_record(f"{connection.name}#{module}#{identity}")
        if memories and all(_knows(memory, modified) for memory in memories.values()):
            return
        payload = self.books.fetch(connection, module, identity)
        try:
            record = read(module, payload)
        except BadRecord:
            found.unusable += 1
            return
        event = Event(
            connection=connection.name,
            module=module,
            record_id=record.id,
            action="updated" if memories else "created",
            version=record.version,
            origin="reconcile",
            received_at=_stamp(self.clock()),
            correlation_id=correlation_id,
            payload=payload,
        )
        missing = tuple(
            Delivery(event, name)
            for name in destinations_for(connection, event, record)
            if not (name in memories and _knows(memories[name], record.modified_at))
        )
        if missing:
            self.queue.send(missing)
            found.missing += 1
            found.enqueued += len(missing)


def _knows(memory: Memory, modified: str) -> bool:
    """True if this version was applied, or is being tried, or is parked for a person."""
    return any(version is not None and version.at >= modified for version in (memory.version, memory.pending))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
