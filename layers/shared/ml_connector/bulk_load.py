"""The first filling of a board: what is in Zoho and not on it, many records with one call (contracts: monday 3.2, 6).

    what the board has already, by external id
    per page of Zoho's lists:
        claim       each record's row, with the create that is about to be made: a webhook that comes now waits for it
        fill        all of them at once; who is on the board already is brought up to date instead
        close       each row: done with its item; or, if that was not to be seen, left to an ordinary delivery, which
                    looks for the item before it makes one

It can be broken off at any moment and run again: what has a row is not loaded again. A claim that is left behind has no
message in the queue that would come back to it, so whoever breaks off queues one, and else the next run does; it finds
the claim's lease ended and looks for the item, because the request has no key with which it could be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from ml_connector import audit, statuses
from ml_connector.completeness import Completeness
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention, RetryLater, Unknown
from ml_connector.events import Delivery, Event, Version
from ml_connector.ports import (
    AuditEntry,
    Books,
    Clock,
    Conflict,
    Deliveries,
    Destination,
    Known,
    Memory,
    NothingThere,
    Queue,
    Request,
)
from ml_connector.records import BadRecord, Record, read
from ml_connector.rows import shown_of
from ml_connector.states import move
from ml_connector.times import exact_stamp

ORIGIN = "load"
BATCH = 500
"""Records that are claimed, filled and closed together: a page of the board."""
LEASE = timedelta(minutes=20)
"""How long a claim holds: longer than a batch takes. A webhook of one of its records waits for so long at most."""
PART = LEASE / 3
"""How long a batch may go on beginning lots, and a lot may take: together, and with a call's waits, less than a claim.
An import that outlasts it would make what a webhook's delivery has made meanwhile."""
WORKERS = 8
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Placed:
    """An item on the board."""

    id: str
    link: str = ""


class Filling(Protocol):
    """A way to make many items with few calls."""

    def there(self) -> Mapping[str, Placed]:
        """What the board has, by external id. Raises ConnectorError."""
        ...

    def name(self, request: Request) -> str:
        """The external id of a planned create."""
        ...

    def lot(self, request: Request) -> str:
        """What it can be filled together with: those of the same lot."""
        ...

    def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> Mapping[str, Placed]:
        """Makes the items of one lot's creates, or changes those that are there, and gives them by external id.

        What is not in the answer may have been made all the same. Raises RetryLater (but not Unknown) or Undeliverable
        when nothing was, and Unknown if some may have been.
        """
        ...


@dataclass(slots=True)
class Loaded:
    """What came of a run. `left`: queued for an ordinary delivery; `unreadable`: rows of Zoho's lists."""

    records: int = 0
    created: int = 0
    adopted: int = 0
    left: int = 0
    skipped: int = 0
    unreadable: int = 0
    undecided: int = 0
    stopped: str = ""
    after: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    """Why records were left, with how many."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A record whose row is ours for a while."""

    record: Record
    event: Event
    request: Request
    memory: Memory


@dataclass(frozen=True, slots=True)
class _Left:
    """A record that its own delivery shall settle, and why."""

    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class BulkLoad:
    """Loads one destination of one connection. `told` hears of each step.

    `whole` has each record fetched first, for what Zoho's lists do not say; `lines` has each one queued afterwards, for
    what a load cannot make.
    """

    connection: Connection
    name: str
    destination: Destination
    filling: Filling
    completeness: Completeness
    books: Books
    deliveries: Deliveries
    known: Known
    queue: Queue
    clock: Clock
    owner: str
    correlation_id: str
    whole: bool = False
    lines: bool = False
    told: Callable[[Loaded, str], None] = lambda loaded, module: None
    workers: int = WORKERS
    batch: int = BATCH

    def run(self, since: str, until: str) -> Loaded:
        """Everything of these days (document dates, both included) that the routes send there and that has no row.

        Ends with `stopped` when monday or Zoho allow no more for now. Raises Undeliverable for what a person must do.
        """
        loaded = Loaded()
        try:
            there = dict(self.filling.there())
            for module in self.connection.modules:
                for records in self._batches(module, since, until, loaded):
                    self._load(records, there, loaded)
                    self.told(loaded, module)
        except RetryLater as error:
            loaded.stopped, loaded.after = error.reason, error.after or 0.0
        return loaded

    def missing(self, since: str, until: str) -> int:
        """How many records `run` would look at to load them. Zoho's lists and our rows are read, nothing else."""
        every = (self._batches(module, since, until, Loaded()) for module in self.connection.modules)
        return sum(len(records) for batches in every for records in batches)

    def _batches(self, module: str, since: str, until: str, loaded: Loaded) -> Iterator[list[Record]]:
        """Records that must be there and have no row yet, or one with nothing in it."""
        waiting: list[Record] = []
        for page in self.completeness.pages(self.connection, module, since, until):
            loaded.unreadable += page.unreadable
            loaded.records += len(page.records)
            open_ones = self._open(page.records, loaded)
            waiting += open_ones
            self.told(loaded, module)
            while len(waiting) >= self.batch:
                yield waiting[: self.batch]
                waiting = waiting[self.batch :]
        if waiting:
            yield waiting

    def _open(self, records: Sequence[Record], loaded: Loaded) -> list[Record]:
        wanted: dict[str, str] = {
            item.record_id: item.state
            for item in self.completeness.items(self.connection, records)
            if item.destination == self.name and not item.there
        }
        loaded.undecided += sum(state == "undecided" for state in wanted.values())
        found = [each for each in records if wanted.get(each.id) in ("missing", "waiting")]
        loaded.skipped += len(records) - len(found)
        return found

    def _load(self, records: Sequence[Record], there: dict[str, Placed], loaded: Loaded) -> None:
        """One batch. What cannot be claimed, and why, does not keep the others from being loaded."""
        claims: list[_Claim] = []
        until = self.clock() + PART
        try:
            results = self._each(lambda record: self._claim(record, claims), records)
            loaded.skipped += sum(each is None for each in results)
            self._fill(claims, there, loaded, until)
            self._leave([each for each in results if isinstance(each, _Left)], loaded)
        except ConnectorError:
            raise
        except BaseException:
            # Somebody has broken it off, or it is a fault of ours: what is claimed must not be forgotten.
            self._leave([_Left(each.event, "the load was broken off") for each in claims], loaded)
            raise
        if fault := next((each for each in results if isinstance(each, ConnectorError)), None):
            raise fault

    def _fill(self, claims: Sequence[_Claim], there: dict[str, Placed], loaded: Loaded, until: datetime) -> None:
        """Lot by lot. The rows of those that are not reached are as good as new, for the next run or whoever comes."""
        lots: dict[str, list[_Claim]] = {}
        for each in claims:
            lots.setdefault(self.filling.lot(each.request), []).append(each)
        try:
            for lot in list(lots):
                if self.clock() > until:
                    raise RetryLater("monday takes long over it", 60)
                self._fill_lot(lots.pop(lot), there, loaded)
        except ConnectorError:
            self._each(self._release, [each for lot in lots.values() for each in lot])
            raise

    def _fill_lot(self, claims: Sequence[_Claim], there: dict[str, Placed], loaded: Loaded) -> None:
        try:
            placed = self.filling.fill([each.request for each in claims], there)
        except Unknown as error:
            # It may go on: their deliveries wait for the claims to end, and look then.
            self._leave([_Left(each.event, error.reason) for each in claims], loaded)
            raise
        except ConnectorError:
            # Nothing was made.
            self._each(self._release, claims)
            raise
        named = [(each, placed.get(self.filling.name(each.request))) for each in claims]
        self._lose([each for each, item in named if not item], "it was not to be seen on the board", loaded)
        found = [(each, item) for each, item in named if item]
        ended = self._each(lambda each: self._close(*each), found)
        done = [claim for (claim, _), ended_here in zip(found, ended, strict=True) if ended_here]
        adopted = sum(self.filling.name(each.request) in there for each in done)
        loaded.adopted += adopted
        loaded.created += len(done) - adopted
        there |= placed
        for claim in done:
            statuses.learn(self.connection, claim.event, claim.record, self.known)
        if self.lines and done:
            # Of a version that says when, but not what: else it would count as the one that is there.
            events = (replace(each.event, version=Version(each.event.version.at, ""), payload=None) for each in done)
            self.queue.send([Delivery(each, self.name) for each in events])

    def _claim(self, record: Record, claims: list[_Claim]) -> _Claim | _Left | RetryLater | NeedsAttention | None:
        """The record's row with its planned create, added to `claims`; None if it is somebody else's, or not for there.

        A row that a crashed worker has left behind is left to a delivery, too.
        """
        event = self._event(record)
        try:
            if self.whole:
                record = read(record.module, self.books.fetch(self.connection, record.module, record.id))
                event = self._event(record)
            memory = self.deliveries.read(event.record_key, self.name)
            if _left_behind(memory, exact_stamp(self.clock())):
                return _Left(event, "a worker has left it behind")
            if not _empty(memory):
                return None
            planned = self.destination.plan(event, record, memory)
        except NothingThere:
            return None
        except (RetryLater, NeedsAttention) as error:
            return error  # no matter of this record alone
        except (ConnectorError, BadRecord) as error:
            # What is wrong with it, its own delivery tells, in its row and in the trail.
            return _Left(event, str(error))
        # No key: it is not repeated, only looked for.
        request = replace(planned, idempotency_key="", more=False, shows=planned.shows or shown_of(record))
        now = self.clock()
        claim = move(
            memory,
            "claim",
            pending=event.version,
            request=request,
            attempts=memory.attempts + 1,
            first_attempt_at=exact_stamp(now),
            lease_until=exact_stamp(now + LEASE),
            owner=self.owner,
        )
        try:
            mine = _Claim(record, event, request, self.deliveries.write(event.record_key, self.name, claim))
        except Conflict:
            return None
        claims.append(mine)
        return mine

    def _close(self, claim: _Claim, item: Placed) -> bool:
        """True if the row is done; False if its lease had ended and somebody else has it."""
        changes = {
            "version": claim.event.version,
            "pending": None,
            "request": None,
            "attempts": 0,
            "first_attempt_at": "",
            "external_id": item.id,
            "link": item.link,
            "target": claim.request.target,
            **claim.request.shows,
        }
        return self._end(claim, "succeed", "delivered", "loaded in bulk", changes)

    def _lose(self, claims: Sequence[_Claim], reason: str, loaded: Loaded) -> None:
        """Leaves them to ordinary deliveries, which look twice for the item before they make one."""
        # Queued first: a row without a message would be forgotten, a message too many finds its row done.
        self._leave([_Left(each.event, reason) for each in claims], loaded)
        self._each(lambda claim: self._end(claim, "lose", "unknown", reason, {}), claims)

    def _leave(self, every: Sequence[_Left], loaded: Loaded) -> None:
        if every:
            self.queue.send([Delivery(replace(each.event, payload=None), self.name) for each in every])
        for each in every:
            loaded.left += 1
            loaded.reasons[each.reason] = loaded.reasons.get(each.reason, 0) + 1

    def _release(self, claim: _Claim) -> None:
        free = {"request": None, "pending": None, "attempts": claim.memory.attempts - 1, "first_attempt_at": ""}
        after = move(claim.memory, "wait", **{"lease_until": "", "owner": "", **free})
        with suppress(Conflict):  # its lease had ended, and somebody has settled it
            self.deliveries.write(claim.event.record_key, self.name, after)

    def _end(self, claim: _Claim, name: str, outcome: str, reason: str, changes: Mapping[str, object]) -> bool:
        """Closes the row with its entry; False if the lease had ended and somebody else has the row."""
        after = move(claim.memory, name, **{"lease_until": "", "owner": "", **changes})
        entry = audit.closed(self._entry(claim, outcome, reason, after), claim.memory.chain)
        try:
            self.deliveries.write(claim.event.record_key, self.name, replace(after, chain=entry.hash), entry)
        except Conflict:
            return False
        return True

    def _entry(self, claim: _Claim, outcome: str, reason: str, after: Memory) -> AuditEntry:
        return replace(
            audit.entry_of(Delivery(claim.event, self.name), after, exact_stamp(self.clock()), outcome),
            number=claim.record.number,
            attempt=claim.memory.attempts,
            operation=claim.request.operation,
            reason=reason,
        )

    def _event(self, record: Record) -> Event:
        return Event(
            self.connection.name,
            record.module,
            record.id,
            "created",
            record.version,
            ORIGIN,
            exact_stamp(self.clock()),
            self.correlation_id,
            record.raw,
        )

    def _each(self, work: Callable[[T], R], every: Sequence[T]) -> list[R]:
        """Side by side: each is a call of some milliseconds to the delivery table."""
        if self.workers == 1:
            return [work(each) for each in every]
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(work, every))


def _empty(memory: Memory) -> bool:
    """True if nothing was ever made of the record there, and nobody is about it."""
    nothing: tuple[Any, ...] = (memory.version, memory.pending, memory.doubt, memory.request)
    return memory.state in ("new", "waiting") and not any(nothing) and not memory.external_id


def _left_behind(memory: Memory, now: str) -> bool:
    """True if a worker has crashed over it: a claim whose lease has ended, or what was never found out."""
    return memory.state == "unknown" or (memory.state == "sending" and memory.lease_until < now)
