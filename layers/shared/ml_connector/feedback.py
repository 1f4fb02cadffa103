"""Somebody did something at a destination, about a record: it is written into that record's own trail, once.

The entry goes into the chain of the record at that destination, in one transaction with its row, as every other. What
happened is known by its id there (`Happening.external_id`): the row is read first, then the trail, and the write holds
only if the row is still that one. So of two workers, or two tellings, one writes.

Where the connection says so, the Zoho record gets a note of it: a delivery to a zoho_comment destination like any
other, but of a record of its own (MODULE), so that it neither waits for Zoho's versions nor passes for one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from ml_connector import audit
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Clock, Conflict, Memory
from ml_connector.records import Record, read
from ml_connector.times import exact_stamp, seconds_until

MODULE = "feedback"
"""Module of the deliveries that carry a note to Zoho; its records are the happenings, by the ids of their entries."""

SOON = 5.0
"""Seconds to wait for a delivery of the record that is under way."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened: `outcome` is the entry's, `event` what it is called, `at` when it was (UTC) and `by` whom.

    `external_id` is the id of what was made by it, such as the reply, or of what was changed; `link` shows it.
    `known_by` tells two happenings to the same thing apart; without it `external_id` does.
    """

    outcome: str
    event: str
    origin: str
    at: str
    by: str
    external_id: str
    link: str = ""
    reason: str = ""
    known_by: str = ""

    @property
    def identity(self) -> str:
        return self.known_by or self.external_id


class Rows(Protocol):
    def read(self, record_key: str, destination: str) -> Memory: ...

    def write(self, record_key: str, destination: str, memory: Memory, entry: AuditEntry | None = None) -> Memory: ...


class Trail(Protocol):
    def of_record(self, connection: str, module: str, record_id: str) -> Iterable[AuditEntry]: ...


@dataclass(frozen=True, slots=True)
class Feedback:
    """`recorded` hears the outcome of each entry that was written."""

    rows: Rows
    trail: Trail
    clock: Clock
    recorded: Callable[[str], None] = lambda outcome: None

    def write(
        self,
        connection: str,
        module: str,
        record_id: str,
        destination: str,
        what: Happening,
        call: str,
        after: Callable[[Memory], Memory] = lambda memory: memory,
    ) -> bool:
        """True if it was written now; False if it stands there already, or the destination has no such record.

        `after` says what the row is to be with it. Raises RetryLater while a delivery of the record is under way.
        """
        key = f"{connection}#{module}#{record_id}"
        memory = self.rows.read(key, destination)
        if not memory.rev:
            return False
        now = self.clock()
        if memory.state == "sending" and seconds_until(memory.lease_until, now) > 0:
            # A write of ours would take its claim from under it.
            raise RetryLater("a delivery of this record is under way", SOON)
        identity = _identity(key, destination, what.outcome, what.identity)
        if self._find(connection, module, record_id, identity):
            return False
        entry = AuditEntry(
            at=exact_stamp(now),
            connection=connection,
            module=module,
            record_id=record_id,
            number=memory.number,
            event=what.event,
            version=f"{what.at}~{what.identity}",
            origin=what.origin,
            destination=destination,
            outcome=what.outcome,
            attempt=0,
            correlation_id=call,
            external_id=what.external_id,
            link=what.link,
            by=what.by,
            reason=what.reason,
            delivery=identity,
        )
        sealed = audit.closed(entry, memory.chain)
        try:
            self.rows.write(key, destination, replace(after(memory), chain=sealed.hash), sealed)
        except Conflict:
            raise RetryLater("another worker has this record", SOON) from None
        self.recorded(what.outcome)
        return True

    def known(
        self, connection: str, module: str, record_id: str, destination: str, outcome: str, identity: str
    ) -> AuditEntry | None:
        """The entry that tells of it already."""
        key = f"{connection}#{module}#{record_id}"
        return self._find(connection, module, record_id, _identity(key, destination, outcome, identity))

    def _find(self, connection: str, module: str, record_id: str, identity: str) -> AuditEntry | None:
        entries = self.trail.of_record(connection, module, record_id)
        return next((entry for entry in entries if entry.delivery == identity), None)


def _identity(key: str, destination: str, outcome: str, identity: str) -> str:
    return hashlib.sha256(f"{key}#{destination}#{outcome}#{identity}".encode()).hexdigest()[:32]


def note(entry: AuditEntry, text: str, destination: str) -> Delivery:
    """The delivery of a note about what an entry tells of. The same entry gives the same delivery."""
    payload = {"module": entry.module, "record": entry.record_id, "number": entry.number, "note": text}
    version = Version("", entry.delivery[:16])
    event = Event(
        entry.connection,
        MODULE,
        entry.delivery,
        "noted",
        version,
        entry.origin,
        entry.at,
        entry.correlation_id,
        payload,
    )
    return Delivery(event, destination)


def noted(event: Event) -> Record:
    """The record that a note is for, as far as the note's delivery names it."""
    payload = event.payload or {}
    shape = MODULES[str(payload["module"])]
    return read(shape.name, {shape.number_field: payload["number"], shape.id_field: payload["record"]})
