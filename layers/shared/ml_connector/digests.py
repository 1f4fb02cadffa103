"""Digests: one message that tells of all that was gathered in a slot of time (docs/adr/0013-digests.md).

    gathered (delivery.py): a message to the queue, due when the slot ends · row waiting + audit entry + shelf item
                                        │
    the slot has ended ─► few wait: each back into the queue, to be posted by itself
                      └─► many: one card, a record of its own, delivered as all others are
                                        │
                          each that it tells of: row done + audit entry with the card's id, off the shelf

The row of a digest says of which it told (`shown`), so a run that was cut off goes on where it stopped, and what came
onto the shelf too late is posted by itself. An item leaves the shelf in the transaction that settles its record's row,
so each is settled once, whatever is repeated. A newer version that came meanwhile stays the newer one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from ml_connector import audit, gathering
from ml_connector.connections import Connection
from ml_connector.delivery import Courier, Result
from ml_connector.errors import RetryLater
from ml_connector.events import Delivery, Event, Payload
from ml_connector.ports import (
    Clock,
    Conflict,
    Connections,
    Deliveries,
    Destination,
    Destinations,
    Memory,
    Receipt,
    Request,
    Shelved,
)
from ml_connector.records import Record
from ml_connector.states import move
from ml_connector.times import exact_stamp

LARGEST = 5
EVENTS = 12
"""Kinds of events that a card lists; the others are counted together."""
MOST = 20_000
"""That one digest tells of: its row holds a mark of each, and has room for twice as many."""
A_RUN = timedelta(seconds=45)
"""After which a run stops and comes again: half of what the delivery function may take."""
_MARK = 8


class Shelf(Protocol):
    def read(self, connection: str, digest: str) -> Sequence[Shelved]: ...

    def drop(self, shelved: Shelved) -> None: ...


class Queue(Protocol):
    def move(self, delivery: Delivery, key: str) -> None: ...


Render = Callable[[Connection, str, str, Payload], Request]
"""Draws a digest for a destination: connection, destination, the digest's id, its facts."""


@dataclass(frozen=True, slots=True)
class Digests:
    """Carries digests. `courier` is one whose destinations are Pages, and that reads what `blank` says."""

    connections: Connections
    shelf: Shelf
    courier: Courier
    deliveries: Deliveries
    queue: Queue
    clock: Clock

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        """Posts a digest, unless it is there, and settles what it tells of. Raises RetryLater as the courier does."""
        event, began = delivery.event, self.clock()
        if gathering.kind_of(event.record_id) == gathering.DAILY:
            return _posted(self.courier.carry(delivery, receives, first_received))
        shelved = self.shelf.read(event.connection, event.record_id)
        row = self.deliveries.read(event.record_key, delivery.destination)
        if row.version is None and shelved:
            if row.state == "new" and self._few(delivery, shelved):
                self._put_back(shelved)
                return Result("skipped", "few enough to be posted one by one")
            facts = summed(event.record_id, shelved[:MOST])
            whole = replace(delivery, event=replace(event, payload=facts))
            result = self.courier.carry(whole, receives, first_received)
            if result.outcome == "parked":
                return result
            row = self.deliveries.read(event.record_key, delivery.destination)
        elif not shelved:
            return Result("skipped", "nothing waits for this digest")
        told = {row.shown[at : at + _MARK] for at in range(0, len(row.shown), _MARK)}
        self._settle(row, [each for each in shelved if _mark(each) in told], began)
        self._put_back([each for each in shelved if _mark(each) not in told])
        return Result("told", f"{len(told)} deliveries in one digest")

    def _few(self, delivery: Delivery, shelved: Sequence[Shelved]) -> bool:
        """Whether a digest would be no shorter than what it tells of."""
        if len(shelved) == 1:
            return True
        connection = self.connections.connection(delivery.event.connection)
        settings = connection.destinations.get(delivery.destination, {}) if connection else {}
        busy = gathering.kind_of(delivery.event.record_id) == gathering.BUSY
        return busy and len(shelved) <= gathering.above(settings)

    # --- what was told --------------------------------------------------------------------------------------------

    def _settle(self, digest: Memory, told: Sequence[Shelved], began: datetime) -> None:
        """Each record's row and trail say that it was told, and where. What is busy or too much is for another run."""
        left, busy = len(told), 0
        for each in told:
            if self.clock() - began > A_RUN:
                raise RetryLater(f"{left} of {len(told)} records are still to be noted", 1)
            try:
                busy += not self._settled(digest, each)
            except Conflict:
                busy += 1
            left -= 1
        if busy:
            raise RetryLater(f"{busy} records are busy and will be noted later", 5)

    def _settled(self, digest: Memory, shelved: Shelved) -> bool:
        """False if another worker has the record's row for now."""
        event, name = shelved.delivery.event, shelved.delivery.destination
        memory = self.deliveries.read(event.record_key, name)
        if memory.state == "sending":
            return False
        outcome = "delivered" if digest.external_id else "accepted"
        entry = replace(
            audit.entry_of(shelved.delivery, memory, exact_stamp(self.clock()), outcome),
            number=shelved.facts.get("number", "") or memory.number,
            operation="digest",
            external_id=digest.external_id,
            link=digest.link,
            reason=f"told in the digest {shelved.digest}",
        )
        entry = audit.closed(entry, memory.chain)
        after = replace(_told(memory, shelved), chain=entry.hash)
        self.deliveries.write(event.record_key, name, after, entry, taken=shelved)
        return True

    # --- what is posted by itself ---------------------------------------------------------------------------------

    def _put_back(self, shelved: Iterable[Shelved]) -> None:
        """Into the queue first: a crash in between repeats it, and the row lets go only when the message is there."""
        now = exact_stamp(self.clock())
        for each in shelved:
            event, name = each.delivery.event, each.delivery.destination
            back = replace(each.delivery, single=True, alone=True, not_before=now, since=now)
            self.queue.move(back, f"{each.digest}#back#{back.id}")
            memory = self.deliveries.read(event.record_key, name)
            if memory.gathered != each.digest:
                # It has moved on; its row may be somebody's for now.
                self.shelf.drop(each)
                continue
            try:
                self.deliveries.write(event.record_key, name, replace(memory, gathered=""), taken=each)
            except Conflict:
                raise RetryLater("a record is busy", 5) from None


def _told(memory: Memory, shelved: Shelved) -> Memory:
    """The row when this version was told. What is newer there, or on its way, stays."""
    version = shelved.delivery.event.version
    there = {"version": version, **shelved.shows}
    if memory.gathered == shelved.digest and memory.pending == version and memory.state == "waiting":
        rest = {"pending": None, "doubt": None, "step": 0, "attempts": 0, "first_attempt_at": "", "gathered": ""}
        return move(memory, "tell", **there, **rest)
    known = memory.version
    if known and (known.deletes or not known.older_than(version)):
        return memory
    return replace(memory, **there)  # type: ignore[arg-type]


def given_up(memory: Memory, shelved: Shelved) -> Memory:
    """The row when a person has given up the digest that was to tell of this version: as any that is parked."""
    if memory.gathered == shelved.digest and memory.pending == shelved.delivery.event.version:
        return move(memory, "refuse", gathered="") if memory.state == "waiting" else memory
    return memory


# --- the card -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pages:
    """Destinations as a digest sees them: the card is drawn from its facts, the rest is the destination's own."""

    destinations: Destinations
    render: Render

    def destination(self, connection: Connection, name: str) -> Destination:
        return _Page(self.destinations.destination(connection, name), self.render, connection, name)


@dataclass(frozen=True, slots=True)
class _Page:
    """One digest is one message, which is never changed."""

    inner: Destination
    render: Render
    connection: Connection
    name: str
    covered: bool = False

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        facts = event.payload or {}
        request = self.render(self.connection, self.name, event.record_id, facts)
        return replace(request, shows={"shown": str(facts.get("told", ""))})

    def send(self, request: Request) -> Receipt:
        return self.inner.send(request)

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        return self.inner.settle(request, memory)


def blank(event: Event) -> Record:
    """What stands for the record in a digest's delivery: all that it shows is in the event."""
    return Record(
        module=event.module, id=event.record_id, number="", party="", date=None, due=None, currency="", amount=None,
        balance=None, status="", reference="", office="", exchange_rate=None, base_amount=None, mode="", lines=(),
        applied=(), custom={}, modified_at="", created_at="", raw=event.payload or {},
    )  # fmt: skip


def summed(digest: str, shelved: Sequence[Shelved]) -> dict[str, Any]:
    """What a digest tells, as plain data: how many records of which event with their sums by currency, and the largest.

    `count` and `others` are events. A record that came several times counts once a line, in its newest state.
    """
    kinds: dict[str, list[Shelved]] = {}
    newest: dict[str, Shelved] = {}
    for each in sorted(shelved, key=lambda each: each.delivery.event.version.at):
        kinds.setdefault(each.delivery.event.entry_name, []).append(each)
        newest[each.delivery.event.record_key] = each
    listed = sorted(kinds, key=lambda name: (-len(kinds[name]), name))
    return {
        "kind": gathering.kind_of(digest),
        "since": gathering.begun(digest).isoformat(),
        "count": len(shelved),
        "events": [_line(name, kinds[name]) for name in listed[:EVENTS]],
        "others": sum(len(kinds[name]) for name in listed[EVENTS:]),
        "modules": sorted({each.delivery.event.module for each in shelved}),
        "largest": [
            {"module": each.delivery.event.module, "id": each.delivery.event.record_id, **each.facts}
            for each in sorted(newest.values(), key=_size, reverse=True)[:LARGEST]
            if each.facts.get("amount")
        ],
        "told": "".join(map(_mark, shelved)),
    }


def _line(event: str, shelved: Sequence[Shelved]) -> dict[str, Any]:
    """Of one kind of event, the oldest first."""
    records = {each.delivery.event.record_key: each.facts for each in shelved}
    sums: dict[str, Decimal] = {}
    for facts in records.values():
        if facts.get("amount"):
            currency = facts.get("currency", "")
            sums[currency] = sums.get(currency, Decimal()) + Decimal(facts["amount"])
    plain = {currency: format(total, "f") for currency, total in sorted(sums.items())}
    return {"event": event, "count": len(records), "sums": plain}


def _size(shelved: Shelved) -> Decimal:
    """In the organization's own currency, where Zoho says its rate."""
    return Decimal(shelved.facts.get("base") or shelved.facts.get("amount") or "0")


def _mark(shelved: Shelved) -> str:
    """What a digest's row remembers of one that it tells of."""
    return hashlib.sha256(shelved.key.encode()).hexdigest()[:_MARK]


def _posted(result: Result) -> Result:
    return replace(result, outcome="told") if result.outcome in ("delivered", "accepted") else result
