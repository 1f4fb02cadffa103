"""One delivery from the queue to its destination: claim, plan, send, remember, audit (design 3 and 4).

    read the row ── somebody's claim holds ───► the message comes back later
         │
         ├─ already there, older, or nothing new ─► skipped
         │
    settle an unanswered create, if there is one (by looking, never by guessing)
         │
    plan (pure) ─► claim: conditional write of the exact request, with a lease
         │
    send ── RetryLater ──► waiting: the message comes back later
         ├─ Unknown ─────► unknown: settled at the next attempt
         ├─ Undeliverable ► parked with its reason, acknowledged
         └─ receipt ─────► done

An attempt ends in one transaction: the row in its new state (states.py) and its audit entry, both or neither. A crash
before it leaves a claim whose lease ends; the next attempt settles what the crashed one may have done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from ml_connector import audit, retry, statuses
from ml_connector.changes import snapshot
from ml_connector.connections import Connection
from ml_connector.errors import Gone, Missing, NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.parked import Why, wrap
from ml_connector.ports import (
    AuditEntry,
    Books,
    CannotTell,
    Clock,
    Conflict,
    Connections,
    Deliveries,
    Destination,
    Destinations,
    Memory,
    NothingThere,
    ParkedQueue,
    Receipt,
    Request,
)
from ml_connector.records import BadRecord, Record, deleted, read
from ml_connector.routing import destinations_for
from ml_connector.states import move

ATTENTION = timedelta(minutes=5)
"""Between attempts, at least, while a person must connect again."""
ATTENTION_AT_MOST = 1800.0
"""Seconds, and at most: what has waited for a person is to go out soon after, not after the back-off of three days."""
LOOK_AGAIN = 60.0
"""Seconds between the two looks that prove an item's absence (contracts: monday 6.3)."""
MISSING = timedelta(minutes=1)
"""After the first attempt: from then on, what Zoho says it does not have is believed to be gone."""
A_WHILE = 90.0
"""Seconds that a lane waits for Zoho, as long as a minute's calls take to come back. Where a day's are used up, a
delivery that must be fetched waits by itself: those behind it may need nothing of Zoho."""


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
    parked: ParkedQueue
    books: Books
    clock: Clock
    lease: timedelta
    owner: str
    jitter: Callable[[int, float | None, retry.Policy], int] = retry.wait
    attention: timedelta = ATTENTION
    missing: timedelta = MISSING

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        """Raises RetryLater, with `after` set to the seconds to wait, when the message must come back.

        `receives` and `first_received` are the queue's: how often, and since when, this very message is tried.
        """
        now = self.clock()
        return _Trip(self, delivery, receives, first_received or now, now).run()

    def reject(self, body: str, key: str, reason: str) -> None:
        """Parks a queue message that could not even be read."""
        self.parked.park(wrap(body, Why(reason, at=_stamp(self.clock()))), key=key, reason=reason)


class _Ask(Undeliverable):
    """A person is asked about the unanswered create of the row's generation."""


class _LookAgain(Unknown):
    """A second look is due, at its own time rather than after a back-off."""


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
        self.policy = retry.Policy()
        self.begun = False
        self.claimed = False
        self.request: Request | None = None
        self.record: Record | None = None

    def run(self) -> Result:
        try:
            self.memory = self.of.deliveries.read(self.event.record_key, self.delivery.destination)
            self._take_over()
            return self._to_its_end()
        except Conflict:
            raise RetryLater("another worker has this delivery", self.of.lease.total_seconds()) from None

    def _to_its_end(self) -> Result:
        try:
            return self._run()
        except NeedsAttention as error:
            # Every delivery of the connection waits until its credentials are put right; none is lost meanwhile.
            return self._later(RetryLater(error.reason, self.of.attention.total_seconds(), error.status), refused=True)
        except Undeliverable as error:
            return self._park(error)
        except RetryLater as error:
            return self._later(error)

    def _take_over(self) -> None:
        """Waits for a claim that holds, before anything else; makes a crashed worker's last move and entry for it."""
        if self.memory.state != "sending":
            return
        if (left := _seconds(self.memory.lease_until, self.now)) > 0:
            raise RetryLater("another worker has this delivery", math.ceil(left))
        name, reason = "lose" if self.memory.request else "wait", f"its worker {self.memory.owner} crashed"
        changes = {} if self.memory.request else {"doubt": self._doubt()}
        self._close(name, "unknown", reason=reason, version=self.memory.pending, changes=changes)

    def _doubt(self) -> Version | None:
        """The newer of what was in doubt already and what the call without an answer was to put there."""
        before, now = self.memory.doubt, self.memory.pending
        return before if before and now and now.older_than(before) else now or before

    def _run(self) -> Result:
        connection = self.of.connections.connection(self.event.connection)
        if connection is None:
            raise Undeliverable(f"connection {self.event.connection!r} is not configured; apply it, then retry")
        self.policy = retry.Policy.of(connection.retry)
        destination = self.of.destinations.destination(connection, self.delivery.destination)
        if skipped := self._skip(destination):
            return skipped
        self.begun = True
        if receipt := self._settle(destination, connection):
            return Result("delivered", "found by looking", receipt)
        # What was found may be newer than this event, and what is fetched may be there already.
        if skipped := self._skip(destination):
            return skipped
        self.event, self.record = self._whole(connection)
        try:
            return self._skip(destination) or self._astray(connection, self.record) or self._send(destination)
        except NothingThere as nothing:
            reason = str(nothing) or "deleted in Zoho: nothing of it is there to mark"
            return self._bury(reason, self.event.version)

    def _skip(self, destination: Destination) -> Result | None:
        version, there = self.event.version, self.memory.version
        if reason := superseded(version, there):
            self._close("skip", "skipped", reason=reason)
            return Result("skipped", reason)
        if destination.covered and self._shows_nothing_new():
            # A version without a time must not make the row forget its own.
            return self._bury("nothing that is shown has changed", version if version.at else there)
        return None

    def _shows_nothing_new(self) -> bool:
        """True if the destination surely shows the very state that this version has."""
        there = self.memory.version
        # What is parked certainly did not happen, unless the row still has its request.
        waits = self.memory.state == "parked" and not self.memory.request
        in_question = self.memory.doubt or (self.memory.pending and not waits)
        return there is not None and not in_question and there.fingerprint == self.event.version.fingerprint

    def _astray(self, connection: Connection, record: Record) -> Result | None:
        """Skips what was queued for a condition that only the fetched record could decide, and did not meet."""
        if not self.delivery.perhaps or self.event.action == DELETED:
            return None
        if not self.event.status and statuses.asked(connection, record.module):
            # Which status it had before is not known here: told twice rather than not at all.
            self.event = statuses.came_into(self.event, record)
        if self.delivery.destination in destinations_for(connection, self.event, record):
            return None
        reason = "no route leads here: the record does not meet its conditions"
        self._close("skip", "skipped", reason=reason)
        return Result("skipped", reason)

    def _bury(self, reason: str, version: Version | None) -> Result:
        """Ends what the destination has nothing to do for. What comes late finds it newer."""
        changes = _applied(Receipt(""), version, None) | {"target": self.memory.target}
        self._close("bury", "skipped", reason=reason, changes=changes)
        return Result("skipped", reason)

    def _whole(self, connection: Connection) -> tuple[Event, Record]:
        """The event with its record; a thin event's record is fetched, in the state it has by now.

        What Zoho does not have any more was deleted, whatever the event said. That is believed a while after the first
        attempt only: what has just been made may not be shown yet.
        """
        if self.event.module not in MODULES:
            raise Undeliverable(f"this release does not know the module {self.event.module!r}")
        if self.event.action == DELETED:
            return self.event, self._deleted(self.event)
        payload = self.event.payload
        # Two changes within one second, or a payload without a time, cannot be put in order, and an update without an
        # answer may have put a newer version there: Zoho has the newest.
        others = {self.memory.version, self.memory.pending, self.memory.doubt} - {None, self.event.version}
        undecided = any(other and (other.deletes or not other.older_than(self.event.version)) for other in others)
        fetched = payload is None or undecided
        if payload is None or undecided:
            try:
                payload = self.of.books.fetch(connection, self.event.module, self.event.record_id)
            except Throttled as error:
                if (error.after or 0.0) <= A_WHILE:
                    raise
                raise RetryLater(error.reason, error.after, error.status) from error
            except Missing as error:
                left = (self.of.missing + self.first_received - self.now).total_seconds()
                if left > 0 and not any(other and other.deletes for other in others):
                    raise RetryLater(f"{error.reason}, or not yet: looking once more", left, error.status) from error
                version = Version.deletion(_stamp(self.now))
                event = replace(self.event, action=DELETED, status="", version=version, payload=None)
                return event, self._deleted(event)
        try:
            record = read(self.event.module, payload)
        except BadRecord as error:
            raise self._unusable(error) from error
        version = record.version if fetched else self.event.version
        return replace(self.event, payload=payload, version=version), record

    def _deleted(self, event: Event) -> Record:
        """What is left of a deleted record: its id, and the number that we remember."""
        payload = event.payload or {MODULES[event.module].id_field: event.record_id}
        try:
            return deleted(event.module, payload, self.memory.number)
        except BadRecord as error:
            raise self._unusable(error) from error

    def _unusable(self, error: BadRecord) -> Undeliverable:
        return Undeliverable(f"Zoho's {self.event.module} {self.event.record_id} is unusable: {error}")

    def _settle(self, destination: Destination, connection: Connection) -> Receipt | None:
        """Finds out about an earlier create. A receipt is returned only if it was for this very version."""
        request, pending = self.memory.request, self.memory.pending
        if request is None or pending is None or self.memory.state != "unknown":
            return None
        try:
            receipt = destination.settle(request, self.memory)
        except CannotTell:
            # A person who was asked about this very create, and sends it again, has looked and decided.
            decided = self.delivery.asked == self.memory.generation
            if connection.retry["unknown"] == "park" and not decided:
                raise _Ask(
                    f"{request.about}: an earlier call got no answer and {self.delivery.destination} cannot be asked "
                    "whether it took effect. Look there: if it is missing, send the parked delivery again."
                ) from None
            # It may be there all the same, and an older version must not come after it.
            perhaps = {**self._anew(), "pending": pending}
            self._close("absent", "unknown", reason="repeated without proof: possible duplicate", changes=perhaps)
            return None
        if receipt is None:
            if (left := self._until_second_look()) > 0:
                self.memory = replace(self.memory, looked_at=self.memory.looked_at or _stamp(self.now))
                raise _LookAgain("not found yet; looking once more", left)
            self.memory = move(self.memory, "absent", **self._anew())
            return None
        # A repeated answer may tell of an even earlier attempt: its item is ours, and this version follows (monday 6).
        sure = not receipt.replayed or pending != self.event.version
        # What that attempt said of the record is there only if its version is.
        told = request if sure else replace(request, shows={})
        applied = _applied(receipt, pending if sure else self.memory.version, told)
        applied["generation"] = self.memory.generation + 1
        self._close("found", "delivered", receipt=receipt, reason="found by looking", version=pending, changes=applied)
        return receipt if sure and pending == self.event.version else None

    def _anew(self) -> dict[str, object]:
        """What the row is to say when a create certainly did not happen: the next one is another request."""
        return {"request": None, "pending": None, "looked_at": "", "generation": self.memory.generation + 1}

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
        self._close("succeed", outcome, receipt=receipt, changes=_applied(receipt, self.event.version, self.request))
        return Result(outcome, receipt=receipt)

    def _attempt(self, destination: Destination) -> Receipt:
        """Plans, claims and sends. The exact request of a create is stored before it is sent."""
        assert self.record is not None  # noqa: S101 - for the type checker
        planned = destination.plan(self.event, self.record, self.memory)
        self.request = replace(planned, shows=_shown_of(self.record))
        claim = move(
            self.memory,
            "claim",
            pending=self.event.version,
            request=self.request if self.request.operation == "create" else None,
            attempts=self.memory.attempts + (not self.claimed),
            first_attempt_at=_stamp(self.now),
            lease_until=_stamp(self.now + self.of.lease),
            owner=self.of.owner,
        )
        self.memory = self.of.deliveries.write(self.event.record_key, self.delivery.destination, claim)
        self.claimed = True
        return destination.send(self.request)

    # --- endings ---------------------------------------------------------------------------------------------

    def _later(self, error: RetryLater, *, refused: bool = False) -> Result:
        unknown = isinstance(error, Unknown)
        # Only a create can leave something behind; an update that may have happened is simply made again.
        open_question = unknown and self.request is not None and self.request.operation == "create"
        if retry.given_up(self.first_received, self.now, self.policy):
            hours = int(self.policy.horizon.total_seconds() // 3600)
            # What is unknown stays so: whoever sends it again has it settled first.
            how = "lose" if open_question else "refuse"
            if self.claimed and unknown and not open_question:
                self.memory = replace(self.memory, doubt=self._doubt())
            return self._park(Undeliverable(f"gave up after {hours} hours: {error.reason}", error.status), how)
        if isinstance(error, Throttled):
            # No call was made, so there is no attempt to tell of.
            if self.claimed:
                back = move(
                    self.memory, "wait", request=None, attempts=self.memory.attempts - 1, lease_until="", owner=""
                )
                self.memory = self.of.deliveries.write(self.event.record_key, self.delivery.destination, back)
            raise Throttled(error.reason, self.of.jitter(1, error.after, self.policy)) from error
        outcome = "unknown" if unknown else "retry"
        if self.claimed and open_question:
            self._close("lose", outcome, reason=error.reason, status=error.status)
        elif self.claimed:
            # A refusal may be kept under its key and repeated: the next create gets another one.
            again: dict[str, object] = self._anew() if refused else {"request": None, "pending": None}
            if unknown:
                again["doubt"] = self._doubt()
            self._close("wait", outcome, reason=error.reason, status=error.status, changes=again)
        elif self.begun:
            self._close("fail", outcome, reason=error.reason, status=error.status)
        if isinstance(error, _LookAgain):
            raise RetryLater(error.reason, error.after, error.status) from error
        attempts = max(self.memory.attempts, self.receives)
        policy = replace(self.policy, cap=min(self.policy.cap, ATTENTION_AT_MOST)) if refused else self.policy
        raise RetryLater(error.reason, self.of.jitter(attempts, error.after, policy), error.status) from error

    def _park(self, error: Undeliverable, how: str = "refuse") -> Result:
        # Parked twice by a crash in between is once; a delivery that a person sends again is another message.
        key = f"{self.delivery.id}#{_stamp(self.first_received)}"
        attempts = max(self.memory.attempts, self.receives)
        asked = self.memory.generation if isinstance(error, _Ask) else None
        why = Why(error.reason, _stamp(self.now), attempts, _stamp(self.first_received), error.status or 0, asked)
        self.of.parked.park(wrap(self.delivery.to_json(), why), key=key, reason=error.reason)
        # Reconcile shall know that this version waits for a person; an unanswered create is asked about by its own.
        waits = {} if self.memory.request else {"pending": self.event.version}
        if not self.claimed:
            self._close("park", "parked", reason=error.reason, status=error.status, changes=waits)
        elif how == "lose":
            self._close("lose", "parked", reason=error.reason, status=error.status)
        else:
            # A refused create did not happen: the next one is another request and gets another key.
            changes = {**self._anew(), "pending": self.event.version}
            self._close("refuse", "parked", reason=error.reason, status=error.status, changes=changes)
        return Result("parked", error.reason)

    def _close(
        self,
        name: str,
        outcome: str,
        *,
        receipt: Receipt | None = None,
        reason: str = "",
        status: int | None = None,
        version: Version | None = None,
        changes: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Ends an attempt: the row moves, and the entry that tells of it is written with it."""
        at = self.of.clock()
        request = self.request or self.memory.request
        after = move(self.memory, name, **{"lease_until": "", "owner": "", **changes})
        entry = audit.seal(
            audit.fit(
                AuditEntry(
                    at=_stamp(at),
                    connection=self.event.connection,
                    module=self.event.module,
                    record_id=self.event.record_id,
                    number=self._number(),
                    event=self.event.entry_name,
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
            ),
            self.memory.chain,
        )
        after = replace(after, chain=entry.hash)
        self.memory = self.of.deliveries.write(self.event.record_key, self.delivery.destination, after, entry)

    def _number(self) -> str:
        """The document's number, also of a delivery that ends before its record is read, or has none any more."""
        shape = MODULES.get(self.event.module)
        number = (self.event.payload or {}).get(shape.number_field) if shape else ""
        return str(number) if number and isinstance(number, str | int) else self.memory.number


def _applied(receipt: Receipt, version: Version | None, request: Request | None) -> dict[str, object]:
    """What the row is to say when a version is there."""
    known = {
        name: value
        for name in ("external_id", "thread_id", "link")
        if (value := getattr(receipt, name))  # an answer to an update repeats none of them
    }
    return {
        "version": version,
        "pending": None,
        "doubt": None,
        "request": None,
        "attempts": 0,
        "first_attempt_at": "",
        "looked_at": "",
        "target": request.target if request else "",
        **(request.shows if request else {}),
        **known,
    }


def _shown_of(record: Record) -> dict[str, str]:
    """What the row is to say of what was sent: for the completeness report, and for telling what changes next."""
    return {
        "amount": format(record.amount, "f") if record.amount is not None else "",
        "currency": record.currency,
        "date": str(record.date or ""),
        "shown": snapshot(record),
    }


def superseded(version: Version, applied: Version | None) -> str:
    """Why a version need not be sent: the destination already shows it, or a newer one. "" if it must be sent."""
    if applied is None:
        return ""
    if version == applied or (version.deletes and applied.deletes):
        return "duplicate: this version is already there"
    # A deletion is the last one, however our clock and Zoho's compare.
    if version.older_than(applied) and not version.deletes:
        return "out of order: a newer version is already there"
    return ""


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(stamp: str, now: datetime) -> float:
    """Seconds from now until `stamp`; negative if it has passed; 0 if there is none."""
    return (datetime.fromisoformat(stamp) - now).total_seconds() if stamp else 0.0
