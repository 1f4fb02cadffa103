"""What the webhooks missed: reads each module's list since the last run and enqueues what no delivery has seen (6.3).

A run first looks at what is new in every list, one page each, then works off what earlier runs left, newest first; it
may end at any row, for lack of time or of calls, and the next one goes on there (gaps.py). Each list of a module is a
track with a cursor of its own:

    invoice            what has changed since the last run
    expense            the same, where Zoho sorts by creation only: what is new, and what has changed on the first page
    expense~changed    for those once a day: changes of what was made within WINDOW before
    invoice~overdue    once a day, if a route asks: what Zoho has changed by the calendar
    invoice~backfill   from a date on, when somebody has asked for it
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from ml_connector import statuses
from ml_connector.connections import Connection
from ml_connector.errors import (
    ConnectorError,
    Missing,
    NeedsAttention,
    NotAllowed,
    RetryLater,
    Throttled,
    Undeliverable,
)
from ml_connector.events import DELETED, Delivery, Event, Version
from ml_connector.gaps import Gap, Page, Reading, Walk
from ml_connector.modules import MODULES
from ml_connector.ports import Books, Clock, Deliveries, Known, Memory, Queue
from ml_connector.records import BadRecord, Record, deleted, read, same_status
from ml_connector.routing import destinations_for, unsaid_by
from ml_connector.times import stamp

OVERLAP = timedelta(minutes=10)
"""How far behind its cursor a run looks again: Zoho's lists may lag."""
SETTLING = timedelta(minutes=2)
"""Changes younger than this are left to their webhook."""
WINDOW = timedelta(days=30)
"""Where Zoho does not sort by modification, records made within this time before a gap are looked through."""
DAY = timedelta(days=1)
CALENDAR = ("overdue", "expired")
"""Statuses that Zoho sets at midnight, without a webhook and without touching the modification time."""
BACKFILL = "backfill"
_TOO_MANY = 429
_ALL = Gap("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


class Lists(Books, Protocol):
    """Zoho Books of one connection, with its lists."""

    def page(self, connection: Connection, module: str, number: int, status: str = "") -> Page: ...


class Cursors(Protocol):
    """How far each track of a connection has been read."""

    def all(self, connection: str) -> Mapping[str, Reading]: ...

    def set(self, connection: str, track: str, reading: Reading) -> None: ...


@dataclass(frozen=True, slots=True)
class Track:
    """One list that is read for a module."""

    module: str
    kind: str = ""
    reach: timedelta = WINDOW
    daily: bool = False

    @property
    def key(self) -> str:
        return f"{self.module}~{self.kind}" if self.kind else self.module

    @property
    def status(self) -> str:
        return self.kind if self.kind in CALENDAR else ""


def changes(module: str) -> tuple[Track, ...]:
    """The lists that show what happens to a module's records: they begin where it comes into force."""
    if MODULES[module].sort == "last_modified_time":
        return (Track(module),)
    return (Track(module, reach=timedelta()), Track(module, "changed", daily=True))


def tracks(connection: Connection) -> list[Track]:
    every: list[Track] = []
    for module in connection.modules:
        every += changes(module)
        every += [Track(module, each, daily=True) for each in CALENDAR if statuses.names(connection, module, each)]
        every.append(Track(module, BACKFILL))
    return every


@dataclass(slots=True)
class Found:
    """What a run saw. `failed` names modules that could not be read, with the reason; what they lack stays open.

    Those in `forbidden` could not for want of a scope or a role, until a person connects again.
    `open` counts the gaps that are left of the others; `stopped` says why the run ended before them, and `after` for
    how many seconds nobody need try again.
    """

    rows: int = 0
    missing: int = 0
    enqueued: int = 0
    ordinary: int = 0
    """Of those missing: what no webhook tells of (the calendar), or somebody asked for (a backfill)."""
    unusable: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    forbidden: list[str] = field(default_factory=list)
    open: int = 0
    stopped: str = ""
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """A record of which at least one destination lacks something, as far as Zoho's list can tell."""

    module: str
    record_id: str
    number: str
    modified_at: str
    events: Mapping[str, str]
    """Names of the events by destination."""


def _raise(error: RetryLater) -> None:
    raise error


@dataclass(slots=True)
class _Run:
    """One run of one connection. `goes_on` and `deep` say whether there is time, and calls for more than a look."""

    connection: Connection
    correlation_id: str
    goes_on: Callable[[], bool]
    deep: Callable[[], bool]
    before: Mapping[str, Reading]
    readings: dict[str, Reading]
    found: Found = field(default_factory=Found)
    told: set[tuple[str, str, str]] = field(default_factory=set)
    """Module, id and time of what was looked up: a record may stand in two lists."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    books: Lists
    cursors: Cursors
    deliveries: Deliveries
    queue: Queue
    clock: Clock
    known: Known

    def run(
        self,
        connection: Connection,
        correlation_id: str,
        goes_on: Callable[[], bool],
        *,
        deep: Callable[[], bool] = lambda: True,
        stale: str = "",
        day_ends: str = "",
        found: Found | None = None,
    ) -> Found:
        """One pass over the connection's lists, as far as `goes_on` lets it.

        Only lists that were last read before `stale` are looked at for what is new (UTC; all if left out); what was
        left open is gone on with while `deep` agrees. `day_ends` is the organization's midnight. With `found`, what is
        seen is added to it, for who wants to watch.
        """
        before = self.cursors.all(connection.name)
        run = _Run(connection, correlation_id, goes_on, deep, before, dict(before), found or Found())
        run.found.stopped, run.found.after = "", 0.0
        every = tracks(connection)
        try:
            for track in sorted(every, key=lambda each: before[each.key].until if each.key in before else ""):
                if self._opened(run, track, stale, day_ends) and goes_on():
                    self._walk(run, track, run.readings[track.key].gaps[0], pages=1)
            for track in every:
                self._close(run, track)
        except Throttled as error:
            run.found.stopped, run.found.after = error.reason, error.after or 0.0
        except NeedsAttention as error:
            run.found.stopped = error.reason
        run.found.open = sum(
            len(run.readings[each.key].gaps)
            for each in every
            if each.key in run.readings and each.module not in run.found.failed
        )
        return run.found

    def look_at(self, connection: Connection, module: str, record_id: str, correlation_id: str) -> Found:
        """One record that may have been missed, whatever the lists say. Raises ConnectorError."""
        run = _Run(connection, correlation_id, lambda: True, lambda: True, {}, {})
        try:
            self._by_id(run, module, record_id, connection.applied_at)
        except Missing:
            self._deleted(run, module, record_id)
        except (BadRecord, Undeliverable) as error:
            if isinstance(error, NeedsAttention):
                raise
            run.found.unusable += 1
        return run.found

    # --- backfill ------------------------------------------------------------------------------------------------

    def backfill(self, connection: Connection, since: str, until: str) -> None:
        """Has all changes of that time (UTC) looked through by the runs that follow.

        What was asked for before stays asked for.
        """
        before = self.cursors.all(connection.name)
        for module in connection.modules:
            track = Track(module, BACKFILL).key
            self.cursors.set(connection.name, track, before.get(track, Reading(until)).also(Gap(since, until)))

    def lost(
        self,
        connection: Connection,
        since: str,
        until: str,
        *,
        young: str = "",
        looked: Callable[[str], None] = lambda module: None,
        wait: Callable[[RetryLater], None] = _raise,
    ) -> Iterator[Lost]:
        """What is missing of a time, by Zoho's lists alone: nothing is enqueued. `looked` hears of each page read.

        What was made at or after `young` (left out: since the connection) would be told as new. `wait` returns when a
        call that was refused for now may be made again, or raises.
        """
        young = young or connection.applied_at
        for module in connection.modules:
            track = Track(module, BACKFILL)
            walk = self._walker(connection, track, Gap(since, until))
            while walk.left:
                try:
                    for row in walk.page():
                        if lost := self._lost(connection, module, row, young):
                            yield lost
                except RetryLater as error:
                    wait(error)
                looked(module)

    def _lost(self, connection: Connection, module: str, row: Mapping[str, Any], young: str) -> Lost | None:
        try:
            record = read(module, row)
        except BadRecord as error:
            return Lost(module, str(row.get(MODULES[module].id_field, "")), "", "", {"?": str(error)})
        memories = self.deliveries.of_record(f"{connection.name}#{module}#{record.id}")
        missing = self._missing(connection, record, memories, young, "", unsaid_by(record))
        names = {each.destination: each.event.names[-1] for each in missing}
        return Lost(module, record.id, record.number, record.modified_at, names) if names else None

    # --- lists ---------------------------------------------------------------------------------------------------

    def _opened(self, run: _Run, track: Track, stale: str, day_ends: str) -> bool:
        """True if there is a new gap to look at in the track."""
        now, reading = self.clock(), run.readings.get(track.key)
        if track.kind == BACKFILL:
            return False
        if track.status:
            if reading and reading.until > stamp(now):
                return False
            opened = Reading(max(day_ends, stamp(now + timedelta(hours=1))), (_ALL,))
        else:
            begun = run.before.get(track.module, Reading(run.connection.applied_at))
            reading = reading or Reading(begun.until)
            if reading.until > stamp(now - DAY) if track.daily else stale and reading.until >= stale:
                return False
            opened = reading.opened(stamp(now - SETTLING), OVERLAP)
        if opened == reading:
            return False
        run.readings[track.key] = opened
        return True

    def _close(self, run: _Run, track: Track) -> None:
        """Works off what is open of a track, if there is time and nothing stands in the way."""
        for gap in run.readings[track.key].gaps if track.key in run.readings else ():
            if track.module not in run.found.failed and run.goes_on() and run.deep():
                self._walk(run, track, gap)

    def _walk(self, run: _Run, track: Track, gap: Gap, pages: int = 0) -> None:
        """Goes through a gap, with `pages` at most so many, and remembers after each how far it came.

        Raises Throttled and NeedsAttention, which no other list will fare better with.
        """
        walk, place = self._walker(run.connection, track, gap), gap

        def remember(place: Gap | None) -> None:
            if track.kind == BACKFILL:
                # Somebody may have asked for another one meanwhile.
                stored = self.cursors.all(run.connection.name)
                run.readings[track.key] = stored.get(track.key, run.readings[track.key])
            run.readings[track.key] = run.readings[track.key].with_(place, walk.left)
            self.cursors.set(run.connection.name, track.key, run.readings[track.key])

        read_pages = 0
        goes_on = run.goes_on if pages else lambda: run.goes_on() and run.deep()
        try:
            while walk.left and goes_on() and (not pages or read_pages < pages):
                if not self._page(run, track, walk, goes_on):
                    break
                read_pages += 1
                if walk.left:
                    remember(place)
                    place = walk.left
        except (Throttled, NeedsAttention) as error:
            if not isinstance(error, Throttled):
                run.found.failed[track.module] = error.reason
            if not isinstance(error, NotAllowed):
                raise
            run.found.forbidden.append(track.module)
        except (ConnectorError, BadRecord) as error:
            run.found.failed[track.module] = str(error)
        finally:
            remember(place)

    def _walker(self, connection: Connection, track: Track, gap: Gap) -> Walk:
        return Walk(
            gap,
            partial(self.books.page, connection, track.module, status=track.status),
            MODULES[track.module].id_field,
            MODULES[track.module].sort == "last_modified_time",
            track.reach,
        )

    def _page(self, run: _Run, track: Track, walk: Walk, goes_on: Callable[[], bool]) -> bool:
        """Deals with the rows of the next page; False if it had to stop before the last of them."""
        rows = others = 0
        for row in walk.page():
            if not goes_on():
                return False
            run.found.rows += 1
            rows += 1
            before = run.found.missing
            try:
                if track.status:
                    others += not self._calendar(run, track, row)
                else:
                    self._row(run, track, walk.gap, row)
            except NeedsAttention:
                raise
            except (BadRecord, Undeliverable):
                run.found.unusable += 1  # one record's fault must not hold up the others
            finally:
                if track.status or track.kind == BACKFILL:
                    run.found.ordinary += run.found.missing - before
        if others and others == rows:
            walk.left = None  # a whole page of others: Zoho does not filter by this, and says nothing (6.1)
        return True

    # --- records -------------------------------------------------------------------------------------------------

    def _row(self, run: _Run, track: Track, gap: Gap, row: Mapping[str, Any]) -> None:
        """New is what is younger than the connection, and to a backfill what was made in its time."""
        young = gap.since if track.kind == BACKFILL else run.connection.applied_at
        try:
            record = read(track.module, row)
        except BadRecord:
            # The record itself may say readably what its row does not.
            self._by_id(run, track.module, _text(row, MODULES[track.module].id_field), young)
            return
        memories = self._memories(run, record)
        status = self._status(run, record)
        version = (track.module, record.id, record.modified_at)
        if version in run.told:
            return
        if missing := self._missing(
            run.connection, record, memories, young, status, unsaid_by(record), run.correlation_id
        ):
            try:
                self._record(run, track.module, record.id, young)
            except RetryLater as error:
                self._send_thin(run, missing, error)
            run.told.add(version)

    def _by_id(self, run: _Run, module: str, record_id: str, young: str) -> None:
        """The same for a record of which no more is known than its id. Raises BadRecord if it is none."""
        record = read(module, {MODULES[module].id_field: record_id})
        version = (module, record.id, "")
        if version in run.told:
            return
        try:
            self._record(run, module, record.id, young)
        except RetryLater as error:
            self._send_thin(run, self._perhaps_missing(run, record), error)
        run.told.add(version)

    def _record(self, run: _Run, module: str, record_id: str, young: str) -> None:
        """Enqueues what the destinations lack of the record as it is in Zoho now."""
        record = read(module, self.books.fetch(run.connection, module, record_id))
        memories = self._memories(run, record)
        status = self._status(run, record)
        self._send(run, self._missing(run.connection, record, memories, young, status, (), run.correlation_id))
        statuses.learn(run.connection, self._event(run.connection, record, "updated", status), record, self.known)

    def _missing(
        self,
        connection: Connection,
        record: Record,
        memories: Mapping[str, Memory],
        young: str,
        status: str,
        unsaid: Container[str],
        correlation_id: str = "",
    ) -> list[Delivery]:
        """Deliveries to the destinations that should have this version and know nothing of it.

        Records made at or after `young` are told as created. Of a row of a list, conditions in `unsaid` count as met.
        """
        made_since = record.created_at >= young
        happened = ["created"] if made_since else []
        if not made_since or record.modified_at > record.created_at:
            happened.append("updated")
        missing: dict[str, Delivery] = {}
        for action in happened:
            # With both, it is the change that brought the status.
            event = self._event(connection, record, action, status if action == happened[-1] else "", correlation_id)
            for name in destinations_for(connection, event, record, unsaid):
                memory = memories.get(name)
                # Who has a row has had its beginning: only a change can be missing there.
                if memory is None or (action == "updated" and not _knows(memory, record.modified_at)):
                    missing.setdefault(name, Delivery(event, name))
        return list(missing.values())

    def _perhaps_missing(self, run: _Run, record: Record) -> list[Delivery]:
        """Deliveries of the newest version, whatever that is, to all that may have to have it."""
        memories = self._memories(run, record)
        missing: dict[str, Delivery] = {}
        for action in ("created", "updated"):
            event = self._event(run.connection, record, action, correlation_id=run.correlation_id)
            # Of now, so that it is older than nothing that was known before.
            event = replace(event, version=Version(event.received_at, ""))
            for name in destinations_for(run.connection, event, record, unsaid_by(record)):
                if action == "updated" or name not in memories:
                    missing.setdefault(name, Delivery(event, name))
        return list(missing.values())

    def _calendar(self, run: _Run, track: Track, row: Mapping[str, Any]) -> bool:
        """A record that the calendar has brought into the track's status; False if Zoho says that it is in another.

        Its modification time is that of the version before: who has that one lacks this one all the same.
        """
        listed = read(track.module, row)
        if same_status(listed.status) != track.status:
            return False
        seen = self.known.seen(f"{run.connection.name}#{track.module}#{listed.id}")
        if seen and same_status(seen[1]) == track.status:
            return True
        if not seen and listed.due and str(listed.due) < run.connection.applied_at[:10]:
            return True  # it was so before anybody asked
        try:
            record = read(track.module, self.books.fetch(run.connection, track.module, listed.id))
        except RetryLater as error:
            self._send_thin(run, self._brought(run, track, listed, unsaid_by(listed)), error)
            return True
        if same_status(record.status) == track.status:
            self._send(run, self._brought(run, track, record, ()))
            statuses.learn(
                run.connection, self._event(run.connection, record, "updated", track.status), record, self.known
            )
        return True

    def _brought(self, run: _Run, track: Track, record: Record, unsaid: Container[str]) -> list[Delivery]:
        """Deliveries of the track's status to those that do not have this version with it."""
        event = self._event(run.connection, record, "updated", track.status, run.correlation_id)
        memories = self._memories(run, record)
        names = destinations_for(run.connection, event, record, unsaid)
        return [Delivery(event, name) for name in names if not _holds(memories.get(name), event.version)]

    def _deleted(self, run: _Run, module: str, record_id: str) -> None:
        """Tells those who have it that the record is no more; its webhook had failed."""
        record = deleted(module, {MODULES[module].id_field: record_id})
        memories = self._memories(run, record)
        event = replace(
            self._event(run.connection, record, DELETED, "", run.correlation_id),
            version=Version.deletion(stamp(self.clock())),
        )
        names = destinations_for(run.connection, event, record, unsaid_by(record))
        self._send(run, [Delivery(event, name) for name in names if _lives(memories.get(name))])

    def _send(self, run: _Run, missing: list[Delivery]) -> None:
        if missing:
            self.queue.send(missing)
            run.found.missing += 1
            run.found.enqueued += len(missing)

    def _send_thin(self, run: _Run, missing: list[Delivery], error: RetryLater) -> None:
        """Leaves a record that Zoho cannot give now to its deliveries, which ask for days: no other waits for it.

        Raises the error if it is not one record's.
        """
        if isinstance(error, Throttled) or error.status == _TOO_MANY:
            raise error
        self._send(run, [replace(each.thin(), perhaps=True) for each in missing])

    def _memories(self, run: _Run, record: Record) -> Mapping[str, Memory]:
        return self.deliveries.of_record(f"{run.connection.name}#{record.module}#{record.id}")

    def _status(self, run: _Run, record: Record) -> str:
        """The status that the record came into, as far as it is known, if a route asks for one."""
        return statuses.derive(
            run.connection, self._event(run.connection, record, "updated"), record, self.known
        ).status

    def _event(
        self, connection: Connection, record: Record, action: str, status: str = "", correlation_id: str = ""
    ) -> Event:
        return Event(
            connection=connection.name,
            module=record.module,
            record_id=record.id,
            action=action,
            version=record.version,
            origin="reconcile",
            received_at=stamp(self.clock()),
            correlation_id=correlation_id,
            payload=record.raw,
            status=status,
        )


def _text(row: Mapping[str, Any], name: str) -> str:
    return str(row.get(name) or "")


def _knows(memory: Memory, modified: str) -> bool:
    """True if this version was applied, or is being tried, or is parked for a person."""
    return any(version is not None and version.at >= modified for version in _versions(memory))


def _holds(memory: Memory | None, version: Version) -> bool:
    """True if exactly this version is there, or on its way, or a later one."""
    return memory is not None and any(
        held is not None and (held == version or version.older_than(held)) for held in _versions(memory)
    )


def _lives(memory: Memory | None) -> bool:
    """True if something of the record is there that nobody has marked as deleted."""
    return memory is not None and not any(version is not None and version.deletes for version in _versions(memory))


def _versions(memory: Memory) -> tuple[Version | None, ...]:
    return (memory.version, memory.pending, memory.doubt)
