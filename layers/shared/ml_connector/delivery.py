"""One delivery from the queue to its destination: claim, plan, send, remember, audit (design 3 and 4).

    read the row ── somebody's claim holds ───► the message comes back later
         │
         ├─ already there, older, or nothing new ─► skipped
         │
    settle an unanswered create, if there is one (by looking, never by guessing)
         │
    plan (pure) ─► claim: conditional write of the exact request, with a lease ◄──┐
         │                                                                        │
    send ── Crowded ─────► gathered for a digest, as in quiet hours before it      │
         ├─ RetryLater ──► waiting: the message comes back later                  │
         ├─ Unknown ─────► unknown: settled at the next attempt                   │
         ├─ Undeliverable ► parked with its reason, acknowledged                  │
         └─ receipt ──┬──► more: the next step ───────────────────────────────────┘
                      └──► done

A version may take several requests, one after the other. The row counts those that are done (`Memory.step`): the next
attempt at the same version goes on where this one stopped, while another version begins at its own first step.
An attempt ends in one transaction: the row as it is by then (rows.py, states.py) and its audit entry, both or neither.
A crash before it leaves a claim whose lease ends; the next attempt settles what the crashed one may have done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

from ml_connector import audit, gathering, retry, rows, statuses
from ml_connector.connections import Connection
from ml_connector.errors import (
    ConnectorError,
    Crowded,
    Gone,
    Missing,
    NeedsAttention,
    RetryLater,
    Throttled,
    Undeliverable,
    Unknown,
)
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.modules import MODULES
from ml_connector.parked import Why, wrap
from ml_connector.ports import (
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
    Shelved,
)
from ml_connector.records import BadRecord, Record, deleted, read
from ml_connector.routing import destinations_for
from ml_connector.states import move
from ml_connector.times import exact_stamp, seconds_until

ATTENTION = timedelta(minutes=5)
"""Between attempts, at least, while a person must connect again."""
ATTENTION_AT_MOST = 1800.0
"""Seconds, and at most: what has waited for a person is to go out soon after, not after the back-off of three days."""
LOOK_AGAIN = 60.0
"""Seconds between the two looks that prove an item's absence (contracts: monday 6.3)."""
MISSING = timedelta(minutes=1)
"""After the first attempt: from then on, what Zoho says it does not have is believed to be gone."""
LET_GO = 5.0
"""Seconds until what a digest puts back into the queue is looked at again, if it came before the digest was done."""
A_WHILE = 90.0
"""Seconds that a lane waits for Zoho, as long as a minute's calls take to come back. Where a day's are used up, a
delivery that must be fetched waits by itself: those behind it may need nothing of Zoho."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a delivery: `delivered`, `accepted`, `gathered`, `skipped` or `parked`, and why."""

    outcome: str
    reason: str = ""
    receipt: Receipt | None = None


class Queue(Protocol):
    def move(self, delivery: Delivery, key: str) -> None:
        """The same `key` within five minutes is the same message."""
        ...


@dataclass(frozen=True, slots=True)
class Gathering:
    """Gathers new messages for digests (digests.py). Its `destinations` raise Crowded; the courier's own never do."""

    destinations: Destinations
    queue: Queue


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
    gathering: Gathering | None = None
    """None: every message is posted as it comes."""
    others: Mapping[str, Callable[[Event], Record]] = field(default_factory=dict)
    """How deliveries are read that are about something else than Zoho's records, by their modules."""

    def carry(self, delivery: Delivery, receives: int = 1, first_received: datetime | None = None) -> Result:
        """Raises RetryLater, with `after` set to the seconds to wait, when the message must come back.

        `receives` and `first_received` are the queue's: how often, and since when, this very message is tried.
        """
        first_received = first_received or self.clock()
        for last in (False, True):
            trip = _Trip(self, delivery, receives, first_received, self.clock())
            try:
                return trip.run()
            except Conflict:
                # What was written between our read and our claim need be no claim: a reply that was noted is none, and
                # has no lease whose end could be waited for. So the row is read once more, if nothing has been sent.
                if last or trip.claimed:
                    break
        raise RetryLater("another worker has this delivery", self.lease.total_seconds())

    def reject(self, body: str, key: str, reason: str) -> None:
        """Parks a queue message that could not even be read."""
        self.parked.park(wrap(body, Why(reason, at=exact_stamp(self.clock()))), key=key, reason=reason)


class _Ask(Undeliverable):
    """A person is asked about the unanswered create of the row's generation."""


class _LookAgain(Unknown):
    """A second look is due, at its own time rather than after a back-off."""


class _Gather(Exception):
    """The next message waits for the digest of this slot."""

    def __init__(self, slot: gathering.Slot) -> None:
        super().__init__(slot.kind)
        self.slot = slot


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
        self.made = False
        self.gone = False
        self.request: Request | None = None
        self.record: Record | None = None
        self.connection: Connection | None = None
        self.gathering = None if delivery.single else courier.gathering
        self.request_id = ""

    def run(self) -> Result:
        """Raises Conflict if the row was written meanwhile, and RetryLater."""
        self.memory = self.of.deliveries.read(self.event.record_key, self.delivery.destination)
        self._take_over()
        return self._to_its_end()

    def _to_its_end(self) -> Result:
        try:
            return self._run()
        except _Gather as gather:
            return self._gather(gather.slot)
        except Crowded:
            return self._gather(gathering.busy(self.of.clock()))
        except NeedsAttention as error:
            # Every delivery of the connection waits until its credentials are put right; none is lost meanwhile.
            return self._later(RetryLater(error.reason, self.of.attention.total_seconds(), error.status), refused=True)
        except Undeliverable as error:
            return self._park(error)
        except RetryLater as error:
            return self._later(error)

    def _take_over(self) -> None:
        """Waits for a claim that holds, before anything else; makes a crashed worker's last move and entry for it."""
        if self.memory.state == "waiting" and (left := seconds_until(self.memory.lease_until, self.now)) > 0:
            # Not even the same version: were its repetition answered first, a newer one could come before the old call.
            raise RetryLater("a call of before may still be under way", math.ceil(left))
        if self.memory.state != "sending":
            return
        if (left := seconds_until(self.memory.lease_until, self.now)) > 0:
            raise RetryLater("another worker has this delivery", math.ceil(left))
        name, reason = "lose" if self.memory.request else "wait", f"its worker {self.memory.owner} crashed"
        changes = {} if self.memory.request else {"doubt": rows.in_doubt(self.memory)}
        self._close(name, "unknown", reason=reason, version=self.memory.pending, changes=changes)

    def _run(self) -> Result:
        connection = self.of.connections.connection(self.event.connection)
        if connection is None:
            raise Undeliverable(f"connection {self.event.connection!r} is not configured; apply it, then retry")
        self.policy = retry.Policy.of(connection.retry)
        self.connection = connection
        destinations = (self.gathering or self.of).destinations
        destination = destinations.destination(connection, self.delivery.destination)
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
        # A person wants it once more, and has not got it yet.
        anew = self.delivery.again not in ("", self.memory.again)
        if (reason := rows.superseded(version, there)) and not (anew and reason == rows.DUPLICATE):
            self._close("skip", "skipped", reason=reason)
            return Result("skipped", reason)
        if skipped := self._awaited():
            return skipped
        if destination.covered and not anew and rows.shows_nothing_new(self.memory, self.event.version):
            # A version without a time must not make the row forget its own.
            return self._bury("nothing that is shown has changed", version if version.at else there)
        return None

    def _awaited(self) -> Result | None:
        """Skips what waits for a digest already, or is older than what does."""
        version, pending, digest = self.event.version, self.memory.pending, self.memory.gathered
        if not digest or pending is None or self.memory.state != "waiting":
            return None
        if version == pending and self.delivery.single:
            raise RetryLater("the digest that it waited for has not let go of it yet", LET_GO)
        if version != pending and (version.deletes or not version.older_than(pending)):
            return None
        now = self.of.clock()
        if gathering.over(self.connection, self.delivery.destination, digest, now):
            # Whoever gathered it may have crashed, too slow for the call that it made before.
            self._call(digest, now, f"{digest}#late#{self.delivery.id}")
        reason = f"it waits for the digest {digest}" if version == pending else "out of order: a newer version waits"
        self._close("skip", "skipped", reason=reason)
        return Result("skipped", reason)

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
        there = {"target": self.memory.target, **(rows.NOWHERE if self.gone else {})}
        changes = rows.applied(self.memory, Receipt(""), version, None) | there
        self._close("bury", "skipped", reason=reason, changes=changes)
        return Result("skipped", reason)

    def _whole(self, connection: Connection) -> tuple[Event, Record]:
        """The event with its record; a thin event's record is fetched, in the state it has by now.

        What Zoho does not have any more was deleted, whatever the event said. That is believed a while after the first
        attempt only: what has just been made may not be shown yet.
        """
        if other := self.of.others.get(self.event.module):
            return self.event, other(self.event)
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
                version = Version.deletion(exact_stamp(self.now))
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
        except Gone:
            if not request.within:
                raise
            self.memory = move(self.memory, "absent", **{**rows.anew(self.memory), **self._removed()})
            return None
        except CannotTell:
            if request.within and rows.before(pending, self.event.version):
                # The older version's part may be there or not: this one needs neither, and says what has changed since.
                perhaps = {**rows.anew(self.memory), "pending": pending, "doubt": rows.in_doubt(self.memory)}
                self.memory = move(self.memory, "absent", **perhaps)
                return None
            # A person who was asked about this very create, and sends it again, has looked and decided.
            decided = self.delivery.asked == self.memory.generation
            if connection.retry["unknown"] == "park" and not decided:
                raise _Ask(
                    f"{request.about}: an earlier call got no answer and {self.delivery.destination} cannot be asked "
                    "whether it took effect. Look there: if it is missing, send the parked delivery again."
                ) from None
            # It may be there all the same, and an older version must not come after it.
            perhaps = {**rows.anew(self.memory), "pending": pending}
            self._close("absent", "unknown", reason="repeated without proof: possible duplicate", changes=perhaps)
            return None
        if receipt is None:
            if (left := self._until_second_look()) > 0:
                self.memory = replace(self.memory, looked_at=self.memory.looked_at or exact_stamp(self.now))
                raise _LookAgain("not found yet; looking once more", left)
            self.memory = move(self.memory, "absent", **rows.anew(self.memory))
            return None
        # A repeated answer may tell of an even earlier attempt: its item is ours, and this version follows (monday 6).
        sure = not receipt.replayed or request.within or pending != self.event.version
        if sure and request.more:
            self.memory = move(rows.stepped(self.memory, receipt, request), "advance", **rows.answered(self.memory))
            return None
        # What that attempt said of the record is there only if its version is.
        told = request if sure else replace(request, shows={})
        applied = rows.applied(self.memory, receipt, pending if sure else self.memory.version, told)
        changes = {**applied, **rows.answered(self.memory), "doubt": None if sure else pending}
        reason = "; ".join(filter(None, ("found by looking", receipt.note)))
        self._close("found", "delivered", receipt=receipt, reason=reason, version=pending, changes=changes)
        return receipt if sure and pending == self.event.version else None

    def _removed(self) -> dict[str, Any]:
        """What the row is to say when a person removed the message or item."""
        self.gone = True
        return rows.removed(self.memory)

    def _until_second_look(self) -> float:
        """Seconds to wait before a second look counts; 0 or less if this was it."""
        return LOOK_AGAIN + seconds_until(self.memory.looked_at, self.now)

    def _send(self, destination: Destination) -> Result:
        self.memory = replace(self.memory, **rows.taken_up(self.memory, self.event.version))
        removed, notes = False, []
        while True:
            request = self._claim(destination)
            try:
                receipt = destination.send(request)
            except Gone:
                if removed:
                    raise
                removed = True
                self.memory = replace(self.memory, **self._removed())
                continue
            except ConnectorError as error:
                if error.partly:
                    self.memory = replace(self.memory, doubt=rows.in_doubt(self.memory))
                raise
            self.gone = False
            notes += [receipt.note] if receipt.note else []
            self.made = self.made or (receipt.outcome == "created" and not (receipt.replayed or request.within))
            if receipt.replayed and request.operation == "create" and not request.within:
                # The vendor repeated its answer to an earlier attempt: what it made holds that attempt's values.
                # What the row says of an item of before is not said of this one.
                place = rows.place(self.memory, receipt, request)
                self.memory = replace(self.memory, target=request.target, doubt=rows.in_doubt(self.memory), **place)
            elif request.more:
                self.memory = rows.stepped(self.memory, receipt, request)
            else:
                break
        outcome = "accepted" if receipt.outcome == "accepted" else "delivered"
        reason, changes = "; ".join(notes), rows.applied(self.memory, receipt, self.event.version, request)
        changes |= {"again": self.delivery.again or self.memory.again}
        self._close("succeed", outcome, receipt=receipt, reason=reason, changes=changes)
        return Result(outcome, reason, receipt)

    def _claim(self, destination: Destination) -> Request:
        """Plans the next step and claims the row for it. The exact request of a create is stored before it is sent.

        One write per step: what the step before has left goes into the claim of the next one.
        """
        assert self.record is not None  # noqa: S101 - for the type checker
        there = replace(self.memory, **rows.NOWHERE) if self.gone else self.memory
        planned = destination.plan(self.event, self.record, there)
        self.request = replace(planned, shows=planned.shows or rows.shown_of(self.record))
        if self.request.operation == "create" and (slot := self._quiet()):
            raise _Gather(slot)
        claim = move(
            self.memory,
            "claim",
            gathered="",
            request=self.request if self.request.operation == "create" else None,
            attempts=self.memory.attempts + (not self.claimed),
            first_attempt_at=exact_stamp(self.now),
            lease_until=exact_stamp(self.now + self.of.lease),
            owner=self.of.owner,
        )
        self.memory = self.of.deliveries.write(self.event.record_key, self.delivery.destination, claim)
        self.claimed = True
        return self.request

    # --- digests ---------------------------------------------------------------------------------------------

    def _quiet(self) -> gathering.Slot | None:
        if self.gathering is None or self.connection is None:
            return None
        return gathering.quiet(self.connection, self.delivery.destination, self.of.clock())

    def _gather(self, slot: gathering.Slot) -> Result:
        """Leaves what the message would have said to the digest of a slot. Edits that came before it stay made.

        The digest is called before anything is written, so nothing waits for what nobody will make; and once more if
        the slot was over before the writing was.
        """
        assert self.request and self.record  # noqa: S101, PT018 - for the type checker
        digest = slot.digest(self.delivery.destination)
        # For hours that were given another end, another call.
        self._call(digest, slot.due, f"{digest}#{slot.due:%Y%m%dT%H%M%SZ}")
        delivery = replace(
            self.delivery, event=replace(self.event, payload=None), not_before="", since="", tries=0, alone=False
        )
        facts = gathering.facts(self.record)
        # No call was made for it, but for edits before it.
        attempts = self.memory.attempts - (self.claimed and not self.memory.step)
        self._close(
            "gather",
            "gathered",
            reason=f"for the digest {digest}",
            changes={"request": None, "attempts": attempts, "gathered": digest},
            put=Shelved(digest, delivery, facts, self.request.shows),
        )
        if self.of.clock() >= slot.ends:
            self._call(digest, slot.due, f"{digest}#late#{self.delivery.id}")
        return Result("gathered", f"for the digest {digest}")

    def _call(self, digest: str, due: datetime, key: str) -> None:
        """Has a digest made when it is due."""
        if self.of.gathering:
            self.of.gathering.queue.move(gathering.flush(self.event, self.delivery.destination, digest, due), key)

    # --- endings ---------------------------------------------------------------------------------------------

    def _later(self, error: RetryLater, *, refused: bool = False) -> Result:
        self.request_id = error.request_id
        unknown = isinstance(error, Unknown)
        # Only a create can leave something behind; an update that may have happened is simply made again.
        open_question = unknown and self.request is not None and self.request.operation == "create"
        if retry.given_up(self.first_received, self.now, self.policy):
            hours = int(self.policy.horizon.total_seconds() // 3600)
            # What is unknown stays so: whoever sends it again has it settled first.
            how = "lose" if open_question else "refuse"
            if self.claimed and unknown and not open_question:
                self.memory = replace(self.memory, doubt=rows.in_doubt(self.memory))
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
            again: rows.Changes = {"request": None, "pending": rows.begun(self.memory)}
            if refused:
                again = rows.anew(self.memory)
            if isinstance(error, Unknown):
                again["doubt"] = rows.in_doubt(self.memory)
                if error.under_way:
                    again["lease_until"] = exact_stamp(self.of.clock() + timedelta(seconds=error.under_way))
            self._close("wait", outcome, reason=error.reason, status=error.status, changes=again)
        elif self.begun:
            self._close("fail", outcome, reason=error.reason, status=error.status)
        if isinstance(error, _LookAgain):
            raise RetryLater(error.reason, error.after, error.status) from error
        attempts = max(self.memory.attempts, self.receives)
        policy = replace(self.policy, cap=min(self.policy.cap, ATTENTION_AT_MOST)) if refused else self.policy
        raise RetryLater(error.reason, self.of.jitter(attempts, error.after, policy), error.status) from error

    def _park(self, error: Undeliverable, how: str = "refuse") -> Result:
        self.request_id = self.request_id or error.request_id
        # Parked twice by a crash in between is once; a delivery that a person sends again is another message.
        key = f"{self.delivery.id}#{exact_stamp(self.first_received)}"
        attempts = max(self.memory.attempts, self.receives)
        asked = self.memory.generation if isinstance(error, _Ask) else None
        why = Why(
            error.reason, exact_stamp(self.now), attempts, exact_stamp(self.first_received), error.status or 0, asked
        )
        self.of.parked.park(wrap(self.delivery.to_json(), why), key=key, reason=error.reason)
        # Reconcile shall know that this version waits for a person; an unanswered create is asked about by its own.
        waits = {} if self.memory.request else rows.taken_up(self.memory, self.event.version)
        if not self.claimed:
            self._close("park", "parked", reason=error.reason, status=error.status, changes=waits)
        elif how == "lose":
            self._close("lose", "parked", reason=error.reason, status=error.status)
        else:
            # A refused create did not happen: the next one is another request and gets another key.
            changes = {**rows.anew(self.memory), "pending": self.event.version}
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
        put: Shelved | None = None,
    ) -> None:
        """Ends an attempt: the row moves, and the entry that tells of it is written with it."""
        at = self.of.clock()
        request = self.request or self.memory.request
        ended = {"lease_until": "", "owner": ""} if self.memory.state == "sending" else {}
        after = move(self.memory, name, **{**ended, **changes})
        entry = replace(
            audit.entry_of(self.delivery, after, exact_stamp(at), outcome),
            number=self._number(),
            # As Zoho has it now: what was told as a change may have been deleted since.
            event=self.event.entry_name,
            version=str(version or self.event.version),
            attempt=self.memory.attempts,
            # What is added to a thread or an item changes it; but an attempt that made it has made it.
            operation="create" if self.made else _operation(request),
            external_id=(receipt.external_id if receipt else "") or after.external_id,
            link=(receipt.link if receipt else "") or after.link,
            status=(receipt.status if receipt else status) or 0,
            request_id=receipt.request_id if receipt else self.request_id,
            duration_ms=round((at - self.now).total_seconds() * 1000),
            reason=reason,
        )
        entry = audit.closed(entry, self.memory.chain)
        after = replace(after, chain=entry.hash)
        self.memory = self.of.deliveries.write(self.event.record_key, self.delivery.destination, after, entry, put=put)

    def _number(self) -> str:
        """The document's number, also of a delivery that ends before its record is read, or has none any more."""
        shape = MODULES.get(self.event.module)
        if shape is None or (self.record and self.record.number):
            # Of a digest there is none; of a note, that of the record which it is for.
            return (self.record and self.record.number) or self.memory.number
        number = (self.event.payload or {}).get(shape.number_field)
        return str(number) if number and isinstance(number, str | int) else self.memory.number


def _operation(request: Request | None) -> str:
    if request is None:
        return ""
    return "update" if request.within else request.operation
