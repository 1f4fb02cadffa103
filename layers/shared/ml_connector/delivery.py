"""One delivery from the queue to its destination: claim, plan, send, remember, audit (design 3 and 4).

    read the row ── already there, or older ──► skipped
         │
    settle an unanswered create, if there is one (by looking, never by guessing)
         │
    plan (pure) ─► claim: conditional write of the exact request, with a lease
         │
    send ── RetryLater ──► waiting: the message comes back later
         ├─ Unknown ─────► unknown: settled at the next attempt
         ├─ Undeliverable ► parked with its reason, acknowledged
         └─ receipt ─────► audit entry, then the row is done

The audit entry is written before the row is done: a crash in between is repaired by the next attempt, which settles
and writes it again, rather than leaving an effect without its entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ml_connector import retry
from ml_connector.connections import Connection
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.events import Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.ports import (
    AuditEntry,
    AuditTrail,
    Books,
    CannotTell,
    Clock,
    Conflict,
    Connections,
    Deliveries,
    Destination,
    Destinations,
    Memory,
    ParkedQueue,
    Receipt,
    Request,
)
from ml_connector.records import BadRecord, Record, read

ATTENTION = 300.0
"""Seconds between attempts, at least, while a person must connect again."""
LOOK_AGAIN = 60.0
"""Seconds between the two looks that prove an item's absence (contracts: monday 6.3)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a delivery: `delivered`, `accepted`, `skipped` or `parked`, and why."""

    outcome: str
    reason: str = ""
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Courier:
    """Carries deliveries. One instance serves all connections of a function's process."""

    connections: Connections
    destinations: Destinations
    deliveries: Deliveries
    audit: AuditTrail
    parked: ParkedQueue
    books: Books
    clock: Clock
    lease: timedelta
    jitter: Callable[[int, float | None], int] = retry.wait

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        """Raises RetryLater, with `after` set to the seconds to wait, when the message must come back.

        `receives` and `first_received` are the queue's: how often, and since when, this very message is tried.
        """
        now = self.clock()
        return _Trip(self, delivery, receives, first_received or now, now).run()

    def reject(self, body: str, key: str, reason: str) -> None:
        """Parks a queue message that could not even be read."""
        self.parked.park(body, group="unreadable", key=key, reason=reason)


class _Trip:
    """One attempt at one delivery."""

    def __init__(
        self, courier: Courier, delivery: Delivery, receives: int, first_received: datetime, now: datetime
    ) -> None:
        self.of = courier
        self.delivery = delivery
        self.event = delivery.event
        self.receives = receives
        self.first_received = first_received
        self.now = now
        self.memory = Memory()
        self.begun = False
        self.claimed = False
        self.request: Request | None = None
        self.record: Record | None = None

    def run(self) -> Result:
        try:
            return self._to_its_end()
        except Conflict:
            raise RetryLater("another worker has this delivery", self.of.lease.total_seconds()) from None

    def _to_its_end(self) -> Result:
        try:
            return self._run()
        except NeedsAttention as error:
            # Every delivery of the connection waits until its credentials are put right; none is lost meanwhile.
            return self._later(RetryLater(error.reason, ATTENTION, error.status), refused=True)
        except Undeliverable as error:
            return self._park(error)
        except RetryLater as error:
            return self._later(error)

    def _run(self) -> Result:
        connection = self.of.connections.connection(self.event.connection)
        if connection is None:
            raise Undeliverable(f"connection {self.event.connection!r} is not configured; apply it, then retry")
        destination = self.of.destinations.destination(connection, self.delivery.destination)
        self.memory = self.of.deliveries.read(self.event.record_key, self.delivery.destination)
        if skipped := self._skip():
            return skipped
        self._respect_lease()
        self.begun = True
        self.event, self.record = self._whole(connection)
        if receipt := self._settle(destination, connection):
            return Result("delivered", "found by looking", receipt)
        # What was fetched may be there already, and what was found may be newer than this event.
        return self._skip() or self._send(destination)

    def _skip(self) -> Result | None:
        reason = superseded(self.event.version, self.memory.version)
        if not reason:
            return None
        self._note("skipped", reason=reason)
        return Result("skipped", reason)

    def _respect_lease(self) -> None:
        if self.memory.state == "sending" and (left := _seconds(self.memory.lease_until, self.now)) > 0:
            raise RetryLater("another worker has this delivery", left)

    def _whole(self, connection: Connection) -> tuple[Event, Record]:
        """The event with its record; a thin event's record is fetched, in the state it has by now."""
        if self.event.module not in MODULES:
            raise Undeliverable(f"this release does not know the module {self.event.module!r}")
        payload = self.event.payload
        fetched = payload is None
        if payload is None:
            payload = self.of.books.fetch(connection, self.event.module, self.event.record_id)
        try:
            record = read(self.event.module, payload)
        except BadRecord as error:
            raise Undeliverable(f"Zoho's {self.event.module} {self.event.record_id} is unusable: {error}") from error
        version = record.version if fetched else self.event.version
        return replace(self.event, payload=payload, version=version), record

    def _settle(self, destination: Destination, connection: Connection) -> Receipt | None:
        """Finds out about an earlier create. A receipt is returned only if it was for this very version."""
        request, pending = self.memory.request, self.memory.pending
        if request is None or pending is None or self.memory.state not in ("sending", "unknown"):
            return None
        try:
            receipt = destination.settle(request, self.memory)
        except CannotTell:
            # A person who sends a parked delivery again has looked and decided.
            if connection.retry["unknown"] == "park" and self.event.origin != "replay":
                raise Undeliverable(
                    f"{request.about}: an earlier call got no answer and {self.delivery.destination} cannot be asked "
                    "whether it took effect. Look there: if it is missing, send the parked delivery again."
                ) from None
            self._note("unknown", reason="repeated without proof: possible duplicate")
            receipt = None
        else:
            if receipt is None and (left := self._until_second_look()) > 0:
                self.memory = self._write(looked_at=self.memory.looked_at or _stamp(self.now))
                raise Unknown("not found yet; looking once more", left)
        if receipt is None:
            self.memory = replace(
                self.memory, state="waiting", request=None, looked_at="", generation=self.memory.generation + 1
            )
            return None
        self._note("delivered", receipt=receipt, reason="found by looking", version=pending)
        self.memory = self._done(receipt, pending)
        return receipt if pending == self.event.version else None

    def _until_second_look(self) -> float:
        """Seconds to wait before a second look counts; 0 or less if this was it."""
        return LOOK_AGAIN + _seconds(self.memory.looked_at, self.now)

    def _send(self, destination: Destination) -> Result:
        try:
            receipt = self._attempt(destination)
        except Gone:
            # A person removed the message or item; the change makes a new one, under another key.
            self.memory = replace(self.memory, external_id="", thread_id="", generation=self.memory.generation + 1)
            receipt = self._attempt(destination)
        if receipt.replayed:
            # The vendor repeated its answer to an earlier attempt: what it made then holds that attempt's values.
            self.memory = replace(self.memory, external_id=receipt.external_id, thread_id=receipt.thread_id)
            receipt = self._attempt(destination)
        outcome = "accepted" if receipt.outcome == "accepted" else "delivered"
        self._note(outcome, receipt=receipt)
        self.memory = self._done(receipt, self.event.version)
        return Result(outcome, receipt=receipt)

    def _attempt(self, destination: Destination) -> Receipt:
        """Plans, claims and sends. The exact request of a create is stored before it is sent."""
        assert self.record is not None  # noqa: S101 - for the type checker
        self.request = destination.plan(self.event, self.record, self.memory)
        self.memory = self._write(
            state="sending",
            pending=self.event.version,
            request=self.request if self.request.operation == "create" else None,
            attempts=self.memory.attempts + (not self.claimed),
            first_attempt_at=self.memory.first_attempt_at or _stamp(self.now),
            lease_until=_stamp(self.now + self.of.lease),
        )
        self.claimed = True
        return destination.send(self.request)

    # --- endings ---------------------------------------------------------------------------------------------

    def _later(self, error: RetryLater, *, refused: bool = False) -> Result:
        unknown = isinstance(error, Unknown)
        if self.claimed and unknown:
            self.memory = self._write(state="unknown", lease_until="")
        elif self.claimed:
            # A refusal may be kept under its key and repeated: the next create gets another one.
            generation = self.memory.generation + refused
            self.memory = self._write(state="waiting", request=None, lease_until="", generation=generation)
        if retry.given_up(self.first_received, self.now):
            hours = int(retry.HORIZON.total_seconds() // 3600)
            return self._park(Undeliverable(f"gave up after {hours} hours: {error.reason}", error.status))
        if self.begun:
            self._note("unknown" if unknown else "retry", reason=error.reason, status=error.status)
        attempts = max(self.memory.attempts, self.receives)
        raise RetryLater(error.reason, self.of.jitter(attempts, error.after), error.status) from error

    def _park(self, error: Undeliverable) -> Result:
        # Parked twice by a crash in between is once; a delivery that a person sends again is another message.
        key = f"{self.delivery.id}#{_stamp(self.first_received)}"
        self.of.parked.park(self.delivery.to_json(), group=self.delivery.group, key=key, reason=error.reason)
        if self.claimed and self.memory.state != "unknown":
            # A refused create did not happen: the next one is another request and gets another key.
            generation = self.memory.generation + 1
            self.memory = self._write(state="parked", request=None, lease_until="", generation=generation)
        self._note("parked", reason=error.reason, status=error.status)
        return Result("parked", error.reason)

    def _done(self, receipt: Receipt, version: Version) -> Memory:
        return self._write(
            state="done",
            version=version,
            pending=None,
            external_id=receipt.external_id or self.memory.external_id,
            thread_id=receipt.thread_id or self.memory.thread_id,
            link=receipt.link or self.memory.link,
            request=None,
            attempts=0,
            first_attempt_at="",
            looked_at="",
            lease_until="",
        )

    def _write(self, **changes: object) -> Memory:
        changed = replace(self.memory, **changes)  # type: ignore[arg-type]
        return self.of.deliveries.write(self.event.record_key, self.delivery.destination, changed)

    def _note(
        self,
        outcome: str,
        *,
        receipt: Receipt | None = None,
        reason: str = "",
        status: int | None = None,
        version: Version | None = None,
    ) -> None:
        at = self.of.clock()
        request = self.request or self.memory.request
        self.of.audit.append(
            AuditEntry(
                at=_stamp(at),
                connection=self.event.connection,
                module=self.event.module,
                record_id=self.event.record_id,
                number=self._number(),
                event=self.event.name,
                version=str(version or self.event.version),
                origin=self.event.origin,
                destination=self.delivery.destination,
                outcome=outcome,
                attempt=self.memory.attempts,
                correlation_id=self.event.correlation_id,
                operation=request.operation if request else "",
                external_id=(receipt.external_id if receipt else "") or self.memory.external_id,
                link=(receipt.link if receipt else "") or self.memory.link,
                status=(receipt.status if receipt else status) or 0,
                request_id=receipt.request_id if receipt else "",
                duration_ms=round((at - self.now).total_seconds() * 1000),
                reason=reason,
                delivery=self.delivery.id,
            )
        )

    def _number(self) -> str:
        """The document's number, also of a delivery that ends before its record is read."""
        shape = MODULES.get(self.event.module)
        number = (self.event.payload or {}).get(shape.number_field) if shape else ""
        return str(number) if isinstance(number, str | int) else ""


def superseded(version: Version, applied: Version | None) -> str:
    """Why a version need not be sent: the destination already shows it, or a newer one. "" if it must be sent."""
    if applied is None:
        return ""
    if version == applied:
        return "duplicate: this version is already there"
    if version.older_than(applied):
        return "out of order: a newer version is already there"
    return ""


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(stamp: str, now: datetime) -> float:
    """Seconds from now until `stamp`; negative if it has passed; 0 if there is none."""
    return (datetime.fromisoformat(stamp) - now).total_seconds() if stamp else 0.0
